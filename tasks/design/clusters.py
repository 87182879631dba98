"""What every clustering gives."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
NOISE = -1
"""Label of a vector that belongs to no cluster."""


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Which cluster each of n items belongs to."""

    label: Labels
    """int64 (n,): 0, 1, … by decreasing size, then by the first member; -1: noise."""
    representative: NDArray[np.bool_]
    """bool (n,): one item per cluster, the longest sequence or the medoid; none of the noise."""
    silhouette: float
    """-1 to 1, without noise; NaN for sequences, and where it is not defined."""

    @property
    def number(self) -> int:
        """How many clusters, noise not counted."""
        return int(self.representative.sum())


def numbered(group: Labels) -> Labels:
    """Labels 0, 1, … by decreasing size, then by the first member; noise stays noise."""
    label = np.full(group.size, NOISE, dtype=np.int64)
    member = np.flatnonzero(group != NOISE)
    _, first, inverse, size = np.unique(
        group[member], return_index=True, return_inverse=True, return_counts=True
    )
    number = np.empty(size.size, dtype=np.int64)
    number[np.lexsort((first, -size))] = np.arange(size.size)
    label[member] = number[inverse]
    return label
