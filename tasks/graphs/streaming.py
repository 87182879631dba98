"""Runs a graph over a stream of items.

A chunk of items goes through the graph as a whole: a node takes it as soon as the nodes that it
needs have, so several chunks are at different nodes at the same time. One thread, the caller's,
decides what is called next; the calls run in a pool. Chunks under way are bounded, and handed on
in the order of the input, so memory does not grow with the input.

A node with a `batch` takes items out of several chunks into one call and puts the results back
at their places. The last batch, and one that nothing else could fill, may be smaller.

    stream input    chunk 2 ─► clean            chunk 1 ─► clean ─► tokenise
                                chunk 0 ─► clean ─► tokenise ─► classify ─► handed on
"""

import queue
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import cast

from pydantic import JsonValue

from blocks.errors import SeqloomError
from tasks.graphs.calls import NodeWork
from tasks.graphs.chunks import Chunk, Entry, Number, Stream, taken
from tasks.graphs.compiled import INPUT, Graph
from tasks.graphs.step import Failed, Item, Outcome, Several, StepContext, Value
from tasks.graphs.surroundings import Done, Surroundings
from tasks.graphs.tally import Tally
from tasks.graphs.under_way import At, Limits, Observer, Prepared, Silent, Sink

_Result = tuple[At, "Chunk | list[Entry] | None", object]
"""A node, what it was called for, and what came back: an exception too."""
SPARSE = 16
"""Chunks that are read for each item of a batch before it is called for as it is."""


class GraphFailedError(SeqloomError):
    """A node stopped the run; what was done until then is kept."""


