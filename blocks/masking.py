"""What may be written down and shown: plain JSON without secrets and personal data.

Secrets go by the name they stand under, by being spoken of, or by their form (logins in URLs,
bearer tokens, keys of the gateway). Personal data go by their form: e-mail addresses, payment
cards whose check digit is right, telephone numbers with a `+` or in North American groups, US
social security numbers; and by the name of their field, in any form. Names and addresses of people
have no form: who has such data gives a reference to them instead.
"""

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

from blocks.errors import InputError, SeqloomError

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
_GATEWAY_KEY = re.compile(r"seqloom_[0-9a-f]{12}_[\w-]{43}")

_PERSONAL_KEY = re.compile(
    r"(^|[_-])(e[_-]?mail(s|[_-]address(es)?)?|(tele)?phones?|(tele)?phone[_-]?numbers?|ssn"
    r"|social[_-]security([_-]number)?|(credit[_-]?)?card[_-]?numbers?|credit[_-]?cards?"
    r"|date[_-]of[_-]birth)$",
    re.IGNORECASE,
)
"""At the end of a name: `contact_email`, `phone`; not `email_count`."""

_MANY_DIGITS = 10**6
"""Smaller numbers under such a name count something."""

# Each begins where no word, number or path goes on, and is bounded: time stays linear.
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+-]{1,64}(?:@|%40)(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}\b")
_NUMBERS = re.compile(r"[0-9][0-9 ().-]{7}")
_CARD = re.compile(
    r"(?<![\w.+-])(?:[0-9]{13,16}|[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}"
    r"|3[0-9]{3}([ -])[0-9]{6}\2[0-9]{4,5})(?![\w-]|\.[0-9])"
)
_CARD_MAKER = re.compile(
    r"4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)[0-9]{12,14}"
    r"|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|35[0-9]{14}|6(?:011|4[4-9]|5|2)[0-9]{12,14}"
)
_PHONE = re.compile(
    r"(?<![\w.+-])(?:\+[1-9](?:[ -]?\(?[0-9]\)?){7,14}|\([0-9]{3}\) ?[0-9]{3}-[0-9]{4}"
    r"|[0-9]{3}([-.])[0-9]{3}\1[0-9]{4})"
    r"(?![\w-]|\.[0-9])"
)
_SSN = re.compile(
    r"(?<![\w.+-])(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![\w-]|\.[0-9])"
)


def mask(data: object) -> Any:  # noqa: ANN401 -- JSON of any shape
    """A copy of `data` as plain JSON without secrets and personal data; also of a mere text.

    Values under keys that name a secret become `***`, whatever they are; counts of tokens stay.
    Texts and long numbers under keys that name personal data become `***`, and so does what has
    the form of either anywhere in a text. What JSON does not know becomes text, NaN and infinities
    become None.
    """
    plain = _plain(data)
    if isinstance(plain, Mapping):
        masked: dict[str, Any] = {}
        for key, value in plain.items():
            masked[_free_name(str(_mask_leaf(key)), masked)] = _mask_field(str(key), value)
        return masked
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
    """Masks messages and tracebacks before any handler sees them.

    What is raised on purpose is told in its message: a traceback would hide it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record, masked."""
        record.msg, record.args = mask(record.getMessage()), ()
        if record.exc_info and _is_told(record.exc_info[1]):
            record.exc_info = record.exc_text = None
        elif record.exc_info and record.exc_info[0] is not None:
            told = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
            record.exc_text = "\n".join(str(mask(line)) for line in told.split("\n"))
        return True


def _is_told(error: BaseException | None) -> bool:
    """Whether an error says all in its message: there is no other one behind it."""
    return isinstance(error, InputError) or (
        isinstance(error, SeqloomError) and error.__cause__ is None
    )


def _plain(data: object) -> object:
    """The mapping, list or value that stands for an object, one level deep."""
    if isinstance(data, BaseModel):
        return {name: getattr(data, name) for name in type(data).model_fields}
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        return {field.name: getattr(data, field.name) for field in dataclasses.fields(data)}
    if isinstance(data, Enum):
        return data.value
    return data.tolist() if isinstance(data, np.ndarray | np.generic) else data


def _free_name(name: str, taken: Mapping[str, object]) -> str:
    """Names that are equal once they are masked stay apart: `***`, `*** 2`."""
    number = 2
    free = name
    while MASK in name and free in taken:
        free = f"{name} {number}"
        number += 1
    return free


def _mask_field(key: str, value: object) -> Any:  # noqa: ANN401 -- JSON of any shape
    if _PERSONAL_KEY.search(key):
        return _mask_personal(value)
    if value is None or isinstance(value, bool) or not _SECRET_KEY.search(key):
        return mask(value)
    if isinstance(value, int | float) and _COUNT_KEY.search(key):
        return mask(value)
    # The digest of a file under its path or URI, which may well have such a word in it.
    if "/" in key and isinstance(value, str) and _DIGEST.fullmatch(value):
        return value
    return MASK


def _mask_personal(value: object) -> Any:  # noqa: ANN401 -- JSON of any shape
    """What stands under a name of personal data; records and counts below it are no such data."""
    plain = _plain(value)
    if isinstance(plain, list | tuple):
        return [_mask_personal(one) for one in plain]
    if isinstance(plain, str) or (isinstance(plain, int) and plain >= _MANY_DIGITS):
        return MASK
    return mask(plain)


def _mask_leaf(value: object) -> str | float | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return MASK if _is_card(str(value)) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, SecretStr | SecretBytes):
        return MASK
    if isinstance(value, datetime):
        return value.isoformat()
    # PostgreSQL has no NUL in text, and no database half of a surrogate pair.
    text = str(value).replace("\0", "").encode("utf-8", "replace").decode()
    text = _URL_LOGIN.sub(MASK, text)
    if _SPOKEN_OF.search(text):  # ten times as fast, and sequences are long
        text = _BEARER.sub(rf"\1 {MASK}", _SPOKEN_SECRET.sub(rf"\g<name>\g<sign>{MASK}", text))
    return _mask_forms(text)


def _mask_forms(text: str) -> str:
    """Without what is secret or personal by its form alone."""
    if "seqloom_" in text:
        text = _GATEWAY_KEY.sub(MASK, text)
    if "@" in text or "%40" in text:
        text = _EMAIL.sub(MASK, text)
    if not _NUMBERS.search(text):
        return text
    text = _CARD.sub(lambda found: MASK if _is_card(found[0]) else found[0], text)
    return _PHONE.sub(MASK, _SSN.sub(MASK, text))


def _is_card(number: str) -> bool:
    """Whether digits begin as a maker's do, and the check digit is right (Luhn, ISO/IEC 7812-1)."""
    digits = number.replace(" ", "").replace("-", "")
    if not _CARD_MAKER.fullmatch(digits):
        return False
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(n - 9 * (n > 9) for n in doubled)) % 10 == 0  # noqa: PLR2004
