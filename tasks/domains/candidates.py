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

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from tasks.domains.alignment import Block
from tasks.domains.hits import Hit
from tasks.domains.ranges import Segments, normalised, overlap, size
from tasks.domains.reference_tables import ChainDomain, ReferenceChain, ReferenceTables
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


Place: TypeAlias = tuple[Segments, Segments, int, int, int]
"""Where a domain lies: fields of `Candidate`, from `segments` to `missing`."""


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
    extended_start: int
    extended_end: int
    missing: int
    """Residues of the reference for which there is no room, or that lie across a junction."""
    reference_length: int
    columns: int
    """Aligned with this domain."""
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
) -> Sequence[Candidate]:
    """The domains that an alignment of a protein of that length proposes.

    A target that the tables do not know proposes nothing.
    """
    if hit.source == "chain_blast":
        chain = tables.chain_by_id.get(hit.target)
        return _of_chain(hit, length, chain, max_extension) if chain is not None else ()
    domain = tables.domain_by_id.get(hit.target)
    if domain is None or hit.columns < MIN_COLUMNS:
        return ()
    _, start, run = hit.blocks[-1]
    reference_length = max(domain.length, start + run)
    junctions = tables.junctions(hit.target)
    place = _placed(
        hit.blocks, reference_length, length, junctions, max_extension, insertion=hit.insertion
    )
    name, lineage = domain.domain_id, domain.classification
    return (Candidate(hit, hit.source, name, lineage, *place, reference_length, hit.columns, 0.0),)


def _of_chain(hit: Hit, length: int, chain: ReferenceChain, max_extension: int) -> list[Candidate]:
    found = []
    chain_length = max(chain.length, 1)
    fit = abs(length - chain_length) / max(length, chain_length)
    for domain in chain.domains:
        blocks, junctions = _in_domain(hit.blocks, domain.segments)
        columns = _columns(blocks)
        name, lineage, whole = domain.domain_id, domain.classification, size(domain.segments)
        if columns >= MIN_COLUMNS:
            place = _placed(
                blocks, whole, length, junctions, max_extension, insertion=hit.insertion
            )
            if junctions and place[-1]:
                place = _completed(place, hit.blocks, length, chain, domain)
            found.append(Candidate(hit, hit.source, name, lineage, *place, whole, columns, fit))
        elif len(chain.domains) > 1 and len(domain.segments) == 1:
            room = projected(hit.blocks, domain.segments[0], length, chain.length)
            if room is not None:
                start, end, misfit = room
                place = ((start, end),), (), end - start, 0, 0
                found.append(Candidate(hit, "neighbour", name, lineage, *place, whole, 0, misfit))
    return found


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
    *,
    insertion: int,
) -> Place:
    """The place of a domain that has these columns, in the domain's own positions."""
    q_first, t_first, _ = blocks[0]
    q_last, t_last, run = blocks[-1]
    q_last, t_last = q_last + run, t_last + run
    floor, ceiling = 0, reference_length
    if junctions:
        floor = max((j for j in junctions if j <= t_first), default=0)
        ceiling = min((j for j in junctions if j >= t_last), default=reference_length)
    start = min(t_first - floor, q_first, max_extension)
    end = min(max(ceiling - t_last, 0), length - q_last, max_extension)
    missing = t_first - start + max(reference_length - t_last - end, 0)
    parts: Segments = ((q_first, q_last),)
    if junctions or insertion > INSERTION:
        parts = _without_insertions(blocks, junctions, max_extension)
    if len(parts) == 1:
        return ((q_first - start, q_last + end),), parts, start, end, missing
    first, last = parts[0], parts[-1]
    proposed = normalised(((first[0] - start, first[1]), *parts[1:-1], (last[0], last[1] + end)))
    return proposed, normalised(parts), start, end, missing


def _without_insertions(
    blocks: Sequence[Block], junctions: Sequence[int], max_extension: int
) -> Segments:
    """What lies between the long insertions, with the reference's residues there on both sides."""
    parts = []
    at = blocks[0][0]
    for (q1, t1, run), (q2, t2, _) in pairwise(blocks):
        more = q2 - t2 - q1 + t1  # residues that the protein has beyond the reference
        if more <= JUNCTION_INSERTION:
            continue
        crossed = any(t1 + run <= j <= t2 for j in junctions)
        if more > (JUNCTION_INSERTION if crossed else INSERTION):
            target_gap = t2 - t1 - run
            before = min(target_gap // 2, max_extension)
            parts.append((at, q1 + run + before))
            at = q2 - min(target_gap - target_gap // 2, max_extension)
    q, _, run = blocks[-1]
    return (*parts, (at, q + run))


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
    return segments, aligned, extended_start, extended_end, missing
