"""Groups of similar sequences.

**Identity** of two sequences, whatever the engine: identical residues of the best local alignment
(BLOSUM62; the first residue of a gap costs 11, each further one 1; of equally good alignments the
one with most identities) divided by the length of the LONGER sequence (MMseqs2 `--seq-id-mode 2`).
For sequences of equal length the ungapped alignment from end to end counts as well, and the larger
number is taken: a local alignment leaves out identical residues behind a mismatch near an end.

**Greedy incremental clustering** (CD-HIT, Li & Godzik 2006, doi:10.1093/bioinformatics/btl158):
longest first, ties in the order of the input; a sequence joins the first representative it reaches
the identity with, or becomes one.

The built-in engine does exactly this; its time grows with sequences times clusters.  How MMseqs2
differs stands in `tasks.design.mmseqs`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from Bio.Align import PairwiseAligner, substitution_matrices
from numpy.typing import NDArray
from rapidfuzz.distance import LCSseq
from rapidfuzz.process import cdist

from blocks.errors import InputError
from tasks.design.cluster_params import IdentityParams
from tasks.design.clusters import Clusters, Labels, numbered
from tasks.design.mmseqs import mmseqs_fasta, parse_mmseqs

AUTO_SEQUENCES = 50_000
"""Up to here `auto` takes the built-in engine: 20,000 variants of one protein of 150 residues take
it up to a minute, and MMseqs2, which has to align most pairs of such a set, ten times as long."""
AUTO_LENGTH = 20
AUTO_IDENTITY = 0.5
"""Below these MMseqs2 overlooks pairs, and `auto` takes the built-in engine."""
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ*:"
_SHIFT = 1 << 20
_ROUNDING = 1e-9


def cluster_sequences(
    params: IdentityParams,
    sequences: Sequence[str],
    mmseqs: Callable[[str], str] | None = None,
) -> Clusters:
    """Clusters of sequences by identity; the representatives are the longest.

    Args:
        params: Threshold and engine.
        sequences: One-letter codes, upper case, not empty.
        mmseqs: Takes FASTA, runs `mmseqs_argv` on it, gives the text of its `_cluster.tsv`.
            None: the program is not there.

    Raises:
        InputError: A letter is not A-Z, `*` or `:`; or MMseqs2 is asked for and not there.
    """
    _check_letters(sequences)
    engine = chosen_engine(params, sequences, mmseqs_found=mmseqs is not None)
    if engine == "builtin" or not sequences:
        representatives = _greedy(sequences, params.min_identity)
    elif mmseqs is None:
        raise InputError(
            "cluster: engine mmseqs, but the program was not found; install mmseqs2 or use builtin"
        )
    else:
        representatives = parse_mmseqs(mmseqs(mmseqs_fasta(sequences)), len(sequences))
    chosen = representatives == np.arange(len(sequences))
    return Clusters(numbered(representatives), chosen, math.nan)


def chosen_engine(
    params: IdentityParams, sequences: Sequence[str], *, mmseqs_found: bool
) -> Literal["mmseqs", "builtin"]:
    """The engine that `auto` stands for; any other is itself."""
    if params.engine != "auto":
        return params.engine
    suited = (
        len(sequences) > AUTO_SEQUENCES
        and params.min_identity >= AUTO_IDENTITY
        and min(map(len, sequences)) >= AUTO_LENGTH
    )
    return "mmseqs" if mmseqs_found and suited else "builtin"


def identity(one: str, other: str) -> float:
    """Identity of two sequences as the module defines it, 0 to 1.

    >>> identity("MKVLAW", "MKVLAW"), identity("MKVLAWMKVLAW", "MKVLAW")
    (1.0, 0.5)
    """
    longer = max(len(one), len(other))
    aligned = int(_aligner().score(one, other)) % _SHIFT
    ungapped = sum(a == b for a, b in zip(one, other, strict=True)) if len(one) == len(other) else 0
    return max(aligned, ungapped) / longer


@lru_cache(maxsize=1)
def _aligner() -> Any:  # noqa: ANN401 -- Biopython has no types
    """An aligner whose score is `score * _SHIFT + identities`, so that no path need be traced."""
    blosum = substitution_matrices.load("BLOSUM62")  # type: ignore[no-untyped-call]
    table = substitution_matrices.Array(_LETTERS, dims=2)  # type: ignore[no-untyped-call]
    known = set(blosum.alphabet)
    for a in _LETTERS:
        for b in _LETTERS:
            score = blosum[a if a in known else "X", b if b in known else "X"]
            table[a, b] = score * _SHIFT + (a == b)
    aligner: Any = PairwiseAligner(mode="local", substitution_matrix=table)  # type: ignore[no-untyped-call]
    aligner.open_gap_score = -11 * _SHIFT
    aligner.extend_gap_score = -_SHIFT
    return aligner


def _check_letters(sequences: Sequence[str]) -> None:
    for number, sequence in enumerate(sequences, start=1):
        if not sequence or sequence.strip(_LETTERS):
            raise InputError(
                f"cluster: sequence {number} is {sequence[:20]!r}; expected letters A-Z, `*` or `:`"
            )


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Sequences, the longest first, as texts and as the letters of all in one array."""

    text: NDArray[np.object_]
    length: Labels
    start: Labels
    letters: NDArray[np.uint8]

    def ungapped(self, first: int, others: Labels) -> Labels:
        """Identical positions with `first` of those of its length: the first ones of `others`."""
        length = int(self.length[first])
        stop = int(np.searchsorted(-self.length, -length, side="right"))
        block = self.letters[self.start[first] : self.start[stop]].reshape(-1, length)
        equal = others[: np.searchsorted(others, stop)]
        return np.asarray(np.count_nonzero(block[equal - first] == block[0], axis=1))

    def reached(self, first: int, others: Labels, needed: int) -> NDArray[np.bool_]:
        """Which of `others`, none longer than `first`, have `needed` identities with it."""
        ungapped = self.ungapped(first, others)
        reached = np.zeros(others.size, dtype=np.bool_)
        reached[: ungapped.size] = ungapped >= needed
        left = np.flatnonzero(~reached & (self.length[others] >= needed))
        if left.size:
            texts = self.text[others[left]].tolist()
            # Identities of any alignment are a common subsequence: too short a one settles it.
            most = cdist(
                [self.text[first]],
                texts,
                scorer=LCSseq.similarity,
                score_cutoff=needed,
                dtype=np.int32,
            )[0]
            score = _aligner().score
            for place in np.flatnonzero(most >= needed):
                identities = int(score(self.text[first], texts[place])) % _SHIFT
                reached[left[place]] = identities >= needed
        return reached


def _greedy(sequences: Sequence[str], min_identity: float) -> Labels:
    """The index of each sequence's representative, int64 (n,).

    One representative takes all it reaches, then the longest that is left is the next: the same
    result as one sequence after the other, but a representative meets all others at once.
    """
    length = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    order = np.argsort(-length, kind="stable")
    text = np.array(sequences, dtype=object)[order]
    letters = np.frombuffer("".join(text).encode("ascii"), dtype=np.uint8)
    start = np.concatenate(([0], np.cumsum(length[order])))
    ranked = _Sorted(text, length[order], start, letters)
    joined = np.empty(len(sequences), dtype=np.int64)
    left = np.arange(len(sequences))
    while left.size:
        first = int(left[0])
        needed = math.ceil(min_identity * len(text[first]) - _ROUNDING)
        reached = np.concatenate(([True], ranked.reached(first, left[1:], needed)))
        joined[order[left[reached]]] = order[first]
        left = left[~reached]
    return joined
