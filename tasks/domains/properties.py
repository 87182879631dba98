"""What probabilities are read from: properties of alignments and of proposals, and their bins.

The numbers are where a bin begins; the first bin has no beginning.  `calibration.json` holds the
points of each bin, with a copy of these numbers.
"""

from collections.abc import Sequence
from math import log10

import numpy as np
from numpy.typing import NDArray

from tasks.domains.candidates import Candidate
from tasks.domains.ranges import size

Values = NDArray[np.float64]
LOWEST_EVALUE = 1e-180
"""What BLAST prints as 0.0 is below this."""

RELATION = {
    "strength": (-0.7, -0.4, 0, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 12, 20, 40),
    "probability": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.995),
    "columns": (20, 30, 40, 60, 80, 110, 150, 220),
    "identity": (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.7, 0.9, 0.97),
    "coverage": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.96),
    "fit": (0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7),
}
"""Of an alignment: whether protein and reference are related."""
ENDS = {
    "coverage": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.96),
    "missing": (0.02, 0.05, 0.1, 0.2, 0.3, 0.5),
    "extended": (0.02, 0.05, 0.1, 0.2, 0.3, 0.5),
    "strength": (0, 1, 2, 3, 4, 6, 8, 12, 20, 40, 80),
    "identity": (0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.7, 0.9, 0.97),
    "room": (5, 15, 30, 50, 80, 120, 200, 300, 500),
    "left_start": (5, 15, 30, 45, 60, 90),
    "left_end": (5, 15, 30, 45, 60, 90),
    "fit": (0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7),
    "reference_length": (40, 60, 80, 100, 130, 160, 200, 260, 350),
    "stretch": (0.85, 0.95, 1.02, 1.1, 1.2, 1.4),
    "segments": (2, 3),
}
"""Of an alignment: whether the ends it proposes are right, if they are related."""
DOMAIN_RELATION = {
    "related": (-3, -2.5, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5),
    "kin": (0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 12),
    "conflict": (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 0.95),
}
"""Of a proposal: whether its homology class is right."""
DOMAIN_ENDS = {
    "ends": (-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3, 4),
    "agreement": (0.05, 0.15, 0.3, 0.6, 1, 1.5, 2.5, 4, 8),
    "rivalry": (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9),
    "spread": (0.005, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3),
    "room": (5, 15, 30, 50, 80, 120, 200, 300, 500),
    "size": (40, 60, 80, 100, 130, 160, 200, 260, 350),
    "segments": (2, 3),
    "conflict": (0.1, 0.2, 0.4, 0.6, 0.8, 0.95),
}
"""Of a proposal: whether its ends are right, if its class is."""
CONTEXT = {
    "probability": (-3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5),
    "left": (1, 10, 20, 30, 50, 80, 120, 180, 300),
    "kept": (0.7, 0.8, 0.88, 0.94, 0.98, 0.999),
    "unaligned": (0.01, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5),
    "share": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98),
    "gap": (0.01, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 2),
    "filled": (0.6, 0.75, 0.85, 0.95, 1.02, 1.1, 1.2, 1.3, 1.5),
    "passed_over": (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7),
}
"""Of a chosen domain beside the others that were chosen: whether it is right."""
LEVEL = {
    "share": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 0.995),
    "weight": (0.1, 0.2, 0.4, 0.6, 0.8, 0.95, 1.5, 2.5, 4),
    "confidence": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98),
    "strength": (0, 1, 2, 3, 5, 8, 12, 20, 40),
    "identity": (0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8),
}
"""Of the votes for a class at one level of the hierarchy: whether it is right."""


def strength(evalue: float) -> float:
    """The negative decimal logarithm of an E-value; 0 is one too small to be printed."""
    return -log10(max(evalue, LOWEST_EVALUE))


def properties_of(candidates: Sequence[Candidate], lengths: Sequence[int]) -> tuple[Values, Values]:
    """The values of RELATION and those of ENDS, shapes (candidates, properties).

    Args:
        lengths: Of the protein of each candidate.
    """
    numbers = np.array(list(map(_numbers, candidates)), float).reshape(-1, 12).T
    strong, probability, columns, identity, fit, reference_length = numbers[:6]
    missing, extended, residues, start, end, segments = numbers[6:]
    coverage = columns / reference_length
    length = np.array(lengths, float)
    relation = strong, probability, columns, identity, coverage, fit
    ends = (
        coverage,
        missing / reference_length,
        extended / reference_length,
        strong,
        identity,
        length - residues,
        start,
        length - end,
        fit,
        reference_length,
        residues / np.maximum(reference_length - missing, 1),
        segments,
    )
    return np.column_stack(relation), np.column_stack(ends)


def _numbers(candidate: Candidate) -> tuple[float, ...]:
    """What both are made of."""
    hit, segments = candidate.hit, candidate.segments
    return (
        strength(hit.evalue),
        hit.probability if hit.source == "hhsearch" else 0.0,
        candidate.columns,
        hit.identities / hit.columns,
        candidate.fit,
        candidate.reference_length,
        candidate.missing,
        candidate.extended_start + candidate.extended_end,
        size(segments),
        segments[0][0],
        segments[-1][1],
        len(segments),
    )
