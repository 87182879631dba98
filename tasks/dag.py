"""Declared graphs of stages: everything that is wrong with one, its order, and its printed plan.

A graph is a mapping from a stage's name to the names it needs, in the order of declaration.
Levels serve the eye only: nothing waits for a level, each stage starts when what it needs is there.
"""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter

from blocks.errors import Problem

Graph = Mapping[str, Sequence[str]]


def faults(declared: Sequence[tuple[str, Sequence[str]]], noun: str = "stage") -> list[Problem]:
    """Everything that keeps the declared stages from being a graph that can run.

    `noun` is what the messages call one of them.

    >>> [str(p) for p in faults([("a", ["b"]), ("b", ["a"])])]
    ['stages: a cycle: a -> b -> a; expected stages that do not wait for themselves']
    """
    declared_names = [name for name, _ in declared]
    names = list(dict.fromkeys(declared_names))
    found = [
        Problem(f"{noun} {name!r}", "declared twice", "each name once")
        for name in names
        if declared_names.count(name) > 1
    ]
    for name, needs in declared:
        for need in needs:
            if need == name:
                found.append(
                    Problem(f"{noun} {name!r}", "needs itself", f"other {noun}s in `needs`")
                )
            elif need not in names:
                found.append(
                    Problem(f"{noun} {name!r}", f"needs unknown {need!r}", closest(need, names))
                )
        twice = sorted({need for need in needs if list(needs).count(need) > 1})
        found += [
            Problem(f"{noun} {name!r}", f"needs {need!r} twice", "each name once") for need in twice
        ]
    cycle = _cycle(
        {name: [n for n in needs if n in names and n != name] for name, needs in declared}
    )
    if cycle:
        path = " -> ".join(cycle)
        expected = f"{noun}s that do not wait for themselves"
        found.append(Problem(f"{noun}s", f"a cycle: {path}", expected))
    return found


def closest(name: str, known: Iterable[str]) -> str:
    """What to write instead of a name nobody knows.

    >>> closest("profle", ["profile", "charge"])
    "one of profile, charge (did you mean 'profile'?)"
    """
    known = list(known)
    hint = get_close_matches(name, known, n=1)
    listed = f"one of {', '.join(known)}" if known else "nothing: no stage is declared"
    return f"{listed} (did you mean {hint[0]!r}?)" if hint else listed


def _cycle(graph: Graph) -> list[str]:
    """One cycle, from its first declared stage back to it; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        ring = error.args[1][:-1][::-1]  # graphlib names each stage before the one that needs it
        first = min(range(len(ring)), key=lambda i: list(graph).index(ring[i]))
        return [*ring[first:], *ring[:first], ring[first]]
    return []


def order(graph: Graph) -> list[str]:
    """The stages, each after what it needs; in the declared order where that allows it."""
    position = {name: i for i, name in enumerate(graph)}
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    ready = sorted(sorter.get_ready(), key=position.__getitem__)
    ordered = []
    while ready:
        name = ready.pop(0)
        ordered.append(name)
        sorter.done(name)
        ready = sorted([*ready, *sorter.get_ready()], key=position.__getitem__)
    return ordered


def levels(graph: Graph) -> list[list[str]]:
    """The stages by the length of the longest way that leads to them."""
    depth: dict[str, int] = {}
    for name in order(graph):
        depth[name] = 1 + max((depth[need] for need in graph[name]), default=-1)
    result: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in graph:
        result[depth[name]].append(name)
    return result


def ancestors(graph: Graph, name: str) -> list[str]:
    """All stages that `name` waits for, directly or not, in the order in which they run."""
    wanted = set(graph[name])
    for candidate in reversed(order(graph)):
        if candidate in wanted:
            wanted.update(graph[candidate])
    return [candidate for candidate in order(graph) if candidate in wanted]


def reduced(graph: Graph) -> Graph:
    """The graph without needs that follow from others; for the eye.

    >>> reduced({"a": [], "b": ["a"], "c": ["a", "b"]})
    {'a': [], 'b': ['a'], 'c': ['b']}
    """
    above = {name: set(ancestors(graph, name)) for name in graph}
    return {
        name: [need for need in needs if not any(need in above[other] for other in needs)]
        for name, needs in graph.items()
    }


def plan_text(graph: Graph, noun: str = "stage") -> str:
    """The plan as people read it.

    >>> print(plan_text({"make": [], "score": ["make"], "charge": ["make"]}))
    Execution plan: 3 stages in 2 levels
      1  make
      2  score, charge (in parallel)
    """
    by_level = levels(graph)
    lines = [f"Execution plan: {len(graph)} {noun}s in {len(by_level)} levels"]
    for number, names in enumerate(by_level, start=1):
        lines.append(f"  {number}  {', '.join(names)}" + (" (in parallel)" if names[1:] else ""))
    return "\n".join(lines)
