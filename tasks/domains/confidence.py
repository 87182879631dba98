"""How sure each chosen domain is, seen beside the others.

What is left of the protein tells, and how likely what was passed over for the domain is; of its
ends, how far they lie from what is aligned, what is left beside them, and whether the reference has
as many residues.
"""

from collections.abc import Sequence

from tasks.domains.boundaries import Placed, placed
from tasks.domains.calibration import Calibration
from tasks.domains.consensus import CONFLICT
from tasks.domains.partition_settings import PartitionSettings
from tasks.domains.proposal import Proposal, log_odds
from tasks.domains.ranges import Segments, complement, iou, normalised, overlap, size


def confident(
    chosen: Sequence[Proposal],
    proposals: Sequence[Proposal],
    length: int,
    settings: PartitionSettings,
    calibration: Calibration,
) -> list[Placed]:
    """The chosen ones of all proposals that are likely enough to be right, with their residues.

    Those of one that is not stay unassigned: its evidence is too weak to name it, not to tell that
    the domains beside it end there.
    """
    domains = placed(chosen, length, settings)
    card = calibration.cards["context"]
    for one, values in zip(domains, context_properties(domains, proposals, length), strict=True):
        one.proposal.confidence = calibration.calibrated(card.probability(values))
    profiles = any(
        member.candidate.hit.source == "hhsearch" for one in proposals for member in one.members
    )
    least = settings.least_confidence(profiles=profiles)
    return [one for one in domains if one.proposal.confidence >= least]


def context_properties(
    domains: Sequence[Placed], proposals: Sequence[Proposal], length: int
) -> list[tuple[float, ...]]:
    """The values of CONTEXT of each domain of a protein of that length, with all its proposals."""
    unassigned = complement(normalised(part for one in domains for part in one.segments), length)
    left = size(unassigned)
    chosen = {id(one.proposal) for one in domains}
    passed_over = [one for one in proposals if id(one) not in chosen]
    found: list[tuple[float, ...]] = []
    for one in domains:
        residues = size(one.segments)
        found.append(
            (
                log_odds(one.proposal.probability),
                left,
                iou(one.segments, one.proposal.segments),
                _unaligned_end(one) / residues,
                residues / length,
                _gap_beside(one.segments, unassigned) / residues,
                residues / one.proposal.best.reference_length,
                _likeliest_there(one.segments, passed_over),
            )
        )
    return found


def _unaligned_end(domain: Placed) -> int:
    """Residues of the end that lies farther from what is aligned; all if nothing is."""
    segments, aligned = domain.segments, domain.proposal.aligned
    if not aligned:
        return size(segments)
    return max(aligned[0][0] - segments[0][0], segments[-1][1] - aligned[-1][1])


def _gap_beside(segments: Segments, unassigned: Segments) -> int:
    """Residues of the longest unassigned stretch that touches one of the ends."""
    first, last = segments[0][0], segments[-1][1]
    return max(
        (end - start for start, end in unassigned if first == end or start == last), default=0
    )


def _likeliest_there(segments: Segments, passed_over: Sequence[Proposal]) -> float:
    """Probability of the likeliest proposal that competes for these residues."""
    residues = size(segments)
    there = (
        one.probability
        for one in passed_over
        if overlap(one.segments, segments) >= CONFLICT * min(one.residues, residues)
    )
    return max(there, default=0.0)
