"""Carries out the stages of a pipeline, block by block, on a fixed pool of threads.

    feeder thread     takes blocks from the source, as many as the budget allows
    worker threads    runs of parallel stages, serial stages' `prepare`, serialising, compressing
    packer thread     compressing, where there is only one worker
    this thread       serial stages' `fold`, in the order of the input; writing, in the same order

Whoever waits is woken when the run ends in any way: the budget, the channels and the workers' queue
are closed by `_Run.stop`, which runs in any case. What a block does wrong counts only when all
blocks in front of it are through, so that the same error is told whatever the number of workers.
"""

import itertools
import queue
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tasks.reads.block import Block
from tasks.reads.channel import Budget, Closed
from tasks.reads.members import MembersUnderWay
from tasks.reads.memory import keep_freed_memory
from tasks.reads.outputs import Output, Written
from tasks.reads.reading import BlockReader, Source
from tasks.reads.results import EngineOptions, EngineResult, Progress, StageResult
from tasks.reads.step import ReadError, SerialStage, Stage
from tasks.reads.workers import (
    AT_ONCE,
    JOB,
    KEPT,
    STOP,
    TASK,
    Clock,
    End,
    Event,
    Failure,
    Group,
    Job,
    Task,
    Todo,
    Worker,
    groups_of,
    guarded,
)
from tasks.reads.writing import OutputFiles

BYTES_EACH = 8 << 20
"""Of texts under way, for each worker and for the reader."""
PACKER_HAS = 2
"""Members that wait for the packer while the worker does not compress."""


def _text_size(block: Block) -> int:
    """Bytes of a block's texts."""
    return sum(
        int(reads.name.length.sum()) + 2 * int(reads.sequence.length.sum()) + 6 * len(block)
        for reads in block.segments.values()
    )


