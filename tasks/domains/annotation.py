"""The domains of one protein, from its evidence.

In order: alignments propose domains (`candidates`); proposals of the same domain become one, with
a probability that was measured on proteins of known domains (`consensus`, `calibration`); the best
set that does not overlap is chosen (`selection`); overlaps are cut and small gaps closed
(`boundaries`); how sure each one is depends on the others (`confidence`); each domain is
classified by vote (`classification`); each stretch that is left gets its reason (`unassigned`).

The same evidence gives the same annotation, whatever the order of its rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import pandas as pd

from tasks.domains.calibration import read_calibration
from tasks.domains.calls import (
    Annotation,
    DomainCall,
    DomainEvidence,
    LevelCall,
    Outcome,
    Protein,
    Unassigned,
    UnassignedReason,
)
from tasks.domains.candidates import Candidate, candidates_of
from tasks.domains.confidence import confident
from tasks.domains.consensus import proposals_of, scored
from tasks.domains.describing import Description
from tasks.domains.hits import Hit, hits_by_protein, read_hits
from tasks.domains.partition_settings import PartitionSettings
from tasks.domains.proposal import Scored
from tasks.domains.ranges import Segments, complement, normalised, size
from tasks.domains.reference_tables import ReferenceTables
from tasks.domains.selection import best_set
from tasks.domains.unassigned import unassigned_stretches

__all__ = [
    "Annotation",
    "DomainCall",
    "DomainEvidence",
    "LevelCall",
    "Outcome",
    "Protein",
    "Unassigned",
    "UnassignedReason",
    "annotate",
    "annotate_all",
]

SCORED_TOGETHER = 64
"""Proteins whose candidates are in memory together."""


def annotate_all(
    proteins: Iterable[Protein],
    evidence: pd.DataFrame,
    tables: ReferenceTables,
    settings: PartitionSettings,
) -> Iterator[Annotation]:
    """The annotation of each protein, in order; `evidence` holds the rows of all of them.

    The rows of a `DomainEvidence` are places among the rows of its protein.
    """
    proteins = list(proteins)
    lengths = {protein.id: len(protein.sequence) for protein in proteins}
    hits = hits_by_protein(evidence, lengths)
    for begin in range(0, len(proteins), SCORED_TOGETHER):
        some = proteins[begin : begin + SCORED_TOGETHER]
        yield from _annotated([(one, hits.get(one.id, [])) for one in some], tables, settings)


def annotate(
    protein: Protein,
    evidence: pd.DataFrame,
    tables: ReferenceTables,
    settings: PartitionSettings,
) -> Annotation:
    """The domains of a protein.

    Args:
        protein: The query.
        evidence: Its rows of the frame that `tasks.domains.evidence` describes, in any order.
        tables: The reference that was searched.
        settings: Limits.
    """
    hits = read_hits(evidence, len(protein.sequence))
    return next(_annotated([(protein, hits)], tables, settings))


def _annotated(
    proteins: Sequence[tuple[Protein, Sequence[Hit]]],
    tables: ReferenceTables,
    settings: PartitionSettings,
) -> Iterator[Annotation]:
    candidates: list[Candidate] = []
    lengths: list[int] = []
    """Of the protein of each candidate."""
    numbers: list[int] = []
    for protein, hits in proteins:
        length, before = len(protein.sequence), len(candidates)
        if length >= settings.peptide_below:
            for hit in hits:
                candidates += candidates_of(hit, length, tables, settings.max_extension)
        numbers.append(len(candidates) - before)
        lengths += [length] * numbers[-1]
    weighed = iter(scored(candidates, lengths, read_calibration()))
    for (protein, hits), number in zip(proteins, numbers, strict=True):
        yield _annotation(protein, hits, list(islice(weighed, number)), tables, settings)


def _annotation(
    protein: Protein,
    hits: Sequence[Hit],
    candidates: Sequence[Scored],
    tables: ReferenceTables,
    settings: PartitionSettings,
) -> Annotation:
    length = len(protein.sequence)
    whole: Segments = ((0, length),) if length else ()
    if length < settings.peptide_below:
        return _without_domains(protein, "peptide", "peptide", whole)
    if not hits:
        return _without_domains(protein, "no_evidence", "no_hit", whole)
    calibration = read_calibration()
    proposals = proposals_of(candidates, length, tables.homology_level, calibration)
    sure = confident(best_set(proposals), proposals, length, settings, calibration)
    describe = Description(proposals, tables, settings, calibration)
    domains = [describe.domain(number, one) for number, one in enumerate(sure, start=1)]
    taken = normalised(part for one in domains for part in one.segments)
    unassigned = unassigned_stretches(
        complement(taken, length), settings.min_domain, proposals, hits
    )
    left = any(size(one.segments) >= 2 * settings.min_domain for one in unassigned)
    return Annotation(
        protein=protein.id,
        length=length,
        outcome=_outcome(domains, left, tables.homology_level),
        domains=tuple(domains),
        unassigned=unassigned,
        assigned=size(taken),
        evidence_count=len(hits),
    )


def _outcome(domains: Sequence[DomainCall], left: bool, homology_level: int) -> Outcome:
    if not domains:
        return "rejected"
    classified = sum(_is_classified(one, homology_level) for one in domains)
    if not classified:
        return "unclassified"
    return "partly" if left or classified < len(domains) else "classified"


def _is_classified(domain: DomainCall, homology_level: int) -> bool:
    return len(domain.levels) > homology_level and domain.levels[homology_level].value is not None


def _without_domains(
    protein: Protein, outcome: Outcome, reason: UnassignedReason, whole: Segments
) -> Annotation:
    return Annotation(
        protein=protein.id,
        length=len(protein.sequence),
        outcome=outcome,
        unassigned=(Unassigned(segments=whole, reason=reason),) if whole else (),
    )
