"""Alignments as gap-free blocks, and the joining of the HSPs of one query and one target."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

Block: TypeAlias = tuple[int, int, int]
"""Start in the query, start in the target (both 0-based), columns."""
Blocks: TypeAlias = tuple[Block, ...]
GAPS = frozenset("-.")
MAX_OVERLAP = 15
"""Residues that two HSPs may share in one sequence and still be joined; they are cut from the
weaker one [aa]."""


@dataclass(frozen=True, slots=True)
class Hsp:
    """One local alignment, or several that were joined."""

    blocks: Blocks
    identities: int
    evalue: float
    bitscore: float
    count: int = 1
    """HSPs in it."""


def aligned_blocks(query: str, target: str, query_start: int, target_start: int) -> Blocks:
    """Gap-free blocks of two aligned strings that start at the given positions (0-based).

    Raises:
        ValueError: The strings differ in length.
    """
    blocks = []
    q, t, run = query_start, target_start, 0
    for a, b in zip(query, target, strict=True):
        query_gap, target_gap = a in GAPS, b in GAPS
        if not query_gap and not target_gap:
            run += 1
            continue
        if run:
            blocks.append((q, t, run))
            q, t, run = q + run, t + run, 0
        q += not query_gap
        t += not target_gap
    if run:
        blocks.append((q, t, run))
    return tuple(blocks)


def identical_columns(query: str, target: str) -> int:
    """Columns of two aligned strings with the same letter, whatever its case."""
    pairs = zip(query.upper(), target.upper(), strict=True)
    return sum(a == b and a not in GAPS for a, b in pairs)


def join_collinear(hsps: Iterable[Hsp], max_overlap: int = MAX_OVERLAP) -> list[Hsp]:
    """The HSPs of one query and one target, those in the same order on both sequences as one.

    The strongest HSP comes first and takes, from the strongest down, each one that lies before or
    after all it has so far on both sequences; what is left starts the next row.  So a repeat that
    matches one domain twice stays two rows.  A joined row has the least E-value, and the sums of
    identities and of bit scores, as far as the residues were not cut.
    """
    waiting = sorted(hsps, key=_strongest)
    if len(waiting) == 1:  # nearly always
        return waiting
    rows = []
    while waiting:
        chosen, waiting = [waiting[0]], waiting[1:]
        left = []
        for hsp in waiting:
            fitting = _fitted(hsp, chosen, max_overlap)
            if fitting is None:
                left.append(hsp)
            else:
                chosen.append(fitting)
        rows.append(_joined(chosen))
        waiting = left
    return rows


def _strongest(hsp: Hsp) -> tuple[float, float, Blocks]:
    """Sorts the strongest first, ties by place."""
    return hsp.evalue, -hsp.bitscore, hsp.blocks


def _fitted(hsp: Hsp, chosen: Sequence[Hsp], max_overlap: int) -> Hsp | None:
    """The HSP without what overlaps the chosen ones, or None where it is not collinear."""
    q_from, t_from = 0, 0
    q_to = t_to = float("inf")
    q_start, t_start, q_end, t_end = _extent(hsp.blocks)
    for one in chosen:
        other_q_start, other_t_start, other_q_end, other_t_end = _extent(one.blocks)
        if q_start + q_end >= other_q_start + other_q_end:
            q_from, t_from = max(q_from, other_q_end), max(t_from, other_t_end)
        else:
            q_to, t_to = min(q_to, other_q_start), min(t_to, other_t_start)
    cut = max(q_from - q_start, t_from - t_start, q_end - q_to, t_end - t_to)
    if cut > max_overlap:
        return None
    kept = _within(hsp.blocks, q_from, t_from, q_to, t_to)
    columns, before = _columns(kept), _columns(hsp.blocks)
    if columns * 2 < before:
        return None
    share = columns / before
    return replace(
        hsp,
        blocks=kept,
        identities=min(round(hsp.identities * share), columns),
        bitscore=hsp.bitscore * share,
    )


def _extent(blocks: Blocks) -> tuple[int, int, int, int]:
    """Start in query and target, end in query and target."""
    q, t, _ = blocks[0]
    last_q, last_t, run = blocks[-1]
    return q, t, last_q + run, last_t + run


def _columns(blocks: Blocks) -> int:
    return sum(run for _, _, run in blocks)


def _within(blocks: Blocks, q_from: int, t_from: int, q_to: float, t_to: float) -> Blocks:
    """Columns that lie in both windows."""
    kept = []
    for q, t, run in blocks:
        skipped = max(q_from - q, t_from - t, 0)
        end = min(run, q_to - q, t_to - t)
        if skipped < end:
            kept.append((q + skipped, t + skipped, int(end) - skipped))
    return tuple(kept)


def _joined(hsps: Sequence[Hsp]) -> Hsp:
    if len(hsps) == 1:
        return hsps[0]
    return Hsp(
        blocks=tuple(sorted(block for hsp in hsps for block in hsp.blocks)),
        identities=sum(hsp.identities for hsp in hsps),
        evalue=min(hsp.evalue for hsp in hsps),
        bitscore=sum(hsp.bitscore for hsp in hsps),
        count=sum(hsp.count for hsp in hsps),
    )
