"""Domains that were decided on, as the records of the result."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

from tasks.domains.boundaries import Placed
from tasks.domains.calibration import Calibration
from tasks.domains.calls import DomainCall, DomainEvidence
from tasks.domains.candidates import Candidate
from tasks.domains.classification import levels_of, votes
from tasks.domains.partition_settings import PartitionSettings
from tasks.domains.proposal import Proposal
from tasks.domains.ranges import Segments, closed, size
from tasks.domains.reference_tables import ReferenceTables

SHOWN_GAP = 10
"""Gaps up to this length are not shown in the ranges of an alignment [aa]."""


@dataclass(frozen=True, slots=True)
class Description:
    """What the records of a protein's domains are made from."""

    proposals: Sequence[Proposal]
    tables: ReferenceTables
    settings: PartitionSettings
    calibration: Calibration

    def domain(self, number: int, placed: Placed) -> DomainCall:
        """The record of a domain."""
        proposal, best = placed.proposal, placed.proposal.best
        levels = levels_of(
            placed,
            votes(placed, self.proposals),
            self.tables,
            self.calibration,
            self.settings.level_confidence,
        )
        named = [level.value for level in levels if level.value is not None]
        segments, aligned = placed.segments, proposal.aligned or placed.segments
        shown = proposal.members[: self.settings.max_evidence]
        return DomainCall(
            number=number,
            segments=segments,
            classification=named[-1] if named else "",
            levels=levels,
            confidence=round(proposal.confidence, 3),
            source=best.kind,
            reference_domain=best.domain_id,
            reference_length=best.reference_length,
            evidence=tuple(_evidence(one.candidate, self.tables) for one in shown),
            evidence_count=len(proposal.members),
            is_fragment=_completeness(placed) < self.settings.fragment_below,
            is_discontinuous=len(segments) > 1,
            extended_start=max(aligned[0][0] - segments[0][0], 0),
            extended_end=max(segments[-1][1] - aligned[-1][1], 0),
        )


def _completeness(placed: Placed) -> float:
    """Share of the reference domain that the domain has, an insertion not counted."""
    best = placed.proposal.best
    there = min(size(placed.segments), best.reference_length - best.missing)
    return there / best.reference_length


def _evidence(candidate: Candidate, tables: ReferenceTables) -> DomainEvidence:
    hit = candidate.hit
    return DomainEvidence(
        row=hit.row,
        source=hit.source,
        program=hit.program,
        target=hit.target,
        domain=candidate.domain_id,
        evalue=hit.evalue,
        bitscore=None if isnan(hit.bitscore) else hit.bitscore,
        probability=None if isnan(hit.probability) else hit.probability,
        identity=round(hit.identities / hit.columns, 4),
        coverage=round(candidate.coverage, 4),
        query_segments=candidate.aligned,
        target_segments=_target_segments(candidate, tables),
        classification=candidate.lineage[-1] if candidate.lineage else "",
    )


def _target_segments(candidate: Candidate, tables: ReferenceTables) -> Segments:
    """The aligned stretches of the target, of a chain only those of the domain."""
    hit = candidate.hit
    if hit.source != "chain_blast":
        return closed([(t, t + run) for _, t, run in hit.blocks], SHOWN_GAP)
    parts = []
    for domain in tables.chain_by_id[hit.target].domains:
        if domain.domain_id == candidate.domain_id:
            for start, end in domain.segments:
                inside = ((max(t, start), min(t + run, end)) for _, t, run in hit.blocks)
                parts += [part for part in inside if part[0] < part[1]]
    return closed(parts, SHOWN_GAP)
