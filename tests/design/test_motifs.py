"""Motif counts against regular expressions, low complexity against its definition."""

import re
from collections import Counter
from itertools import groupby
from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.design.motifs import METHOD, Motifs, motifs

PATTERNS = {
    "n_glycosylation": "(?=N[^P][ST][^P])",
    "deamidation": "N[GS]",
    "isomerisation": "D[GS]",
    "oxidation": "[MW]",
    "cysteines": "C",
    "dibasic": "(?=[KR][KR])",
}
MANY = st.lists(st.text("NPSTGDMWCKRA", min_size=1, max_size=40), min_size=1, max_size=6)


def one(sequence: str, **settings: float) -> dict[str, float]:
    found = motifs(Motifs(**settings), [sequence])
    return {name: float(values[0]) for name, values in found.items()}


@given(MANY)
def test_counts_are_those_of_the_patterns(sequences) -> None:
    found = motifs(Motifs(), sequences)
    assert list(found) == list(METHOD.columns)
    for name, pattern in PATTERNS.items():
        expected = [len(re.findall(pattern, sequence)) for sequence in sequences]
        assert found[name].tolist() == expected, name
    assert found["free_cysteine"].tolist() == [s.count("C") % 2 for s in sequences]


@given(MANY)
def test_the_longest_homopolymer_is_that_of_its_sequence(sequences) -> None:
    expected = [max(len(list(run)) for _, run in groupby(s)) for s in sequences]
    assert motifs(Motifs(), sequences)["longest_homopolymer"].tolist() == expected


def naive_low_complexity(sequence: str, window: int, limit: float) -> float:
    low = set()
    for start in range(len(sequence) - window + 1):
        counts = Counter(sequence[start : start + window]).values()
        if -sum(c / window * log2(c / window) for c in counts) <= limit + 1e-9:
            low.update(range(start, start + window))
    return len(low) / len(sequence)


@given(
    st.lists(st.text("ACDEFG", min_size=1, max_size=40), min_size=1, max_size=4),
    st.integers(2, 14),
    st.sampled_from([0.0, 1.0, 1.5, 2.2]),
)
def test_low_complexity_is_the_share_in_windows_of_low_entropy(sequences, window, limit) -> None:
    found = motifs(Motifs(window=window, max_entropy=limit), sequences)["low_complexity"]
    expected = [naive_low_complexity(sequence, window, limit) for sequence in sequences]
    assert found.tolist() == pytest.approx(expected)


def test_overlapping_sequons_both_count() -> None:
    assert one("NNTSA")["n_glycosylation"] == 2


@pytest.mark.parametrize("sequence", ["NPTA", "NATP", "NAT"])
def test_proline_or_the_end_after_a_sequon_rule_it_out(sequence) -> None:
    assert one(sequence)["n_glycosylation"] == 0


def test_no_motif_reaches_over_the_end_of_a_sequence() -> None:
    found = motifs(Motifs(), ["AN", "GA", "AK", "KA", "AN", "ATA"])
    assert sum(found[name].sum() for name in PATTERNS if name != "oxidation") == 2 * 0
    assert found["longest_homopolymer"].tolist() == [1] * 6


def test_a_poly_alanine_is_all_of_low_complexity() -> None:
    assert one("A" * 20)["low_complexity"] == 1
    assert one("ACDEFGHIKLMNPQRSTVWY")["low_complexity"] == 0
    assert one("A" * 11)["low_complexity"] == 0, "shorter than the window"
