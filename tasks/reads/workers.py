"""The threads that carry out parallel stages, serialise and compress, and what they are handed."""

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np

from blocks.errors import SeqloomError
from tasks.reads.block import Block, Integers
from tasks.reads.pieces import Piece
from tasks.reads.step import ReadError, SerialStage, Stage
from tasks.reads.writing import Member, OutputFiles

STOP, JOB, TASK = range(3)
"""Ranks in the workers' queue: what frees memory goes first."""
KEPT = 1 << 48
"""Order of the first block that a stage kept back."""
AT_ONCE = -1
"""Order of what is wrong whatever the blocks hold."""


class StageError(SeqloomError):
    """A stage failed on a block, and not because of the user."""

    def __init__(self, stage: str, first: int, last: int, reason: str) -> None:
        super().__init__(stage, first, last, reason)
        self.stage = stage
        self.first = first
        self.last = last
        self.reason = reason

    def __str__(self) -> str:
        what = self.stage if self.stage[:1].isalpha() else f"step {self.stage}"  # has no label
        return f"{what} failed on molecules {self.first} to {self.last}: {self.reason}"


@dataclass(slots=True)
class Task:
    """A block on its way."""

    number: int
    """Among the blocks that its group sees."""
    order: int
    """Among all; blocks that a stage kept back come behind those of the input."""
    block: Block
    size: int | None
    """Bytes taken from the budget."""
    group: int
    counts: list[tuple[int, Integers, Integers]] = field(default_factory=list)
    """Stage, and the numbers in the input of the molecules that came and left."""
    molecules: Integers = field(default_factory=lambda: np.empty(0, np.int64))
    """Numbers in the input of those that it had when it was read."""
    last: int | None = None
    """Of the input's molecules the last that matters; None: all do."""
    error: ReadError | None = None
    """What is wrong with the molecule behind the block's last one."""
    prepared: Any = None
    pieces: list[Piece] = field(default_factory=list)

    def counted(self, molecules: Integers) -> int:
        """How many of these molecules matter."""
        return len(molecules) if self.last is None else int((molecules <= self.last).sum())


@dataclass(slots=True)
class Job:
    """A member on its way; it ends a block's stay if it is the block's last one."""

    number: int
    order: int
    member: Member
    ends: int | None = None
    """Bytes that go back to the budget."""
    packed: Sequence[bytes | memoryview] = ()


@dataclass(slots=True)
class Failure:
    """What went wrong."""

    order: int
    """Of the block; the run fails if nothing in front of it says otherwise."""
    error: BaseException


@dataclass(slots=True)
class End:
    """The source has no more blocks than these."""

    count: int


Event = Task | Job | Failure | End


@dataclass(slots=True)
class Clock:
    """Wall and CPU seconds by name."""

    wall: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    cpu: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def time(self, name: str) -> "_Lap":
        """What measures a `with` block."""
        return _Lap(self, name)


class _Lap:
    """Adds the time of a `with` block to a clock."""

    __slots__ = ("_clock", "_cpu", "_name", "_wall")

    def __init__(self, clock: Clock, name: str) -> None:
        self._clock = clock
        self._name = name

    def __enter__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.thread_time()

    def __exit__(self, *_: object) -> None:
        self._clock.wall[self._name] += time.perf_counter() - self._wall
        self._clock.cpu[self._name] += time.thread_time() - self._cpu


@dataclass(frozen=True, slots=True)
class Group:
    """Parallel stages that a worker carries out in one go, and the serial stage behind them."""

    first: int
    """Number of the first stage."""
    parallel: tuple[Stage, ...]
    serial: SerialStage[Any] | None
    may_end: bool
    """No stage in front of the serial one has to see blocks that come too late for it."""

    @property
    def last(self) -> int:
        """Number of the serial stage."""
        return self.first + len(self.parallel)


def groups_of(stages: Sequence[Stage]) -> list[Group]:
    """The stages, cut behind each serial one; the last group has none."""
    groups = []
    begin = 0
    may_end = True
    for number, stage in enumerate(stages):
        if isinstance(stage, SerialStage):
            groups.append(Group(begin, tuple(stages[begin:number]), stage, may_end))
            begin = number + 1
        may_end = may_end and not stage.needs_every_block()
    groups.append(Group(begin, tuple(stages[begin:]), None, False))
    return groups


Todo = queue.PriorityQueue[tuple[int, int, int, Any]]
"""Rank, number, ticket and what is to be done."""


class Shared(Protocol):
    """What workers see of a run."""

    stages: Sequence[Stage]
    groups: Sequence[Group]
    files: OutputFiles
    events: queue.SimpleQueue[Event]


class Worker(threading.Thread):
    """Carries out tasks and jobs until it is told to stop."""

    def __init__(self, run: "Shared", todo: Todo, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._run = run
        self.todo = todo
        self.clock = Clock()
        self.accounts = [stage.account() for stage in run.stages]

    def run(self) -> None:
        """What the thread does."""
        while True:
            rank, _, _, item = self.todo.get()
            if rank == STOP:
                return
            try:
                self._carry_out(item)
            except BaseException as error:  # noqa: BLE001 -- raised again by the coordinator
                self._run.events.put(Failure(item.order, error))
            else:
                self._run.events.put(item)
            del item  # a block must not stay in memory while this thread waits

    def _carry_out(self, item: Task | Job) -> None:
        if isinstance(item, Job):
            with self.clock.time("compress"):
                item.packed = item.member.packed()
        else:
            self._carry_out_task(item)

    def _carry_out_task(self, item: Task) -> None:
        """All of a group; of a block with a wrong molecule what lies in front of it.

        That may be as much as is wanted, or have another error, which a smaller block would have
        met first.
        """
        came, told = item.block, len(item.counts)
        while True:
            try:
                self._go_through(item, self._run.groups[item.group])
            except ReadError as error:
                if item.error is not None and error.index >= item.error.index:
                    raise  # of a molecule that the block does not have any more
                item.error = error
                item.block = came.take(came.index < error.index)
                del item.counts[told:]
            else:
                return

    def _go_through(self, item: Task, group: Group) -> None:
        for number, stage in enumerate(group.parallel, group.first):
            before = item.block
            with self.clock.time(stage.name):
                call = partial(stage.run, before, self.accounts[number])
                item.block = guarded(stage, before, call)
            item.counts.append((number, before.index, item.block.index))
        if group.serial is not None:
            serial, block = group.serial, item.block
            with self.clock.time(serial.name):
                item.prepared = guarded(serial, block, partial(serial.prepare, block))
        else:
            with self.clock.time("serialise"):
                item.pieces = self._run.files.render(item.block)


def guarded(stage: Stage, block: Block, call: Callable[[], Any]) -> Any:  # noqa: ANN401
    """What the call gives; its error with the place."""
    try:
        return call()
    except SeqloomError:
        raise
    except Exception as error:
        first, last = (int(block.index[0]) + 1, int(block.index[-1]) + 1) if len(block) else (0, 0)
        reason = f"{type(error).__name__}: {error}"
        raise StageError(stage.name, first, last, reason) from error
