from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import psutil
import pytest
from pydantic import BaseModel, SecretStr

from blocks.masking import mask


class Level(Enum):
    HIGH = "high"


@dataclass
class Login:
    user: str
    password: str


class Params(BaseModel):
    key: SecretStr
    path: Path


@pytest.mark.parametrize(
    ("data", "masked"),
    [
        ({"a": [{"API_KEY": "x"}]}, {"a": [{"API_KEY": "***"}]}),
        ({"Authorization": {"deep": "x"}}, {"Authorization": "***"}),
        ({"accessToken": "x", "secretId": 1}, {"accessToken": "***", "secretId": "***"}),
        ({"max_tokens": 512, "tokens_in": 3.5}, {"max_tokens": 512, "tokens_in": 3.5}),
        ({"max_tokens": "hunter2"}, {"max_tokens": "***"}),
        ({"token": None, "use_secret": True}, {"token": None, "use_secret": True}),
        ({"secretion": 0.5, "tokenizer": "esm"}, {"secretion": 0.5, "tokenizer": "esm"}),
        ("postgresql://me:p@ss@host/db?x=a@b", "postgresql://***@host/db?x=a@b"),
        ("see s3://me:hunter2@host/x and http://h/a@b", "see s3://***@host/x and http://h/a@b"),
        ("Authorization: Token hunter2 refused", "Authorization: *** refused"),
        ("https://h/x?access_token=hunter2&n=1", "https://h/x?access_token=***&n=1"),
        ("Bearer abcdefghijkl", "Bearer ***"),
        ([float("inf"), np.arange(2), np.float32(0.5)], [None, [0, 1], 0.5]),
        ({1: Path("x"), "t": (1, {2})}, {"1": "x", "t": [1, [2]]}),
        (Login("me", "hunter2"), {"user": "me", "password": "***"}),
        (Params(key=SecretStr("hunter2"), path=Path("x")), {"key": "***", "path": "x"}),
        (Level.HIGH, "high"),
        ("a\0b\ud800", "ab?"),
    ],
)  # fmt: skip
def test_what_is_written_is_plain_and_without_secrets(data: object, masked: object) -> None:
    assert mask(data) == masked


def test_masking_a_long_aligned_sequence_takes_no_time() -> None:
    began = psutil.Process().cpu_times().user

    mask("A-" * 200_000)

    assert psutil.Process().cpu_times().user - began < 1


def test_what_is_masked_is_a_copy() -> None:
    data = {"token": "x", "list": ["y"]}

    mask(data)["list"].append("z")

    assert data == {"token": "x", "list": ["y"]}


def test_digest_of_a_file_stays_under_its_path_and_nothing_else_does():
    digest = "0f" * 32
    uri = "https://bob:hunter2@host/token/x.csv?token=hunter3"

    assert mask({"/data/token/x.csv": digest}) == {"/data/token/x.csv": digest}
    assert mask({"vault/token": "hunter2"}) == {"vault/token": "***"}
    assert "hunter" not in str(mask({uri: digest}))
