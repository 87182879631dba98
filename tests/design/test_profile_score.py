"""Scores against a profile HMM."""

import numpy as np
import pyhmmer
import pytest
from pyhmmer.easel import DigitalSequenceBlock, TextSequence
from pyhmmer.plan7 import Background

from tasks.design.profile import (
    ALPHABET,
    build_profile,
    load_hmm,
    match_states,
    residue_probabilities,
)
from tasks.design.profile_score import profile_score

UBIQUITIN = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"
NEDD8 = "MLIKVKTLTGKEIEIDIEPTDKVERIKERVEEKEGIPPQQQRLIYSGKQMNDEKTAADYKILGGSVLHLVLALRGG"
THIRD = "MQLKVTTLSGETIPVEVSPDDTVADLKQKIEEKTGVPVSKQRLIFAGKELEDDKTLADYGIKDGSTIHLVLKKRGG"
FAMILY = build_profile([("ubiquitin", UBIQUITIN), ("nedd8", NEDD8), ("third", THIRD)])
SEQUENCES = [UBIQUITIN, NEDD8[:30] + "GGSGG" + NEDD8[30:], THIRD[10:50]]
RNG = np.random.default_rng(5)
RANDOM = ["".join(RNG.choice(list(ALPHABET), 80)) for _ in range(40)]


def test_bits_are_those_of_hmmsearch() -> None:
    hmm = load_hmm(FAMILY)
    sequences = [
        TextSequence(name=str(i), sequence=text).digitize(hmm.alphabet)
        for i, text in enumerate(SEQUENCES)
    ]
    block = DigitalSequenceBlock(hmm.alphabet, sequences)
    (hits,) = pyhmmer.hmmer.hmmsearch(hmm, block, cpus=1)
    expected = {int(hit.name): hit.score for hit in hits}
    assert sorted(expected) == [0, 1, 2]
    found = profile_score(SEQUENCES, FAMILY)["profile_bits"]
    assert found.tolist() == [expected[i] for i in range(3)]


def test_every_sequence_has_a_score_of_at_least_zero() -> None:
    bits = profile_score(RANDOM, FAMILY)["profile_bits"]
    assert (bits >= 0).all()
    assert bits.max() < 10 < profile_score([UBIQUITIN], FAMILY)["profile_bits"][0]


def test_weak_sequences_that_hmmsearch_filters_out_have_their_scores() -> None:
    hmm = load_hmm(FAMILY)
    sequences = [
        TextSequence(name=str(i), sequence=text).digitize(hmm.alphabet)
        for i, text in enumerate(RANDOM)
    ]
    block = DigitalSequenceBlock(hmm.alphabet, sequences)
    searches = (
        pyhmmer.hmmer.hmmsearch(hmm, block, cpus=1, T=-1e9, **filters)
        for filters in ({}, {"bias_filter": False, "F1": 1.0, "F2": 1.0, "F3": 1.0})
    )
    filtered, unfiltered = (
        {int(hit.name): hit.score for hit in hits if hit.score > 0}
        for search in searches
        for hits in search
    )
    bits = profile_score(RANDOM, FAMILY)["profile_bits"]
    found = {int(i): bits[i] for i in np.flatnonzero(bits)}
    assert found == unfiltered
    assert len(found) > len(filtered)


@pytest.mark.parametrize("sequence", [*SEQUENCES, *RANDOM[:5]])
def test_log_odds_and_coverage_are_those_of_the_alignment(sequence) -> None:
    background = np.array(Background(load_hmm(FAMILY).alphabet).residue_frequencies)
    states = match_states(FAMILY, sequence)
    probabilities = residue_probabilities(FAMILY, sequence)
    odds = [
        np.log2(probabilities[i, ALPHABET.index(letter)] / background[ALPHABET.index(letter)])
        for i, letter in enumerate(sequence)
        if states[i] >= 0
    ]
    found = profile_score([sequence], FAMILY)
    assert found["profile_log_odds_mean"][0] == pytest.approx(np.mean(odds), abs=1e-5)
    assert found["profile_coverage"][0] == pytest.approx(len(odds) / load_hmm(FAMILY).M)


def test_the_whole_domain_is_covered_and_half_of_it_half() -> None:
    coverage = profile_score([UBIQUITIN, UBIQUITIN[:38]], FAMILY)["profile_coverage"]
    assert coverage.tolist() == pytest.approx([1.0, 0.5], abs=0.03)


def test_without_a_known_residue_the_mean_is_nan() -> None:
    found = profile_score(["X" * 30], FAMILY)
    assert np.isnan(found["profile_log_odds_mean"][0])
    assert found["profile_bits"][0] == 0
