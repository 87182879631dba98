"""The domains of one protein, from its evidence."""

import pandas as pd

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
from tasks.domains.partition_settings import PartitionSettings
from tasks.domains.ranges import Segments
from tasks.domains.reference_tables import ReferenceTables

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
]


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
    length = len(protein.sequence)
    whole: Segments = ((0, length),) if length else ()
    if length < settings.peptide_below:
        return _without_domains(protein, "peptide", "peptide", whole, len(evidence))
    if evidence.empty or not tables.domain_by_id:
        return _without_domains(protein, "no_evidence", "no_hit", whole, 0)
    return _without_domains(protein, "rejected", "weak_hits", whole, len(evidence))


def _without_domains(
    protein: Protein, outcome: Outcome, reason: UnassignedReason, whole: Segments, rows: int
) -> Annotation:
    return Annotation(
        protein=protein.id,
        length=len(protein.sequence),
        outcome=outcome,
        unassigned=(Unassigned(segments=whole, reason=reason),) if whole else (),
        evidence_count=rows,
    )
