"""What comes back from an HTTP service, whole or not."""

import json
import math
import re
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import anyio
import httpx
import orjson

LONGEST_INTEGER = 300
"""Digits; longer ones are no integer of any model."""
BEGINNING = 200
"""What is told of an answer that should be JSON and is none [bytes]."""
ERROR_TEXT = 4_000
"""What is kept of an answer that says what went wrong [bytes]."""
BROKEN = (
    httpx.HTTPError,
    OSError,
    EOFError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
)
"""What httpx and the network raise where no whole answer comes."""
_UNREACHED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, ConnectionRefusedError)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back at last."""

    status: int
    """HTTP status; 0: no whole answer came, `text` says why."""
    data: Any | None
    """The JSON of the body; None where it is none."""
    text: str = ""
    """Beginning of a body that is an error or no JSON."""
    requests: int = 1
    """Attempts that it took."""
    retry_after: float | None = None
    """Time that the service asks for [s]."""
    reached: bool = True
    """Whether there was a connection at all."""


def no_reply(error: Exception) -> Reply:
    """What stands for an answer that one of `BROKEN` prevented."""
    name = type(error).__name__
    if isinstance(error, _UNREACHED):
        return Reply(0, None, f"cannot be reached ({name})", reached=False)
    return Reply(0, None, f"the connection broke ({name})")


def read_reply(response: httpx.Response) -> Reply:
    """Status, JSON and what matters of the headers; status 0 for JSON that was cut off."""
    status, body = response.status_code, response.content
    whole, data = _parsed(body)
    if response.is_success:
        if whole:
            return Reply(status, data)
        if body[:1] in {b"{", b"["}:
            return Reply(0, None, "the answer was cut off")
        if "json" in response.headers.get("content-type", ""):
            begun = body[:BEGINNING].decode("utf-8", "replace")
            return Reply(0, None, f"no JSON: {begun}" if body else "the answer was cut off")
    text = body[:ERROR_TEXT].decode("utf-8", "replace")
    if response.has_redirect_location:
        text = f"redirects to {response.headers['location']}"
    return Reply(status, data, text, retry_after=_wait(response.headers.get("retry-after")))


def _parsed(body: bytes) -> tuple[bool, Any]:
    """Whether a body is JSON, and what it says."""
    try:
        return True, orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:  # Python services write NaN, huge numbers and halves of characters
        return True, _without_halves(json.loads(body, parse_int=_number))
    except (ValueError, RecursionError):
        return False, None


def _number(digits: str) -> float:
    return int(digits) if len(digits) < LONGEST_INTEGER else float(digits)


def _without_halves(data: Any) -> Any:  # noqa: ANN401 -- JSON
    """The same with halves of surrogate pairs replaced, which nothing can store."""
    if isinstance(data, str):
        return data.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(data, list):
        return [_without_halves(value) for value in data]
    if isinstance(data, dict):
        return {_without_halves(key): _without_halves(value) for key, value in data.items()}
    return data


def _wait(retry_after: str | None) -> float | None:
    """Seconds that a `Retry-After` header asks for: a number, or a date."""
    if not retry_after:
        return None
    if re.fullmatch(r"\s*\d{1,9}(\.\d{0,9})?\s*", retry_after):
        return float(retry_after)
    try:
        at = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, math.ceil((at - datetime.now(UTC)).total_seconds()))


def is_untrusted(error: BaseException | None) -> bool:
    """Whether the service showed a certificate that nobody here vouches for."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
