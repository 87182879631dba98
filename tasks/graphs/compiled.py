"""A declared graph made ready: checked as a whole, in order, each node with what it runs.

Items keep their numbers on the way, so that branches can join. A node that makes new items
(`spreads`, `closes`) begins a new stream of items; nodes can join within a stream only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from blocks.errors import InputError, InputProblems, Problem
from tasks import dag
from tasks.conditions import Condition
from tasks.graphs import fields as item_fields
from tasks.graphs.expansion import Expanded, expanded, reference, result_node
from tasks.graphs.functions import FUNCTIONS
from tasks.graphs.model import Declaration
from tasks.graphs.node import Node
from tasks.graphs.registry import STEPS
from tasks.graphs.step import Step
from tasks.graphs.steps.nesting import PythonParams, RepeatParams

INPUT = "input"
RESERVED = {INPUT: "is the name of the input"} | dict.fromkeys(
    ("errors", "failed", "nodes", "records"), "is the name of a file in the folder of a run"
)
"""Names that no node may have, and why: files of an output would replace those of the run."""
Functions = Mapping[str, Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Ready:
    """A node with what it runs."""

    node: Node
    step: Step[Any]
    parents: tuple[str, ...]
    stream: str
    """The stream of items that it takes: `input`, or the node that began it."""
    function: Callable[..., Any] | None = None
    """Of a `python` node."""
    body: "Graph | None" = None
    """Of a `repeat` node."""
    stand_in: "Ready | None" = None
    """What gets the items that failed here."""

    @property
    def name(self) -> str:
        """The node's name."""
        return self.node.name

    @property
    def begins_stream(self) -> bool:
        """Whether its results are new items."""
        return self.step.spreads or self.step.closes


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph that can run."""

    nodes: tuple[Ready, ...]
    """Each after what it needs."""
    outputs: tuple[str, ...]
    declaration: Declaration
    by_name: Mapping[str, Ready] = field(default_factory=dict)
    result: str = ""
    """Of a sub-graph: the node that gives its result."""

    @property
    def needs(self) -> dict[str, tuple[str, ...]]:
        """Each node and what it needs, as `tasks.dag` takes it."""
        return {one.name: one.parents for one in self.nodes}

    def connections(self) -> dict[str, str]:
        """The connection of each node that asks a model, by the node's name."""
        found = {}
        for one in everything(self.nodes):
            name = one.step.connection(one.node.with_)
            if name or one.step.needs_model:
                found[one.name] = name
        return found


def everything(nodes: Sequence[Ready]) -> list[Ready]:
    """Nodes, and those that stand in for them or are inside of them."""
    found = list(nodes)
    found += [one.stand_in for one in nodes if one.stand_in is not None]
    return found + [n for one in found if one.body for n in everything(one.body.nodes)]


def compiled(
    declaration: Declaration,
    functions: Functions = FUNCTIONS,
    input_fields: item_fields.Known | None = None,
) -> Graph:
    """The graph, if nothing is wrong with it.

    Args:
        functions: What `uses: python` may name.
        input_fields: Fields of the input's items, where they are known.

    Raises:
        InputProblems: All that is wrong, with the node and what was expected.
    """
    if not declaration.nodes:
        raise InputError("nodes: none; expected at least one")
    plain = expanded(declaration)
    found = _shape_faults(plain, declaration)
    if found:
        raise InputProblems(found)
    graph = _ready(plain, declaration, functions, found)
    if not found:
        found += _stream_faults(graph)
    if not found:
        found += item_fields.faults(graph.nodes, input_fields)
    if found:
        raise InputProblems(found)
    return graph


def _shape_faults(plain: Expanded, declaration: Declaration) -> list[Problem]:
    names = [node.name for node in plain.nodes]
    found = dag.faults([(node.name, node.needs) for node in plain.nodes], "node")
    found += _fallback_faults(plain)
    for node in plain.nodes:
        if node.name in RESERVED:
            found.append(Problem(f"node {node.name!r}", RESERVED[node.name], "another name"))
        if node.when:
            try:
                Condition(node.when)
            except InputError as error:
                what, _, expected = str(error).rpartition("; expected ")
                found.append(Problem(f"node {node.name!r}, when", what, expected))
    known = [*names, *plain.aliases]
    for name in declaration.outputs:
        if name not in known or name in _stand_ins(plain):
            found.append(Problem("outputs", f"unknown {name!r}", dag.closest(name, known)))
    return found


