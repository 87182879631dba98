"""Outcomes as a cache keeps them."""

from collections.abc import Iterable

from pydantic import JsonValue

from tasks.graphs.step import Outcome, Several, Value


def written(keys: Iterable[str], outcomes: Iterable[Outcome | None]) -> dict[str, JsonValue]:
    """What a cache is given: outcomes that may be kept, by their keys."""
    return {
        key: _written(outcome)
        for key, outcome in zip(keys, outcomes, strict=True)
        if isinstance(outcome, Value | Several) and outcome.keep
    }


def _written(outcome: Value | Several) -> JsonValue:
    if isinstance(outcome, Value):
        return {"value": outcome.item}
    return {"several": list(outcome.items)}


def read(kept: JsonValue) -> Outcome:
    """The outcome that a cache kept."""
    assert isinstance(kept, dict)  # noqa: S101 -- as `_written` writes it
    if "value" in kept:
        return Value(kept["value"])
    several = kept["several"]
    return Several(tuple(several if isinstance(several, list) else ()))
