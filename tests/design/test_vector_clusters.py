"""Clusters of vectors, against scikit-learn."""

import math
from collections import Counter

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans
from sklearn.metrics import adjusted_rand_score, pairwise_distances, silhouette_score

from blocks.errors import InputError
from tasks.design import vector_clusters
from tasks.design.cluster_params import (
    ClusterParams,
    DbscanParams,
    HierarchicalParams,
    KMeansParams,
)
from tasks.design.vector_clusters import cluster_vectors


def blobs(seed=0, sizes=(30, 20, 10)):
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [rng.normal(10 * centre, 1, (size, 4)) for centre, size in enumerate(sizes)]
    )


@pytest.mark.parametrize(
    "params",
    [
        KMeansParams(n_clusters=3),
        KMeansParams(n_clusters=3, mini_batch=True, batch_size=32),
        HierarchicalParams(n_clusters=3),
        HierarchicalParams(distance_threshold=12, linkage="single", metric="manhattan"),
        DbscanParams(eps=4, min_samples=3),
        DbscanParams(eps=1.5, min_samples=3, standardise=True),
    ],
)
def test_separate_groups_are_found(params):
    rows = blobs()
    clusters = cluster_vectors(params, rows, seed=1)
    assert Counter(clusters.label.tolist()) == {0: 30, 1: 20, 2: 10}
    assert clusters.silhouette > 0.6
    again = cluster_vectors(params, rows, seed=1)
    assert again.label.tolist() == clusters.label.tolist()


@pytest.mark.parametrize(
    ("params", "model"),
    [
        (
            HierarchicalParams(n_clusters=5, linkage="average", metric="cosine"),
            AgglomerativeClustering(5, linkage="average", metric="cosine"),
        ),
        (
            HierarchicalParams(distance_threshold=3.5, linkage="complete"),
            AgglomerativeClustering(None, distance_threshold=3.5, linkage="complete"),
        ),
        (DbscanParams(eps=1.2, min_samples=7), DBSCAN(eps=1.2, min_samples=7)),
        (
            DbscanParams(eps=0.02, min_samples=4, metric="cosine"),
            DBSCAN(eps=0.02, min_samples=4, metric="cosine"),
        ),
    ],
)
def test_all_settings_reach_the_algorithm(params, model):
    rows = np.random.default_rng(7).normal(2, 1, (80, 3))
    expected = model.fit_predict(rows)
    assert adjusted_rand_score(cluster_vectors(params, rows, 0).label, expected) == 1


def test_kmeans_hands_its_settings_on(monkeypatch):
    seen = {}

    def spy(**settings):
        seen.update(settings)
        return KMeans(**settings)

    monkeypatch.setattr("sklearn.cluster.KMeans", spy)
    cluster_vectors(KMeansParams(n_clusters=2, n_init=3, max_iter=17), blobs(), seed=0)
    del seen["random_state"]
    assert seen == {"n_clusters": 2, "n_init": 3, "max_iter": 17}


def test_noise_has_label_minus_1_and_no_representative():
    rows = np.array([[0.0], [0.1], [0.2], [50.0]])
    clusters = cluster_vectors(DbscanParams(eps=0.5, min_samples=2), rows, seed=0)
    assert clusters.label.tolist() == [0, 0, 0, -1]
    assert clusters.representative.tolist() == [False, True, False, False]
    assert math.isnan(clusters.silhouette)


def test_nothing_but_noise_is_no_cluster():
    rows = np.array([[0.0], [10.0]])
    assert cluster_vectors(DbscanParams(min_samples=2), rows, seed=0).number == 0


def test_the_representative_is_the_medoid_of_its_cluster():
    rows = blobs()
    clusters = cluster_vectors(HierarchicalParams(n_clusters=3), rows, seed=0)
    for label in range(3):
        members = np.flatnonzero(clusters.label == label)
        sums = pairwise_distances(rows[members]).sum(axis=1)
        assert clusters.representative[members].tolist() == (sums == sums.min()).tolist()


