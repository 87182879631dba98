"""Which nodes ask which language model in a run, and what takes the place of those that have none.

A node that cannot work without a model and gets none is done by its `fallback`, if it has one: so
one declaration serves with a model and offline, and the run says which it was.
"""

from collections.abc import Sequence
from typing import Any

from blocks.errors import InputError, InputProblems, Problem
from tasks.dag import closest
from tasks.graphs.compiled import Graph, everything
from tasks.graphs.model import Declaration, NodeModel, Subgraph
from tasks.graphs.node import AnyNode, Node, node_of
from tasks.graphs.registry import STEPS

REMEDY = "`models: [{connection: …}]`, a connection in its `with`, or a fallback that needs none"


def with_models(
    declaration: Declaration, models: Sequence[NodeModel]
) -> tuple[Declaration, tuple[str, ...]]:
    """The declaration with its models in place, and what was done without one.

    Raises:
        InputProblems: A node is unknown, cannot ask a model, or needs one and has none.
    """
    by_node = {one.node: one.connection for one in models}
    everything = [*declaration.nodes, *(n for sub in declaration.subgraphs for n in sub.nodes)]
    found = _choice_faults(everything, by_node)
    nodes, notes = _chosen(declaration.nodes, by_node, found)
    subgraphs = []
    for sub in declaration.subgraphs:
        inner, more = _chosen(sub.nodes, by_node, found)
        subgraphs.append(sub.model_copy(update={"nodes": inner}))
        notes += more
    if found:
        raise InputProblems(found)
    return _replaced(declaration, nodes, tuple(subgraphs)), tuple(notes)


def _replaced(
    declaration: Declaration, nodes: tuple[AnyNode, ...], subgraphs: tuple[Subgraph, ...]
) -> Declaration:
    return Declaration(nodes=nodes, subgraphs=subgraphs, outputs=declaration.outputs)


def _choice_faults(nodes: Sequence[Node], by_node: dict[str, str]) -> list[Problem]:
    found = []
    names = [node.name for node in nodes]
    able = [node.name for node in nodes if "connection" in type(node.with_).model_fields]
    for name in by_node:
        if name and name not in able:
            what = "asks no model" if name in names else "is no node"
            expected = closest(name, able) if able else "none: no node of this graph can ask one"
            found.append(Problem("models", f"{name!r} {what}", expected))
    return found


def _chosen(
    nodes: Sequence[Node], by_node: dict[str, str], found: list[Problem]
) -> tuple[tuple[AnyNode, ...], list[str]]:
    chosen: list[Node] = []
    notes: list[str] = []
    gone: set[str] = set()
    named = {node.name: node for node in nodes}
    for node in nodes:
        needs_model = STEPS[node.uses].needs_model
        connection = getattr(node.with_, "connection", None)
        given = by_node.get(node.name) or (by_node.get("") if needs_model else None)
        if connection == "" and given:
            chosen.append(_with(node, connection=given))
        elif connection == "" and needs_model and node.fallback in named:
            other = named[node.fallback]
            chosen.append(_in_place(node, other))
            gone.add(other.name)
            told = f"{node.name}: no language model was given"
            notes.append(f"{told}; {other.uses} ({other.name}) does its work.")
        else:
            if connection == "" and needs_model:
                found.append(Problem(f"node {node.name!r}", "asks a model and has none", REMEDY))
            chosen.append(node)
    still_used = {node.fallback for node in chosen}
    left = [node for node in chosen if node.name not in gone or node.name in still_used]
    return tuple(left), notes


def _with(node: Node, **settings: Any) -> Node:  # noqa: ANN401 -- settings of any step
    content = node.with_.model_dump(exclude_unset=True) | settings
    return node.model_copy(update={"with_": type(node.with_).model_validate(content)})


def _in_place(node: Node, other: Node) -> Node:
    """The fallback at the place of a node: its work, and how it fails, at the node's wires."""
    own = {"name", "needs", "join", "reduce", "min_inputs", "on_missing", "when"}
    kept = {field: getattr(node, field) for field in own}
    work = {
        field: getattr(other, field)
        for field in type(other).model_fields
        if field not in own and field not in ("mask", "with_")
    }
    both = (*node.mask, *other.mask)
    return node_of(**kept, **work, mask=both, **{"with": other.with_})


def require_runners(graph: Graph) -> None:
    """Make every step once, so that what is wrong is told before any work.

    Raises:
        InputProblems: A step cannot work so.
    """
    found = []
    for one in everything(graph.nodes):
        if one.function is None and one.body is None:
            try:
                one.step.make(one.node.with_)
            except InputError as error:
                what, _, expected = str(error).partition("; expected ")
                found.append(Problem(f"node {one.name!r}", what, expected or "other settings"))
    if found:
        raise InputProblems(found)
