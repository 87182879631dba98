"""A run's bounds, who watches it, and a node with what waits for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import JsonValue

from tasks.graphs.calls import NodeWork
from tasks.graphs.chunks import Batches, Chunk, Entry, Number
from tasks.graphs.compiled import Ready
from tasks.graphs.step import Item, Outcome
from tasks.graphs.surroundings import Done
from tasks.graphs.tally import Tally


class Observer(Protocol):
    """What wants to know how far a run is; called in the thread of the caller."""

    def began(self, node: str) -> None:
        """The first call of a node is made."""

    def moved(self, node: str, tally: Tally) -> None:
        """A chunk has passed a node."""

    def ended(self, node: str, tally: Tally) -> None:
        """A node has seen all items."""


class Silent:
    """An observer that says nothing."""

    def began(self, node: str) -> None:
        """Nothing."""

    def moved(self, node: str, tally: Tally) -> None:
        """Nothing."""

    def ended(self, node: str, tally: Tally) -> None:
        """Nothing."""


class Sink(Protocol):
    """Takes chunks that went through all nodes of their stream, in order."""

    def chunk(self, chunk: Chunk) -> None:
        """A chunk with the outcomes of each node."""

    def closing(self, node: str, numbers: list[Number], items: list[Item]) -> None:
        """Items that a node made at the end."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes and bounds of a run."""

    chunk: int = 64
    workers: int = 4
    chunks_in_flight: int = 16


Prepared = tuple[list[JsonValue], Done]
"""The inputs of a chunk, and the outcomes that are known without a call."""


@dataclass(slots=True)
class At:
    """A node with what waits for it."""

    one: Ready
    work: NodeWork
    place: int
    batches: Batches | None
    tally: Tally = field(default_factory=Tally)
    ready: dict[int, Chunk] = field(default_factory=dict)
    running: int = 0
    next_index: int = 0
    """Next chunk of a node that takes them in order, or hands them on in order."""
    missing: dict[int, int] = field(default_factory=dict)
    """Items of a chunk that wait for their batch."""
    partial: dict[int, list[Outcome | None]] = field(default_factory=dict)

    @classmethod
    def of(cls, one: Ready, work: NodeWork, place: int) -> "At":
        """A node before its first chunk."""
        batches = Batches(None) if one.step.sees_all else None
        if one.node.batch:
            batches = Batches(one.node.batch)
        return cls(one, work, place, batches)

    def settle(self, entries: list[Entry]) -> Done:
        """Call for a batch."""
        return self.work.settled([one.value for one in entries], [one.key for one in entries])

    def next_ready(self) -> Chunk | None:
        """The next chunk that may be worked on."""
        if not self.ready:
            return None
        index = min(self.ready)
        if self.one.step.in_order:
            if index != self.next_index:
                return None
            self.next_index += 1
        return self.ready.pop(index)

    def take_known(self, index: int, outcomes: Sequence[Outcome]) -> None:
        """Pass by a chunk whose outcomes are those of an earlier run."""
        self.tally.reuse(outcomes)
        if self.batches is not None:
            self.batches.add(index, [])

    def take_prepared(self, chunk: Chunk, prepared: Prepared) -> list[Outcome | None] | None:
        """Let a chunk's items wait for their batches; its outcomes, if none has to."""
        inputs, done = prepared
        assert self.batches is not None  # noqa: S101
        places = [place for place, outcome in enumerate(done.outcomes) if outcome is None]
        keys = done.keys
        entries = [Entry(chunk, place, inputs[place], keys.get(place, "")) for place in places]
        self.batches.add(chunk.index, entries)
        if not places:
            return done.outcomes
        self.missing[chunk.index] = len(places)
        self.partial[chunk.index] = done.outcomes
        return None