def test_in_a_large_cluster_the_member_nearest_to_the_mean_stands_for_it(monkeypatch):
    monkeypatch.setattr(vector_clusters, "MAX_MEDOID", 3)
    rows = np.array([[0.0], [0.0], [0.0], [4.0], [10.0]])
    assert cluster_vectors(KMeansParams(n_clusters=1), rows, 0).representative.tolist() == [
        False,
        False,
        False,
        True,
        False,
    ]


def test_the_silhouette_is_that_of_scikit_learn():
    rows = blobs()
    clusters = cluster_vectors(KMeansParams(n_clusters=4), rows, seed=2)
    assert clusters.silhouette == pytest.approx(silhouette_score(rows, clusters.label))


def test_the_silhouette_of_many_rows_is_that_of_a_sample(monkeypatch):
    monkeypatch.setattr(vector_clusters, "MAX_SILHOUETTE", 40)
    params, rows = KMeansParams(n_clusters=3), blobs()
    assert (
        cluster_vectors(params, rows, 1).silhouette == cluster_vectors(params, rows, 1).silhouette
    )
    assert (
        cluster_vectors(params, rows, 1).silhouette != cluster_vectors(params, rows, 2).silhouette
    )


def test_standardised_dimensions_count_alike_and_constant_ones_not_at_all():
    rows = np.array([[x, 10 * x + y, 5] for x in (0, 1) for y in (0, 300, 700)], dtype=float)
    params = HierarchicalParams(n_clusters=2, linkage="single")
    assert cluster_vectors(params, rows, 0).label.tolist() == [0, 0, 1, 0, 0, 1]
    scaled = params.model_copy(update={"standardise": True})
    assert cluster_vectors(scaled, rows, 0).label.tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("params", "rows", "message"),
    [
        (KMeansParams(n_clusters=3), [[0.0], [-0.0], [1.0]], "expected n_clusters of at most 2"),
        (HierarchicalParams(n_clusters=3), [[1.0], [1.0]], "expected n_clusters of at most 1"),
        (KMeansParams(n_clusters=1), [[1.0], [math.nan]], "vector 2 holds NaN"),
        (KMeansParams(n_clusters=1), [1.0, 2.0], r"vectors of shape \(2,\)"),
        (
            HierarchicalParams(n_clusters=1, linkage="single", metric="cosine"),
            [[0.0], [1.0]],
            "a vector is all zeros",
        ),
    ],
)
def test_vectors_that_cannot_be_clustered_are_refused_in_one_line(params, rows, message):
    with pytest.raises(InputError, match=message) as caught:
        cluster_vectors(params, np.array(rows), seed=0)
    assert len(str(caught.value).splitlines()) == 1


def test_hierarchical_refuses_what_does_not_fit_into_memory():
    with pytest.raises(InputError, match="on 20001 vectors; expected at most 20000"):
        cluster_vectors(HierarchicalParams(n_clusters=2), np.zeros((20_001, 1)), seed=0)


def test_one_vector_is_one_cluster():
    params = HierarchicalParams(distance_threshold=1)
    assert cluster_vectors(params, np.ones((1, 2)), seed=0).label.tolist() == [0]


def test_vectors_are_not_changed():
    rows = blobs()
    before = rows.copy()
    cluster_vectors(KMeansParams(standardise=True), rows, seed=0)
    assert np.array_equal(rows, before)


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "hierarchical"},
        {"kind": "hierarchical", "n_clusters": 2, "distance_threshold": 1.0},
        {"kind": "hierarchical", "n_clusters": 2, "metric": "cosine"},
        {"kind": "identity", "min_identity": 90},
        {"kind": "dbscan", "eps": 0},
        {"kind": "kmeans", "clusters": 3},
        {"kind": "k-means"},
    ],
)
def test_settings_that_make_no_sense_cannot_be_made(given):
    with pytest.raises(ValidationError):
        TypeAdapter(ClusterParams).validate_python(given)
