"""Chunks of items under way, and the streams that they belong to."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from tasks.graphs.step import Outcome, Value

Number = tuple[int, ...]
"""Number of an item: its place in the input, and its places where items were spread."""


def number_text(number: Number) -> str:
    """An item's number as people read it, from 1; parts of an item behind a point.

    >>> number_text((0, 2))
    '1.3'
    """
    return ".".join(str(one + 1) for one in number)


@dataclass(slots=True)
class Chunk:
    """Items that travel together; their outcomes at each node that they have passed."""

    stream: str
    index: int
    numbers: list[Number]
    inputs: list[Outcome]
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    waiting: dict[str, int] = field(default_factory=dict)
    """Needs that a node still waits for, by the node's name."""
    unsure: set[str] = field(default_factory=set)
    """Nodes whose outcomes another run may not take over: something failed and was replaced."""


def taken(parents: Sequence[str], chunk: Chunk) -> list[list[Outcome]]:
    """What a node gets of a chunk: the outcomes of its needs.

    A need outside of the chunk's stream is the one that began it: what it gave are the items that
    came in. Without needs, a node takes those too.
    """
    return [chunk.outcomes.get(parent, chunk.inputs) for parent in parents] or [chunk.inputs]


@dataclass(slots=True)
class Stream:
    """Items of one kind: the input's, or those that a node makes."""

    name: str
    nodes: tuple[str, ...]
    source: Iterator[tuple[Number, JsonValue]] | None = None
    """Of the input; other streams are fed by their node."""
    buffer: deque[tuple[Number, JsonValue]] = field(default_factory=deque)
    closed: bool = False
    """Whether nothing comes any more."""
    shut: bool = False
    """Whether its nodes were told that it is over."""
    admitted: int = 0
    """Chunks that were begun; the next one's index."""
    emitted: int = 0
    """Chunks that have gone through all nodes and were handed on, in order."""
    under_way: dict[int, Chunk] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether all of its items have gone through."""
        return self.closed and not self.buffer and self.emitted == self.admitted

    @property
    def exhausted(self) -> bool:
        """Whether no further chunk will begin."""
        return self.closed and not self.buffer

    def next_chunk(self, size: int) -> Chunk | None:
        """The next chunk; a short one only at the end."""
        while self.source is not None and len(self.buffer) < size:
            item = next(self.source, None)
            if item is None:
                self.source, self.closed = None, True
                break
            self.buffer.append(item)
        if not self.buffer or (len(self.buffer) < size and not self.closed):
            return None
        taken = [self.buffer.popleft() for _ in range(min(size, len(self.buffer)))]
        chunk = Chunk(
            self.name, self.admitted, [number for number, _ in taken],
            [Value(item) for _, item in taken],
        )  # fmt: skip
        self.under_way[chunk.index] = chunk
        self.admitted += 1
        return chunk


@dataclass(slots=True)
class Entry:
    """An item that waits for its batch."""

    chunk: Chunk
    place: int
    value: JsonValue
    key: str = ""
    """Name of its answer, where that is kept."""


@dataclass(slots=True)
class Batches:
    """Items that wait at a node which is called for batches, in order."""

    size: int | None
    """None: all items at once."""
    next_index: int = 0
    prepared: dict[int, list[Entry]] = field(default_factory=dict)
    queue: deque[Entry] = field(default_factory=deque)

    def add(self, index: int, entries: list[Entry]) -> None:
        """Take a chunk's items; those of a chunk that came too early wait for their turn."""
        self.prepared[index] = entries
        while self.next_index in self.prepared:
            self.queue.extend(self.prepared.pop(self.next_index))
            self.next_index += 1

    def full(self) -> list[Entry] | None:
        """The next whole batch, if there is one."""
        if self.size is None or len(self.queue) < self.size:
            return None
        return self._taken(self.size)

    def rest(self) -> list[Entry]:
        """What waits, as the last batch."""
        return self._taken(len(self.queue))

    def _taken(self, count: int) -> list[Entry]:
        return [self.queue.popleft() for _ in range(count)]
