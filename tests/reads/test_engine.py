import errno
import gzip
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blocks.errors import InputError
from tasks.reads.block import Block, Reads, Texts
from tasks.reads.channel import Budget, Channel, Closed
from tasks.reads.engine import run
from tasks.reads.open_files import FailureOnDemand
from tasks.reads.outputs import Output
from tasks.reads.reading import Source
from tasks.reads.results import EngineOptions, Progress
from tasks.reads.step import ReadError, SerialStage, Stage
from tasks.reads.workers import StageError
from tests.reads.blocks import block

WORKERS = (1, 2, 3, 8)
SIZES = (1, 2, 7, 100, 100_000)


def reads_of(count: int) -> list[tuple[str, str, str]]:
    rng = random.Random(count)
    return [
        (f"r{n}", "".join(rng.choices("ACGT", k=n % 9)), "".join(rng.choices("#I", k=n % 9)))
        for n in range(count)
    ]


def blocks_of(count: int, size: int) -> Iterator[Block]:
    reads = reads_of(count)
    for at in range(0, count, size):
        yield block(read1=reads[at : at + size], number=at // size, first=at)


def cut(reads: Reads, count: int) -> Reads:
    def shorter(texts: Texts) -> Texts:
        gone = np.minimum(texts.length, count)
        return Texts(texts.buffer, texts.start + gone, texts.length - gone)

    return Reads(reads.name, shorter(reads.sequence), shorter(reads.quality))


@dataclass
class Cut(Stage):
    count: int

    def run(self, block: Block, account: Any) -> Block:
        time.sleep(random.random() * 0.0005)  # blocks overtake each other
        return replace(block, segments={n: cut(r, self.count) for n, r in block.segments.items()})


@dataclass
class Drop(Stage):
    """Drops each n-th molecule of the input, and counts them."""

    each: int

    def account(self) -> list[int]:
        return [0]

    def run(self, block: Block, account: list[int]) -> Block:
        keep = block.index % self.each != 0
        account[0] += int((~keep).sum())
        return block.take(keep)

    def finish(self, accounts: Sequence[list[int]]) -> dict[str, int]:
        return {"dropped": sum(account[0] for account in accounts)}


class Dedup(SerialStage[list[bytes]]):
    """Drops molecules whose sequence was seen before."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()

    def prepare(self, block: Block) -> list[bytes]:
        sequence = block.segments["read1"].sequence
        return [sequence[n] for n in range(len(sequence))]

    def fold(self, block: Block, prepared: list[bytes]) -> Block:
        keep = []
        for sequence in prepared:
            keep.append(sequence not in self.seen)
            self.seen.add(sequence)
        return block.take(np.array(keep, np.bool_))

    def finish(self, accounts: Sequence[Any]) -> dict[str, int]:
        return {"different": len(self.seen)}


class Head(SerialStage[None]):
    def __init__(self, count: int) -> None:
        self.left = count

    def needs_every_block(self) -> bool:
        return False

    def prepare(self, block: Block) -> None:
        return None

    def fold(self, block: Block, prepared: None) -> Block:
        taken = min(self.left, len(block))
        self.left -= taken
        self.enough = self.left == 0
        return block.take(np.arange(taken))


class Last(SerialStage[None]):
    """Keeps all back, and gives them out at the end, the last one first, two by two."""

    def __init__(self) -> None:
        self.kept: list[Block] = []

    def prepare(self, block: Block) -> None:
        return None

    def fold(self, block: Block, prepared: None) -> Block:
        self.kept += [block.take(np.array([n])) for n in range(len(block))]
        return block.take(np.array([], np.int64))

    def flush(self) -> list[Block]:
        return self.kept[::-1]


class Boom(Stage):
    """Fails on one molecule."""

    def __init__(self, index: int, error: type[Exception] = ValueError) -> None:
        self.index = index
        self.error = error

    def run(self, block: Block, account: Any) -> Block:
        time.sleep(random.random() * 0.001)
        if self.index in block.index:
            raise self.error(f"molecule {self.index}")
        return block


class BoomInOrder(Head):
    def __init__(self, index: int) -> None:
        super().__init__(0)
        self.index = index

    def fold(self, block: Block, prepared: None) -> Block:
        if self.index in block.index:
            raise InputError(f"molecule {self.index}")
        return block


makers = st.lists(
    st.one_of(
        st.integers(0, 5).map(lambda n: lambda: Cut(n)),
        st.integers(1, 4).map(lambda n: lambda: Drop(n)),
        st.just(Dedup),
        st.integers(0, 70).map(lambda n: lambda: Head(n)),
        st.just(Last),
    ),
    max_size=6,
)


def serially(blocks: Iterator[Block], stages: list[Stage]) -> str:
    """The oracle: one stage after the other over all blocks."""
    through = list(blocks)
    for stage in stages:
        account = stage.account()
        through = [stage.run(each, account) for each in through]
        if isinstance(stage, SerialStage):
            through += stage.flush()
    return "".join(
        f"@{reads.name[n].decode()}\n{reads.sequence[n].decode()}\n+\n{reads.quality[n].decode()}\n"
        for each in through
        for reads in each.segments.values()
        for n in range(len(each))
    )


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(makers, st.integers(0, 60), st.sampled_from(WORKERS), st.sampled_from(SIZES), st.data())
def test_any_stages_give_what_a_serial_run_gives(  # noqa: PLR0917 -- what hypothesis draws
    tmp_path_factory, makers, count: int, workers: int, size: int, data
) -> None:
    folder = tmp_path_factory.mktemp("run")
    blocks = data.draw(st.integers(1, 5))
    options = EngineOptions(workers, max_blocks=blocks, max_bytes=data.draw(st.integers(1, 999)))
    stages = [make() for make in makers]
    output = Output(("read1",), {0: folder / "x"}, compression="gzip")
    result = run(blocks_of(count, size), stages, [output], options)
    expected = serially(blocks_of(count, 3), [make() for make in makers])
    text = gzip.decompress((folder / "x.fq").read_bytes()).decode()
    assert text == expected
    assert result.molecules_out == expected.count("\n") // 4 == result.files[0].molecules
    ins = [stage.molecules_in for stage in result.stages]
    outs = [stage.molecules_out for stage in result.stages]
    assert ins == [result.molecules_in, *outs][: len(ins)]
    if not result.ended_early:
        assert result.molecules_in == count


@pytest.mark.parametrize("kind", ["raw", "gzip", "bgzf", "zstd"])
def test_files_are_the_same_for_any_workers_and_block_size(kind, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    bases = rng.choice(list("ACGT"), 99_999).tobytes().decode("utf-32-le")
    text = "".join(f"@r{n}\n{bases[n : n + 300]}\n+\n{'I' * 300}\n" for n in range(4000))
    (tmp_path / "in.fq.gz").write_bytes(gzip.compress(text.encode(), 1))
    source = Source(("read1", "read2"), ((str(tmp_path / "in.fq.gz"),),))
    found = set()
    reports = set()
    for workers in WORKERS:
        for size in (10, 999, 100_000):
            name = tmp_path / f"{workers}-{size}"
            outputs = [
                Output(("read1",), {0: name / "one"}, compression=kind),
                Output(("read2", "read1"), {0: name / "both"}, compression=kind, chunk=150),
            ]
            options = EngineOptions(workers, size)
            result = run(source, [Cut(2), Drop(9), Dedup(), Drop(2)], outputs, options)
            found.add(tuple((p.name, p.read_bytes()) for p in sorted(name.iterdir())))
            reports.add(str([(s.molecules_in, s.molecules_out, s.report) for s in result.stages]))
    assert len(found) == 1
    assert len(reports) == 1


def under_way() -> list[str]:
    names = ("worker", "feeder", "read read")
    return [each.name for each in threading.enumerate() if each.name.startswith(names)]


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("size", [1, 5])
def test_the_first_error_in_the_input_is_the_one_that_is_told(workers: int, size: int) -> None:
    stages = [Boom(30, InputError), Boom(20, InputError), BoomInOrder(25)]
    with pytest.raises(InputError, match="molecule 20"):
        run(blocks_of(60, size), stages, [], EngineOptions(workers))
    assert not under_way()


def test_a_mistake_in_a_stage_is_told_with_stage_and_molecules(tmp_path: Path) -> None:
    with pytest.raises(StageError) as raised:
        run(blocks_of(60, 10), [Cut(1), Boom(33)], [Output(("read1",), {0: tmp_path / "x"})])
    assert str(raised.value) == (
        "step 2 Boom failed on molecules 31 to 40: ValueError: molecule 33"
    )
    assert isinstance(raised.value.__cause__, ValueError)
    assert not list(tmp_path.iterdir())
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


def test_a_stage_with_a_label_is_called_by_it() -> None:
    error = StageError("step 1 (CutStart)", 1, 500, "OverflowError")

    assert str(error) == "step 1 (CutStart) failed on molecules 1 to 500: OverflowError"


def test_a_wrong_read_is_told_with_file_and_record(tmp_path: Path) -> None:
    class Complain(Stage):
        def run(self, block: Block, account: Any) -> Block:
            raise ReadError("quality of 'x' is wrong", "read2", 3)

    (tmp_path / "in.fq").write_text("@a\nA\n+\nI\n" * 8)
    source = Source(("read1", "read2"), ((str(tmp_path / "in.fq"),),))
    with pytest.raises(ReadError, match=r"in\.fq: record 8: quality of 'x' is wrong"):
        run(source, [Complain()])


@pytest.mark.parametrize("workers", WORKERS)
def test_what_lies_behind_enough_does_not_matter(workers: int, tmp_path: Path) -> None:
    (tmp_path / "in.fq").write_text("@a\nA\n+\nI\n" * 8 + "rubbish")
    source = Source(("read1",), ((str(tmp_path / "in.fq"),),))
    result = run(source, [Head(6)], [], EngineOptions(workers, 2))
    assert (result.molecules_out, result.ended_early) == (6, True)
    with pytest.raises(InputError, match="record 9"):
        run(source, [Head(9)], [], EngineOptions(workers, 2))
    with pytest.raises(InputError, match="record 9"):
        run(source, [Drop(100), Head(6)], [], EngineOptions(workers, 2))


def test_reading_ends_soon_after_enough() -> None:
    taken = []

    def endless() -> Iterator[Block]:
        for n in range(10**9):
            taken.append(n)
            yield block(read1=[("r", "A", "I")], first=n)

    result = run(endless(), [Cut(1), Head(3), Dedup()], [], EngineOptions(2, max_blocks=4))
    assert result.molecules_out == 1
    assert len(taken) < 20


def test_a_stage_that_counts_sees_the_whole_input_in_front_of_enough() -> None:
    result = run(blocks_of(60, 4), [Drop(1), Head(3)], [], EngineOptions(2))
    assert result.stages[0].report == {"dropped": 60}
    assert not result.ended_early


def test_blocks_and_bytes_under_way_are_bounded_when_the_reader_is_faster() -> None:
    read, most = [0], [0]

    class Slow(SerialStage[None]):
        done = 0

        def prepare(self, block: Block) -> None:
            return None

        def fold(self, block: Block, prepared: None) -> Block:
            most[0] = max(most[0], read[0] - self.done)
            self.done += 1
            time.sleep(0.001)
            return block

    def counted() -> Iterator[Block]:
        for each in blocks_of(200, 1):
            read[0] += 1
            yield each

    run(counted(), [Slow()], [], EngineOptions(3, max_blocks=5))
    assert 2 <= most[0] <= 6  # one more waits to be let in
    read[0] = most[0] = 0
    run(counted(), [Slow()], [], EngineOptions(3, max_blocks=100, max_bytes=60))
    assert most[0] <= 8


def test_progress_is_told() -> None:
    told: list[Progress] = []
    options = EngineOptions(2, progress=told.append, progress_seconds=0)
    run(blocks_of(50, 5), [Cut(1)], [], options)
    assert told[-1].molecules == 50
    assert all(each.blocks_under_way <= 6 for each in told)


def test_times_are_told_for_stages_and_for_the_engine(tmp_path: Path) -> None:
    output = Output(("read1",), {0: tmp_path / "x"}, compression="gzip")
    result = run(blocks_of(50, 5), [Cut(1), Dedup()], [output])
    assert [stage.name for stage in result.stages] == ["1 Cut", "2 Dedup"]
    assert all(stage.wall > 0 for stage in result.stages)
    assert {"serialise", "compress", "write"} <= result.other.keys()


def test_an_interrupt_ends_all_threads_and_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(_: Progress) -> None:
        raise KeyboardInterrupt

    options = EngineOptions(2, progress=interrupted, progress_seconds=0)
    with pytest.raises(KeyboardInterrupt):
        run(blocks_of(500, 1), [Cut(1)], [Output(("read1",), {0: tmp_path / "x"})], options)
    assert not under_way()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "x.fq.incomplete").symlink_to("/dev/full")
    outputs = [Output((name,), {0: tmp_path / at}) for name, at in (("read1", "x"), ("read1", "y"))]
    reads = [("r", "A" * 9999, "I" * 9999)] * 50
    with pytest.raises(InputError, match="No space left"):
        run((block(read1=reads, first=50 * n) for n in range(50)), [Cut(1)], outputs)
    assert not under_way()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("code", "told"), [(errno.ENOSPC, "No space left"), (errno.EIO, "Input/output error")]
)
def test_a_failure_on_demand_ends_the_run_where_a_disk_would(
    tmp_path: Path, code: int, told: str
) -> None:
    output = Output(("read1",), {0: tmp_path / "x"})
    reads = [block(read1=[("r", "A" * 10, "I" * 10)])]
    assert run(reads, [], [output], EngineOptions(failure=FailureOnDemand(27, code))).files
    options = EngineOptions(failure=FailureOnDemand(26, code), overwrite=True)
    with pytest.raises(InputError, match=told):
        run(reads, [], [output], options)
    assert [each.name for each in tmp_path.iterdir()] == ["x.fq"]


KILLED = """
import itertools, sys
from pathlib import Path
from tasks.reads.engine import run
from tasks.reads.open_files import FailureOnDemand
from tasks.reads.outputs import Output
from tests.reads.blocks import block
reads = [("r", "ACGT" * 50, "I" * 200)] * 500
endless = (block(read1=reads, first=500 * n) for n in itertools.count())
run(endless, [], [Output(("read1",), {0: Path(sys.argv[1]) / "x"})])
"""


def test_a_killed_run_leaves_no_file_under_its_name_and_can_be_repeated(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)])
    half = tmp_path / "x.fq.incomplete"
    deadline = time.monotonic() + 60
    while not (half.exists() and half.stat().st_size > 100_000):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert [path.name for path in tmp_path.iterdir()] == ["x.fq.incomplete"]
    run(blocks_of(3, 3), [], [Output(("read1",), {0: tmp_path / "x"})])
    assert (tmp_path / "x.fq").read_text().count("\n") == 12
    assert not half.exists()


def test_a_channel_wakes_whoever_waits_when_it_is_closed() -> None:
    channel: Channel[int] = Channel(1)
    channel.put(1)
    ended = []

    def put() -> None:
        try:
            channel.put(2)
        except Closed:
            ended.append("put")

    thread = threading.Thread(target=put)
    thread.start()
    time.sleep(0.02)
    channel.close()
    thread.join(timeout=5)
    assert ended == ["put"]
    assert channel.get() == 1
    with pytest.raises(Closed):
        channel.get()


def test_a_budget_lets_one_thing_of_any_size_pass() -> None:
    budget = Budget(3, 100)
    budget.take(1000)
    waits = threading.Thread(target=budget.take, args=(1,))
    waits.start()
    waits.join(timeout=0.05)
    assert waits.is_alive()
    budget.give_back(1000)
    waits.join(timeout=5)
    assert budget.used_size == 1
