"""Each alignment as the domains that it proposes.

A domain or profile hit proposes its reference domain.  A chain hit proposes each domain of the
reference chain: its aligned columns are looked up in the domain's stretches, so that a
discontinuous domain, or one inside another, comes out as it lies in the reference.  Domains of that
chain that are not aligned themselves, and parts of a discontinuous one that are not, are proposed
where the aligned ones leave the room for them.

An alignment is local; the domain is longer.  Its ends are moved by the residues of the reference
that are not aligned, but not beyond the protein, nor beyond the point where the reference's chain
leaves the domain (a junction).
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from tasks.domains.alignment import Block
from tasks.domains.hits import Hit
from tasks.domains.ranges import Segments, normalised, overlap, size
from tasks.domains.reference_tables import (
    ChainDomain,
    ReferenceChain,
    ReferenceDomain,
    ReferenceTables,
)
from tasks.domains.unaligned import projected

MIN_COLUMNS = 15
"""An alignment of fewer columns with a domain proposes nothing."""
INSERTION = 30
"""Residues that a protein may have more than the reference without being cut there [aa]."""
JUNCTION_INSERTION = 10
"""The same where the reference is known to be discontinuous."""
KNOWN_IDENTITY = 0.97
KNOWN_COVERAGE = 0.95
"""From these on a domain of the reference is taken for the protein's own."""


class Place(NamedTuple):
    """Where a domain lies; the fields are those of `Candidate`."""

    segments: Segments
    aligned: Segments
    extended_start: int
    extended_end: int
    missing: int


class Candidate(NamedTuple):
    """A domain that an alignment proposes."""

    hit: Hit
    kind: str
    """The hit's source, or `neighbour` for a domain that is not aligned itself."""
    domain_id: str
    lineage: tuple[str, ...]
    segments: Segments
    """Proposed, with the ends moved."""
    aligned: Segments
    """From the first to the last aligned column, without insertions; () for a neighbour."""
    reference_length: int
    columns: int
    """Aligned with this domain."""
    extended_start: int
    extended_end: int
    missing: int
    """Residues of the reference for which there is no room, or that lie across a junction."""
    fit: float
    """Difference of the lengths of protein and reference chain, as a share; for a neighbour that
    of its room.  0 where there is no chain."""

    @property
    def is_known(self) -> bool:
        """Whether the protein is, in this domain, the very one of the reference."""
        return (
            self.hit.identities >= KNOWN_IDENTITY * self.hit.columns
            and self.columns >= KNOWN_COVERAGE * self.reference_length
        )

    @property
    def coverage(self) -> float:
        """Share of the reference domain that is aligned; at most 1."""
        return min(self.columns / self.reference_length, 1.0) if self.reference_length else 0.0


def candidates_of(
    hit: Hit, length: int, tables: ReferenceTables, max_extension: int
) -> Iterator[Candidate]:
    """The domains that an alignment of a protein of that length proposes.

    A target that the tables do not know proposes nothing.
    """
    if hit.source == "chain_blast":
        chain = tables.chain_by_id.get(hit.target)
        if chain is not None:
            yield from _of_chain(hit, length, chain, max_extension)
        return
    domain = tables.domain_by_id.get(hit.target)
    if domain is None or hit.columns < MIN_COLUMNS:
        return
    last = hit.blocks[-1]
    reference_length = max(domain.length, last[1] + last[2])
    place = _placed(
        hit.blocks, reference_length, length, tables.junctions(hit.target), max_extension
    )
    yield _candidate(hit, domain, place, reference_length, columns=hit.columns, fit=0.0)


def _candidate(
    hit: Hit,
    domain: ReferenceDomain | ChainDomain,
    place: Place,
    reference_length: int,
    *,
    columns: int,
    fit: float,
) -> Candidate:
    return Candidate(
        hit,
        hit.source,
        domain.domain_id,
        domain.classification,
        place.segments,
        place.aligned,
        reference_length,
        columns,
        place.extended_start,
        place.extended_end,
        place.missing,
        fit,
    )


