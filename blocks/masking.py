"""What may be written down and shown: plain JSON without secrets, errors on one line."""

import dataclasses
import logging
import math
import re
import traceback
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any

import numpy as np
from pydantic import BaseModel, SecretBytes, SecretStr

from blocks.errors import SeqloomError

MASK = "***"
ERROR_LENGTH = 2_000

_SECRET_KEY = re.compile(
    r"(?<!mask_)(?<!mask-)(?<!pad_)(?<!eos_)(?<!bos_)(?<!cls_)(?<!unk_)token(?!i[sz])|passw(or)?d|passphrase|secret(?!e[ds]?\b|ed|ion|ing|or|ome)|api[_-]?key|authorization"
    r"|private[_-]?key|credential",
    re.IGNORECASE,
)
"""Not what proteins do: `secreted`, `secretion`; not what texts are put through, nor what
stands in them: `tokenizer`, `mask_token`."""

_COUNT_KEY = re.compile(r"tokens|token_(count|limit|budget)", re.IGNORECASE)
_URL_LOGIN = re.compile(r"(?<=://)[^\s/?#'\"]+(?=@)")
_SPOKEN_OF = re.compile("token|passw|secret|api|auth|signature|bearer", re.IGNORECASE)
_SPOKEN_SECRET = re.compile(
    r"(?P<name>\b[\w-]{0,40}(?:token|passw(?:or)?d|secret|api[_-]?key|authorization|signature))"
    r"(?P<sign>[\"']?\s*[=:]\s*[\"']?)(?:(?:bearer|token|basic)\s+)?[^\s\"',;&]+",
    re.IGNORECASE,
)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_BEARER = re.compile(r"\b(bearer)\s+[\w.~+/=-]{8,}", re.IGNORECASE)


def mask(data: object) -> Any:  # noqa: ANN401 -- JSON of any shape
    """A copy of `data` as plain JSON without secrets.

    Values under keys that name a secret become `***`, whatever they are; counts of tokens stay.
    What JSON does not know becomes text, NaN and infinities become None.
    """
    plain = _plain(data)
    if isinstance(plain, Mapping):
        return {str(_mask_leaf(key)): _mask_field(str(key), value) for key, value in plain.items()}
    if isinstance(plain, list | tuple):
        return [mask(value) for value in plain]
    if isinstance(plain, set | frozenset):
        return sorted((mask(value) for value in plain), key=str)
    return _mask_leaf(plain)


def one_line(error: str | BaseException) -> str:
    """The message of an error on one line, masked, at most 2,000 characters."""
    said = str(error) if isinstance(error, str) else str(error) or type(error).__name__
    return str(mask(" ".join(said.split())))[:ERROR_LENGTH]


def mask_error(error: BaseException) -> BaseException:
    """The error with masked text in the place of its own and of those that caused it.

    Whoever raises it again shows no secret: not in a state, not in a traceback. An error that
    keeps its text in other ways is replaced by a `SeqloomError` that tells its type.
    """
    for one in _chain(error):
        if mask(str(one)) == str(one):
            continue
        one.args = tuple(_masked_value(value) for value in one.args)
        for name, value in list(getattr(one, "__dict__", {}).items()):
            setattr(one, name, _masked_value(value))
    if all(mask(str(one)) == str(one) for one in _chain(error)):
        return error
    replaced = SeqloomError(f"{type(error).__name__}: {one_line(error)}")
    return replaced.with_traceback(error.__traceback__)


def _chain(error: BaseException) -> list[BaseException]:
    """An error, and what it was raised from or while handling."""
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        following = following.__cause__ or following.__context__
    return chain


def _masked_value(value: object) -> object:
    """Text, and text in dataclasses and lists, masked; anything else as it is."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, list | tuple):
        return type(value)(_masked_value(one) for one in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
        return dataclasses.replace(value, **{n: _masked_value(v) for n, v in fields.items()})
    return value


class MaskingFilter(logging.Filter):
    """Masks messages and tracebacks before any handler sees them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record, masked."""
        record.msg, record.args = mask(record.getMessage()), ()
        if record.exc_info and record.exc_info[0] is not None:
            told = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
            record.exc_text = "\n".join(str(mask(line)) for line in told.split("\n"))
        return True


def _plain(data: object) -> object:
    """The mapping, list or value that stands for an object, one level deep."""
    if isinstance(data, BaseModel):
        return {name: getattr(data, name) for name in type(data).model_fields}
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        return {field.name: getattr(data, field.name) for field in dataclasses.fields(data)}
    if isinstance(data, Enum):
        return data.value
    return data.tolist() if isinstance(data, np.ndarray | np.generic) else data


def _mask_field(key: str, value: object) -> Any:  # noqa: ANN401 -- JSON of any shape
    if value is None or isinstance(value, bool) or not _SECRET_KEY.search(key):
        return mask(value)
    if isinstance(value, int | float) and _COUNT_KEY.search(key):
        return mask(value)
    # The digest of a file under its path or URI, which may well have such a word in it.
    if "/" in key and isinstance(value, str) and _DIGEST.fullmatch(value):
        return value
    return MASK


def _mask_leaf(value: object) -> str | float | None:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, SecretStr | SecretBytes):
        return MASK
    if isinstance(value, datetime):
        return value.isoformat()
    # PostgreSQL has no NUL in text, and no database half of a surrogate pair.
    text = str(value).replace("\0", "").encode("utf-8", "replace").decode()
    text = _URL_LOGIN.sub(MASK, text)
    if not _SPOKEN_OF.search(text):  # ten times as fast, and sequences are long
        return text
    return _BEARER.sub(rf"\1 {MASK}", _SPOKEN_SECRET.sub(rf"\g<name>\g<sign>{MASK}", text))
