"""How evidence becomes domains."""

from pydantic import Field

from tasks.parameters import Params


class PartitionSettings(Params):
    """How evidence becomes domains."""

    peptide_below: int = Field(
        30, title="Peptides", description="shorter proteins are not searched [aa]", ge=1, le=1_000
    )
    min_domain: int = Field(
        20, title="Least size", description="shorter domains are not reported [aa]", ge=5, le=500
    )
    min_segment: int = Field(
        8,
        title="Least segment",
        description="shorter pieces of a discontinuous domain are dropped [aa]",
        ge=1,
        le=200,
    )
    min_confidence: float = Field(
        0.63,
        title="Least confidence",
        description="probability (0-1) that a reported domain is right",
        ge=0,
        le=1,
    )
    min_confidence_hhsearch: float = Field(
        0.5,
        title="Least confidence, profiles",
        description="the same for a protein of which HHsearch found something: fewer weak hits of "
        "BLAST are all there is",
        ge=0,
        le=1,
    )
    level_confidence: float = Field(
        0.5,
        title="Class confidence",
        description="confidence (0-1) of a level of the hierarchy from which on it is reported",
        ge=0,
        le=1,
    )
    fragment_below: float = Field(
        0.6,
        title="Fragments",
        description="share of the reference domain (0-1) below which a domain is a fragment",
        ge=0,
        le=1,
    )
    max_extension: int = Field(
        120,
        title="Extension",
        description="residues by which an end may move to the reference's end [aa]",
        ge=0,
        le=500,
    )
    max_closed_gap: int = Field(
        60,
        title="Closed gaps",
        description="unassigned stretches below this length go to the domains beside [aa]",
        ge=0,
        le=500,
    )
    max_insertion: int = Field(
        60,
        title="Closed insertions",
        description="gaps inside of a domain up to this length, with no domain there, are part of "
        "it [aa]",
        ge=0,
        le=1_000,
    )
    max_evidence: int = Field(
        20, title="Evidence", description="alignments kept with each domain", ge=1, le=1_000
    )