class _Run:
    """State of one run; what is not the feeder's or the workers' belongs to one thread."""

    def __init__(
        self,
        blocks: Iterable[Block],
        stages: Sequence[Stage],
        outputs: Sequence[Output],
        options: EngineOptions,
        own_files: Sequence[Path],
    ) -> None:
        self.blocks = blocks
        self.stages: Sequence[Stage] = stages
        self.options = options
        self.groups: Sequence[Group] = groups_of(stages)
        self.files = OutputFiles(outputs, options.overwrite, own_files, options.failure)
        self.todo: Todo = queue.PriorityQueue()
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.budget = Budget(
            options.max_blocks or 2 * options.workers + 2,
            options.max_bytes or (options.workers + 1) * BYTES_EACH,
        )
        self._tickets = itertools.count()
        self._stopped = False
        self.clock = Clock()
        self.members = MembersUnderWay(
            self.files, self.budget, self.clock, lambda job: self._queue(JOB, job.number, job)
        )
        self.workers = [Worker(self, self.todo, f"worker {n}") for n in range(options.workers)]
        if options.workers == 1:
            self.workers.append(Worker(self, queue.PriorityQueue(), "packer"))
        self.feeder = threading.Thread(target=self._feed, name="feeder", daemon=True)

        self._waiting: list[dict[int, Task]] = [{} for _ in self.groups]
        """For each group: tasks that are through, until their turn comes."""
        self._next = [0 for _ in self.groups]
        self._totals: list[int | None] = [None for _ in self.groups]
        """Blocks that each group sees; None: not known yet."""
        self._active: set[int] = set()
        self._limit = KEPT
        """Blocks of the input that matter, from the front."""
        self._kept = 0
        self._failure: Failure | None = None
        self._ended_early = False
        self._arrived = 0
        self._molecules_in = 0
        self._molecules_out = 0
        self._counts: list[list[int]] = [[0, 0] for _ in stages]
        self._begin = self._told = time.perf_counter()

    # ---- the feeder's thread

    def _feed(self) -> None:
        count = 0
        try:
            for block in self.blocks:
                size = _text_size(block)
                self.budget.take(size)
                self.events.put(Task(count, count, replace(block, number=count), size, 0))
                count += 1
        except Closed:
            return
        except BaseException as error:  # noqa: BLE001 -- raised again by the coordinator
            self.events.put(Failure(count, error))
        else:
            self.events.put(End(count))

    # ---- the coordinator's thread: from start to end

    def carry_out(self) -> EngineResult:
        """All of it."""
        try:
            for thread in (*self.workers, self.feeder):
                thread.start()
            self._go_through()
            self._write_rest()
            self.stop()
            reports = self._reports()
            result = self._result(reports, self.files.finish())
            if self.options.conclude is not None:
                self.options.conclude(result)
            self.files.publish()
        except BaseException:
            self.stop()
            self.files.abort()
            raise
        return result

    def _go_through(self) -> None:
        """Everything up to the last block."""
        while not self._is_done():
            self._take(self.events.get())
            self._tell_progress()
        if self._failure is not None:
            raise _placed(self._failure.error, self.blocks)

    def stop(self) -> None:
        """Wake and end all threads; harmless when called again."""
        if self._stopped:
            return
        self._stopped = True
        self.budget.close()
        for worker in self.workers:
            worker.todo.put((STOP, 0, next(self._tickets), None))
        if isinstance(self.blocks, BlockReader):
            self.blocks.close()
        for thread in (*self.workers, self.feeder):
            if thread.ident is not None:
                thread.join(timeout=10)

    def _is_done(self) -> bool:
        if self._failure is not None:
            failed = self._failure.order
            return all(order >= failed for order in self._active)
        return self._totals[-1] == self._next[-1] and self.members.all_written

    def _take(self, event: Event) -> None:
        match event:
            case Task():
                self._take_task(event)
            case Job():
                self.members.take(event)
            case Failure():
                self._fail(event)
            case End():
                self._end_input(event.count)

    # ---- blocks on their way

    def _matters(self, order: int) -> bool:
        """Whether a block can change what comes out."""
        if self._failure is not None and order >= self._failure.order:
            return False
        return order < self._limit or order >= KEPT

    def _take_task(self, task: Task) -> None:
        """A task that comes from the feeder, or back from a worker."""
        arrives = task.order not in self._active
        if arrives:
            task.molecules = task.block.index
            self._arrived += len(task.block)
        if not self._matters(task.order):
            self._let_go(task)
        elif arrives:
            self._active.add(task.order)
            self._hand_out(task)
        else:
            self._waiting[task.group][task.number] = task
            self._advance(task.group)

    def _hand_out(self, task: Task) -> None:
        self._queue(TASK, task.order, task)

    def _queue(self, rank: int, number: int, item: Task | Job | None) -> None:
        """Tasks are for the workers; jobs for the packer, unless there is none or it is behind."""
        packer = self.workers[-1].todo
        todo = packer if rank == JOB and packer.qsize() < PACKER_HAS else self.todo
        todo.put((rank, number, next(self._tickets), item))

    def _let_go(self, task: Task) -> None:
        """Forget a block."""
        self._active.discard(task.order)
        if task.size is not None:
            self.budget.give_back(task.size)

    def _advance(self, group: int) -> None:
        """Fold, or put out, the blocks whose turn has come."""
        waiting = self._waiting[group]
        serial = self.groups[group].serial
        while (task := waiting.pop(self._next[group], None)) is not None:
            if not self._matters(task.order):
                self._let_go(task)
                return
            self._next[group] += 1
            if serial is None:
                self._put_out(task)
            elif not self._fold(task, serial, group):
                return
        self._flush(group)

    def _fold(self, task: Task, serial: SerialStage[Any], group: int) -> bool:
        """Whether all went well; the block goes on to the next group."""
        before = task.block
        try:
            with self.clock.time(serial.name):
                task.block = guarded(serial, before, partial(serial.fold, before, task.prepared))
        except Exception as error:  # noqa: BLE001 -- raised again when its turn has come
            self._fail(Failure(task.order, error))
            return False
        task.counts.append((self.groups[group].last, before.index, task.block.index))
        task.prepared = None
        task.group = group + 1
        if serial.enough and self.groups[group].may_end:
            task.last, task.error = int(task.block.index.max(initial=-1)), None
            self._end_early(group, task.order + 1)
        self._hand_out(task)
        return True

    def _put_out(self, task: Task) -> None:
        """Add a finished block to the files."""
        if task.error is not None:
            self._fail(Failure(task.order, task.error))
            return
        for number, came, left in task.counts:
            self._counts[number][0] += task.counted(came)
            self._counts[number][1] += task.counted(left)
        self._molecules_in += task.counted(task.molecules)
        self._molecules_out += len(task.block)
        self._active.discard(task.order)
        with self.clock.time("assemble"):
            members = self.files.cut(task.pieces)
        self.members.start(members, task.size)

    def _write_rest(self) -> None:
        """What is left in the files' last members."""
        self.members.start(self.files.remaining(), None)
        while not self.members.all_written:
            match self.events.get():
                case Job() as job:
                    self.members.take(job)
                case Failure(order=order, error=error) if order == AT_ONCE:
                    raise error
                case _:  # of blocks that do not matter any more
                    continue

    # ---- ends

    def _fail(self, failure: Failure) -> None:
        """A block went wrong; those in front of it may still go wrong, or be enough."""
        if self._matters(failure.order):
            self._failure = failure
            self.budget.close()
        self._active.discard(failure.order)

    def _end_input(self, count: int) -> None:
        """The input has this many blocks."""
        if self._totals[0] is None:
            self._limit = count
            self._totals[0] = count
            self._flush(0)

    def _end_early(self, group: int, count: int) -> None:
        """No later block of the input matters; stages in front of the group keep nothing back."""
        self._ended_early = True
        self._limit = count
        self._failure = None  # it lies behind
        self.budget.close()
        for number in range(group + 1):
            self._totals[number] = count
            self._waiting[number].clear()

    def _flush(self, group: int) -> None:
        """Once a group has seen all its blocks: what its serial stage kept back."""
        total = self._totals[group]
        serial = self.groups[group].serial
        if serial is None or total is None or self._next[group] != total:
            return
        if self._totals[group + 1] is not None:
            return
        with self.clock.time(serial.name):
            kept = serial.flush()
        for number, block in enumerate(kept, total):
            order = KEPT + self._kept
            self._kept += 1
            task = Task(number, order, replace(block, number=number), None, group + 1)
            task.counts.append((self.groups[group].last, block.index[:0], block.index))
            self._active.add(order)
            self._hand_out(task)
        self._totals[group + 1] = total + len(kept)
        self._flush(group + 1)

    # ---- what is told

    def _tell_progress(self) -> None:
        tell = self.options.progress
        now = time.perf_counter()
        if tell is not None and now - self._told >= self.options.progress_seconds:
            self._told = now
            under_way, size = self.budget.used_things, self.budget.used_size
            tell(Progress(self._arrived, under_way, size, now - self._begin))

    def _reports(self) -> list[Mapping[str, Any]]:
        """What the stages have to say; they write their own files, too."""
        return [
            stage.finish([worker.accounts[number] for worker in self.workers])
            for number, stage in enumerate(self.stages)
        ]

    def _result(
        self, reports: Sequence[Mapping[str, Any]], written: Sequence[Written]
    ) -> EngineResult:
        clocks = [self.clock, *(worker.clock for worker in self.workers)]
        names = {name for clock in clocks for name in clock.wall}
        wall = {name: sum(clock.wall[name] for clock in clocks) for name in sorted(names)}
        cpu = {name: sum(clock.cpu[name] for clock in clocks) for name in sorted(names)}
        if isinstance(self.blocks, BlockReader):
            wall["read"] = cpu["read"] = self.blocks.cpu_seconds()
        stages = tuple(
            StageResult(one.name, came, left, wall.get(one.name, 0), cpu.get(one.name, 0), report)
            for one, (came, left), report in zip(self.stages, self._counts, reports, strict=True)
        )
        own = sorted(names.union(wall) - {stage.name for stage in self.stages})
        return EngineResult(
            self._molecules_in,
            self._molecules_out,
            self._ended_early,
            stages,
            tuple(written),
            time.perf_counter() - self._begin,
            {name: (wall[name], cpu[name]) for name in own},
        )


