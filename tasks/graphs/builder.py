"""Graphs written in Python, of registered steps and of any functions, sync or async.

    clean = node("clean", clean_text)
    flow = clean >> [node("topics", topics), node("entities", "extract", patterns=["email"])]
    built = graph(flow >> node("table", "merge"))
    run = built.run([{"text": "..."}])

`a >> b` lets `b` need `a`; a list stands for several on either side. Both ways of writing a graph
give the same declaration: `built.to_yaml()` can be read again, with the functions given by name.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any, Union

from pydantic import JsonValue, ValidationError

from blocks.errors import InputError
from tasks.dag import closest
from tasks.graphs.compiled import Functions, Graph, compiled
from tasks.graphs.declared import read_declaration
from tasks.graphs.functions import FUNCTIONS
from tasks.graphs.model import Declaration, Subgraph, to_yaml
from tasks.graphs.node import Node, node_of
from tasks.graphs.registry import STEPS
from tasks.graphs.results import Run, run_graph
from tasks.graphs.step import StepContext
from tasks.graphs.under_way import Limits

OPTIONS = frozenset(Node.model_fields) - {"name", "uses", "needs", "with_"}
_order = count()

Work = Union[str, Callable[..., Any], "BuiltGraph"]
"""A registered step by name, a function, or a graph of its own."""


class NodeBuilder:
    """A node that is being wired; made by `node`."""

    def __init__(self, name: str, uses: Work, needs: Sequence[str], given: dict[str, Any]) -> None:
        self.name = name
        self.order = next(_order)
        self.needs = list(needs)
        self.before: list[NodeBuilder] = []
        self.after: list[NodeBuilder] = []
        self.options = {key: value for key, value in given.items() if key in OPTIONS}
        self.settings = {key: value for key, value in given.items() if key not in OPTIONS}
        self.work = uses

    def __rshift__(self, other: "Wired") -> "Wired":
        return _wire([self], other)

    def __rrshift__(self, others: "Sequence[NodeBuilder]") -> "Wired":
        return _wire(others, self)

    def __repr__(self) -> str:
        return f"node({self.name!r})"

    def declared(self) -> Node:
        """The node as a declaration has it.

        Raises:
            InputError: A setting or option does not fit.
        """
        uses, settings = self._step()
        content = {**self.options, "name": self.name, "uses": uses, "needs": tuple(self.needs)}
        if settings:
            content["with"] = settings
        try:
            return node_of(**content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise InputError(f"node {self.name!r}, {place}: {first['msg']}") from None

    def _step(self) -> tuple[str, dict[str, Any]]:
        if isinstance(self.work, BuiltGraph):
            return "graph", {"graph": self.name}
        if callable(self.work):
            if self.settings:
                unknown = min(self.settings)
                raise InputError(
                    f"node {self.name!r}: {unknown!r} is no option of a node;"
                    f" expected {closest(unknown, sorted(OPTIONS))}"
                )
            return "python", {"function": self.name}
        if self.work not in STEPS:
            what = f"node {self.name!r}: unknown step {self.work!r}"
            raise InputError(f"{what}; expected {closest(str(self.work), STEPS)}")
        return self.work, self.settings


class Several(list["NodeBuilder"]):
    """Nodes side by side."""

    def __rshift__(self, other: "Wired") -> "Wired":
        return _wire(self, other)


Wired = NodeBuilder | Sequence[NodeBuilder]


def node(
    name: str,
    uses: Work,
    *,
    needs: Iterable[str] = (),
    **given: Any,  # noqa: ANN401 -- options of a node, settings of a step
) -> NodeBuilder:
    """A node: a registered step by its name, a function, or a graph.

    Args:
        needs: Names of nodes that it needs, beside those that `>>` adds.
        given: Options of the node (`join`, `when`, `batch`, …) and settings of the step. The
            function of a node with `batch` takes a list and gives a list of the same length.

    A function gets its own copy of the dicts and lists of an item. Other objects (arrays, data
    classes) are not copied: all nodes get the same one, and none may change it.
    """
    return NodeBuilder(name, uses, tuple(needs), given)


def _wire(sources: Sequence[NodeBuilder], target: Wired) -> Wired:
    targets = [target] if isinstance(target, NodeBuilder) else list(target)
    for one in targets:
        for source in sources:
            if source.name not in one.needs:
                one.needs.append(source.name)
            one.before.append(source)
            source.after.append(one)
    return targets[0] if isinstance(target, NodeBuilder) else Several(targets)


class BuiltGraph:
    """A validated graph with the functions that it calls."""

    def __init__(
        self, declaration: Declaration, functions: Mapping[str, Callable[..., Any]]
    ) -> None:
        self.declaration = declaration
        self.functions = dict(functions)
        self.compiled: Graph = compiled(declaration, self.functions)

    def to_yaml(self) -> str:
        """The declaration; functions stand in it by name."""
        return to_yaml(self.declaration)

    def run(
        self,
        items: Iterable[JsonValue],
        context: StepContext | None = None,
        limits: Limits | None = None,
    ) -> Run:
        """Put items through the graph and keep what comes out in memory."""
        return run_graph(self.compiled, items, context or StepContext(), limits or Limits())


def graph(*ends: Wired, outputs: Sequence[str] = ()) -> BuiltGraph:
    """The graph of all nodes that are wired to `ends`, in the order in which they were made.

    Raises:
        InputError: Whatever is wrong with it.
    """
    found: dict[int, NodeBuilder] = {}
    queue = [one for end in ends for one in ([end] if isinstance(end, NodeBuilder) else end)]
    while queue:
        one = queue.pop()
        if one.order not in found:
            found[one.order] = one
            queue += [*one.before, *one.after]
    builders = [found[order] for order in sorted(found)]
    functions: dict[str, Callable[..., Any]] = dict(FUNCTIONS)
    subgraphs: list[Subgraph] = []
    for one in builders:
        if isinstance(one.work, BuiltGraph):
            inner = one.work
            functions |= inner.functions
            subgraphs += [sub for sub in inner.declaration.subgraphs if sub not in subgraphs]
            result = inner.compiled.outputs[-1]
            subgraphs.append(Subgraph(name=one.name, nodes=inner.declaration.nodes, output=result))
        elif callable(one.work):
            functions[one.name] = one.work
    declaration = Declaration(
        nodes=tuple(one.declared() for one in builders),
        subgraphs=tuple(subgraphs),
        outputs=tuple(outputs),
    )
    return BuiltGraph(declaration, functions)


def from_yaml(text: str, functions: Functions = FUNCTIONS) -> BuiltGraph:
    """A graph out of YAML; `functions` are those that `uses: python` may name.

    Raises:
        InputError: It is no YAML, or no graph.
    """
    return BuiltGraph(read_declaration(text.encode(), "graph"), functions)
