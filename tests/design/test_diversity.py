"""Diversity: each figure against its definition."""

import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from rapidfuzz.distance import Levenshtein

from blocks.errors import InputError
from tasks.design import diversity
from tasks.design.diversity import (
    ALPHABET,
    DiversityParams,
    DiversityReport,
    count_kmers,
    hill_number,
    measure,
    position_counts,
)

equal_length = st.integers(1, 6).flatmap(
    lambda length: st.lists(
        st.text("ACDX", min_size=length, max_size=length), min_size=1, max_size=12
    )
)
any_length = st.lists(st.text("ACDX", min_size=1, max_size=8), min_size=2, max_size=12)


@given(equal_length)
def test_positions_are_counted_as_one_would_by_hand(sequences):
    counts = position_counts(sequences)
    for position, column in enumerate(zip(*sequences, strict=True)):
        by_letter = Counter(column)
        assert counts[position].tolist() == [by_letter[letter] for letter in ALPHABET]


def test_positions_of_unequal_sequences_cannot_be_counted():
    with pytest.raises(InputError, match="2 to 3 residues; expected one length"):
        position_counts(["AC", "ACD"])


def test_entropy_is_in_bits_per_position():
    report = measure(["AAX", "ACX", "ADX", "AEX"], DiversityParams(), seed=0)
    assert report.entropy == (0.0, 2.0, None)
    assert report.mean_entropy == 1.0


@given(equal_length)
def test_identity_of_aligned_sequences_is_the_mean_over_all_pairs(sequences):
    pairs = [
        np.mean([a == b for a, b in zip(one, other, strict=True)])
        for one, other in combinations(sequences, 2)
    ]
    report = measure(sequences, DiversityParams(), seed=0)
    assert report.identity_exact
    assert report.identity_pairs == len(pairs)
    assert report.mean_identity == (pytest.approx(np.mean(pairs)) if pairs else None)


@given(any_length.filter(lambda texts: len({len(text) for text in texts}) > 1))
def test_identity_of_unaligned_sequences_is_the_mean_over_all_pairs(sequences):
    pairs = [
        1 - Levenshtein.distance(one, other) / max(len(one), len(other))
        for one, other in combinations(sequences, 2)
    ]
    report = measure(sequences, DiversityParams(), seed=0)
    assert report.identity_exact
    assert report.mean_identity == pytest.approx(np.mean(pairs), abs=1e-6)
    assert report.entropy is None


def test_of_too_many_pairs_a_sample_is_drawn_with_the_seed():
    rng = np.random.default_rng(1)
    sequences = ["".join(rng.choice(list("ACDE"), rng.integers(20, 30))) for _ in range(60)]
    exact = measure(sequences, DiversityParams(), seed=1)
    few = DiversityParams(exact_pairs=100, sampled_pairs=2_000)
    sampled = measure(sequences, few, seed=1)
    assert (sampled.identity_exact, sampled.identity_pairs) == (False, 2_000)
    assert sampled.mean_identity == pytest.approx(exact.mean_identity, abs=0.02)
    assert sampled == measure(sequences, few, seed=1)
    assert sampled != measure(sequences, few, seed=2)


def test_a_sampled_pair_is_never_a_sequence_with_itself():
    few = DiversityParams(exact_pairs=1, sampled_pairs=500)
    assert measure(["AAA", "CC", "DDDD"], few, seed=0).mean_identity == 0


@given(st.lists(st.text("ACYZ:", max_size=9), max_size=8), st.integers(1, 5))
def test_kmers_are_counted_as_one_would_by_hand(sequences, k):
    words = [
        text[start : start + k]
        for text in sequences
        for start in range(len(text) - k + 1)
        if ":" not in text[start : start + k]
    ]
    assert count_kmers(sequences, k) == (len(set(words)), len(words))


def test_pieces_of_the_input_give_the_same_figures(monkeypatch):
    sequences = ["ACDEF", "ACDFF", "CCDEF", "ACDEF"]
    whole = measure(sequences, DiversityParams(), seed=0)
    monkeypatch.setattr(diversity, "CHUNK_RESIDUES", 7)
    assert measure(sequences, DiversityParams(), seed=0) == whole


def test_hill_numbers_are_those_of_the_definition():
    counts = [6, 3, 1, 0]
    shares = [0.6, 0.3, 0.1]
    assert hill_number(counts, 0) == pytest.approx(3)
    assert hill_number(counts, 1) == pytest.approx(
        math.exp(-sum(share * math.log(share) for share in shares))
    )
    assert hill_number(counts, 2) == pytest.approx(1 / sum(share**2 for share in shares))
    assert hill_number([]) == 0


def test_the_effective_number_counts_equal_sequences_once():
    report = measure(["ACDEF", "ACDEF", "WWWWW", "WWWWW"], DiversityParams(), seed=0)
    assert report.effective_number == pytest.approx(2)
    assert (report.number, report.unique, report.unique_fraction) == (4, 2, 0.5)


def test_the_effective_number_counts_similar_sequences_once_if_asked_to():
    sequences = ["ACDEFGHIKL", "ACDEFGHIKM", "WWWWWYYYYY", "WWWWWYYYYW"]
    grouped = DiversityParams(group_identity=0.9)
    assert measure(sequences, grouped, seed=0).effective_number == pytest.approx(2)
    assert measure(sequences, DiversityParams(), seed=0).effective_number == pytest.approx(4)


@pytest.mark.parametrize("sequences", [[], ["ACD"]])
def test_what_is_not_defined_is_none(sequences):
    report = measure(sequences, DiversityParams(), seed=0)
    assert report.mean_identity is None
    assert report.number == len(sequences)


def test_a_report_survives_json():
    report = measure(["AX", "CX"], DiversityParams(), seed=0)
    assert DiversityReport.model_validate_json(report.model_dump_json()) == report


@pytest.mark.parametrize(
    "settings", [{"k": 0}, {"k": 6}, {"group_identity": 0}, {"hill_order": math.inf}, {"q": 1}]
)
def test_settings_that_make_no_sense_cannot_be_made(settings):
    with pytest.raises(ValidationError):
        DiversityParams(**settings)
