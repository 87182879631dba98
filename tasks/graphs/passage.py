"""Where each chunk of a run is: the streams that bring it, the nodes it waits for, the way out.

Nothing is called here; `tasks.graphs.streaming` calls nodes and tells what came of it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from pydantic import JsonValue

from tasks.graphs.chunks import Chunk, Number, Stream
from tasks.graphs.compiled import INPUT, Graph
from tasks.graphs.step import Item, Outcome, Several, Value
from tasks.graphs.under_way import At, Limits, Observer, Sink

Known = Callable[[Chunk], Mapping[str, Sequence[Outcome]]]
"""What earlier runs made of a chunk, by node; of each node's needs in the stream, too."""


class Passage:
    """The streams of a run and the chunks in them."""

    def __init__(
        self,
        graph: Graph,
        nodes: Mapping[str, At],
        limits: Limits,
        sink: Sink,
        observer: Observer,
        *,
        known: Known | None,
    ) -> None:
        self._nodes, self._limits = nodes, limits
        self._sink, self._observer, self._known = sink, observer, known
        self._children: dict[str, list[str]] = {name: [] for name in nodes}
        for one in graph.nodes:
            for parent in one.parents:
                if not graph.by_name[parent].begins_stream:
                    self._children[parent].append(one.name)
        names = [INPUT, *(one.name for one in graph.nodes if one.begins_stream)]
        self.streams = {
            name: Stream(name, tuple(one.name for one in graph.nodes if one.stream == name))
            for name in names
        }

    def begin(self, items: Iterable[JsonValue]) -> None:
        """Take the items of the input from here."""
        self.streams[INPUT].source = (((n,), item) for n, item in enumerate(items))

    def admit(self, *, one_more: bool = False) -> bool:
        """Begin chunks while few are under way; the streams further down come first.

        Args:
            one_more: One chunk, however many are under way.
        """
        admitted = False
        backlog = sum(len(one.buffer) for one in self.streams.values() if one.source is None)
        most_waiting = self._limits.chunk * self._limits.chunks_in_flight
        for stream in reversed(self.streams.values()):
            if stream.source is not None and backlog > most_waiting and not one_more:
                continue
            while len(stream.under_way) < self._limits.chunks_in_flight or one_more:
                chunk = stream.next_chunk(self._limits.chunk)
                if chunk is None:
                    break
                self._enter(stream, chunk)
                admitted = True
                if one_more:
                    return True
        return admitted

    def _enter(self, stream: Stream, chunk: Chunk) -> None:
        """A chunk goes to the first nodes, or past all that is known of it."""
        for name in stream.nodes:
            above = self._nodes[name].one.parents
            chunk.waiting[name] = sum(name in self._children[parent] for parent in above)
        known = self._known(chunk) if self._known is not None else {}
        for name in stream.nodes:  # each after what it needs
            at = self._nodes[name]
            if name in known:
                at.take_known(chunk.index, known[name])
                self._count(at, chunk, list(known[name]))
                for child in self._children[name]:
                    chunk.waiting[child] -= 1
            elif not chunk.waiting[name]:
                at.ready[chunk.index] = chunk
        self._emit(stream)

    def settled(self, at: At, chunk: Chunk, outcomes: list[Outcome]) -> None:
        """A node is done with a chunk: tell who waits for it."""
        self._count(at, chunk, outcomes)
        for child in self._children[at.one.name]:
            chunk.waiting[child] -= 1
            if not chunk.waiting[child]:
                self._nodes[child].ready[chunk.index] = chunk
        self._emit(self.streams[chunk.stream])

    def _count(self, at: At, chunk: Chunk, outcomes: list[Outcome]) -> None:
        chunk.outcomes[at.one.name] = outcomes
        at.tally.count(outcomes)
        self._observer.moved(at.one.name, at.tally)

    def _emit(self, stream: Stream) -> None:
        """Hand on the chunks that have gone through all nodes, in order."""
        while (chunk := stream.under_way.get(stream.emitted)) is not None:
            if len(chunk.outcomes) < len(stream.nodes):
                return
            for name in stream.nodes:
                if name in self.streams:
                    _feed(self.streams[name], chunk, chunk.outcomes[name])
            del stream.under_way[stream.emitted]
            stream.emitted += 1
            self._sink.chunk(chunk)

    def closing(self, at: At, items: list[Item]) -> None:
        """Take the items that a step made at the end, after all others of its stream."""
        stream = self.streams[at.one.name]
        first = at.tally.new_items
        numbers: list[Number] = [(n,) for n in range(first, first + len(items))]
        at.tally.new_items += len(items)
        stream.buffer.extend(zip(numbers, items, strict=True))
        self._sink.closing(at.one.name, numbers, items)
        stream.closed = True

    def ended(self) -> list[At]:
        """The nodes of streams that are over, each told once."""
        found = []
        for stream in self.streams.values():
            if stream.over and not stream.shut:
                stream.shut = True
                found += [self._nodes[name] for name in stream.nodes]
        return found


def _feed(stream: Stream, chunk: Chunk, outcomes: list[Outcome]) -> None:
    for number, outcome in zip(chunk.numbers, outcomes, strict=True):
        if isinstance(outcome, Several):
            stream.buffer.extend(((*number, n), one) for n, one in enumerate(outcome.items))
        elif isinstance(outcome, Value):
            stream.buffer.append((number, outcome.item))
