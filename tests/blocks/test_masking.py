import logging
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from blocks.errors import InputError, InputProblems, Problem, SeqloomError, ServiceError
from blocks.masking import MaskingFilter, mask, mask_error, one_line


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


class OfItsOwnError(Exception):
    def __str__(self) -> str:
        return "token=hunter2"


def test_an_error_and_its_causes_are_masked_and_keep_their_types() -> None:
    error = ServiceError("hub", "password=hunter2")
    error.__cause__ = InputProblems([Problem("row 1", "api_key=hunter2", "none")])

    assert mask_error(error) is error
    assert str(error) == "hub: password=***"
    assert str(error.__cause__) == "row 1: api_key=***; expected none"


def test_an_error_without_secrets_is_left_alone() -> None:
    error = ValueError("7 is odd", 7)

    assert mask_error(error) is error
    assert error.args == ("7 is odd", 7)


def test_an_error_that_keeps_its_text_elsewhere_is_replaced() -> None:
    masked = mask_error(OfItsOwnError())

    assert type(masked) is SeqloomError
    assert str(masked) == "OfItsOwnError: token=***"


def test_the_filter_masks_messages_arguments_and_tracebacks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logger = logging.getLogger("masked here")
    masking = MaskingFilter()
    logger.addFilter(masking)
    try:
        raise ValueError("secret=hunter2")  # noqa: TRY301
    except ValueError:
        logger.exception("asked with %s", {"password": "hunter2"})
    logger.removeFilter(masking)

    assert "asked with {'password': '***" in caplog.text
    assert "ValueError: secret=***" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    ("error", "cause", "shown"),
    [
        (SeqloomError("p1, hhsearch: killed"), None, False),
        (SeqloomError("p1, hhsearch: killed"), ZeroDivisionError("why"), True),
        (InputError("no file"), KeyError("why"), False),
        (ValueError("surprise"), None, True),
    ],
)
def test_a_traceback_is_shown_where_the_message_does_not_tell_all(error, cause, shown) -> None:
    error.__cause__ = cause
    record = logging.LogRecord(
        "masked", logging.ERROR, "", 0, "it failed", None, (type(error), error, None)
    )

    assert MaskingFilter().filter(record)
    assert (record.exc_text is not None) == shown


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


@pytest.mark.parametrize(
    "text",
    [
        "jane.doe+lab@mail.example.org", "Jörg@büro.example", "jane%40example.org",
        "4111 1111 1111 1111", "4111-1111-1111-1111", "5555555555554444", "378282246310005",
        "3782 822463 10005", "2223003122003222", "6011111111111117",
        "+49 30 1234567", "+1 (555) 123-4567", "+15551234567", "(555) 123-4567", "555-123-4567",
        "555.123.4567",
        "123-45-6789",
        "seqloom_0123456789ab_" + "aB3-_" * 8 + "xyz",
    ],
)  # fmt: skip
@pytest.mark.parametrize("around", ["{}", "asked by {}, twice", "a <{}>", '{{"to":"{}"}}', "x={};"])
def test_what_is_personal_by_its_form_is_masked_in_any_text(text: str, around: str) -> None:
    assert mask(around.format(text)) == around.format("***")
    assert mask([{"note": around.format(text)}]) == [{"note": around.format("***")}]
    assert one_line(ValueError(around.format(text))) == around.format("***")


@pytest.mark.parametrize(
    "text",
    [
        "160-320,350-400", "160-320 350-400 1411-1500", "2026-11-25 07:38:11.123456 UTC",
        "4111 1111 1111 1112", "4111111111111112", "0.4111111111111111", "+0.4111111111111111",
        "4111111111111111.5", "1.5e+10", "7732-18-5", "10.1038/s41586-020-2649-2", "P12345.2",
        "XP_4111111111111111.1", "0f4111111111111111", "run-4111111111111111", "ENSG00000139618",
        "000-12-3456", "900-12-3456", "123-00-6789", "user@host", "numpy@2.1.0", "@SRR001 8:12/1",
        "+1234567 bp", "192.168.100.200", "12345678901234567890", "MKV-LAA@@@IIII", "1e999",
        "978-3-16-148410-0",
    ],
)  # fmt: skip
def test_what_sciences_write_stays(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize(
    ("data", "masked"),
    [
        ({"phone": "0176 123", "phoneme": "0176 123"}, {"phone": "***", "phoneme": "0176 123"}),
        ({"contact_email": ["me"], "e-mail": None}, {"contact_email": ["***"], "e-mail": None}),
        ({"email": {"state": "done"}, "ssn": 12}, {"email": {"state": "done"}, "ssn": 12}),
        ({"ssn": 123456789, "card_number": "1"}, {"ssn": "***", "card_number": "***"}),
        ({"card": "CARD 3.2", "email_count": 7e6}, {"card": "CARD 3.2", "email_count": 7e6}),
        ({"seed": 4111111111111111, "n": 4111111111111112}, {"seed": "***", "n": 4111111111111112}),
        ({"a@x.org": 1, "b@x.org": 2, "***": 3}, {"***": 1, "*** 2": 2, "*** 3": 3}),
    ],
)  # fmt: skip
def test_personal_data_go_by_name_and_nothing_is_lost(data: object, masked: object) -> None:
    assert mask(data) == masked


@pytest.mark.parametrize("unit", ["A-", "a.", "1 ", "+1 (5", "x@", "a@b.", "4111-", "%40", "(1) "])
def test_long_texts_of_any_letters_take_no_time(unit: str) -> None:
    began = psutil.Process().cpu_times().user

    mask(unit * 100_000)

    assert psutil.Process().cpu_times().user - began < 2


@given(
    st.recursive(
        st.text(alphabet="aA.@+-()% 0123456789:/=_", max_size=60) | st.integers() | st.floats(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    )
)
def test_masking_what_is_masked_changes_nothing(data: object) -> None:
    once = mask(data)

    assert mask(once) == once
