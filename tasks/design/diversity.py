"""Figures of how different the sequences of a set are."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cpdist

from blocks.errors import InputError
from tasks.design.cluster_params import IdentityParams
from tasks.design.sequence_clusters import cluster_sequences
from tasks.parameters import Params, Record

ALPHABET = "ACDEFGHIKLMNPQRSTVWY"
"""Order of the columns of `position_counts`."""
CHUNK_RESIDUES = 2_000_000
"""Residues looked at in one go: what bounds the memory."""
_LETTERS = 27
_BREAK = 26
_FIRST = ord("A")


class DiversityParams(Params):
    """What is measured, and from how many pairs."""

    k: int = Field(3, title="Word length", description="of the k-mers counted [aa]", ge=1, le=5)
    exact_pairs: int = Field(
        200_000,
        title="Exact up to",
        description="pairs of sequences of unequal length; of more, a sample is drawn",
        ge=1,
        le=5_000_000,
    )
    sampled_pairs: int = Field(
        100_000, title="Sample", description="pairs drawn where there are more", ge=1, le=10_000_000
    )
    group_identity: float = Field(
        1.0,
        title="Group identity",
        description="fraction (0-1) from which sequences are of one kind in the effective number; "
        "1: only if they are equal; less: they are clustered first, which takes longer",
        gt=0,
        le=1,
    )
    hill_order: float = Field(
        1.0,
        title="Hill order",
        description="of the effective number: 0 counts kinds, 1 weighs by frequency, "
        "2 favours the frequent",
        ge=0,
        allow_inf_nan=False,
    )


class DiversityReport(Record):
    """What `measure` found; None where it is not defined."""

    number: int
    """Sequences."""
    unique: int
    """Distinct sequences."""
    unique_fraction: float | None
    """Distinct ones per sequence."""
    aligned: bool
    """Whether all are of one length, and therefore compared position by position."""
    entropy: tuple[float | None, ...] | None
    """Shannon entropy of the 20 residues at each position [bits]; aligned sequences only."""
    mean_entropy: float | None
    """Mean of `entropy` [bits]."""
    mean_identity: float | None
    """Mean over pairs, 0 to 1: identical positions per length for aligned sequences, otherwise
    1 - (Levenshtein distance / length of the longer)."""
    identity_pairs: int
    """Pairs that `mean_identity` was computed from."""
    identity_exact: bool
    """Whether these were all pairs."""
    kmers_unique: int
    """Distinct k-mers."""
    kmers_total: int
    """All k-mers."""
    kmer_ratio: float | None
    """Distinct k-mers per k-mer."""
    effective_number: float
    """Hill number of the kinds of sequences: so many equally frequent kinds are as diverse."""


def measure(sequences: Sequence[str], params: DiversityParams, seed: int) -> DiversityReport:
    """How different `sequences` are from each other.

    Args:
        sequences: One-letter codes, upper case; not necessarily distinct.
        params: Word length, limits, and what counts as one kind.
        seed: For the sample of pairs.

    Source:
        Hill 1973, doi:10.2307/1934352 (effective number); Shannon 1948 (entropy).
    """
    number, unique = len(sequences), len(set(sequences))
    aligned = number > 0 and len({len(sequence) for sequence in sequences}) == 1
    entropy = _entropy(position_counts(sequences)) if aligned else None
    identity = _mean_identity(sequences, params, seed, aligned=aligned)
    kmers_unique, kmers_total = count_kmers(sequences, params.k)
    return DiversityReport(
        number=number,
        unique=unique,
        unique_fraction=unique / number if number else None,
        aligned=aligned,
        entropy=_nullable(entropy) if entropy is not None else None,
        mean_entropy=_mean(entropy),
        mean_identity=identity.mean,
        identity_pairs=identity.pairs,
        identity_exact=identity.exact,
        kmers_unique=kmers_unique,
        kmers_total=kmers_total,
        kmer_ratio=kmers_unique / kmers_total if kmers_total else None,
        effective_number=hill_number(_kinds(sequences, params.group_identity), params.hill_order),
    )


def position_counts(sequences: Sequence[str]) -> NDArray[np.int64]:
    """How often each residue stands at each position, int64 (L, 20), columns as `ALPHABET`.

    Other letters are not counted, so that a row may sum to less than the number of sequences.

    Raises:
        InputError: The sequences are of unequal length.
    """
    columns = [ord(letter) for letter in ALPHABET]
    return _letter_counts(sequences)[:, columns]


def hill_number(counts: ArrayLike, order: float = 1.0) -> float:
    """Effective number of kinds, of which each occurs `counts` times; 0 if there are none.

    >>> hill_number([5, 5, 5, 5]), hill_number([97, 1, 1, 1], order=0)
    (4.0, 4.0)
    """
    present = np.asarray(counts, dtype=np.float64)
    present = present[present > 0]
    if present.size == 0:
        return 0.0
    share = present / present.sum()
    if order == 1:  # the limit of the general formula
        return float(np.exp(-(share * np.log(share)).sum()))
    return float((share**order).sum() ** (1 / (1 - order)))


def count_kmers(sequences: Sequence[str], k: int) -> tuple[int, int]:
    """Distinct k-mers and all k-mers; words with another character than A-Z are left out."""
    seen = np.zeros(_LETTERS**k, dtype=np.bool_)
    total = 0
    for chunk in _chunks(sequences):
        letter = np.frombuffer("\n".join(chunk).encode("ascii", "replace"), dtype=np.uint8)
        code = np.where((letter >= _FIRST) & (letter < _FIRST + _BREAK), letter - _FIRST, _BREAK)
        words = max(code.size - k + 1, 0)
        word = np.zeros(words, dtype=np.int32)
        whole = np.ones(words, dtype=np.bool_)
        for offset in range(k):
            part = code[offset : offset + words]
            word = word * _LETTERS + part
            whole &= part != _BREAK
        seen[word[whole]] = True
        total += int(whole.sum())
    return int(seen.sum()), total


def _chunks(sequences: Sequence[str]) -> Iterator[Sequence[str]]:
    """Sequences by the million residues."""
    start, residues = 0, 0
    for index, sequence in enumerate(sequences):
        residues += len(sequence)
        if residues >= CHUNK_RESIDUES:
            yield sequences[start : index + 1]
            start, residues = index + 1, 0
    if start < len(sequences):
        yield sequences[start:]


def _letter_counts(sequences: Sequence[str]) -> NDArray[np.int64]:
    """How often each byte stands at each position, int64 (L, 256)."""
    lengths = {len(sequence) for sequence in sequences}
    if len(lengths) > 1:
        raise InputError(
            f"diversity: sequences of {min(lengths)} to {max(lengths)} residues; "
            "expected one length to count by position"
        )
    length = lengths.pop() if lengths else 0
    counts = np.zeros((length, 256), dtype=np.int64)
    for chunk in _chunks(sequences):
        letters = np.frombuffer("".join(chunk).encode("ascii", "replace"), dtype=np.uint8)
        for position, column in enumerate(letters.reshape(len(chunk), length).T):
            counts[position] += np.bincount(column, minlength=256)
    return counts


def _entropy(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Shannon entropy of each row [bits]; NaN where nothing was counted."""
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    logs = np.log2(share, out=np.zeros(counts.shape), where=share > 0)
    bits = -(share * logs).sum(axis=1) + 0.0  # no -0.0
    return np.where(total[:, 0] > 0, bits, np.nan)


