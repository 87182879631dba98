"""What a run leaves behind: items of its outputs, errors, and a bounded sample of every node."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from pydantic import JsonValue

from tasks.graphs import joins
from tasks.graphs.chunks import Chunk, Number, number_text, taken
from tasks.graphs.compiled import INPUT, Graph, Ready
from tasks.graphs.outcome_lines import item_line, masked, masked_outcome
from tasks.graphs.results import values_of
from tasks.graphs.step import Failed, Item, Outcome, Skipped, Value
from tasks.graphs.under_way import Sink

SAMPLE = 8
"""Items of each node that are shown, of each kind of outcome."""
TOLD_ERRORS = 200
"""Errors that the page lists; errors.jsonl has all."""
ERRORS, FAILED_INPUT = "errors.jsonl", "failed.jsonl"


@dataclass(frozen=True, slots=True)
class Sample:
    """An item at a node."""

    number: Number
    given: JsonValue
    """What the node got; None where it was not called."""
    outcome: Outcome


@dataclass(slots=True)
class Shown:
    """Items of a node that can be looked at."""

    passed: list[Sample] = field(default_factory=list)
    failed: list[Sample] = field(default_factory=list)
    skipped: list[Sample] = field(default_factory=list)
    made: list[Item] = field(default_factory=list)
    """At the end."""

    def of(self, outcome: Outcome) -> list[Sample]:
        """The samples of an outcome's kind."""
        match outcome:
            case Failed():
                return self.failed
            case Skipped():
                return self.skipped
            case _:
                return self.passed


class Gathering:
    """Takes the chunks of a run; use as `with`.

    Args:
        folder: Where files are written.
        hidden: Fields that are masked in files and samples.
    """

    def __init__(self, graph: Graph, folder: Path, hidden: Collection[str] = ()) -> None:
        self._graph, self._folder, self._hidden = graph, folder, frozenset(hidden)
        self._files: dict[str, IO[bytes]] = {}
        self._of_input: set[int] = set()
        self._owed: set[int] = set()
        self.shown = {one.name: Shown() for one in graph.nodes}
        self.outputs = dict.fromkeys(graph.outputs, 0)
        """Items of each output."""
        self.errors: list[dict[str, str]] = []
        self.error_count = 0
        self.failed_items = 0
        """Items of the input that failed at some node, or something that was made of them."""

    def __enter__(self) -> Self:
        names = [*(self.file_name(name) for name in self._graph.outputs), ERRORS, FAILED_INPUT]
        for name in names:
            self._files[name] = (self._folder / name).open("wb")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            file.close()

    @staticmethod
    def file_name(node: str) -> str:
        """File with the items of an output."""
        return f"{node}.jsonl"

    def chunk(self, chunk: Chunk) -> None:
        """Take in a chunk that went through all nodes of its stream."""
        for name, outcomes in chunk.outcomes.items():
            if name in self.outputs:
                self._write(name, [one for outcome in outcomes for one in values_of(outcome)])
            self._look(self._graph.by_name[name], chunk, outcomes)

    def closing(self, node: str, numbers: list[Number], items: list[Item]) -> None:
        """Take in items that a node made at the end."""
        if node in self.outputs:
            self._write(node, items)
        self.shown[node].made += [
            one
            for item in items[: SAMPLE - len(self.shown[node].made)]
            if isinstance(one := masked(item, self._hidden), dict)
        ]

    def _write(self, node: str, items: list[JsonValue] | list[Item]) -> None:
        self._files[self.file_name(node)].write(b"".join(map(self._line, items)))
        self.outputs[node] += len(items)

    def _line(self, item: JsonValue | Item) -> bytes:
        return item_line(masked(item, self._hidden))

    def _look(self, one: Ready, chunk: Chunk, outcomes: list[Outcome]) -> None:
        shown = self.shown[one.name]
        for place, outcome in enumerate(outcomes):
            if isinstance(outcome, Failed):
                self._failed(one.name, chunk, place, outcome)
            samples = shown.of(outcome)
            if len(samples) < SAMPLE:
                samples.append(self._sample(one, chunk, place, outcome))

    def _sample(self, one: Ready, chunk: Chunk, place: int, outcome: Outcome) -> Sample:
        needs = [[outcomes[place]] for outcomes in taken(one.parents, chunk)]
        given = joins.given(one.node, needs)[0]
        item = masked(given.item, self._hidden) if isinstance(given, Value) else None
        return Sample(chunk.numbers[place], item, masked_outcome(outcome, self._hidden))

    def _failed(self, node: str, chunk: Chunk, place: int, outcome: Failed) -> None:
        number = chunk.numbers[place]
        error: dict[str, str] = {"node": node, "item": number_text(number), "error": outcome.text}
        self._files[ERRORS].write(item_line({**error}))
        self.error_count += 1
        if len(self.errors) < TOLD_ERRORS:
            self.errors.append(error)
        if number[0] in self._of_input or not self._from_input(chunk.stream):
            return
        self._of_input.add(number[0])
        self.failed_items += 1
        given = chunk.inputs[place]
        if chunk.stream == INPUT and isinstance(given, Value):
            self._files[FAILED_INPUT].write(self._line(given.item))
        else:
            self._owed.add(number[0])

    def _from_input(self, stream: str) -> bool:
        """Whether numbers of a stream begin with those of the input; not of what `closes` made."""
        while stream != INPUT:
            one = self._graph.by_name[stream]
            if one.step.closes:
                return False
            stream = one.stream
        return True

    def complete(self, items: Iterable[JsonValue]) -> None:
        """Write the items of the input of which only something that was made of them failed.

        Args:
            items: Those of the input, from the first; read only if some are owed.
        """
        if self._owed:
            for place, item in enumerate(items):
                if place in self._owed:
                    self._files[FAILED_INPUT].write(self._line(item))
            self._owed.clear()


class Both:
    """Two that take the chunks of a run."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks

    def chunk(self, chunk: Chunk) -> None:
        """A chunk for all of them."""
        for one in self._sinks:
            one.chunk(chunk)

    def closing(self, node: str, numbers: list[Number], items: list[Item]) -> None:
        """Items at the end for all of them."""
        for one in self._sinks:
            one.closing(node, numbers, items)
