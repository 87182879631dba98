"""Groups of similar vectors."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blocks.errors import InputError
from tasks.design.cluster_params import DbscanParams, HierarchicalParams, KMeansParams, VectorParams
from tasks.design.clusters import NOISE, Clusters, Labels, numbered

Vectors = NDArray[np.floating[Any]]
MAX_HIERARCHICAL = 20_000
"""Most rows of a hierarchical clustering: all distances are in memory (1.6 GB)."""
MAX_MEDOID = 2_000
"""Clusters of fewer members get their medoid; larger ones the member nearest to the mean."""
MAX_SILHOUETTE = 5_000
"""Most rows a silhouette is computed from; of more, so many are drawn."""


def cluster_present(params: VectorParams, vectors: Sequence[object], seed: int) -> Clusters:
    """Clusters of the items that have a vector; the others are noise, as are all if none has."""
    has = np.array([isinstance(vector, np.ndarray) for vector in vectors], dtype=bool)
    label = np.full(len(vectors), NOISE, dtype=np.int64)
    chosen = np.zeros(len(vectors), dtype=bool)
    if not has.any():
        return Clusters(label, chosen, math.nan)
    rows = np.stack([vector for vector in vectors if isinstance(vector, np.ndarray)])
    wanted = getattr(params, "n_clusters", None)
    if wanted is not None and wanted > 1:  # what filters left may be fewer than were planned for
        distinct = len({row.tobytes() for row in rows})
        params = params.model_copy(update={"n_clusters": min(wanted, distinct)})
    found = cluster_vectors(params, rows, seed)
    label[has], chosen[has] = found.label, found.representative
    return Clusters(label, chosen, found.silhouette)


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
    label = numbered(label)
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
