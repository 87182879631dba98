"""How far a sequence is from its parent: identity, mutations, substitution scores.

Sequences as long as the parent are compared position by position, all at once; the others are
aligned with it from end to end, one at a time.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
from Bio.Align import PairwiseAligner, substitution_matrices
from numpy.typing import NDArray
from pydantic import Field
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from tasks.design.method import Method, PredictorSettings
from tasks.design.profile import ALPHABET, AMBIGUOUS
from tasks.design.residues import letter_matrix

MatrixName = Literal[
    "BLOSUM45", "BLOSUM50", "BLOSUM62", "BLOSUM80", "BLOSUM90", "PAM30", "PAM70", "PAM250"
]
MAX_ALIGNED = 10_000
"""Longest sequence that is aligned [residues]; an alignment takes memory in the square of it."""
_GAP_OPEN, _GAP_EXTEND = 11.0, 1.0
_SOURCE = "Needleman & Wunsch 1970, gaps after Gotoh 1982 (Biopython's PairwiseAligner)"
# Biopython has no types
_load: Callable[[str], Any] = substitution_matrices.load
_global_aligner: Callable[..., Any] = PairwiseAligner
_NOT_IN_MATRICES = str.maketrans("JOU", "XXX")

SUBSTITUTION = Method(
    name="substitution",
    version=f"1, biopython {version('biopython')}",
    columns={
        "substitution_score": "sum over aligned positions of matrix[parent, residue] less "
        "matrix[parent, parent]; 0 is the parent, gaps count nothing [matrix units]",
        "substitution_per_position": "the same, per aligned position; NaN where none is aligned",
        "substitution_normalised": "alignment score, with gaps, over the parent's with itself; "
        "1 is the parent",
    },
    description="substitution-matrix score against the parent",
    source=f"BLOSUM: Henikoff & Henikoff 1992; PAM: Dayhoff et al. 1978; {_SOURCE}",
    letters=ALPHABET,
    needs_parent=True,
    max_length=MAX_ALIGNED,
)
IDENTITY = Method(
    name="identity",
    version=f"1, biopython {version('biopython')}, rapidfuzz {version('rapidfuzz')}",
    columns={
        "parent_identity": "identical residues / length of the longer sequence",
        "parent_edit_distance": "substitutions, insertions and deletions (Levenshtein)",
        "parent_mutations": 'A12G/L45F, 1-based, where the lengths are equal; "" otherwise, or '
        "where there are none",
    },
    description="identity with the parent, BLOSUM62 and gaps 11/1 where the lengths differ",
    source=f"{_SOURCE}; rapidfuzz",
    letters=ALPHABET + AMBIGUOUS,
    needs_parent=True,
    max_length=MAX_ALIGNED,
    text_columns=frozenset({"parent_mutations"}),
)


class Substitution(PredictorSettings):
    """Substitution-matrix score against the parent."""

    kind: Literal["substitution"] = "substitution"
    matrix: MatrixName = Field("BLOSUM62", title="Matrix", description="of substitution scores")
    gap_open: float = Field(
        _GAP_OPEN,
        title="Gap open",
        description="cost of a gap, besides its residues [matrix units]; lengths differ only",
        ge=0,
        le=100,
    )
    gap_extend: float = Field(
        _GAP_EXTEND,
        title="Gap extend",
        description="cost of each residue in a gap [matrix units]; lengths differ only",
        ge=0,
        le=100,
    )


class Identity(PredictorSettings):
    """Identity, edit distance and mutations relative to the parent."""

    kind: Literal["identity"] = "identity"


def substitution(
    params: Substitution, sequences: Sequence[str], parent: str
) -> dict[str, NDArray[np.float64]]:
    """Columns of `SUBSTITUTION`, float64 of shape (n,)."""
    table = _scores(params.matrix)
    own = np.diagonal(table)[letter_matrix([parent])[0]]
    lost, aligned, total = (np.zeros(len(sequences)) for _ in range(3))
    equal = _equal_length(sequences, parent)
    if equal.size:
        letters = letter_matrix([sequences[i] for i in equal])
        total[equal] = table[letter_matrix([parent]), letters].sum(axis=1)
        lost[equal] = total[equal] - own.sum()
        aligned[equal] = len(parent)
    aligner = _aligner(params.matrix, params.gap_open, params.gap_extend)
    for i in _other_length(sequences, parent):
        alignment = aligner.align(parent, sequences[i])[0]
        places, letters_there = _aligned_pairs(alignment, sequences[i])
        parent_there = letter_matrix([parent])[0][places]
        lost[i] = (table[parent_there, letters_there] - own[places]).sum()
        aligned[i] = len(places)
        total[i] = alignment.score
    per_position = np.divide(lost, aligned, out=np.full(len(lost), np.nan), where=aligned > 0)
    return dict(zip(SUBSTITUTION.columns, (lost, per_position, total / own.sum()), strict=True))


def identity(sequences: Sequence[str], parent: str) -> dict[str, NDArray[Any]]:
    """Columns of `IDENTITY`, of shape (n,): float64, float64 and text."""
    ours = letter_matrix([parent])[0]
    identical = np.zeros(len(sequences))
    mutations = np.full(len(sequences), "", dtype=object)
    equal = _equal_length(sequences, parent)
    if equal.size:
        letters = letter_matrix([sequences[i] for i in equal])
        changed = letters != ours
        identical[equal] = (~changed).sum(axis=1)
        mutations[equal] = _mutations(parent, [sequences[i] for i in equal], changed)
    aligner = _aligner("BLOSUM62", _GAP_OPEN, _GAP_EXTEND)
    aligned_parent = parent.translate(_NOT_IN_MATRICES)
    for i in _other_length(sequences, parent):
        # where several alignments are best, the first one that Biopython gives counts
        alignment = aligner.align(aligned_parent, sequences[i].translate(_NOT_IN_MATRICES))[0]
        places, letters_there = _aligned_pairs(alignment, sequences[i])
        identical[i] = (ours[places] == letters_there).sum()
    longer = np.array([max(len(sequence), len(parent)) for sequence in sequences])
    distance = cdist([parent], sequences, scorer=Levenshtein.distance)[0]
    columns = (identical / longer, distance.astype(np.float64), mutations)
    return dict(zip(IDENTITY.columns, columns, strict=True))


def _mutations(
    parent: str, sequences: Sequence[str], changed: NDArray[np.bool_]
) -> NDArray[np.object_]:
    """Mutations of each sequence, e.g. `A12G/L45F`; `changed` is of shape (n, length)."""
    texts: list[list[str]] = [[] for _ in sequences]
    rows, places = (index.tolist() for index in np.nonzero(changed))
    for row, place in zip(rows, places, strict=True):
        texts[row].append(f"{parent[place]}{place + 1}{sequences[row][place]}")
    joined = np.empty(len(texts), dtype=object)
    joined[:] = ["/".join(text) for text in texts]
    return joined


def _aligned_pairs(alignment: Any, sequence: str) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:  # noqa: ANN401 -- Biopython has no types
    """Places of the parent that are aligned, and the letters of `sequence` there."""
    blocks = np.asarray(alignment.aligned, dtype=np.int64).reshape(2, -1, 2)
    ours, theirs = (
        np.concatenate([np.arange(0), *(np.arange(start, end) for start, end in side)])
        for side in blocks
    )
    return ours, letter_matrix([sequence])[0][theirs]


def _equal_length(sequences: Sequence[str], parent: str) -> NDArray[np.int64]:
    return np.array([i for i, s in enumerate(sequences) if len(s) == len(parent)], dtype=np.int64)


def _other_length(sequences: Sequence[str], parent: str) -> list[int]:
    return [i for i, sequence in enumerate(sequences) if len(sequence) != len(parent)]


@lru_cache(maxsize=8)
def _scores(matrix: MatrixName) -> NDArray[np.float64]:
    """The matrix by ASCII code, 0 for letters it does not know; shape (256, 256), read-only."""
    scores = _load(matrix)
    codes = np.frombuffer(str(scores.alphabet).encode("ascii"), np.uint8)
    table = np.zeros((256, 256))
    table[np.ix_(codes, codes)] = np.asarray(scores)
    table.flags.writeable = False
    return table


def _aligner(matrix: MatrixName, gap_open: float, gap_extend: float) -> Any:  # noqa: ANN401 -- Biopython has no types
    """Global alignment; a gap of k residues costs `gap_open` + k * `gap_extend`, as in BLAST."""
    aligner = _global_aligner(mode="global")
    aligner.substitution_matrix = _load(matrix)
    aligner.open_gap_score = -(gap_open + gap_extend)
    aligner.extend_gap_score = -gap_extend
    return aligner
