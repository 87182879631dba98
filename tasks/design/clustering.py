"""Groups of similar sequences, and of similar vectors.

**Identity** of two sequences, whatever the engine: identical residues of the best local alignment
(BLOSUM62; the first residue of a gap costs 11, each further one 1; of equally good alignments the
one with most identities) divided by the length of the LONGER sequence (MMseqs2 `--seq-id-mode 2`).
For sequences of equal length the ungapped alignment from end to end counts as well, and the larger
number is taken: a local alignment leaves out identical residues behind a mismatch near an end.

**Greedy incremental clustering** (CD-HIT, Li & Godzik 2006, doi:10.1093/bioinformatics/btl158):
longest first, ties in the order of the input; a sequence joins the first representative it reaches
the identity with, or becomes one.

The built-in engine does exactly this; its time grows with sequences times clusters.  MMseqs2
(`mmseqs_argv`) gives the same partition where groups are well apart; where they are not (adjusted
Rand index down to 0.8 when most pairs lie at the threshold), the two differ:

* at the threshold: MMseqs2 rounds scores differently, so alignments differ by a residue or two;
* where groups touch: MMseqs2 joins in steps and repairs afterwards, so that a member may stand with
  another representative that it reaches, and a representative may have been a member here;
* below an identity of about 0.5, and for sequences shorter than about 20 residues: MMseqs2 finds
  pairs by shared words, and such pairs may share none.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from Bio.Align import PairwiseAligner, substitution_matrices
from numpy.typing import NDArray
from pydantic import Field, model_validator
from rapidfuzz.distance import LCSseq
from rapidfuzz.process import cdist

from blocks.errors import InputError
from tasks.parameters import Params

Labels = NDArray[np.int64]
Vectors = NDArray[np.floating[Any]]
Metric = Literal["euclidean", "manhattan", "cosine"]

NOISE = -1
"""Label of a vector that belongs to no cluster."""
MAX_HIERARCHICAL = 20_000
"""Most rows of a hierarchical clustering: all distances are in memory (1.6 GB)."""
MAX_MEDOID = 2_000
"""Clusters of fewer members get their medoid; larger ones the member nearest to the mean."""
MAX_SILHOUETTE = 5_000
"""Most rows a silhouette is computed from; of more, so many are drawn."""
AUTO_SEQUENCES = 20_000
"""Up to here `auto` takes the built-in engine: a minute at worst, for 150 residues."""
AUTO_LENGTH = 20
AUTO_IDENTITY = 0.5
"""Below these MMseqs2 overlooks pairs, and `auto` takes the built-in engine."""
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ*:"
_SHIFT = 1 << 20
_ROUNDING = 1e-9


class IdentityParams(Params):
    """Groups of sequences by identity, greedily, the longest first."""

    kind: Literal["identity"] = "identity"
    min_identity: float = Field(
        0.9,
        title="Identity",
        description="fraction (0-1) of the longer sequence that is identical to the representative",
        ge=0,
        le=1,
    )
    engine: Literal["auto", "mmseqs", "builtin"] = Field(
        "auto",
        title="Engine",
        description="builtin: exact; mmseqs: faster on many sequences; auto: by their number",
    )


class KMeansParams(Params):
    """Groups of vectors around their means."""

    kind: Literal["kmeans"] = "kmeans"
    n_clusters: int = Field(8, title="Clusters", description="how many", ge=1)
    n_init: int = Field(10, title="Starts", description="the best of so many is taken", ge=1)
    max_iter: int = Field(300, title="Iterations", description="most per start", ge=1)
    mini_batch: bool = Field(
        False, title="Mini-batches", description="faster on many vectors, slightly worse"
    )
    batch_size: int = Field(1_024, title="Batch size", description="vectors per mini-batch", ge=1)
    standardise: bool = Field(
        False, title="Standardise", description="each dimension to mean 0 and variance 1 first"
    )


class HierarchicalParams(Params):
    """Groups of vectors by joining the two nearest groups again and again."""

    kind: Literal["hierarchical"] = "hierarchical"
    n_clusters: int | None = Field(
        None, title="Clusters", description="how many; or give a distance", ge=1
    )
    distance_threshold: float | None = Field(
        None, title="Distance", description="groups farther apart stay apart [metric]", gt=0
    )
    linkage: Literal["ward", "complete", "average", "single"] = Field(
        "ward", title="Linkage", description="what the distance of two groups is"
    )
    metric: Metric = Field("euclidean", title="Metric", description="ward: euclidean only")
    standardise: bool = Field(
        False, title="Standardise", description="each dimension to mean 0 and variance 1 first"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.n_clusters is None) == (self.distance_threshold is None):
            raise ValueError("hierarchical: give either n_clusters or distance_threshold")
        if self.linkage == "ward" and self.metric != "euclidean":
            raise ValueError(f"hierarchical: linkage ward needs euclidean, not {self.metric}")
        return self


class DbscanParams(Params):
    """Groups of vectors in dense regions; what lies elsewhere is noise, cluster -1."""

    kind: Literal["dbscan"] = "dbscan"
    eps: float = Field(0.5, title="Radius", description="of a neighbourhood [metric]", gt=0)
    min_samples: int = Field(
        5, title="Neighbours", description="that make a vector a core, itself included", ge=1
    )
    metric: Metric = Field("euclidean", title="Metric", description="distance of two vectors")
    standardise: bool = Field(
        False, title="Standardise", description="each dimension to mean 0 and variance 1 first"
    )


VectorParams = KMeansParams | HierarchicalParams | DbscanParams
ClusterParams = Annotated[
    IdentityParams | KMeansParams | HierarchicalParams | DbscanParams, Field(discriminator="kind")
]


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
    return Clusters(_numbered(representatives), chosen, math.nan)


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


def mmseqs_fasta(sequences: Sequence[str]) -> str:
    """FASTA for MMseqs2: the names are 0, 1, …; what joins chains becomes X."""
    return "".join(
        f">{index}\n{sequence.replace(':', 'X')}\n" for index, sequence in enumerate(sequences)
    )


def mmseqs_argv(fasta: Path, prefix: Path, tmp: Path, params: IdentityParams) -> list[str]:
    """Command line that clusters `mmseqs_fasta`; the result is in `{prefix}_cluster.tsv`.

    `easy-cluster`, because `easy-linclust` compares too few pairs at low identities, and one step
    of all against all grows with the square of the number. `--cluster-reassign` takes members out
    that do not reach their final representative. Coverage of both sequences (`-c`) follows from
    the identity and only saves work. Without masking, composition correction, E-value and shuffle
    the numbers and the order are those of the module's definition.
    """
    identity_ = f"{params.min_identity:g}"
    return [
        *("mmseqs", "easy-cluster", str(fasta), str(prefix), str(tmp)),
        *("--dbtype", "1"),
        *("--min-seq-id", identity_),
        *("--seq-id-mode", "2"),
        *("--alignment-mode", "3"),
        *("--cov-mode", "0"),
        *("-c", identity_),
        *("-e", "inf"),
        *("--cluster-mode", "2"),
        *("--cluster-reassign", "1"),
        *("-s", "7.5"),
        *("-k", "5"),
        *("--kmer-per-seq", "100"),
        *("--max-seqs", "1000"),
        *("--comp-bias-corr", "0"),
        *("--mask", "0"),
        *("--shuffle", "0"),
        *("-v", "1"),
    ]


def parse_mmseqs(text: str, number: int) -> Labels:
    """The index of each sequence's representative, int64 (number,), from `_cluster.tsv`.

    Raises:
        InputError: A line is not two numbers, or a sequence is missing.
    """
    joined = np.full(number, NOISE, dtype=np.int64)
    for line_number, line in enumerate(text.splitlines(), start=1):
        cells = line.split("\t")
        if len(cells) != 2 or not all(cell.isdecimal() and int(cell) < number for cell in cells):  # noqa: PLR2004 -- two columns
            raise InputError(
                f"MMseqs2, line {line_number}: {line[:60]!r}; expected representative, tab, member"
            )
        joined[int(cells[1])] = int(cells[0])
    if (missing := int((joined == NOISE).sum())) > 0:
        raise InputError(f"MMseqs2: {missing} of {number} sequences are in no cluster")
    return joined


def cluster_vectors(params: VectorParams, vectors: Vectors, seed: int) -> Clusters:
    """Clusters of the rows of `vectors` (n, d); the representatives are the medoids.

    Raises:
        InputError: Not a finite matrix, more clusters than distinct rows, or too many rows.
    """
    rows = _checked(vectors)
    if len(rows) == 0:
        return Clusters(np.empty(0, np.int64), np.empty(0, np.bool_), math.nan)
    if params.standardise:
        spread = rows.std(axis=0)
        rows = (rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1)
    # scikit-learn takes seeds of 32 bits
    state = int(np.random.SeedSequence(seed).generate_state(1)[0])
    match params:
        case KMeansParams():
            metric, label = "euclidean", _kmeans(params, rows, state)
        case HierarchicalParams():
            metric, label = params.metric, _hierarchical(params, rows)
        case DbscanParams():
            metric, label = params.metric, _dbscan(params, rows)
    label = _numbered(label)
    rng = np.random.default_rng(seed)
    return Clusters(label, _medoids(rows, label, metric), _silhouette(rows, label, metric, rng))


def _checked(vectors: Vectors) -> Vectors:
    rows = np.asarray(vectors)
    if rows.ndim != 2 or rows.shape[1] == 0:  # noqa: PLR2004 -- a matrix
        raise InputError(f"cluster: vectors of shape {rows.shape}; expected rows of equal length")
    if not np.issubdtype(rows.dtype, np.floating):
        rows = rows.astype(np.float64)
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise InputError(
            f"cluster: vector {int(np.argmin(finite)) + 1} holds NaN or infinity; expected numbers"
        )
    return rows


def _need_distinct(rows: Vectors, clusters: int) -> None:
    seen: set[bytes] = set()
    for row in rows + 0.0:  # -0.0 and 0.0 are one value
        seen.add(row.tobytes())
        if len(seen) >= clusters:
            return
    raise InputError(
        f"cluster: {clusters} clusters of {len(rows)} vectors, {len(seen)} of them distinct; "
        f"expected n_clusters of at most {len(seen)}"
    )


def _kmeans(params: KMeansParams, rows: Vectors, state: int) -> Labels:
    from sklearn.cluster import KMeans, MiniBatchKMeans

    _need_distinct(rows, params.n_clusters)
    shared = {
        "n_clusters": params.n_clusters,
        "n_init": params.n_init,
        "max_iter": params.max_iter,
        "random_state": state,
    }
    model = (
        MiniBatchKMeans(batch_size=params.batch_size, **shared)
        if params.mini_batch
        else KMeans(**shared)
    )
    return np.asarray(model.fit_predict(rows), dtype=np.int64)


def _hierarchical(params: HierarchicalParams, rows: Vectors) -> Labels:
    from sklearn.cluster import AgglomerativeClustering

    if len(rows) > MAX_HIERARCHICAL:
        raise InputError(
            f"cluster: hierarchical on {len(rows)} vectors; expected at most {MAX_HIERARCHICAL}, "
            "or kmeans or dbscan"
        )
    if params.n_clusters is not None:
        _need_distinct(rows, params.n_clusters)
    if params.metric == "cosine" and not rows.any(axis=1).all():
        raise InputError("cluster: metric cosine, but a vector is all zeros; expected none")
    if len(rows) == 1:
        return np.zeros(1, dtype=np.int64)
    model = AgglomerativeClustering(
        n_clusters=params.n_clusters,
        distance_threshold=params.distance_threshold,
        linkage=params.linkage,
        metric=params.metric,
    )
    return np.asarray(model.fit_predict(rows), dtype=np.int64)


def _dbscan(params: DbscanParams, rows: Vectors) -> Labels:
    from sklearn.cluster import DBSCAN

    model = DBSCAN(eps=params.eps, min_samples=params.min_samples, metric=params.metric)
    return np.asarray(model.fit_predict(rows), dtype=np.int64)


def _numbered(group: Labels) -> Labels:
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


def _medoids(rows: Vectors, label: Labels, metric: str) -> NDArray[np.bool_]:
    from sklearn.metrics import pairwise_distances

    chosen = np.zeros(len(rows), dtype=np.bool_)
    by_label = np.argsort(label, kind="stable")
    starts = np.searchsorted(label[by_label], np.arange(label.max() + 2))
    for start, stop in pairwise(starts):
        members = by_label[start:stop]
        inside = rows[members]
        if members.size < MAX_MEDOID:
            distance = pairwise_distances(inside, metric=metric).sum(axis=1)
        else:
            centre = inside.mean(axis=0, keepdims=True)
            distance = pairwise_distances(inside, centre, metric=metric)[:, 0]
        chosen[members[np.argmin(distance)]] = True
    return chosen


def _silhouette(rows: Vectors, label: Labels, metric: str, rng: np.random.Generator) -> float:
    from sklearn.metrics import silhouette_score

    kept = np.flatnonzero(label != NOISE)
    if kept.size > MAX_SILHOUETTE:
        kept = np.sort(rng.choice(kept, MAX_SILHOUETTE, replace=False))
    groups = np.unique(label[kept]).size
    if not 2 <= groups < kept.size:  # noqa: PLR2004 -- one cluster has no other
        return math.nan
    return float(silhouette_score(rows[kept], label[kept], metric=metric))