class Engine:
    """One run; `run` may be called once."""

    def __init__(
        self,
        graph: Graph,
        context: StepContext,
        limits: Limits,
        sink: Sink,
        observer: Observer | None = None,
        *,
        refresh: bool = False,
    ) -> None:
        self._around = Surroundings(context, refresh=refresh)
        self._around.context = replace(context, stopped=self._around.stop.is_set)
        self._limits, self._sink, self._observer = limits, sink, observer or Silent()
        self._nodes = {
            one.name: At.of(one, NodeWork(one, self._around), place)
            for place, one in enumerate(graph.nodes)
        }
        self._children: dict[str, list[str]] = {name: [] for name in self._nodes}
        for one in graph.nodes:
            for parent in one.parents:
                self._children[parent].append(one.name)
        names = [INPUT, *(one.name for one in graph.nodes if one.begins_stream)]
        members = {
            name: tuple(one.name for one in graph.nodes if one.stream == name) for name in names
        }
        self._streams = {name: Stream(name, members[name]) for name in names}
        self._finished: queue.SimpleQueue[_Result] = queue.SimpleQueue()
        self._running = 0
        self._error: BaseException | None = None
        self._began = 0.0

    @property
    def tallies(self) -> dict[str, Tally]:
        """What each node did so far, in the order in which they run."""
        return {name: at.tally for name, at in self._nodes.items()}

    def run(self, items: Iterable[JsonValue]) -> dict[str, Tally]:
        """Put all items through the graph.

        Raises:
            GraphFailedError: A node with `on_error: fail` failed.
            BudgetError: What may be spent is spent.
        """
        self._streams[INPUT].source = (((n,), item) for n, item in enumerate(items))
        self._began = time.perf_counter()
        pool = ThreadPoolExecutor(self._limits.workers, thread_name_prefix="graph")
        try:
            self._loop(pool)
        finally:
            self._around.stop.set()
            self._around.loop.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            self._around.close()
        if self._error is not None:
            raise self._error
        return self.tallies

    def _loop(self, pool: ThreadPoolExecutor) -> None:
        while self._error is None:
            self._admit()
            self._close_streams(pool)
            self._dispatch(pool)
            if self._running:
                self._take(self._finished.get())
                while self._running and not self._finished.empty():
                    self._take(self._finished.get())
            elif not self._unstick(pool):
                return
        self._around.stop.set()
        self._around.loop.stop()
        while self._running:  # siblings end before the run does
            self._take(self._finished.get())

    def _admit(self, *, one_more: bool = False) -> bool:
        """Begin chunks while few are under way; the streams further down come first."""
        admitted = False
        backlog = sum(len(one.buffer) for one in self._streams.values() if one.source is None)
        for stream in reversed(self._streams.values()):
            if stream.source is not None and backlog > self._most_waiting() and not one_more:
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

    def _most_waiting(self) -> int:
        return self._limits.chunk * self._limits.chunks_in_flight

    def _enter(self, stream: Stream, chunk: Chunk) -> None:
        for name in stream.nodes:
            at = self._nodes[name]
            inner = [p for p in at.one.parents if self._nodes[p].one.stream == stream.name]
            inner = [p for p in inner if not self._nodes[p].one.begins_stream]
            chunk.waiting[name] = len(inner)
            if not inner:
                at.ready[chunk.index] = chunk
        self._emit(stream)

    def _dispatch(self, pool: ThreadPoolExecutor) -> None:
        """Call what is ready, the nodes at the end of the graph first."""
        for at in reversed(self._nodes.values()):
            most = at.one.node.concurrency or self._limits.workers
            if at.one.step.in_order:
                most = 1
            while self._running < self._limits.workers and at.running < most:
                entries = at.batches.full() if at.batches is not None else None
                if entries is not None:
                    self._start(pool, at, entries, partial(at.settle, entries))
                    continue
                chunk = at.next_ready()
                if chunk is None:
                    break
                results = self._results(at, chunk)
                if at.batches is None:
                    self._start(pool, at, chunk, partial(at.work.chunk, results))
                else:
                    self._start(pool, at, chunk, partial(at.work.prepared, results))

    def _results(self, at: At, chunk: Chunk) -> list[list[Outcome]]:
        return taken(at.one.parents, chunk)

    def _start(
        self,
        pool: ThreadPoolExecutor,
        at: At,
        what: Chunk | list[Entry] | None,
        call: Callable[[], object],
    ) -> None:
        if at.tally.first_s is None:
            at.tally.first_s = time.perf_counter() - self._began
            self._observer.began(at.one.name)
        at.running += 1
        self._running += 1

        def job() -> None:
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001 -- told to the thread that decides
                result = error
            self._finished.put((at, what, result))

        pool.submit(job)

    def _take(self, result: _Result) -> None:
        """A call has ended."""
        at, what, answer = result
        at.running -= 1
        self._running -= 1
        at.tally.last_s = time.perf_counter() - self._began
        if isinstance(answer, BaseException):
            at.tally.broken = True
            self._error = self._error or answer
            return
        if isinstance(what, Chunk) and isinstance(answer, Done):
            at.tally.add(answer)
            self._settled(at, what, answer.outcomes)
        elif isinstance(what, Chunk):
            prepared = cast(Prepared, answer)
            at.tally.add(prepared[1])
            outcomes = at.take_prepared(what, prepared)
            if outcomes is not None:
                self._settled(at, what, outcomes)
        elif what is None:
            self._finish_taken(at, cast("list[Item]", answer))
        else:
            self._batch_taken(at, what, cast(Done, answer))

    def _batch_taken(self, at: At, entries: list[Entry], done: Done) -> None:
        at.tally.add(done)
        for entry, outcome in zip(entries, done.outcomes, strict=True):
            index = entry.chunk.index
            at.partial[index][entry.place] = outcome
            at.missing[index] -= 1
            if not at.missing[index]:
                del at.missing[index]
                self._settled(at, entry.chunk, at.partial.pop(index))

    def _settled(self, at: At, chunk: Chunk, outcomes: list[Outcome | None]) -> None:
        """A node is done with a chunk: tell who waits for it."""
        found = [outcome for outcome in outcomes if outcome is not None]
        name = at.one.name
        chunk.outcomes[name] = found
        at.done += 1
        at.tally.count(found)
        self._observer.moved(name, at.tally)
        if at.one.node.on_error == "fail":
            self._stop_at_failure(at, chunk, found)
        stream = self._streams[chunk.stream]
        if not at.one.begins_stream:
            for child in self._children[name]:
                chunk.waiting[child] -= 1
                if not chunk.waiting[child]:
                    self._nodes[child].ready[chunk.index] = chunk
        self._emit(stream)

    def _stop_at_failure(self, at: At, chunk: Chunk, found: list[Outcome]) -> None:
        for number, outcome in zip(chunk.numbers, found, strict=True):
            if isinstance(outcome, Failed) and self._error is None:
                at.tally.broken = True
                place = ".".join(str(one + 1) for one in number)
                text = f"node {at.one.name!r}, item {place}: {outcome.text}"
                self._error = GraphFailedError(text)

    def _emit(self, stream: Stream) -> None:
        """Hand on the chunks that have gone through all nodes, in order."""
        while (chunk := stream.under_way.get(stream.emitted)) is not None:
            if len(chunk.outcomes) < len(stream.nodes):
                return
            for name in stream.nodes:
                if name in self._streams:
                    self._feed(self._streams[name], chunk, chunk.outcomes[name])
            del stream.under_way[stream.emitted]
            stream.emitted += 1
            self._sink.chunk(chunk)

    @staticmethod
    def _feed(stream: Stream, chunk: Chunk, outcomes: list[Outcome]) -> None:
        for number, outcome in zip(chunk.numbers, outcomes, strict=True):
            if isinstance(outcome, Several):
                stream.buffer.extend(((*number, n), one) for n, one in enumerate(outcome.items))
            elif isinstance(outcome, Value):
                stream.buffer.append((number, outcome.item))

    def _finish_taken(self, at: At, items: list[Item]) -> None:
        """The items that a step made at the end, after all others of its stream."""
        stream = self._streams[at.one.name]
        numbers: list[Number] = [
            (n,) for n in range(at.tally.new_items, at.tally.new_items + len(items))
        ]
        at.tally.new_items += len(items)
        stream.buffer.extend(zip(numbers, items, strict=True))
        self._sink.closing(at.one.name, numbers, items)
        stream.closed = True
        self._end(at)

    def _close_streams(self, pool: ThreadPoolExecutor) -> None:
        """End the nodes of streams that are over."""
        for stream in self._streams.values():
            if stream.shut or not stream.over:
                continue
            stream.shut = True
            for name in stream.nodes:
                at = self._nodes[name]
                if at.one.begins_stream:
                    self._start(pool, at, None, at.work.finish)
                else:
                    self._end(at)

    def _end(self, at: At) -> None:
        at.tally.ended = True
        self._observer.ended(at.one.name, at.tally)

    def _unstick(self, pool: ThreadPoolExecutor) -> bool:
        """Nothing moves: items wait for a batch that needs further chunks, or is the last one."""
        waiting = [at for at in self._nodes.values() if at.batches is not None and at.batches.queue]
        for at in waiting:
            stream = self._streams[at.one.stream]
            most = self._most_under_way(at)
            if not stream.exhausted and len(stream.under_way) < most and self._admit(one_more=True):
                return True
        for at in waiting:
            entries = at.batches.rest() if at.batches is not None else []
            self._start(pool, at, entries, partial(at.settle, entries))
            return True
        return False

    def _most_under_way(self, at: At) -> float:
        """Chunks that may be under way for the sake of a batch; most of them wait for their turn.

        So a batch is whole unless fewer than one chunk in sixteen has an item for it.
        """
        assert at.batches is not None  # noqa: S101
        if at.batches.size is None:
            return float("inf")
        return SPARSE * at.batches.size + self._limits.chunks_in_flight
