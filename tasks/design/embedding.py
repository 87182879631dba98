"""A vector of fixed length for each sequence, from its composition and its physical chemistry.

No trained model: the vector says which residues there are and how lipophilicity, size and polarity
follow each other along the chain. It serves clustering where no language model is at hand.
"""

from collections.abc import Sequence
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tasks.design.method import Method, PredictorSettings
from tasks.design.profile import ALPHABET
from tasks.design.residues import Residues, concatenated, lookup

LAGS = 8
"""Distances along the chain, 1 to this many residues."""
Z_SCALES: dict[str, tuple[float, float, float]] = {
    "A": (0.24, -2.32, 0.60),
    "C": (0.84, -1.67, 3.71),
    "D": (3.98, 0.93, 1.93),
    "E": (3.11, 0.26, -0.11),
    "F": (-4.22, 1.94, 1.06),
    "G": (2.05, -4.06, 0.36),
    "H": (2.47, 1.95, 0.26),
    "I": (-3.89, -1.73, -1.71),
    "K": (2.29, 0.89, -2.49),
    "L": (-4.28, -1.30, -1.49),
    "M": (-2.85, -0.22, 0.47),
    "N": (3.05, 1.62, 1.04),
    "P": (-1.66, 0.27, 1.84),
    "Q": (1.75, 0.50, -1.44),
    "R": (3.52, 2.50, -3.50),
    "S": (2.39, -1.07, 1.15),
    "T": (0.75, -2.18, -1.12),
    "V": (-2.59, -2.64, -1.54),
    "W": (-4.36, 3.94, 0.59),
    "Y": (-2.54, 2.44, 0.43),
}
"""z1 (lipophilicity), z2 (size), z3 (polarity) of Sandberg et al. 1998."""
_SCALES = 3
_PAIRS = tuple(product(range(_SCALES), repeat=2))
DIMENSION = len(ALPHABET) + _SCALES + LAGS * len(_PAIRS)

METHOD = Method(
    name="physico-chemical embedding",
    version="1",
    columns={
        "embedding": f"float32 vector of {DIMENSION}: 20 residue fractions (A, C, D … Y), 3 means "
        "of the standardised z-scales, 9 auto- and cross-covariances at each lag from 1 to 8"
    },
    description="composition, means and auto-cross covariances of three z-scales",
    source=(
        "z-scales: Sandberg et al. 1998, doi:10.1021/jm9700575; auto-cross covariance: "
        "Wold et al. 1993, doi:10.1016/0003-2670(93)80437-P, centred per sequence as in "
        "Dong et al. 2009, doi:10.1093/bioinformatics/btp500"
    ),
    letters=ALPHABET,
    vector_sizes={"embedding": DIMENSION},
)


class Embedding(PredictorSettings):
    """A vector for clustering: composition and physico-chemical covariances along the chain."""

    kind: Literal["embedding"] = "embedding"


def standard_scales() -> NDArray[np.float64]:
    """z1 to z3 of the 20 residues, mean 0 and variance 1 over them; shape (20, 3)."""
    scales = np.array([Z_SCALES[letter] for letter in ALPHABET])
    return np.asarray((scales - scales.mean(axis=0)) / scales.std(axis=0))


def embedding(sequences: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """One vector per sequence, float32 of shape (n, `DIMENSION`).

    With a and b two scales less their mean in the sequence of length L, the term (a, b, lag) is
    the sum of a[i] * b[i + lag] over all i, divided by L - lag; 0 where L <= lag.
    """
    residues = concatenated(sequences, LAGS)
    codes = lookup(ALPHABET)[residues.letters]
    owner = np.repeat(np.arange(len(sequences)), residues.lengths + LAGS)
    counts = np.bincount(owner * 21 + codes, minlength=21 * len(sequences)).reshape(-1, 21)
    composition = counts[:, :20] / residues.lengths[:, None]
    scales = standard_scales()
    # one scale after the other: the order of summation must not follow from how many rows there are
    means = np.stack([(composition * scale).sum(axis=1) for scale in scales.T], axis=1)
    values = np.zeros((_SCALES, len(codes)))
    inside = codes < len(ALPHABET)
    for scale in range(_SCALES):
        # zeros between sequences: products over a border vanish
        values[scale, inside] = scales[codes[inside], scale] - means[owner[inside], scale]
    vectors = np.hstack([composition, means, _covariances(values, residues)])
    return {"embedding": vectors.astype(np.float32)}


def _covariances(values: NDArray[np.float64], residues: Residues) -> NDArray[np.float64]:
    """Auto- and cross-covariances, lag by lag; shape (n, `LAGS` * 9)."""
    columns = []
    for lag in range(1, LAGS + 1):
        terms = np.maximum(residues.lengths - lag, 1)
        later = np.roll(values, -lag, axis=1)
        for one, other in _PAIRS:
            sums = np.add.reduceat(values[one] * later[other], residues.starts)
            columns.append(sums / terms)
    return np.stack(columns, axis=1)