def _nullable(values: NDArray[np.float64]) -> tuple[float | None, ...]:
    return tuple(None if math.isnan(value) else value for value in values.tolist())


def _mean(values: NDArray[np.float64] | None) -> float | None:
    if values is None or np.isnan(values).all():
        return None
    return float(np.nanmean(values))


class _Identity(NamedTuple):
    """Mean over some pairs."""

    mean: float | None
    pairs: int
    exact: bool


def _mean_identity(
    sequences: Sequence[str], params: DiversityParams, seed: int, *, aligned: bool
) -> _Identity:
    number = len(sequences)
    pairs = number * (number - 1) // 2
    if pairs == 0 or max(map(len, sequences)) == 0:
        return _Identity(None, 0, exact=True)
    if aligned:
        counts = _letter_counts(sequences)
        # c equal letters at a position are c (c - 1) / 2 pairs that agree there: no pair is visited
        agreeing = int((counts * (counts - 1) // 2).sum())
        return _Identity(agreeing / (pairs * len(counts)), pairs, exact=True)
    exact = pairs <= params.exact_pairs
    if exact:
        one, other = np.triu_indices(number, k=1)
    else:
        rng = np.random.default_rng(seed)
        one = rng.integers(number, size=params.sampled_pairs)
        other = rng.integers(number - 1, size=params.sampled_pairs)
        other += other >= one  # never a sequence with itself
    texts = np.array(sequences, dtype=object)
    similarity = cpdist(
        texts[one].tolist(), texts[other].tolist(), scorer=Levenshtein.normalized_similarity
    )
    return _Identity(float(similarity.mean(dtype=np.float64)), one.size, exact)


def _kinds(sequences: Sequence[str], group_identity: float) -> NDArray[np.int64]:
    """How many sequences each kind has."""
    if group_identity == 1:
        return np.array(list(Counter(sequences).values()), dtype=np.int64)
    params = IdentityParams(min_identity=group_identity, engine="builtin")
    return np.bincount(cluster_sequences(params, sequences).label)
