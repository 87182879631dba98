import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.reads.block import Block
from tasks.reads.blocks_joined import joined_blocks
from tasks.reads.step import Surroundings
from tasks.reads.steps.filters import (
    FilterByNumericTag,
    FilterByTag,
    FilterEmpty,
    Head,
    Skip,
)
from tasks.reads.steps.sample import FilterReservoirSample, FilterSample, draws
from tests.reads.blocks import (
    around,
    bases,
    block,
    names,
    numbers,
    places,
    regions,
    run,
    run_all,
    sequences,
    strings,
    texts,
    truths,
)


def molecules(count: int, first: int = 0, number: int = 0) -> Block:
    """Reads that are called by their number."""
    reads = [(f"m{n}", "ACGT"[n % 4], "I") for n in range(first, first + count)]
    return block(read1=reads, first=first, number=number)


def parts_of(count: int, sizes: list[int]) -> list[Block]:
    """The same molecules in blocks of these sizes, over and over."""
    blocks, first = [], 0
    while first < count:
        size = min(sizes[len(blocks) % len(sizes)], count - first)
        blocks.append(molecules(size, first, len(blocks)))
        first += size
    return blocks


def all_names(blocks: list[Block]) -> list[str]:
    return [name for each in blocks for name in names(each)]


def streams(*bits: int) -> Surroundings:
    return replace(around(), streams={bit: str(bit) for bit in bits})


def test_head_keeps_the_first_and_says_when_it_has_enough():
    stage = Head(n=3).build(around())
    kept, enough = [], []
    for each in parts_of(5, [2]):
        kept += names(stage.run(each, None))
        enough.append(stage.enough)
    assert kept == ["m0", "m1", "m2"]
    assert enough == [False, True, True]
    stage = Head(n=2).build(around())
    stage.run(molecules(2), None)
    assert stage.enough
    assert Head(n=0).build(around()).enough


def test_skip_drops_the_first():
    assert all_names(run_all(Skip(n=3), *parts_of(5, [2]))) == ["m3", "m4"]


def test_head_and_skip_count_each_stream_by_itself():
    first = replace(molecules(4), stream=np.array([1, 2, 1, 1]))
    second = replace(molecules(3, 4), stream=np.array([2, 1, 2]))
    head, skip = (step.build(streams(1, 2)) for step in (Head(n=2), Skip(n=2)))
    assert names(head.run(first, None)) == ["m0", "m1", "m2"]
    assert not head.enough
    assert names(head.run(second, None)) == ["m4"]
    assert head.enough
    assert names(skip.run(first, None)) + names(skip.run(second, None)) == ["m3", "m5", "m6"]


@pytest.mark.parametrize(
    "tag", [truths(True, False), strings("", None), regions([("read1", 0, 1, "A")], None)]
)
def test_filter_by_tag_goes_by_truth_or_presence(tag):
    before = block(read1=sequences("A", "C"), tags={"t": tag})
    assert bases(run(FilterByTag(in_label="t", keep_or_remove="Keep"), before)) == ["A"]
    assert bases(run(FilterByTag(in_label="t", keep_or_remove="Remove"), before)) == ["C"]


def test_numeric_range_has_its_lower_bound_and_not_its_upper_one():
    before = block(
        read1=sequences("A", "C", "G", "T", "N"),
        tags={"t": numbers(1, 2, 3, math.nan, math.inf)},
    )

    def kept(**bounds):
        return "".join(bases(run(FilterByNumericTag(in_label="t", **bounds), before)))

    assert kept(min_value=2, max_value=3, keep_or_remove="Keep") == "C"
    assert kept(min_value=2, max_value=3, keep_or_remove="Remove") == "AGTN"  # missing: no range
    assert kept(min_value=2, keep_or_remove="Keep") == "CGN"
    assert kept(max_value=2, keep_or_remove="Remove") == "CGTN"
    with pytest.raises(ValidationError, match="at least one"):
        FilterByNumericTag(in_label="t", keep_or_remove="Keep")


def test_filter_empty_looks_at_a_segment_or_at_all_together():
    before = block(read1=sequences("", "A", ""), read2=sequences("C", "", ""))
    assert names(run(FilterEmpty(segment="read2"), before)) == ["r0"]
    assert names(run(FilterEmpty(segment="all"), before)) == ["r0", "r1"]


def test_molecules_take_their_tags_along():
    before = block(
        read1=sequences("A", "C", "G"),
        tags={
            "hit": regions([("read1", 0, 1, "A")], None, [("read1", 0, 1, "G")]),
            "text": strings("x", "y", None),
        },
    )
    done = run(Skip(n=1), before)
    assert places(done.tags["hit"]) == [[], [("read1", 0, 1, "G")]]
    assert texts(done.tags["text"].text) == ["y", ""]
    assert done.index.tolist() == [1, 2]


