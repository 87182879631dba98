"""What a node gets of an item, out of what its needs made of it.

    all      {need: value}, in the declared order; needs that gave nothing are left out
    any      the value of the first need, in the declared order, that gave one; not that of the
             fastest, so that a run can be repeated
    each     {need: value}; the step is called once for each, and the results stand by need
    reduce   one value: `merge` puts fields together, `concat` puts lists and texts together

With `each`, an item of which one call fails has failed; calls that skip are left out of it.
An item that was skipped by every need is skipped; one that failed in a need is skipped here as
`upstream_failed`, unless `min_inputs` says that fewer values do.
"""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from blocks.errors import InputError
from tasks.graphs.node import Node
from tasks.graphs.step import Failed, Outcome, Skipped, Value
from tasks.graphs.steps.joining import merged

UPSTREAM_FAILED = "upstream_failed"
Given = Value | Skipped | Failed
"""The value that a node gets, or why it gets none."""


def names(node: Node) -> tuple[str, ...]:
    """What a node's needs are called in what it gets: as where it stands.

    A sub-graph's result has the name of the node that stands for it, and needs beside the node in
    a sub-graph have their own names there: of `s.y`, `s` outside and `y` inside.
    """
    return tuple(_name(node.name.split("."), need.split(".")) for need in node.needs)


def _name(here: Sequence[str], need: Sequence[str]) -> str:
    pairs = zip(need, here, strict=False)
    shared = next((place for place, (one, other) in enumerate(pairs) if one != other), 0)
    return need[min(shared, len(need) - 1)]


def given(node: Node, results: Sequence[Sequence[Outcome]]) -> list[Given]:
    """What a node gets of each item of a chunk.

    Args:
        results: For each need, in the declared order, its outcomes of the items.
    """
    if len(results) == 1:
        return [_alone(outcome) for outcome in results[0]]
    return [_joined(node, outcomes) for outcomes in zip(*results, strict=True)]


def _alone(outcome: Outcome) -> Given:
    match outcome:
        case Value() | Skipped():
            return outcome
        case _:
            return Skipped(UPSTREAM_FAILED)


def _joined(node: Node, outcomes: Sequence[Outcome]) -> Given:
    values = [
        (need, outcome.item)
        for need, outcome in zip(names(node), outcomes, strict=True)
        if isinstance(outcome, Value)
    ]
    failed = any(isinstance(outcome, Failed) for outcome in outcomes)
    if not values:
        if failed:
            return Skipped(UPSTREAM_FAILED)
        return next(outcome for outcome in outcomes if isinstance(outcome, Skipped))
    if len(values) < (node.min_inputs or 1):
        return Skipped(UPSTREAM_FAILED if failed else "too_few_inputs")
    if node.join == "any":
        return Value(values[0][1])
    if failed and node.min_inputs is None:
        return Skipped(UPSTREAM_FAILED)
    return _combined(node, values)


def _combined(node: Node, values: list[tuple[str, JsonValue]]) -> Given:
    if node.join == "reduce":
        try:
            return Value(reduced(node, values))
        except InputError as error:
            return Failed(str(error))
    there = dict(values)
    if node.on_missing == "null":
        return Value({need: there.get(need) for need in names(node)})
    return Value(there)


def reduced(node: Node, values: list[tuple[str, JsonValue]]) -> JsonValue:
    """One value of several.

    Raises:
        InputError: Two of them have a field with different values.
    """
    if node.reduce == "merge":
        return merged(values)
    found = [value for _, value in values]
    if all(isinstance(value, list) for value in found):
        return [one for value in found for one in value]  # type: ignore[union-attr]
    if all(isinstance(value, str) for value in found):
        return "\n".join(map(str, found))
    return found


def by_need(answers: Mapping[str, Outcome]) -> Outcome:
    """The outcome of an item with `join: each`, out of those of its calls, by the need.

    The first failure, if there is one; the calls themselves were tried again before.
    """
    for need, one in answers.items():
        if isinstance(one, Failed):
            return Failed(f"{need}: {one.text}", one.transient)
    there = {need: one for need, one in answers.items() if isinstance(one, Value)}
    if there:
        values: dict[str, JsonValue] = {need: one.item for need, one in there.items()}
        return Value(values, keep=all(one.keep for one in there.values()))
    return next(iter(answers.values()), Skipped())
