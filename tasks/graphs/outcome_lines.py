"""Outcomes as lines of JSON, which is how a run keeps them: one line for each item.

    {"value": {"text": "…"}}      {"several": [{…}, {…}]}
    {"skipped": "filtered"}       {"failed": "ValueError: …"}

Fields that are masked have the value `***` wherever they stand.
"""

from collections.abc import Collection, Iterable

import orjson
from pydantic import JsonValue

from blocks.masking import MASK
from tasks.graphs.step import Failed, Outcome, Several, Skipped, Value

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY


def written(outcomes: Iterable[Outcome], hidden: Collection[str] = ()) -> bytes:
    """Outcomes as lines.

    Args:
        hidden: Fields that are masked.
    """
    return b"".join(_line(outcome, hidden) + b"\n" for outcome in outcomes)


def read(lines: bytes) -> list[Outcome]:
    """The outcomes of lines.

    Raises:
        ValueError: They are none.
    """
    return [_outcome(orjson.loads(line)) for line in lines.splitlines()]


def item_line(item: JsonValue) -> bytes:
    """An item as a line."""
    return orjson.dumps(item, default=str, option=_OPTIONS | orjson.OPT_APPEND_NEWLINE)


def masked(value: JsonValue, hidden: Collection[str]) -> JsonValue:
    """A copy of a value without what stands in hidden fields, at any depth."""
    if not hidden:
        return value
    if isinstance(value, dict):
        return {
            name: MASK if name in hidden else masked(one, hidden) for name, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [masked(one, hidden) for one in value]
    return value


def holds(value: JsonValue, fields: Collection[str]) -> bool:
    """Whether a value has one of the fields, at any depth."""
    if isinstance(value, dict):
        return any(name in fields or holds(one, fields) for name, one in value.items())
    return isinstance(value, list | tuple) and any(holds(one, fields) for one in value)


def masked_outcome(outcome: Outcome, hidden: Collection[str]) -> Outcome:
    """An outcome whose items are without what stands in hidden fields."""
    match outcome:
        case Value(item):
            return Value(masked(item, hidden))
        case Several(items):
            return Several(tuple(masked(item, hidden) for item in items))
        case _:
            return outcome


def _line(outcome: Outcome, hidden: Collection[str]) -> bytes:
    content: JsonValue
    match masked_outcome(outcome, hidden):
        case Value(item):
            content = {"value": item}
        case Several(items):
            content = {"several": list(items)}
        case Skipped(reason):
            content = {"skipped": reason}
        case Failed(text):
            content = {"failed": text}
    return orjson.dumps(content, default=str, option=_OPTIONS)


def _outcome(content: dict[str, JsonValue]) -> Outcome:
    match content:
        case {"value": item}:
            return Value(item)
        case {"several": [*items]}:
            return Several(tuple(items))
        case {"skipped": str(reason)}:
            return Skipped(reason)
        case {"failed": str(text)}:
            return Failed(text)
        case _:
            raise ValueError("a line that holds no outcome")
