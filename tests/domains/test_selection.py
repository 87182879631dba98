"""The best set of proposals, and the residues that each one gets."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.domains.boundaries import placed
from tasks.domains.partition_settings import PartitionSettings
from tasks.domains.ranges import normalised, overlap, size
from tasks.domains.selection import MAX_SHARED, best_set
from tests.domains.proposals import proposal

SETTINGS = PartitionSettings(max_closed_gap=20, max_insertion=40)


def chosen(*proposals):
    return [one.segments for one in best_set(proposals)]


def residues(*proposals, length=300, settings=SETTINGS):
    return [one.segments for one in placed(proposals, length, settings)]


def test_two_sure_domains_win_over_a_doubtful_long_one():
    found = chosen(proposal(0.4, (0, 190)), proposal(0.95, (0, 95)), proposal(0.95, (100, 195)))
    assert found == [((0, 95),), ((100, 195),)]


def test_a_domain_of_the_references_own_is_not_outvoted():
    parts = [proposal(0.97, (0, 95)), proposal(0.97, (95, 190))]
    assert chosen(proposal(0.98, (0, 190), known=True), *parts) == [((0, 190),)]


def test_a_domain_in_the_gap_of_another_is_no_conflict():
    outer, inner = ((0, 60), (160, 220)), ((60, 160),)
    assert chosen(proposal(0.9, *outer), proposal(0.8, *inner)) == [outer, inner]


def test_a_small_overlap_is_none_either():
    found = chosen(proposal(0.9, (0, 100)), proposal(0.9, (90, 190)))
    assert found == [((0, 100),), ((90, 190),)]


def test_what_is_hardly_likely_is_never_chosen():
    assert chosen(proposal(0.05, (0, 100))) == []


def test_each_of_many_repeats_is_chosen():
    repeats = [(at, at + 100) for at in range(0, 30_000, 100)]
    beside = [(at + 50, at + 150) for at in range(0, 29_900, 100)]
    proposals = [proposal(0.9, one) for one in repeats] + [proposal(0.5, one) for one in beside]
    assert chosen(*proposals) == [(one,) for one in repeats]


SEGMENTS = st.lists(
    st.tuples(st.integers(0, 50), st.integers(5, 20)).map(lambda one: (one[0], sum(one))),
    min_size=1,
    max_size=2,
).map(normalised)


@given(st.lists(st.tuples(SEGMENTS, st.integers(20, 99)), max_size=8, unique=True))
def test_no_other_set_is_heavier(drawn):
    proposals = [proposal(percent / 100, *segments) for segments, percent in drawn]

    def weight(ones):
        return sum(one.probability - 0.1 for one in ones)

    def fit(one, other):
        shared = overlap(one.segments, other.segments)
        return shared <= MAX_SHARED * min(size(one.segments), size(other.segments))

    heaviest = max(
        weight(some)
        for count in range(len(proposals) + 1)
        for some in combinations(proposals, count)
        if all(fit(*pair) for pair in combinations(some, 2))
    )
    assert weight(best_set(proposals)) == pytest.approx(heaviest)


def test_many_proposals_are_weighed_in_time_and_never_overlap():
    proposals = [
        proposal(0.5 + at % 7 / 20, (at, at + 40), (at + 60 + at % 11, at + 120))
        for at in range(90)
    ]
    found = best_set(proposals)
    assert found
    for one, other in combinations(found, 2):
        assert overlap(one.segments, other.segments) <= MAX_SHARED * 100


def test_an_overlap_goes_to_what_is_aligned_there():
    first = proposal(0.9, (0, 110), aligned=((0, 90),))
    second = proposal(0.8, (100, 300), aligned=((100, 300),))
    assert residues(first, second) == [((0, 100),), ((100, 300),)]


def test_an_overlap_of_two_alignments_is_halved():
    assert residues(proposal(0.9, (0, 110)), proposal(0.8, (100, 300))) == [
        ((0, 105),),
        ((105, 300),),
    ]


def test_an_overlap_inside_goes_to_the_likelier():
    outer, inner = proposal(0.7, (0, 300)), proposal(0.9, (150, 190))
    assert residues(outer, inner) == [((0, 150), (190, 300)), ((150, 190),)]


@pytest.mark.parametrize(
    ("segments", "length", "found"),
    [
        pytest.param(((5, 90),), 100, ((0, 100),), id="ends of the protein"),
        pytest.param(((0, 75),), 100, ((0, 75),), id="not a long end"),
        pytest.param(((0, 50), (80, 100)), 100, ((0, 100),), id="an empty insertion"),
        pytest.param(((0, 50), (95, 145)), 145, ((0, 50), (95, 145)), id="not a long one"),
        pytest.param(((0, 60), (70, 74)), 74, ((0, 74),), id="pieces too small go first"),
    ],
)
def test_small_gaps_are_closed(segments, length, found):
    assert residues(proposal(0.9, *segments), length=length) == [found]


def test_a_gap_between_two_domains_is_shared():
    assert residues(proposal(0.9, (0, 90)), proposal(0.9, (100, 200)), length=200) == [
        ((0, 95),),
        ((95, 200),),
    ]


def test_a_small_domain_does_not_grow_by_more_than_half():
    found = residues(proposal(0.9, (0, 30)), length=48)
    assert found == [((0, 30),)]


def test_a_domain_that_the_reference_has_keeps_its_ends():
    found = residues(proposal(0.9, (5, 90), known=True), length=100)
    assert found == [((5, 90),)]


def test_what_becomes_too_short_is_given_up():
    assert residues(proposal(0.9, (0, 12)), length=12) == []
