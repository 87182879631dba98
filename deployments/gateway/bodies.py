"""Bodies of requests: bytes in bounded steps, then JSON without anything that is read in two ways.

Refused are names that stand twice, NaN and infinities, numbers that other programs cannot hold,
half surrogates and NUL (no database takes them), and every name of Prefect's own: its server turns
`{"__prefect_kind": …}` inside of parameters into values of its variables and rendered templates.
"""

import asyncio
import json
import math
import re
import reprlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from starlette.requests import Request

from deployments.gateway.answers import RefusedError

MOST_BYTES = 500_000
"""Prefect takes 512 KiB of parameters."""
MOST_DEPTH = 64
LONGEST_S = 20.0
"""In which a body has to come."""
LONGEST_NUMBER = 18
"""Digits of a whole number: what 64 bits hold."""
FORBIDDEN = "__prefect"
"""How Prefect's own names begin."""

_TOKENS = re.compile(rb'\\.|["\[\]{}]', re.DOTALL)


async def read_body(request: Request) -> bytes:
    """The body of a request, at most `MOST_BYTES` of it.

    Raises:
        RefusedError: It is larger, compressed, no JSON by its header, or does not come.
    """
    headers = request.headers
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RefusedError(415, "Content-Type: expected application/json")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise RefusedError(415, "Content-Encoding: expected none")
    too_large = RefusedError(413, f"body: too large; expected at most {MOST_BYTES:,} bytes")
    length = headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and int(length[:20]) > MOST_BYTES:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(LONGEST_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise too_large
    except TimeoutError:
        raise RefusedError(408, f"body: not whole after {LONGEST_S:g} s") from None
    return bytes(body)


def read_json(body: bytes) -> Any:  # noqa: ANN401 -- JSON of any shape
    """The JSON of a body.

    Raises:
        RefusedError: It is none, or has something in it that is refused; the place is told.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        fault = f"byte {error.start + 1} is not UTF-8"
        raise RefusedError(400, f"body: {fault}; expected JSON in UTF-8") from None
    _require_shallow(body)
    try:
        content = json.loads(
            text,
            object_pairs_hook=_once,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_short,
        )
    except json.JSONDecodeError as error:
        fault = f"line {error.lineno}, column {error.colno}: {error.msg.lower()}"
        raise RefusedError(400, f"body, {fault}; expected JSON") from None
    for place, one in walk(content, "body"):
        if isinstance(one, str):
            _require_storable(place, one)
        elif isinstance(one, dict):
            for name in one:
                _require_storable(place, name)
                if name.casefold().startswith(FORBIDDEN):
                    what = f"{place}: the name {brief(name)}"
                    raise RefusedError(422, f"{what}; expected none of Prefect's own")
    return content


def walk(content: Any, place: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 -- JSON of any shape
    """Every text, list and object with its place, outer ones first."""
    if isinstance(content, str | dict | list):
        yield place, content
    if isinstance(content, dict):
        for name, one in content.items():
            yield from walk(one, f"{place}.{name if name.isidentifier() else brief(name)}")
    elif isinstance(content, list):
        for number, one in enumerate(content, 1):
            yield from walk(one, f"{place} #{number}")


def brief(value: object) -> str:
    """A value of a caller's on one line, short, in quotes."""
    return reprlib.repr(value)


def _require_shallow(body: bytes) -> None:
    """Before a parser goes down: brackets outside of texts are counted in one pass."""
    depth, inside = 0, False
    for found in _TOKENS.finditer(body):
        token = found[0]
        if token == b'"':
            inside = not inside
        elif inside or token.startswith(b"\\"):
            continue
        else:
            depth += 1 if token in b"[{" else -1
            if depth > MOST_DEPTH:
                raise RefusedError(400, f"body: nested deeper than {MOST_DEPTH}; expected less")


def _require_storable(place: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        told = f"{place}: half a surrogate pair; expected Unicode text"
        raise RefusedError(422, told) from None
    if "\0" in text:
        raise RefusedError(422, f"{place}: NUL; expected Unicode text")


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(
            name for name, count in Counter(name for name, _ in pairs).items() if count > 1
        )
        raise RefusedError(400, f"body: the name {brief(twice)} stands twice; expected it once")
    return found


def _no_constant(name: str) -> None:
    raise RefusedError(400, f"body: {name}; expected a number that JSON knows")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise RefusedError(400, f"body: {brief(text)}; expected a smaller number")
    return number


def _short(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise RefusedError(400, f"body: {brief(text)}; expected at most {LONGEST_NUMBER} digits")
    return int(text)
