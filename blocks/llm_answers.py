"""Answers as they are kept between runs, and the keys that they are kept under.

A key is the digest of the service, the model and all of the prompt that decides its answer. What
was cut off or went wrong is not kept.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

import numpy as np
from pydantic import JsonValue

from blocks.llm_calls import Answer, ModelConnection, Prompt
from blocks.prediction_key import canonical_json


class Answers(Protocol):
    """Where answers are kept."""

    def get(self, keys: Sequence[str], ttl_s: float | None = None) -> Mapping[str, JsonValue]:
        """What is known of `keys` and not older than `ttl_s` seconds (None: of any age)."""

    def put(self, answers: Mapping[str, JsonValue]) -> None:
        """Keep answers."""


def identity(connection: ModelConnection) -> dict[str, JsonValue]:
    """What of a connection decides its answers; no address of a login, no key, no price."""
    return {
        "provider": connection.provider,
        "service": urlsplit(connection.base_url).netloc.rpartition("@")[2],
        "model": connection.model,
        "embedding_model": connection.embedding_model,
        "structured": connection.structured,
    }


def answer_key(connection: ModelConnection, prompt: Prompt) -> str:
    """Key of a prompt's answer by a connection's model."""
    return _digest(
        {"answer": prompt.identity(), "of": {**identity(connection), "embedding_model": ""}}
    )


def vector_key(connection: ModelConnection, text: str) -> str:
    """Key of a text's vector by a connection's model."""
    asked = {**identity(connection), "model": "", "structured": ""}
    return _digest({"vector": text, "of": asked})


def _digest(content: JsonValue) -> str:
    text = canonical_json(content).encode("utf-8", "surrogatepass")
    return f"llm-{hashlib.sha256(text).hexdigest()}"


def kept(answer: Answer) -> JsonValue:
    """A whole answer as it is kept."""
    return {
        "text": answer.text,
        "model": answer.model,
        "value": answer.value,
        "repaired": answer.repaired,
    }


def known_answer(record: JsonValue) -> Answer | None:
    """An answer that was kept; None where the record is none."""
    match record:
        case {"text": str(text), "model": str(model), "value": value, "repaired": bool(repaired)}:
            return Answer(text, model, value=value, repaired=repaired, cached=True)
    return None


def kept_vector(vector: "np.typing.NDArray[np.float32]") -> JsonValue:
    """A vector as it is kept: little-endian float32, as text."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def known_vector(record: JsonValue) -> "np.typing.NDArray[np.float32] | None":
    """A vector that was kept; None where the record is none."""
    if not isinstance(record, str):
        return None
    try:
        return np.frombuffer(base64.b64decode(record, validate=True), "<f4").astype(np.float32)
    except ValueError:
        return None