def _fallback_faults(plain: Expanded) -> list[Problem]:
    """Fallbacks that are not there, are in the flow as well, or have fallbacks themselves."""
    names = [node.name for node in plain.nodes]
    needed = {need for node in plain.nodes for need in node.needs}
    stand_ins = _stand_ins(plain)
    found = []
    for node in plain.nodes:
        place = f"node {node.name!r}"
        if node.fallback and node.fallback not in names:
            expected = dag.closest(node.fallback, names)
            found.append(Problem(place, f"falls back to unknown {node.fallback!r}", expected))
        if node.name in stand_ins and node.fallback:
            what = f"is a fallback, and falls back to {node.fallback!r} itself"
            found.append(Problem(place, what, "one fallback for a node"))
        if node.name in stand_ins and (node.needs or node.name in needed):
            what = "is a fallback, and in the flow as well"
            found.append(Problem(place, what, "no `needs`, and no node that needs it"))
    return found


def _stand_ins(plain: Expanded) -> set[str]:
    return {node.fallback for node in plain.nodes if node.fallback}


def _ready(
    plain: Expanded, declaration: Declaration, functions: Functions, found: list[Problem]
) -> Graph:
    by_node = {node.name: node for node in plain.nodes}
    stand_ins = _stand_ins(plain)
    in_flow = {name: node.needs for name, node in by_node.items() if name not in stand_ins}
    streams: dict[str, str] = {}
    ready: dict[str, Ready] = {}
    for name in dag.order(in_flow):
        node = by_node[name]
        streams[name] = _stream_of(node, ready)
        stand_in = by_node[node.fallback] if node.fallback else None
        other = (
            _one(stand_in, declaration, functions, found, stream=streams[name])
            if stand_in
            else None
        )
        ready[name] = _one(
            node, declaration, functions, found, stream=streams[name], stand_in=other
        )
    needed = {need for node in plain.nodes for need in node.needs}
    last = tuple(name for name in in_flow if name not in needed)
    outputs = tuple(plain.aliases.get(name, name) for name in declaration.outputs) or last
    return Graph(tuple(ready.values()), outputs, declaration, ready)


def _stream_of(node: Node, ready: Mapping[str, Ready]) -> str:
    for need in node.needs:
        parent = ready[need]
        return parent.name if parent.begins_stream else parent.stream
    return INPUT


def _one(
    node: Node,
    declaration: Declaration,
    functions: Functions,
    found: list[Problem],
    *,
    stream: str,
    stand_in: Ready | None = None,
) -> Ready:
    where = f"node {node.name!r}"
    function, body = None, None
    if isinstance(node.with_, PythonParams):
        function = functions.get(node.with_.function)
        if function is None:
            expected = dag.closest(node.with_.function, sorted(functions))
            what = f"function {node.with_.function!r} is not registered"
            found.append(Problem(where, what, expected))
    elif isinstance(node.with_, RepeatParams):
        body = _body(node, declaration, functions, found)
    return Ready(node, STEPS[node.uses], node.needs, stream, function, body, stand_in)


def _body(
    node: Node, declaration: Declaration, functions: Functions, found: list[Problem]
) -> Graph | None:
    """The sub-graph that a `repeat` node runs."""
    subgraph = next(one for one in declaration.subgraphs if one.name == reference(node))
    inner = Declaration(nodes=subgraph.nodes, subgraphs=declaration.subgraphs)
    try:
        graph = compiled(inner, functions)
    except InputProblems as error:
        where = f"node {node.name!r}, sub-graph {subgraph.name!r}, "
        found += [Problem(where + one.where, one.what, one.expected) for one in error.problems]
        return None
    for one in graph.nodes:
        if one.begins_stream or one.step.in_order or one.step.sees_all:
            what = f"{one.node.uses} cannot be repeated"
            expected = "steps that give one item for each, and remember nothing"
            found.append(Problem(f"node {node.name!r}, {one.name}", what, expected))
    aliases = expanded(inner).aliases
    result = aliases.get(result_node(subgraph), result_node(subgraph))
    return Graph(graph.nodes, (result,), inner, graph.by_name, result)


def _stream_faults(graph: Graph) -> list[Problem]:
    found = []
    for one in graph.nodes:
        streams = {}
        for need in one.parents:
            parent = graph.by_name[need]
            streams[need] = parent.name if parent.begins_stream else parent.stream
        if len(set(streams.values())) > 1:
            told = ", ".join(f"{need} has those of {stream}" for need, stream in streams.items())
            expected = "needs with the same items: a step that makes new ones cannot join others"
            found.append(Problem(f"node {one.name!r}", f"joins different items: {told}", expected))
        if one.node.batch and (one.begins_stream or one.step.in_order or one.step.sees_all):
            what = f"batch on a step ({one.node.uses}) that makes or remembers items"
            found.append(Problem(f"node {one.name!r}", what, "no batch"))
    return found
