"""Chosen proposals as stretches that share no residue and leave no small gaps."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.domains.partition_settings import PartitionSettings
from tasks.domains.proposal import Proposal
from tasks.domains.ranges import (
    Segments,
    complement,
    difference,
    intersection,
    normalised,
    overlap,
    size,
)

MAX_GROWTH = 0.5
"""A domain gets no unassigned stretch that is longer than this share of it."""


@dataclass(slots=True)
class Placed:
    """A proposal and the residues that it gets."""

    proposal: Proposal
    segments: Segments


def placed(
    chosen: Sequence[Proposal],
    length: int,
    settings: PartitionSettings,
) -> list[Placed]:
    """The chosen proposals with their residues, by their starts.

    Overlaps are cut; domains that become too short are given up; gaps inside of a domain with
    nothing in them, and short gaps beside domains, are closed.
    """
    domains = [Placed(one, one.segments) for one in chosen]
    for i, one in enumerate(domains):
        for other in domains[i + 1 :]:
            _cut(one, other)
    for one in domains:
        long_enough = tuple(
            part for part in one.segments if part[1] - part[0] >= settings.min_segment
        )
        one.segments = long_enough if size(long_enough) >= settings.min_domain else ()
    domains = [one for one in domains if one.segments]
    _close(domains, length, settings.max_closed_gap, settings.max_insertion)
    return sorted(domains, key=lambda one: one.segments)


def _cut(one: Placed, other: Placed) -> None:
    """Give each residue that both have to one of them.

    Where the end of one meets the start of the other, what is aligned goes before what was only
    extended, and the rest is halved.  Elsewhere the likelier one takes all.
    """
    for start, end in intersection(one.segments, other.segments):
        first, second = (
            (one, other)
            if any(stop == end for _, stop in one.segments)
            and any(begin == start for begin, _ in other.segments)
            else (other, one)
        )
        meets = any(stop == end for _, stop in first.segments) and any(
            begin == start for begin, _ in second.segments
        )
        if meets:
            at = _cutting_point(first.proposal.aligned, second.proposal.aligned, start, end)
            first.segments = difference(first.segments, ((at, end),) if at < end else ())
            second.segments = difference(second.segments, ((start, at),) if start < at else ())
            continue
        likelier = one.proposal.probability >= other.proposal.probability
        loser = other if likelier else one
        loser.segments = difference(loser.segments, ((start, end),))


def _cutting_point(first: Segments, second: Segments, start: int, end: int) -> int:
    """Where the first one ends and the second begins, within a shared stretch."""
    ends = [stop for _, stop in intersection(first, ((start, end),))]
    begins = [begin for begin, _ in intersection(second, ((start, end),))]
    return (max(ends, default=start) + min(begins, default=end)) // 2


def _close(domains: Sequence[Placed], length: int, max_closed_gap: int, max_insertion: int) -> None:
    """Give short unassigned stretches to the domains beside them.

    A domain that is the reference's own keeps the ends that it has there.
    """
    taken = normalised(part for one in domains for part in one.segments)
    for start, end in complement(taken, length):
        before = next((d for d in domains if any(stop == start for _, stop in d.segments)), None)
        after = next((d for d in domains if any(begin == end for begin, _ in d.segments)), None)
        if before is not None and before is after:
            if end - start <= max_insertion and _is_open(before):
                before.segments = normalised((*before.segments, (start, end)))
            continue
        if end - start >= max_closed_gap:
            continue
        takers = [
            one
            for one in (before, after)
            if one is not None and _is_open(one) and end - start <= MAX_GROWTH * size(one.segments)
        ]
        middle = (start + end) // 2 if len(takers) == 2 else end if before in takers else start  # noqa: PLR2004 -- both
        for one in takers:
            part = (start, middle) if one is before else (middle, end)
            one.segments = normalised((*one.segments, part))


def _is_open(placed: Placed) -> bool:
    return not placed.proposal.best.is_known


def supported(segments: Segments, proposal: Proposal) -> bool:
    """Whether a proposal lies mostly in these stretches."""
    return overlap(segments, proposal.segments) * 2 >= size(proposal.segments)
