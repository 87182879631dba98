"""Reads that overlap become one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.reads.assembly import column
from tasks.reads.kernels.overlap import find_overlaps
from tasks.reads.steps.merge import MergeReads
from tests.reads.blocks import bases, block, places, qualities, regions, run, sequences


def merging(algorithm="FastpSeemsWeird", least=5, rate=0.2, most=5, strategy="as_is", **given):
    given = {"reverse_complement_segment2": False} | given
    return MergeReads(
        algorithm=algorithm, min_overlap=least, max_mismatch_rate=rate, max_mismatch_count=most,
        no_overlap_strategy=strategy, out_label="m", segment1="read1", segment2="read2", **given,
    )  # fmt: skip


def merged(step, one, two, marks1=None, marks2=None, **tags):
    given = block(
        tags=tags,
        read1=sequences(one, qualities=[marks1 or "I" * len(one)]),
        read2=sequences(two, qualities=[marks2 or "5" * len(two)]),
    )
    done = run(step, given)
    return bases(done) + bases(done, "read2"), done


def test_reads_are_merged_over_their_overlap():
    both, done = merged(merging(), "AACCGGTTAACG", "GGTTAACGCATT")
    assert both == ["AACCGGTTAACGCATT", ""]
    assert qualities(done) == ["I" * 12 + "5555"]
    assert done.tags["m"].value.tolist() == [True]


def test_the_second_read_is_turned_if_it_comes_from_the_other_strand():
    step = merging(reverse_complement_segment2=True)
    assert merged(step, "AACCGGTTAACG", "AATGCGTTAACC")[0] == ["AACCGGTTAACGCATT", ""]


def test_what_a_read_holds_beyond_the_start_of_its_mate_is_cut():
    assert merged(merging(), "CCGGTTACGGTACTT", "TTCCGGTTACGGTAC")[0] == ["CCGGTTACGGTAC", ""]


def test_reads_that_start_together_end_with_the_overlap_as_in_fastp():
    assert merged(merging(), "AACCGGTT", "AACCGGTTACG")[0] == ["AACCGGTT", ""]


def test_a_good_base_of_the_second_read_replaces_a_bad_one():
    one, two = "AACCGGTTAACG", "AACCGGTAAACC"
    _, done = merged(merging(most=2), one, two, "IIIIIII/III0", "I" * 7 + "?" + "III?")
    assert (bases(done), qualities(done)) == (["AACCGGTAAACG"], ["IIIIIII?III0"])


def test_without_overlap_reads_stay_or_are_glued_with_a_spacer():
    assert merged(merging(), "A" * 20, "C" * 20)[0] == ["A" * 20, "C" * 20]
    step = merging(strategy="concatenate", concatenate_spacer="NN", spacer_quality_char="#")
    both, done = merged(step, "A" * 9, "C" * 9)
    assert both == ["A" * 9 + "NN" + "C" * 9, ""]
    assert qualities(done) == ["I" * 9 + "##" + "5" * 9]
    assert done.tags["m"].value.tolist() == [False]


def test_gluing_needs_a_spacer_and_two_segments():
    with pytest.raises(ValidationError, match="concatenate_spacer is required"):
        merging(strategy="concatenate")
    with pytest.raises(ValidationError, match="two segments"):
        MergeReads(**merging().model_dump() | {"segment2": "read1"})


def test_tags_keep_their_places_as_long_as_these_exist():
    tag = regions([("read1", 4, 4, "GGTT"), ("read1", 9, 3, "ACG")])
    other = regions([("read2", 0, 2, "GG")])
    _, done = merged(merging(), "AACCGGTTAACG", "GGTTAACGCATT", a=tag, b=other)
    assert places(done.tags["a"]) == places(tag)
    assert places(done.tags["b"]) == [[("", -1, 2, "GG")]]


def test_only_the_whole_overlap_notices_mismatches_behind_the_first_fifty():
    rng = np.random.default_rng(3)
    one = "".join(rng.choice(list("ACGT"), 90))
    two = one[:55] + "".join({"A": "C", "C": "A", "G": "T", "T": "G"}[base] for base in one[55:])
    assert merged(merging(), one, two)[1].tags["m"].value.tolist() == [True]
    assert merged(merging("WholeOverlap"), one, two)[1].tags["m"].value.tolist() == [False]


def overlap_by_definition(one, two, *, least, most, rate, compared):
    def accepted(a, b):
        limit = min(most, int(len(a) * rate))
        return sum(x != y for x, y in zip(a[:compared], b[:compared], strict=True)) <= limit

    for offset in range(max(len(one) - least, 0)):
        size = min(len(one) - offset, len(two))
        if accepted(one[offset : offset + size], two[:size]):
            return offset, size
    for offset in range(max(len(two) - least, 0)):
        size = min(len(two) - offset, len(one))
        if accepted(two[offset : offset + size], one[:size]):
            return -offset, size
    return 0, -1


@st.composite
def mates(draw):
    molecule = draw(st.text("ACGTNacg", max_size=170))
    cut = draw(st.integers(0, len(molecule)))
    end = draw(st.integers(0, len(molecule)))
    two = list(molecule[cut:])
    for place in draw(st.lists(st.integers(0, 169), max_size=4)):
        if place < len(two):
            two[place] = draw(st.sampled_from("ACGT"))
    return molecule[:end], "".join(two)


@settings(max_examples=200)
@given(
    st.lists(mates(), min_size=1, max_size=3), st.integers(5, 30), st.integers(0, 6),
    st.sampled_from([0.0, 0.1, 0.2]), st.sampled_from([50, 1 << 40]),
)  # fmt: skip
def test_overlaps_follow_their_definition(pairs, least, most, rate, compared):
    one, two = (column([pair[n].encode() for pair in pairs]) for n in range(2))
    offset, size = np.empty(len(pairs), np.int64), np.empty(len(pairs), np.int64)
    find_overlaps(
        one.buffer, one.start, one.length, two.buffer, two.start, two.length,
        least, most, rate, compared, offset, size,
    )  # fmt: skip
    expected = [
        overlap_by_definition(*pair, least=least, most=most, rate=rate, compared=compared)
        for pair in pairs
    ]
    assert list(zip(offset.tolist(), size.tolist(), strict=True)) == expected
