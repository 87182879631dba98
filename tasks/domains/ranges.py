"""Stretches of a sequence: 0-based, half-open, sorted, disjoint, not touching, never empty.

Text is 1-based and inclusive, as in ECOD and SCOP: `10-150,200-220`.  Only `parse_range` and
`range_text` convert.
"""

import re
from collections.abc import Iterable
from typing import TypeAlias

from blocks.errors import InputError

Segments: TypeAlias = tuple[tuple[int, int], ...]
"""Start and end of each stretch."""

_PART = re.compile(r"\s*(?:(?P<chain>[^:,\s]+):)?(?P<first>\d+)(?:-(?P<last>\d+))?\s*")


def parse_range(text: str, where: str = "range") -> Segments:
    """Stretches of a text such as `10-150,200-220`, `7` or `A:4-63,A:174-335`.

    Raises:
        InputError: It is no such text, runs backwards, starts before 1, or names several chains.
    """
    return normalised(range_parts(text, where))


def range_parts(text: str, where: str = "range") -> tuple[tuple[int, int], ...]:
    """The stretches as they stand there, which may overlap.

    Raises:
        InputError: As `parse_range`.
    """
    parts = []
    chains = set()
    for piece in text.split(","):
        found = _PART.fullmatch(piece)
        if found is None:
            raise InputError(f"{where}: {text!r}; expected positions such as 10-150,200-220")
        first, last = int(found["first"]), int(found["last"] or found["first"])
        if first < 1 or last < first:
            raise InputError(f"{where}: {piece.strip()!r}; expected first <= last, from 1 on")
        chains.add(found["chain"] or "")
        parts.append((first - 1, last))
    if len(chains) > 1:
        raise InputError(f"{where}: {text!r} spans several chains; expected one")
    return tuple(parts)


def range_text(segments: Segments) -> str:
    """The stretches as 1-based inclusive text."""
    return ",".join(f"{start + 1}-{end}" for start, end in segments)


def normalised(parts: Iterable[tuple[int, int]]) -> Segments:
    """Stretches in order; those that overlap or touch become one, empty ones go."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted([part for part in parts if part[0] < part[1]]):
        if merged and start <= merged[-1][1]:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return tuple(merged)


def size(segments: Segments) -> int:
    """Number of residues."""
    total = 0
    for start, end in segments:
        total += end - start
    return total


def union(one: Segments, other: Segments) -> Segments:
    """Residues in either."""
    return normalised((*one, *other))


def intersection(one: Segments, other: Segments) -> Segments:
    """Residues in both."""
    found = []
    i = j = 0
    while i < len(one) and j < len(other):
        start, end = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if start < end:
            found.append((start, end))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)


def overlap(one: Segments, other: Segments) -> int:
    """Number of residues in both."""
    if len(one) == 1 == len(other):  # nearly always
        (start, end), (start_other, end_other) = one[0], other[0]
        start = start_other if start_other > start else start  # noqa: FURB136 -- max() is slow
        end = end_other if end_other < end else end  # noqa: FURB136
        return end - start if end > start else 0
    shared = i = j = 0
    while i < len(one) and j < len(other):
        start_one, end_one = one[i]
        start_other, end_other = other[j]
        start = start_one if start_one > start_other else start_other  # noqa: FURB136 -- max() is slow
        if end_one < end_other:
            i += 1
            end = end_one
        else:
            j += 1
            end = end_other
        if start < end:
            shared += end - start
    return shared


def difference(one: Segments, other: Segments) -> Segments:
    """Residues of the first that are not in the second."""
    found = []
    for start, end in one:
        at = start
        for taken_start, taken_end in other:
            if taken_end <= at:
                continue
            if taken_start >= end:
                break
            if taken_start > at:
                found.append((at, taken_start))
            at = taken_end
        if at < end:
            found.append((at, end))
    return tuple(found)


def complement(segments: Segments, length: int) -> Segments:
    """Residues of a sequence of that length that are not in the stretches."""
    return difference(((0, length),), segments) if length else ()


def iou(one: Segments, other: Segments) -> float:
    """Residues in both, of those in either; 0 where both are empty."""
    shared = overlap(one, other)
    either = size(one) + size(other) - shared
    return shared / either if either else 0.0


def closed(segments: Iterable[tuple[int, int]], max_gap: int) -> Segments:
    """The stretches, which may touch, with gaps of at most `max_gap` residues filled."""
    filled: list[tuple[int, int]] = []
    for start, end in segments:
        if filled and start - filled[-1][1] <= max_gap:
            filled[-1] = (filled[-1][0], end)
        else:
            filled.append((start, end))
    return tuple(filled)
