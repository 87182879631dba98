"""Order, sums and bounds of runs of the engine."""

import gzip
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blocks.errors import InputError
from tasks.reads.block import Block
from tasks.reads.engine import run
from tasks.reads.outputs import Output
from tasks.reads.reading import Source
from tasks.reads.results import EngineOptions, Progress
from tasks.reads.step import SerialStage, Stage
from tests.reads.blocks import block
from tests.reads.stages import SIZES, WORKERS, Cut, Dedup, Drop, Head, Last, blocks_of

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


class Odd(Stage):
    """Drops every other molecule; keeps no account, so reading may end behind it."""

    def run(self, block: Block, account: Any) -> Block:
        return block.take(block.index % 2 == 1)


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("size", SIZES)
def test_molecules_behind_the_last_wanted_one_are_not_counted(workers: int, size: int) -> None:
    result = run(blocks_of(60, size), [Odd(), Head(6), Cut(1)], [], EngineOptions(workers))
    counted = [(stage.molecules_in, stage.molecules_out) for stage in result.stages]
    assert (result.molecules_in, counted) == (12, [(12, 6), (6, 6), (6, 6)])
    assert result.ended_early


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
