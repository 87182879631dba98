"""How evidence becomes domains."""

from pydantic import Field

from tasks.domains.calibration import read_calibration
from tasks.parameters import Params

LEAST = 0.63
"""Least confidence of a domain that is reported; chosen on chains that the benchmark has not."""
LEAST_WITH_PROFILES = 0.5
"""The same where there are profile hits: less of what is reported is then by chance."""
SUREST = read_calibration().knots[-1][1]
"""Greatest confidence that the table of confidences gives."""


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
    min_confidence: float | None = Field(
        None,
        title="Least confidence",
        description="probability (0-1) that a reported domain is right; empty: "
        f"{LEAST:g}, and {LEAST_WITH_PROFILES:g} in a protein of which HHsearch found something; "
        f"none is surer than {SUREST:.2f}",
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

    def least_confidence(self, *, profiles: bool) -> float:
        """Of a domain that is reported, in a protein with or without profile hits."""
        if self.min_confidence is not None:
            return self.min_confidence
        return LEAST_WITH_PROFILES if profiles else LEAST

    def told(self) -> dict[str, object]:
        """The values as results tell them, with what an empty one stands for."""
        given = self.model_dump(mode="json")
        if self.min_confidence is None:
            given["min_confidence"] = f"{LEAST:g}, with profile hits {LEAST_WITH_PROFILES:g}"
        return given
