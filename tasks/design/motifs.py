"""Liabilities of a sequence: sites that are modified, cut or oxidised, and simple stretches."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.design.method import Method, PredictorSettings
from tasks.design.profile import ALPHABET, AMBIGUOUS
from tasks.design.residues import Residues, concatenated

METHOD = Method(
    name="motifs",
    version="1",
    columns={
        "n_glycosylation": "sites N-{P}-[ST]-{P}; overlapping ones count",
        "deamidation": "sites NG and NS",
        "isomerisation": "sites DG and DS",
        "oxidation": "residues M and W",
        "cysteines": "residues C",
        "free_cysteine": "1 where the number of cysteines is odd, else 0",
        "dibasic": "sites KK, KR, RK and RR; KKK holds two",
        "low_complexity": "fraction of residues in windows of low entropy",
        "longest_homopolymer": "longest run of one residue [residues]",
    },
    description="counts of liabilities for production and storage, and simple stretches",
    source=(
        "N-glycosylation: PROSITE PS00001; deamidation: Robinson & Robinson 2001, "
        "doi:10.1073/pnas.98.3.944; low complexity: Wootton & Federhen 1993, "
        "doi:10.1016/0097-8485(93)85006-X (SEG, first pass)"
    ),
    letters=ALPHABET + AMBIGUOUS,
)
_SPACING = 3
"""Zeros after each sequence: the longest motif, less one."""


class Motifs(PredictorSettings):
    """Counts of glycosylation, deamidation, oxidation and cleavage sites, and simple stretches."""

    kind: Literal["motifs"] = "motifs"
    window: int = Field(
        12, title="Window", description="of low complexity [residues]", ge=2, le=100
    )
    max_entropy: float = Field(
        2.2,
        title="Entropy",
        description="a window with at most this much is of low complexity [bits]; SEG's trigger",
        ge=0,
        le=5,
    )


def motifs(params: Motifs, sequences: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Columns of `METHOD`, float64 of shape (n,)."""
    residues = concatenated(sequences, _SPACING)
    here, after, third, fourth = (np.roll(residues.letters, -shift) for shift in range(4))
    sites = {
        "n_glycosylation": (here == ord("N"))
        & (after != ord("P"))
        & _one_of("ST", third)
        & (fourth != ord("P"))
        & (fourth != 0),
        "deamidation": (here == ord("N")) & _one_of("GS", after),
        "isomerisation": (here == ord("D")) & _one_of("GS", after),
        "oxidation": _one_of("MW", here),
        "cysteines": here == ord("C"),
        "dibasic": _one_of("KR", here) & _one_of("KR", after),
    }
    counts = {
        name: np.add.reduceat(mask, residues.starts, dtype=np.int64).astype(np.float64)
        for name, mask in sites.items()
    }
    counts["free_cysteine"] = counts["cysteines"] % 2
    counts["low_complexity"] = low_complexity(residues, params.window, params.max_entropy)
    counts["longest_homopolymer"] = _longest_runs(residues)
    return {name: counts[name] for name in METHOD.columns}


def low_complexity(residues: Residues, window: int, max_entropy: float) -> NDArray[np.float64]:
    """Fraction of each sequence that lies in windows of low Shannon entropy.

    SEG's first pass: the neighbourhood is not extended at a second threshold, and not trimmed.

    Args:
        residues: The sequences.
        window: Residues that are looked at together.
        max_entropy: Highest entropy of the residues of such a window [bits].

    Returns:
        float64 of shape (n,); 0 for a sequence shorter than the window.

    Source:
        Wootton & Federhen 1993, doi:10.1016/0097-8485(93)85006-X; SEG's window is 12, its first
        threshold 2.2 bits.
    """
    size = len(residues.letters)
    spans = np.diff(residues.starts, append=size)
    ends = np.repeat(residues.starts + residues.lengths, spans)
    inside = np.arange(size) + window <= ends
    entropy = _window_entropies(residues.letters, window)
    low = np.flatnonzero(inside & (entropy <= max_entropy + 1e-9))
    edges = np.zeros(size + 1, dtype=np.int64)
    edges[low] += 1
    edges[low + window] -= 1
    covered = np.cumsum(edges[:-1]) > 0
    counts = np.add.reduceat(covered, residues.starts, dtype=np.int64)
    return np.asarray(counts / residues.lengths, dtype=np.float64)


def _window_entropies(letters: NDArray[np.uint8], window: int) -> NDArray[np.float64]:
    """Entropy [bits] of the letters from each place on; without meaning near the end."""
    share = np.arange(1, window + 1) / window
    term = np.concatenate([[0.0], -share * np.log2(share)])
    entropy = np.zeros(len(letters))
    for letter in np.unique(letters[letters != 0]):
        before = np.concatenate([[0], np.cumsum(letters == letter, dtype=np.int32)])
        upto = np.minimum(np.arange(len(letters)) + window, len(letters))
        entropy += term[before[upto] - before[:-1]]
    return entropy


def _longest_runs(residues: Residues) -> NDArray[np.float64]:
    letters = residues.letters
    starts = np.flatnonzero(np.diff(letters, prepend=letters[0] ^ 1))
    runs = np.zeros(len(letters), dtype=np.int64)
    runs[starts] = np.diff(starts, append=len(letters))
    runs[letters == 0] = 0
    return np.asarray(np.maximum.reduceat(runs, residues.starts), dtype=np.float64)


def _one_of(wanted: str, letters: NDArray[np.uint8]) -> NDArray[np.bool_]:
    found = np.zeros(len(letters), dtype=np.bool_)
    for letter in wanted:
        found |= letters == ord(letter)
    return found
