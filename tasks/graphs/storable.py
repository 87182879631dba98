"""Whether a value can be stored as JSON, asked where results of functions come in."""

import math

import orjson

from tasks.graphs.step import Failed, Outcome, Several, Value
from tasks.nesting import DEEPEST, inner_values, nested_deeper

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY


def storable(outcome: Outcome) -> Outcome:
    """The outcome, or a failure if its items are no JSON."""
    match outcome:
        case Value(item):
            fault = json_fault(item)
        case Several(items):
            fault = json_fault(items)
        case _:
            return outcome
    return Failed(f"result cannot be stored as JSON: {fault}") if fault else outcome


def json_fault(value: object) -> str:
    """Why a value is no JSON, or "".

    >>> json_fault({"n": 2**70})
    'Integer exceeds 64-bit range'
    """
    try:
        content = orjson.dumps(value, option=_OPTIONS)
    except orjson.JSONEncodeError as error:
        return str(error)
    if content.count(b"[") + content.count(b"{") > DEEPEST and nested_deeper(value):
        return f"nested more than {DEEPEST} deep"
    # the writer makes null of what is no number
    return "NaN or an infinite number" if b"null" in content and _no_number(value) else ""


def _no_number(value: object) -> bool:
    inner = inner_values(value)
    if inner is None:
        return isinstance(value, float) and not math.isfinite(value)
    return any(map(_no_number, inner))