def _placed(error: BaseException, blocks: Iterable[Block]) -> BaseException:
    """The error, with file and record if it is about one read."""
    if not isinstance(error, ReadError) or not isinstance(blocks, BlockReader):
        return error
    place = blocks.place(error.segment, error.index)
    return ReadError(error.what, error.segment, error.index, place).with_traceback(
        error.__traceback__
    )


def run(
    source: Source | Iterable[Block],
    stages: Sequence[Stage],
    outputs: Sequence[Output] = (),
    options: EngineOptions | None = None,
    own_files: Sequence[Path] = (),
) -> EngineResult:
    """What came of sending all molecules of a source through the stages, and into the files.

    The files hold the same whatever the options; they get their names at the very end.

    Args:
        source: Files, or blocks that follow each other.
        stages: In order; used for this run only.
        outputs: None: nothing is written.
        options: None: as many workers as there are processors.
        own_files: What stages write themselves, under names that end in `.incomplete`; they are
            renamed with the others, and removed after an error.

    Raises:
        InputError: Input, output or a step's verdict; the first in the order of the input.
        StageError: A stage has a mistake.
    """
    keep_freed_memory()
    chosen = options or EngineOptions()
    for number, stage in enumerate(stages, 1):
        stage.name = stage.name or f"{number} {type(stage).__name__}"
    blocks = BlockReader(source, chosen.block_size) if isinstance(source, Source) else source
    return _Run(blocks, stages, outputs, chosen, own_files).carry_out()
