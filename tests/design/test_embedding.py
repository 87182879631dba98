"""The embedding against its formula, written out in loops."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.design.embedding import DIMENSION, LAGS, embedding, standard_scales
from tasks.design.profile import ALPHABET

PROTEIN = st.text(ALPHABET, min_size=1, max_size=30)


def naive(sequence: str) -> list[float]:
    z = [standard_scales()[ALPHABET.index(letter)] for letter in sequence]
    size, mean = len(sequence), np.mean(z, axis=0)
    terms = [sequence.count(letter) / size for letter in ALPHABET] + mean.tolist()
    for lag in range(1, LAGS + 1):
        for a in range(3):
            for b in range(3):
                products = [
                    (z[i][a] - mean[a]) * (z[i + lag][b] - mean[b]) for i in range(size - lag)
                ]
                terms.append(sum(products) / len(products) if products else 0.0)
    return terms


@given(st.lists(PROTEIN, min_size=1, max_size=4))
def test_vectors_follow_the_formula(sequences) -> None:
    found = embedding(sequences)["embedding"]
    assert found.dtype == np.float32
    assert found.shape == (len(sequences), DIMENSION) == (len(sequences), 95)
    expected = [naive(sequence) for sequence in sequences]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_order_matters_though_composition_is_the_same() -> None:
    one, other = embedding(["LLLLKKKK", "LKLKLKLK"])["embedding"]
    np.testing.assert_allclose(one[:23], other[:23], atol=1e-6)
    assert not np.allclose(one[23:], other[23:])


def test_scales_are_standardised_and_keep_their_sense() -> None:
    scales = standard_scales()
    np.testing.assert_allclose(scales.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scales.std(axis=0), 1)
    assert ALPHABET[scales[:, 0].argmin()] == "W", "z1: lipophilic is low"
    assert ALPHABET[scales[:, 1].argmin()] == "G", "z2: small is low"
