"""Statistics and filters count what is there, and add up."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.reads.step import Stage
from tasks.reads.steps.read_filters import FilterLength, FilterQuality
from tasks.reads.steps.statistics import Statistics
from tests.reads.blocks import Read, around, block, names, run

READS = st.lists(
    st.text("ACGTNacgR", max_size=40).flatmap(
        lambda text: st.tuples(
            st.just("r"),
            st.just(text),
            st.text("!#5?I~", min_size=len(text), max_size=len(text)),
        )
    ),
    min_size=1,
    max_size=20,
)


def counted(stage: Stage, *parts: list[Read]) -> dict[str, object]:
    """The report after blocks that different workers saw."""
    accounts = []
    for part in parts:
        account = stage.account()
        stage.run(block(read1=part), account)
        accounts.append(account)
    return dict(stage.finish(accounts))


@settings(max_examples=60, deadline=None)
@given(READS, READS)
def test_curves_are_those_of_the_definition(one: list[Read], two: list[Read]) -> None:
    told = counted(Statistics().build(around()), one, two)
    whole = [*one, *two]
    part = told["read1"]
    assert isinstance(part, dict)
    scores = [ord(mark) - 33 for _, _, marks in whole for mark in marks]
    assert told["molecules"] == part["reads"] == len(whole)
    assert part["bases"] == len(scores)
    assert part["q20_bases"] == sum(score >= 20 for score in scores)
    assert part["q30_bases"] == sum(score >= 30 for score in scores)
    assert part["gc_bases"] == sum(text.upper().count(b) for _, text, _ in whole for b in "GC")
    assert part["cycles"] == max(len(text) for _, text, _ in whole)
    for cycle in range(part["cycles"]):
        letters = [text[cycle].upper() for _, text, _ in whole if len(text) > cycle]
        marks = [ord(marks[cycle]) - 33 for _, _, marks in whole if len(marks) > cycle]
        assert np.isclose(part["mean_quality"][cycle], np.mean(marks))
        for base in "ACGT":
            share = letters.count(base) / len(letters)
            assert np.isclose(part["content"][base][cycle], share)


def test_counters_do_not_run_over() -> None:
    told = counted(Statistics().build(around()), [("r", "A" * 17, "~" * 17)] * 1000)
    part = told["read1"]
    assert isinstance(part, dict)
    assert part["mean_quality"] == [93.0] * 17
    assert part["content"]["A"] == [1.0] * 17


def test_long_reads_are_counted_to_the_end() -> None:
    told = counted(Statistics().build(around()), [("r", "AC" * 15_000, "I" * 30_000)], [])
    part = told["read1"]
    assert isinstance(part, dict)
    assert (part["bases"], part["gc_bases"], part["q30_bases"]) == (30_000, 15_000, 30_000)


def test_equal_molecules_are_duplicates() -> None:
    told = counted(Statistics(duplicates=True).build(around()), [("a", "AC", "II")] * 3)
    assert told["duplicates"] == 2


GOOD: Read = ("good", "A" * 20, "I" * 20)


def test_each_molecule_has_one_reason_and_all_add_up() -> None:
    bad: Read = ("low", "A" * 20, "!" * 9 + "I" * 11)
    unknown: Read = ("n", "N" * 6 + "A" * 14, "I" * 20)
    short: Read = ("short", "A" * 14, "I" * 14)
    stage = FilterQuality().build(around("read1", "read2"))
    account = stage.account()
    given = block(
        read1=[GOOD, bad, unknown, short, GOOD, ("empty", "", "")],
        read2=[GOOD, GOOD, GOOD, GOOD, bad, GOOD],
    )
    assert names(stage.run(given, account)) == ["good"]
    told = stage.finish([account])
    assert told == {"passed": 1, "low_quality": 2, "too_many_n": 1, "too_short": 2, "too_long": 0}


def test_limits_themselves_pass() -> None:
    edge: Read = ("edge", "NNNNN" + "A" * 10, "!" * 6 + "0" * 9)
    assert names(run(FilterQuality(), block(read1=[edge]))) == ["edge"]


def test_mean_quality_is_asked_for() -> None:
    given = block(read1=[GOOD, ("flat", "A" * 20, "4" * 20)])
    assert names(run(FilterQuality(min_mean_quality=20), given)) == ["good"]


def test_lengths_are_kept_between_limits() -> None:
    given = block(read1=[(str(n), "A" * n, "I" * n) for n in (4, 5, 6, 7)])
    assert names(run(FilterLength(min_length=5, max_length=6), given)) == ["5", "6"]