def test_draws_are_those_of_splitmix64():
    # the published generator, whose n-th state is seed + n * step, started from its own hash
    mask = 2**64 - 1

    def mixed(word: int) -> int:
        word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 & mask
        word = (word ^ (word >> 27)) * 0x94D049BB133111EB & mask
        return word ^ (word >> 31)

    step = 0x9E3779B97F4A7C15
    start = mixed((23 + step) & mask)
    expected = [mixed((n * step + start) & mask) for n in (0, 1, 10**12)]
    assert draws(23, np.array([0, 1, 10**12])).tolist() == expected
    assert mixed(step) == 16294208416658607535  # first output of SplitMix64 with seed 0


def test_sample_keeps_about_its_share_and_the_seed_decides():
    kept = [run(FilterSample(p=0.25, seed=seed), molecules(20_000)) for seed in (1, 2)]
    assert 0.23 < len(kept[0]) / 20_000 < 0.27
    both = set(names(kept[0])) & set(names(kept[1]))
    assert 0.05 < len(both) / 20_000 < 0.075  # independent choices


@settings(deadline=None)  # the first call compiles a kernel
@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(0, 2**64 - 1))
def test_random_choices_do_not_depend_on_the_blocks(sizes, seed):
    for step in (FilterSample(p=0.5, seed=seed), FilterReservoirSample(n=7, seed=seed)):
        whole = all_names(run_all(step, molecules(60)))
        assert all_names(run_all(step, *parts_of(60, sizes))) == whole


def test_reservoir_keeps_as_many_as_asked_in_the_order_of_the_input_after_the_last_block():
    done = run_all(FilterReservoirSample(n=5, seed=3), *parts_of(40, [9]))
    assert [len(each) for each in done] == [0, 0, 0, 0, 0, 5]
    assert done[-1].number == 5
    assert done[-1].index.tolist() == sorted(done[-1].index.tolist())
    few = run_all(FilterReservoirSample(n=50, seed=3), *parts_of(40, [9]))
    assert all_names(few) == all_names(parts_of(40, [40]))


def test_reservoir_draws_every_molecule_equally_often():
    seen = np.zeros(10)
    for seed in range(2_000):
        seen[run_all(FilterReservoirSample(n=3, seed=seed), molecules(10))[-1].index] += 1
    assert (np.abs(seen - 600) < 100).all()  # five standard deviations


@pytest.mark.parametrize("seed", range(4))
def test_reservoir_of_long_inputs_keeps_the_same_as_one_look_at_everything(seed):
    done = run_all(FilterReservoirSample(n=9, seed=seed), *parts_of(40_000, [10_000]))
    lowest = np.sort(np.argsort(draws(seed, np.arange(40_000)))[:9])
    assert done[-1].index.tolist() == lowest.tolist()


def test_reservoir_fills_one_for_each_stream_and_takes_tags_along():
    even = np.arange(20) % 2
    before = replace(molecules(20), stream=even, tags={"n": numbers(*range(20))})
    done = run_all(FilterReservoirSample(n=3, seed=1), before)[-1]
    assert done.stream is not None
    assert sorted(done.stream.tolist()) == [0, 0, 0, 1, 1, 1]
    assert done.tags["n"].value.tolist() == done.index.tolist()


@pytest.mark.parametrize("step", [FilterSample, FilterReservoirSample])
def test_sampling_needs_a_seed(step):
    with pytest.raises(ValidationError, match="seed"):
        step.model_validate({"p": 0.5} if step is FilterSample else {"n": 5})


def test_blocks_join_with_all_kinds_of_tags():
    tags = {
        "hit": regions([("read1", 0, 1, "A"), ("read1", 1, 1, "C")], None),
        "text": strings("x", None),
        "number": numbers(1, 2),
        "truth": truths(True, False),
    }
    one = block(read1=sequences("AC", "G"), tags=tags)
    done = joined_blocks([one, one.take(np.array([1, 0]))])
    assert bases(done) == ["AC", "G", "G", "AC"]
    hit = [("read1", 0, 1, "A"), ("read1", 1, 1, "C")]
    assert places(done.tags["hit"]) == [hit, [], [], hit]
    assert done.tags["number"].value.tolist() == [1, 2, 2, 1]
    assert done.tags["truth"].value.tolist() == [True, False, False, True]
    assert done.tags["text"].present.tolist() == [True, False, False, True]
