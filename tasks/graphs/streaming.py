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
from dataclasses import replace
from functools import partial
from typing import cast

from pydantic import JsonValue

from blocks.cancellation import given_up_by
from blocks.errors import SeqloomError
from tasks.graphs.calls import NodeWork
from tasks.graphs.chunks import Chunk, Entry, number_text, taken
from tasks.graphs.compiled import Graph
from tasks.graphs.limited_calls import Workers
from tasks.graphs.passage import Known, Passage
from tasks.graphs.step import Failed, Item, Outcome, StepContext
from tasks.graphs.surroundings import Done, Surroundings
from tasks.graphs.tally import Tally
from tasks.graphs.under_way import At, Limits, Observer, Prepared, Silent, Sink

_Result = tuple[At, "Chunk | list[Entry] | None", object]
"""A node, what it was called for, and what came back: an exception too."""
SPARSE = 16
"""Chunks that are read for each item of a batch before it is called for as it is."""
PATIENCE_S = 5.0
"""How long calls may take to end after an interrupt."""


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
        masks: bool = False,
        known: Known | None = None,
    ) -> None:
        self._around = Surroundings(context, refresh=refresh, masks=masks)
        self._around.context = replace(context, stopped=self._around.stop.is_set)
        self._limits, self._observer = limits, observer or Silent()
        self._nodes = {
            one.name: At.of(one, NodeWork(one, self._around), place)
            for place, one in enumerate(graph.nodes)
        }
        self._passage = Passage(graph, self._nodes, limits, sink, self._observer, known=known)
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
        self._passage.begin(items)
        self._began = time.perf_counter()
        pool = Workers(self._limits.workers)
        try:
            with given_up_by(self._around.stop.is_set):
                self._loop(pool)
        except BaseException as error:
            self._around.close(pool, None if isinstance(error, Exception) else PATIENCE_S)
            raise
        self._around.close(pool)
        if self._error is not None:
            raise self._error
        return self.tallies

    def _loop(self, pool: Workers) -> None:
        while self._error is None:
            self._passage.admit()
            self._end_nodes(pool)
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

    def _dispatch(self, pool: Workers) -> None:
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
                results = taken(at.one.parents, chunk)
                if at.batches is None:
                    self._start(pool, at, chunk, partial(at.work.chunk, results))
                else:
                    self._start(pool, at, chunk, partial(at.work.prepared, results))

    def _start(
        self,
        pool: Workers,
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
        elif isinstance(what, Chunk):
            self._chunk_taken(at, what, answer)
        elif what is None:
            self._passage.closing(at, cast("list[Item]", answer))
            self._end(at)
        else:
            self._batch_taken(at, what, cast(Done, answer))

    def _chunk_taken(self, at: At, chunk: Chunk, answer: object) -> None:
        if isinstance(answer, Done):
            at.tally.add(answer)
            if answer.replaced:
                chunk.unsure.add(at.one.name)
            self._settled(at, chunk, answer.outcomes)
            return
        prepared = cast(Prepared, answer)
        at.tally.add(prepared[1])
        outcomes = at.take_prepared(chunk, prepared)
        if outcomes is not None:
            self._settled(at, chunk, outcomes)

    def _batch_taken(self, at: At, entries: list[Entry], done: Done) -> None:
        at.tally.add(done)
        for entry, outcome in zip(entries, done.outcomes, strict=True):
            index = entry.chunk.index
            if done.replaced:
                entry.chunk.unsure.add(at.one.name)
            at.partial[index][entry.place] = outcome
            at.missing[index] -= 1
            if not at.missing[index]:
                del at.missing[index]
                self._settled(at, entry.chunk, at.partial.pop(index))

    def _settled(self, at: At, chunk: Chunk, outcomes: list[Outcome | None]) -> None:
        found = [outcome for outcome in outcomes if outcome is not None]
        if at.one.node.on_error == "fail":
            self._stop_at_failure(at, chunk, found)
        self._passage.settled(at, chunk, found)

    def _stop_at_failure(self, at: At, chunk: Chunk, found: list[Outcome]) -> None:
        for number, outcome in zip(chunk.numbers, found, strict=True):
            if isinstance(outcome, Failed) and self._error is None:
                at.tally.broken = True
                text = f"node {at.one.name!r}, item {number_text(number)}: {outcome.text}"
                self._error = GraphFailedError(text)

    def _end_nodes(self, pool: Workers) -> None:
        """End the nodes of streams that are over."""
        for at in self._passage.ended():
            if at.one.begins_stream:
                self._start(pool, at, None, at.work.finish)
            else:
                self._end(at)

    def _end(self, at: At) -> None:
        at.tally.ended = True
        if at.work.unseen and at.tally.skipped.get("condition"):
            fields = ", ".join(sorted(at.work.unseen))
            text = "node %r, when: reads %s, which no item had"
            self._around.context.log.warning(text, at.one.name, fields)
        self._observer.ended(at.one.name, at.tally)

    def _unstick(self, pool: Workers) -> bool:
        """Nothing moves: items wait for a batch that needs further chunks, or is the last one."""
        waiting = [at for at in self._nodes.values() if at.batches is not None and at.batches.queue]
        for at in waiting:
            stream = self._passage.streams[at.one.stream]
            room = not stream.exhausted and len(stream.under_way) < self._most_under_way(at)
            if room and self._passage.admit(one_more=True):
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
