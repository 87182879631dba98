"""Which fields items have after each node, and whether those that a node reads are among them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from blocks.errors import Problem
from tasks.conditions import Condition
from tasks.dag import closest
from tasks.graphs import joins
from tasks.graphs.ends import Ends, assignable, ends_of, named

if TYPE_CHECKING:
    from tasks.graphs.compiled import Ready

Known = Mapping[str, Any]
"""Fields and their types."""
PLAIN = (str, int, float, bool)
"""Types of items without fields; a condition knows them as `value`."""
State = tuple[dict[str, Any] | None, Any]
"""The fields of a node's items (None: unknown), and the type of the items as a whole."""


def faults(nodes: "Sequence[Ready]", input_fields: Known | None) -> list[Problem]:
    """What a node reads and nobody gives, and ends that do not fit together."""
    start: State = (dict(input_fields) if input_fields is not None else None, Any)
    states: dict[str, State] = {}
    found: list[Problem] = []
    for one in nodes:
        given = [(parent, states[parent]) for parent in one.parents] or [("input", start)]
        taken = given[0][1] if len(given) == 1 else _joined(one, given)
        found += _when_faults(one, given)
        found += _step_faults(one, taken) if one.function is None else _end_faults(one, given)
        states[one.name] = _after(one, taken)
    return found


def _joined(one: "Ready", given: Sequence[tuple[str, State]]) -> State:
    match one.node.join:
        case "all" if one.node.uses != "merge":
            names = joins.names(one.node)
            wholes = [whole for _, (_, whole) in given]
            return dict(zip(names, wholes, strict=True)), dict[str, Any]
        case "any" | "each":
            return None, Any
        case _ if one.node.join != "reduce" or one.node.reduce == "merge":
            known = [fields for _, (fields, _) in given]
            if any(fields is None for fields in known):
                return None, dict[str, Any]
            return {name: kind for fields in known for name, kind in (fields or {}).items()}, Any
        case _:
            return None, Any


def _when_faults(one: "Ready", given: Sequence[tuple[str, State]]) -> list[Problem]:
    """Fields that the node's own condition reads and its items cannot have."""
    there = _seen(one, given) if one.node.when else None
    if there is None:
        return []
    read = dict.fromkeys(name.split(".")[0] for name in Condition(one.node.when).fields)
    return [
        Problem(
            f"node {one.name!r}, when",
            f"reads field {name!r}, which nothing gives",
            closest(name, list(there)) if there else "a node that gives it",
        )
        for name in read
        if name not in there
    ]


def _seen(one: "Ready", given: Sequence[tuple[str, State]]) -> list[str] | None:
    """The names that a condition on what a node gets may use; None: unknown."""
    if len(given) == 1:
        fields, whole = given[0][1]
        plain = fields is None and whole in PLAIN
        return ["value"] if plain else None if fields is None else list(fields)
    if one.node.join in ("all", "each"):
        return list(joins.names(one.node))
    known = [fields for _, (fields, _) in given]
    if (one.node.join, one.node.reduce) == ("reduce", "concat") or None in known:
        return None
    return [name for fields in known for name in fields or ()]


def _step_faults(one: "Ready", taken: State) -> list[Problem]:
    fields, whole = taken
    found = []
    where = f"node {one.name!r}"
    if whole is not Any and not assignable(whole, dict[str, Any]):
        what = f"takes {named(whole)} from {', '.join(one.parents)}"
        return [Problem(where, what, f"items with fields for {one.node.uses}")]
    for name, kind in one.step.reads(one.node.with_).items() if fields is not None else ():
        if name not in (fields or {}):
            hint = closest(name, list(fields or {})) if fields else "a node that gives it"
            if len(one.parents) > 1 and one.node.join == "all":
                hint = "join: reduce, which makes one item of several"
            found.append(Problem(where, f"reads field {name!r}, which nothing gives", hint))
        elif not assignable((fields or {})[name], kind):
            what = f"field {name!r} is {named((fields or {})[name])}"
            found.append(Problem(where, what, f"{named(kind)} for {one.node.uses}"))
    return found


def _ends(one: "Ready") -> Ends:
    return ends_of(one.function, of_lists=bool(one.node.batch)) if one.function else Ends()


def _end_faults(one: "Ready", given: Sequence[tuple[str, State]]) -> list[Problem]:
    takes = _ends(one).takes
    if len(given) > 1 and one.node.join in ("all", "reduce"):
        if one.node.join == "all" and not assignable(dict[str, Any], takes):
            what = f"takes {named(takes)} from {len(given)} needs"
            return [Problem(f"node {one.name!r}", what, "a function of a dict by the needs' names")]
        return []
    return [
        Problem(
            f"node {one.name!r}",
            f"takes {named(takes)} and {parent} gives {named(whole)}",
            "ends that fit together",
        )
        for parent, (_, whole) in given
        if not assignable(whole, takes)
    ]


def _after(one: "Ready", taken: State) -> State:
    fields, whole = taken
    if one.function is not None:
        gives = _ends(one).gives
        return None, gives
    if one.step.closes or one.node.uses == "repeat":
        return None, Any
    if len(one.parents) > 1 and one.node.join == "each":
        return dict.fromkeys(joins.names(one.node), Any), dict[str, Any]
    if one.node.uses == "merge" and getattr(one.node.with_, "prefix", False):
        return None, dict[str, Any]
    writes = one.step.writes(one.node.with_)
    if fields is None:
        return None, whole
    return {**fields, **writes}, whole
