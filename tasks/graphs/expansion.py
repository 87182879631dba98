"""Sub-graphs put in place: a node that uses one becomes the nodes of it, named `node.inner`.

So a sub-graph costs nothing, its nodes overlap with all others, and the page shows them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from blocks.errors import InputProblems, Problem
from tasks import dag
from tasks.graphs.model import Declaration, Subgraph
from tasks.graphs.node import Node
from tasks.graphs.steps.nesting import GraphNodeParams, RepeatParams

DEEPEST = 10
"""Levels of sub-graphs within sub-graphs."""
ONLY_INNER = ("on_error", "retries", "time_limit_s", "cache", "concurrency", "batch", "mask")
"""Options that belong to the nodes inside of a sub-graph, not to the node that stands for it."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """A graph without nodes that stand for sub-graphs."""

    nodes: tuple[Node, ...]
    aliases: Mapping[str, str]
    """The node that gives the result of a sub-graph, by the name of the node that stood for it."""


def expanded(declaration: Declaration) -> Expanded:
    """All sub-graphs put in place.

    Raises:
        InputProblems: A sub-graph is unknown, contains itself, or its result is not clear.
    """
    known = {one.name: one for one in declaration.subgraphs}
    found = _sub_faults(declaration, known)
    if found:
        raise InputProblems(found)
    nodes, aliases = _put(declaration.nodes, known, "")
    return Expanded(tuple(nodes), aliases)


def reference(node: Node) -> str:
    """Name of the sub-graph that a node uses; "" if it uses none."""
    return node.with_.graph if isinstance(node.with_, GraphNodeParams | RepeatParams) else ""


def result_node(subgraph: Subgraph) -> str:
    """The node whose items a sub-graph gives."""
    return subgraph.output or subgraph.nodes[-1].name


def _sub_faults(declaration: Declaration, known: Mapping[str, Subgraph]) -> list[Problem]:
    names = [one.name for one in declaration.subgraphs]
    found = [
        Problem(f"sub-graph {name!r}", "declared twice", "each name once")
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    uses = {
        one.name: [name for node in one.nodes if (name := reference(node))]
        for one in declaration.subgraphs
    }
    found += dag.faults(
        [(name, list(dict.fromkeys(inner))) for name, inner in uses.items()], "sub-graph"
    )
    for node in declaration.nodes:
        name = reference(node)
        if name and name not in known:
            expected = dag.closest(name, known) if known else "one under `subgraphs`"
            found.append(
                Problem(f"node {node.name!r}", f"uses unknown sub-graph {name!r}", expected)
            )
    for subgraph in declaration.subgraphs:
        where = f"sub-graph {subgraph.name!r}, "
        inner = dag.faults([(node.name, node.needs) for node in subgraph.nodes], "node")
        found += [Problem(f"{where}{one.where}", one.what, one.expected) for one in inner]
        inside = [node.name for node in subgraph.nodes]
        if subgraph.output and subgraph.output not in inside:
            what = f"output {subgraph.output!r} is none of its nodes"
            found.append(Problem(where[:-2], what, dag.closest(subgraph.output, inside)))
    if not found and (depth := len(dag.levels(uses))) > DEEPEST:
        found.append(Problem("subgraphs", f"{depth} levels deep", f"at most {DEEPEST}"))
    return found + _outer_faults(declaration)


def _outer_faults(declaration: Declaration) -> list[Problem]:
    everything = [*declaration.nodes, *(n for one in declaration.subgraphs for n in one.nodes)]
    return [
        Problem(
            f"node {node.name!r}", f"{name} on a sub-graph", f"{name} on the nodes inside of it"
        )
        for node in everything
        if isinstance(node.with_, GraphNodeParams)
        for name in ONLY_INNER
        if getattr(node, name) != type(node).model_fields[name].default
    ]


def _put(
    nodes: Sequence[Node], known: Mapping[str, Subgraph], prefix: str
) -> tuple[list[Node], dict[str, str]]:
    placed: list[Node] = []
    aliases: dict[str, str] = {}
    for node in nodes:
        name = f"{prefix}{node.name}"
        if not isinstance(node.with_, GraphNodeParams):
            fallback = f"{prefix}{node.fallback}" if node.fallback else ""
            needs = tuple(f"{prefix}{need}" for need in node.needs)
            placed.append(
                node.model_copy(update={"name": name, "needs": needs, "fallback": fallback})
            )
            continue
        subgraph = known[node.with_.graph]
        inner, deeper = _put(subgraph.nodes, known, f"{name}.")
        stand_ins = {f"{name}.{one.fallback}" for one in subgraph.nodes if one.fallback}
        placed += [
            one if one.needs or one.name in stand_ins else _entered(one, node, prefix)
            for one in inner
        ]
        result = f"{name}.{result_node(subgraph)}"
        aliases |= deeper
        aliases[name] = deeper.get(result, result)
    if not prefix:
        placed = [_resolved(node, aliases) for node in placed]
    return placed, aliases


def _entered(root: Node, outer: Node, prefix: str) -> Node:
    """A first node of a sub-graph, which takes what the node that stands for it takes."""
    both = [text for text in (outer.when, root.when) if text]
    taken = ("join", "reduce", "min_inputs", "on_missing")
    return root.model_copy(
        update={
            "needs": tuple(f"{prefix}{need}" for need in outer.needs),
            "when": both[0] if len(both) == 1 else " and ".join(f"({text})" for text in both),
            **{name: getattr(outer, name) for name in taken},
        }
    )


def _resolved(node: Node, aliases: Mapping[str, str]) -> Node:
    needs = tuple(aliases.get(need, need) for need in node.needs)
    return node if needs == node.needs else node.model_copy(update={"needs": needs})
