"""Parameters and results of runs over variant libraries; the forms are made from these."""

from pydantic import Field

from tasks.parameters import Params, Record
from tasks.variants.scoring import Reference


class RegionParams(Params):
    """The parent, and the stretch of it that is mutated and read."""

    parent: str = Field(
        title="Parent", description="FASTA with its whole coding sequence [nt]", min_length=1
    )
    first_residue: int = Field(
        title="First residue", description="where the mutated region begins, 1-based", ge=1
    )
    length_nt: int = Field(
        title="Length", description="of the region, whole codons [nt]", ge=3, le=30_000
    )


class VariantsParams(RegionParams):
    """Counts and enrichment of the variants of a library."""

    counts: str = Field(
        title="Counts",
        description="folder of a run of `reads` with a step QuantifyTag over the region",
        min_length=1,
    )
    samples: str = Field(
        title="Samples",
        description="CSV or TSV: sample, round (0: before selection), replicate",
        min_length=1,
    )
    infix: str = Field("region", title="Infix", description="of QuantifyTag", min_length=1)
    max_substitutions: int = Field(
        3,
        ge=1,
        le=100,
        title="Most substitutions",
        description="reads with more are mostly errors, and are left out",
    )
    min_count: int = Field(
        10, ge=1, title="Least count", description="reads of a variant before selection"
    )
    pseudocount: float = Field(
        0.5, gt=0, le=10, title="Pseudocount", description="added to all counts"
    )
    reference: Reference = Field(
        "wild_type", title="Reference", description="what counts are compared with"
    )
    top: int = Field(12, ge=1, le=1_000, title="Top", description="variants in best.fasta")
    refresh: bool = Field(False, title="Refresh", description="score anew, whatever is stored")


class PositionsParams(RegionParams):
    """Which positions of the parent matter."""

    effects: str = Field(
        title="Effects", description="effects.tsv of a run of `variants`", min_length=1
    )
    domains: str = Field(
        "", title="Domains", description="domains.tsv of a run of `domains`; empty: unknown"
    )


class LibraryResult(Record):
    """What a simulated library is."""

    folder: str
    samples: int
    variants: int
    planted: int
    reads: int
    digests: dict[str, str] = Field({})
    inputs: dict[str, str] = Field({})
    versions: dict[str, str] = Field({})


class VariantsResult(Record):
    """What a run of `variants` returns."""

    folder: str
    page: str
    samples: int
    reads: int
    variants: int
    """That have a score."""
    unscored: int
    """With too few reads before selection."""
    lost: dict[str, int] = Field({})
    """Reads by the reason why they are of no variant."""
    effects: dict[str, float] = Field({})
    """Of single substitutions [log2 per round], the best first."""
    digests: dict[str, str] = Field({})
    inputs: dict[str, str] = Field({})
    versions: dict[str, str] = Field({})


class PositionsResult(Record):
    """Positions of the parent, 1-based, by what matters there."""

    folder: str
    page: str
    gains: int
    """How many positions gain."""
    gain: tuple[int, ...]
    """Where a substitution is better than the wild type."""
    sensitive: tuple[int, ...]
    """Where most substitutions are much worse."""
    domains: tuple[str, ...]
    """Classes of the domains that the region lies in."""
    degraded: bool
    """Domains are unknown: positions count wherever they are."""
    digests: dict[str, str] = Field({})
    inputs: dict[str, str] = Field({})
    versions: dict[str, str] = Field({})
