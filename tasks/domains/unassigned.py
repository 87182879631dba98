"""Why a stretch of a protein has no domain."""

from collections.abc import Sequence

from tasks.domains.calls import Unassigned, UnassignedReason
from tasks.domains.hits import Hit
from tasks.domains.proposal import Proposal
from tasks.domains.ranges import Segments, overlap, size

NOTED = 10
"""Aligned residues in a stretch from which on an alignment counts as one there [aa]."""


def unassigned_stretches(
    left: Segments, min_domain: int, proposals: Sequence[Proposal], hits: Sequence[Hit]
) -> tuple[Unassigned, ...]:
    """Each stretch that no domain has, with its reason and the best evidence in it."""
    found = []
    for stretch in left:
        reason, detail = _reason((stretch,), min_domain, proposals, hits)
        found.append(Unassigned(segments=(stretch,), reason=reason, detail=detail))
    return tuple(found)


def _reason(
    stretch: Segments, min_domain: int, proposals: Sequence[Proposal], hits: Sequence[Hit]
) -> tuple[UnassignedReason, str]:
    if size(stretch) < min_domain:
        return "short", ""
    there = [
        (one.probability, overlap(stretch, one.segments) * 2 >= size(one.segments), one)
        for one in proposals
        if overlap(stretch, one.segments) >= NOTED
    ]
    if there:
        probability, inside, best = max(there, key=lambda one: one[1::-1])
        # what was chosen and left out was weighed beside the others, too
        sure = ("confidence", best.confidence) if best.confidence else ("probability", probability)
        detail = f"best: {best.best.domain_id} with {sure[0]} {sure[1]:.2f}"
        return ("weak_hits" if inside else "partial_hits"), detail
    for hit in hits:  # the lowest E-value first
        columns = sum([overlap(stretch, ((q, q + run),)) for q, _, run in hit.blocks])
        if columns >= NOTED:
            return "weak_hits", f"best: {hit.target} with E-value {hit.evalue:.2g}"
    return "no_hit", ""