def _of_chain(
    hit: Hit, length: int, chain: ReferenceChain, max_extension: int
) -> Iterator[Candidate]:
    chain_length = max(chain.length, 1)
    fit = abs(length - chain_length) / max(length, chain_length)
    for domain in chain.domains:
        blocks, junctions = _in_domain(hit.blocks, domain.segments)
        columns = _columns(blocks)
        reference_length = size(domain.segments)
        if columns >= MIN_COLUMNS:
            place = _placed(blocks, reference_length, length, junctions, max_extension)
            if junctions and place.missing:
                place = _completed(place, hit.blocks, length, chain, domain)
            yield _candidate(hit, domain, place, reference_length, columns=columns, fit=fit)
        elif len(chain.domains) > 1 and len(domain.segments) == 1:
            yield from _neighbour(hit, length, chain, domain)


def _in_domain(blocks: Sequence[Block], segments: Segments) -> tuple[list[Block], tuple[int, ...]]:
    """The columns that lie in a domain, in the domain's own positions, and its junctions."""
    found = []
    junctions = []
    offset = 0
    for start, end in segments:
        for q, t, run in blocks:
            first = t if t > start else start  # noqa: FURB136 -- max() is slow
            last = t + run if t + run < end else end  # noqa: FURB136
            if first < last:
                found.append((q + first - t, offset + first - start, last - first))
        offset += end - start
        junctions.append(offset)
    return found, tuple(junctions[:-1])


def _columns(blocks: Sequence[Block]) -> int:
    return sum(run for _, _, run in blocks)


def _placed(
    blocks: Sequence[Block],
    reference_length: int,
    length: int,
    junctions: Sequence[int],
    max_extension: int,
) -> Place:
    """The place of a domain that has these columns, in the domain's own positions."""
    q_first, t_first, _ = blocks[0]
    q_last, t_last = blocks[-1][0] + blocks[-1][2], blocks[-1][1] + blocks[-1][2]
    floor, ceiling = 0, reference_length
    if junctions:
        floor = max((j for j in junctions if j <= t_first), default=0)
        ceiling = min((j for j in junctions if j >= t_last), default=reference_length)
    start = min(t_first - floor, q_first, max_extension)
    end = min(max(ceiling - t_last, 0), length - q_last, max_extension)
    missing = t_first - start + max(reference_length - t_last - end, 0)
    parts = []
    at = q_first
    for (q1, t1, run), (q2, t2, _) in pairwise(blocks):
        query_gap, target_gap = q2 - q1 - run, t2 - t1 - run
        if query_gap - target_gap <= JUNCTION_INSERTION:
            continue
        crossed = any(t1 + run <= j <= t2 for j in junctions)
        if query_gap - target_gap > (JUNCTION_INSERTION if crossed else INSERTION):
            before = min(target_gap // 2, max_extension)
            parts.append((at, q1 + run + before))
            at = q2 - min(target_gap - target_gap // 2, max_extension)
    parts.append((at, q_last))
    if len(parts) == 1:
        return Place(((at - start, q_last + end),), ((at, q_last),), start, end, missing)
    first, last = parts[0], parts[-1]
    proposed = normalised(((first[0] - start, first[1]), *parts[1:-1], (last[0], last[1] + end)))
    return Place(proposed, normalised(parts), start, end, missing)


def _completed(
    place: Place, blocks: Sequence[Block], length: int, chain: ReferenceChain, domain: ChainDomain
) -> Place:
    """The same with the stretches of a discontinuous domain that are not aligned.

    Without them the domain beside would be given their residues.
    """
    segments, aligned, extended_start, extended_end, missing = place
    for part in domain.segments:
        wanted = part[1] - part[0]
        if wanted < MIN_COLUMNS or _in_domain(blocks, (part,))[0]:
            continue
        found = projected(blocks, part, length, chain.length)
        if found is None or overlap(segments, (found[:2],)):
            continue
        start, end, _ = found
        if start < segments[0][0]:
            extended_start += end - start
        else:
            extended_end += end - start
        missing = max(missing - wanted, 0)
        segments = normalised((*segments, (start, end)))
    return Place(segments, aligned, extended_start, extended_end, missing)


def _neighbour(
    hit: Hit, length: int, chain: ReferenceChain, domain: ChainDomain
) -> Iterator[Candidate]:
    """A domain of the chain that is not aligned, where the aligned columns leave room for it."""
    found = projected(hit.blocks, domain.segments[0], length, chain.length)
    if found is not None:
        start, end, fit = found
        place = Place(((start, end),), (), end - start, 0, 0)
        reference_length = size(domain.segments)
        one = _candidate(hit, domain, place, reference_length, columns=0, fit=fit)
        yield one._replace(kind="neighbour")
