"""How sure each chosen domain is, seen beside the others.

What is left of the protein tells, and how sure the other domains are, and whether one alignment
proposed several of them.
"""

from collections.abc import Sequence

from tasks.domains.boundaries import Placed, placed
from tasks.domains.calibration import Calibration
from tasks.domains.partition_settings import PartitionSettings
from tasks.domains.proposal import Proposal, log_odds
from tasks.domains.ranges import iou, size


def confident(
    chosen: Sequence[Proposal],
    length: int,
    settings: PartitionSettings,
    calibration: Calibration,
) -> list[Placed]:
    """The chosen proposals that are likely enough to be right, with their residues.

    Those of one that is not stay unassigned: its evidence is too weak to name it, not to tell that
    the domains beside it end there.
    """
    domains = placed(chosen, length, settings)
    card = calibration.cards["context"]
    for one, values in zip(domains, context_properties(domains, length), strict=True):
        one.proposal.confidence = calibration.calibrated(card.probability(values))
    return [one for one in domains if one.proposal.confidence >= settings.min_confidence]


def context_properties(domains: Sequence[Placed], length: int) -> list[tuple[float, ...]]:
    """The values of CONTEXT of each domain of a protein of that length."""
    left = length - sum(size(one.segments) for one in domains)
    rows = [_chain_rows(one.proposal) for one in domains]
    found: list[tuple[float, ...]] = []
    for at, one in enumerate(domains):
        others = [other.proposal.probability for other in domains if other is not one]
        companions = sum(
            not rows[at].isdisjoint(row) for index, row in enumerate(rows) if index != at
        )
        found.append(
            (
                log_odds(one.proposal.probability),
                left,
                max(others, default=0.0),
                companions,
                iou(one.segments, one.proposal.segments),
            )
        )
    return found


def _chain_rows(proposal: Proposal) -> set[int]:
    """Rows of the alignments with whole chains that are for a proposal."""
    hits = [one.candidate.hit for one in proposal.members]
    return {hit.row for hit in hits if hit.source == "chain_blast"}
