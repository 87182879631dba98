"""Settings of clusters: of sequences by identity, and of vectors."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tasks.parameters import Params

Metric = Literal["euclidean", "manhattan", "cosine"]


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
        description="builtin: exact; mmseqs: for very many sequences of many families; "
        "auto: by their number",
    )


class KMeansParams(Params):
    """Groups of vectors around their means."""

    kind: Literal["kmeans"] = "kmeans"
    n_clusters: int = Field(8, title="Clusters", description="how many", ge=1, le=100_000)
    n_init: int = Field(
        10, title="Starts", description="the best of so many is taken", ge=1, le=1_000
    )
    max_iter: int = Field(300, title="Iterations", description="most per start", ge=1, le=100_000)
    mini_batch: bool = Field(
        False, title="Mini-batches", description="faster on many vectors, slightly worse"
    )
    batch_size: int = Field(
        1_024, title="Batch size", description="vectors per mini-batch", ge=1, le=1_000_000
    )
    standardise: bool = Field(
        False, title="Standardise", description="each dimension to mean 0 and variance 1 first"
    )


class HierarchicalParams(Params):
    """Groups of vectors by joining the two nearest groups again and again."""

    kind: Literal["hierarchical"] = "hierarchical"
    n_clusters: int | None = Field(
        None, title="Clusters", description="how many; or give a distance", ge=1, le=100_000
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
        5,
        title="Neighbours",
        description="that make a vector a core, itself included",
        ge=1,
        le=1_000_000,
    )
    metric: Metric = Field("euclidean", title="Metric", description="distance of two vectors")
    standardise: bool = Field(
        False, title="Standardise", description="each dimension to mean 0 and variance 1 first"
    )


VectorParams = KMeansParams | HierarchicalParams | DbscanParams
ClusterParams = Annotated[
    IdentityParams | KMeansParams | HierarchicalParams | DbscanParams, Field(discriminator="kind")
]
