"""Runs of the engine that end with an error, by a signal or on a full disk."""

import errno
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from blocks.errors import InputError, SeqloomError
from tasks.reads.block import Block
from tasks.reads.engine import run
from tasks.reads.open_files import FailureOnDemand
from tasks.reads.outputs import Output
from tasks.reads.reading import Source
from tasks.reads.results import EngineOptions, Progress
from tasks.reads.step import ReadError, Stage
from tasks.reads.workers import StageError
from tests.reads.blocks import block
from tests.reads.stages import SIZES, WORKERS, Cut, Dedup, Head, blocks_of, under_way


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


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("size", [1, 5])
def test_the_first_error_in_the_input_is_the_one_that_is_told(workers: int, size: int) -> None:
    stages = [Boom(30, InputError), Boom(20, InputError), BoomInOrder(25)]
    with pytest.raises(InputError, match="molecule 20"):
        run(blocks_of(60, size), stages, [], EngineOptions(workers))
    assert not under_way()


class Wrong(Stage):
    """Finds some molecules wrong, and tells the first of a block."""

    def __init__(self, *wrong: int) -> None:
        self.wrong = wrong

    def run(self, block: Block, account: Any) -> Block:
        for index in self.wrong:
            if index in block.index:
                raise ReadError(f"molecule {index}", "read1", index)
        return block


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("size", SIZES)
def test_the_first_wrong_read_is_told_whatever_stage_finds_it_and_whatever_the_blocks_are(
    workers: int, size: int
) -> None:
    for stages in ([Wrong(30, 40), Wrong(25)], [Wrong(25), Wrong(30)], [Wrong(30), Cut(1), Dedup(),
                   Wrong(25), Dedup(), Wrong(27)]):  # fmt: skip
        with pytest.raises(ReadError, match="molecule 25"):
            run(blocks_of(60, size), stages, [], EngineOptions(workers))


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("size", SIZES)
def test_a_wrong_read_behind_the_last_wanted_one_does_not_matter(workers: int, size: int) -> None:
    stages = [Wrong(13, 40), Wrong(12), Head(12), Cut(1), Wrong(20)]
    assert run(blocks_of(60, size), stages, [], EngineOptions(workers)).molecules_out == 12
    with pytest.raises(ReadError, match="molecule 12"):
        run(blocks_of(60, size), [Wrong(13), Wrong(12), Head(13)], [], EngineOptions(workers))


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
    with pytest.raises(SeqloomError, match="No space left") as raised:
        run((block(read1=reads, first=50 * n) for n in range(50)), [Cut(1)], outputs)
    assert not isinstance(raised.value, InputError)
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
    with pytest.raises(SeqloomError, match=told) as raised:
        run(reads, [], [output], options)
    assert not isinstance(raised.value, InputError)
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
