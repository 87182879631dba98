"""Identity, mutations and substitution scores relative to a parent."""

import numpy as np
import pytest
from Bio.Align import substitution_matrices
from hypothesis import given
from hypothesis import strategies as st

from tasks.design.profile import ALPHABET
from tasks.design.similarity import Substitution, identity, substitution

PROTEIN = st.text(ALPHABET, min_size=1, max_size=12)


def levenshtein(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, one in enumerate(a, 1):
        row, above = [i], row
        for j, other in enumerate(b, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (one != other)))
    return row[-1]


def global_score(a: str, b: str, gap_open: float, gap_extend: float) -> float:
    """Best score of a global alignment, by trying every first step."""
    blosum = substitution_matrices.load("BLOSUM62")
    best = {}

    def score(i: int, j: int, gap: str) -> float:
        if i == len(a) and j == len(b):
            return 0.0
        if (i, j, gap) not in best:
            steps = []
            if i < len(a) and j < len(b):
                steps.append(blosum[a[i]][b[j]] + score(i + 1, j + 1, ""))
            if i < len(a):
                steps.append(score(i + 1, j, "a") - gap_extend - (gap_open if gap != "a" else 0.0))
            if j < len(b):
                steps.append(score(i, j + 1, "b") - gap_extend - (gap_open if gap != "b" else 0.0))
            best[i, j, gap] = max(steps)
        return best[i, j, gap]

    return score(0, 0, "")


def test_the_parent_itself_has_identity_one_and_no_mutations() -> None:
    found = identity(["MKVLA"], "MKVLA")
    assert [values[0] for values in found.values()] == [1.0, 0.0, ""]


def test_mutations_are_one_based_and_in_order() -> None:
    found = identity(["GKVLW", "MKVLA"], "MKVLA")
    assert found["parent_mutations"].tolist() == ["M1G/A5W", ""]
    assert found["parent_identity"].tolist() == [0.6, 1.0]


def test_other_lengths_are_aligned_and_have_no_mutation_string() -> None:
    found = identity(["MKVLAW", "KVLA"], "MKVLA")
    assert found["parent_identity"].tolist() == pytest.approx([5 / 6, 4 / 5])
    assert found["parent_edit_distance"].tolist() == [1, 1]
    assert found["parent_mutations"].tolist() == ["", ""]


def test_a_mismatch_in_an_alignment_is_not_identical() -> None:
    assert identity(["MKVLAWHHC"], "MKVIAWHH")["parent_identity"].tolist() == [7 / 9]


def test_letters_that_blosum_does_not_know_can_be_identical() -> None:
    found = identity(["MKUVLAW"], "MKUVLA")
    assert found["parent_identity"].tolist() == pytest.approx([6 / 7])


@given(st.lists(PROTEIN, min_size=1, max_size=4), PROTEIN)
def test_edit_distance_is_levenshteins(sequences, parent) -> None:
    found = identity(sequences, parent)["parent_edit_distance"]
    assert found.tolist() == [levenshtein(sequence, parent) for sequence in sequences]


@given(PROTEIN, PROTEIN)
def test_equal_lengths_are_compared_place_by_place(one, other) -> None:
    size = min(len(one), len(other))
    one, other = one[:size], other[:size]
    matches = sum(a == b for a, b in zip(one, other, strict=True))
    assert identity([one], other)["parent_identity"][0] == matches / size
    blosum = substitution_matrices.load("BLOSUM62")
    lost = sum(blosum[b][a] - blosum[b][b] for a, b in zip(one, other, strict=True))
    own = sum(blosum[b][b] for b in other)
    found = substitution(Substitution(), [one], other)
    assert [values[0] for values in found.values()] == pytest.approx(
        [lost, lost / size, (lost + own) / own]
    )


@given(PROTEIN, PROTEIN, st.sampled_from([0.0, 3.0, 11.0]))
def test_other_lengths_get_the_best_global_alignment(one, other, gap_open) -> None:
    if len(one) == len(other):
        one += "A"
    blosum = substitution_matrices.load("BLOSUM62")
    own = sum(blosum[letter][letter] for letter in other)
    found = substitution(Substitution(gap_open=gap_open), [one], other)
    expected = global_score(other, one, gap_open, 1.0) / own
    assert found["substitution_normalised"][0] == pytest.approx(expected)


def test_a_gap_counts_nothing_in_the_score_of_aligned_positions() -> None:
    found = substitution(Substitution(), ["MKVLW"], "MKVLWHHHH")
    assert found["substitution_score"][0] == 0
    assert found["substitution_per_position"][0] == 0
    assert found["substitution_normalised"][0] < 1


def test_matrices_differ() -> None:
    by_matrix = {
        name: substitution(Substitution(matrix=name), ["MKVLW"], "MKVLA")["substitution_score"][0]
        for name in ("BLOSUM62", "PAM30")
    }
    assert by_matrix == {"BLOSUM62": -3 - 4, "PAM30": -13 - 6}


def test_where_nothing_is_aligned_the_mean_is_nan() -> None:
    found = substitution(Substitution(gap_open=0, gap_extend=0), ["WW"], "A")
    assert np.isnan(found["substitution_per_position"][0])
    assert found["substitution_normalised"][0] == 0
