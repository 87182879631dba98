"""A run in memory, for notebooks and tests: what came out, what failed, what each node did."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from tasks.graphs.chunks import Chunk, Number
from tasks.graphs.compiled import Graph
from tasks.graphs.step import Failed, Item, Outcome, Several, Skipped, StepContext, Value
from tasks.graphs.streaming import Engine
from tasks.graphs.tally import Tally
from tasks.graphs.under_way import Limits, Observer


@dataclass(slots=True)
class Run:
    """What a run gave."""

    outputs: dict[str, list[JsonValue]]
    """Items of each output node, in the order of the input."""
    outcomes: dict[str, dict[Number, Outcome]]
    """What became of each item at each node."""
    tallies: Mapping[str, Tally] = field(default_factory=dict)

    def failed(self, node: str) -> dict[Number, str]:
        """Why items failed at a node, by their numbers."""
        found = self.outcomes.get(node, {})
        return {number: one.text for number, one in found.items() if isinstance(one, Failed)}

    def skipped(self, node: str) -> dict[Number, str]:
        """Why items were skipped at a node, by their numbers."""
        found = self.outcomes.get(node, {})
        return {number: one.reason for number, one in found.items() if isinstance(one, Skipped)}


class _Memory:
    def __init__(self, graph: Graph) -> None:
        self.run = Run({name: [] for name in graph.outputs}, {one.name: {} for one in graph.nodes})

    def chunk(self, chunk: Chunk) -> None:
        for name, outcomes in chunk.outcomes.items():
            self.run.outcomes[name].update(zip(chunk.numbers, outcomes, strict=True))
            if name in self.run.outputs:
                for outcome in outcomes:
                    self.run.outputs[name] += values_of(outcome)

    def closing(self, node: str, numbers: list[Number], items: list[Item]) -> None:
        if node in self.run.outputs:
            self.run.outputs[node] += items


def values_of(outcome: Outcome) -> tuple[JsonValue, ...]:
    """The items that go on."""
    match outcome:
        case Value(item):
            return (item,)
        case Several(items):
            return items
        case _:
            return ()


def run_graph(
    graph: Graph,
    items: Iterable[JsonValue],
    context: StepContext,
    limits: Limits,
    observer: Observer | None = None,
) -> Run:
    """Put items through a graph; everything stays in memory.

    Raises:
        GraphFailedError: A node with `on_error: fail` failed.
    """
    memory = _Memory(graph)
    masks = bool(graph.declaration.masked)
    engine = Engine(graph, context, limits, memory, observer, masks=masks)
    memory.run.tallies = engine.run(items)
    return memory.run
