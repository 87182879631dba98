"""What a protein's annotation says: its domains, their classes, and what is left over."""

from dataclasses import dataclass
from typing import Literal

from pydantic import TypeAdapter

from tasks.domains.ranges import Segments

Outcome = Literal["classified", "partly", "unclassified", "no_evidence", "rejected", "peptide"]
"""classified: every domain is, and nothing long enough for another is left;
partly: some of it; unclassified: domains without a certain class; no_evidence: nothing was found;
rejected: what was found is too weak; peptide: too short to be searched."""
UnassignedReason = Literal["no_hit", "weak_hits", "partial_hits", "short", "peptide"]
"""no_hit: nothing aligned there; weak_hits: confidence below the limit; partial_hits: what aligned
belongs to a domain elsewhere or covers too little; short: too short for a domain."""


@dataclass(frozen=True, slots=True)
class Protein:
    """A query."""

    id: str
    sequence: str
    digest: str
    """Of the sequence."""


@dataclass(frozen=True, slots=True)
class LevelCall:
    """The class of a domain at one level of the hierarchy."""

    name: str
    """Of the level."""
    value: str | None
    """With the names above it, such as `c.23.1`; None: the evidence does not tell."""
    confidence: float
    """Probability (0-1) that the value, or the best one where none is certain, is right."""


@dataclass(frozen=True, slots=True)
class DomainEvidence:
    """An alignment that supports a domain."""

    row: int
    """Place in the frame of evidence."""
    source: str
    program: str
    target: str
    """The reference's chain or domain that was aligned."""
    domain: str
    """The reference's domain."""
    evalue: float
    bitscore: float | None
    probability: float | None
    """0..1; None except for hhsearch."""
    identity: float
    """Identical columns, of all columns (0-1)."""
    coverage: float
    """Share of the reference domain's residues that is aligned (0-1)."""
    query_segments: Segments
    target_segments: Segments
    """In the sequence of `target`."""
    classification: str


@dataclass(frozen=True, slots=True)
class DomainCall:
    """A domain of a protein."""

    number: int
    """From 1 on, by the first residue."""
    segments: Segments
    classification: str
    """As deep as it is certain; "" where no level is."""
    levels: tuple[LevelCall, ...]
    confidence: float
    """Probability (0-1) that 80 % of the residues and the homology level are right; a cautious
    one: the share that was measured, less its standard error."""
    source: str
    """Of the best alignment."""
    reference_domain: str
    """Of the best alignment."""
    reference_length: int
    """[aa]"""
    evidence: tuple[DomainEvidence, ...]
    """The best ones, the best first."""
    evidence_count: int
    """All alignments that support it."""
    is_fragment: bool
    is_discontinuous: bool
    extended_start: int = 0
    """Residues at the start that no alignment covers [aa]."""
    extended_end: int = 0


@dataclass(frozen=True, slots=True)
class Unassigned:
    """A stretch without a domain."""

    segments: Segments
    reason: UnassignedReason
    detail: str = ""
    """The best evidence there, in words."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """All domains of a protein."""

    protein: str
    length: int
    """[aa]"""
    outcome: Outcome
    domains: tuple[DomainCall, ...] = ()
    unassigned: tuple[Unassigned, ...] = ()
    assigned: int = 0
    """Residues in domains [aa]."""
    evidence_count: int = 0
    """Alignments of the protein, used or not."""


ANNOTATION = TypeAdapter(Annotation)
"""Writes annotations as JSON and reads them; the records themselves are made too often to check."""
