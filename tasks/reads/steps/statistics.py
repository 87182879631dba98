"""Statistics by cycle where the step stands: fast enough to stand before and behind all others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from pydantic import Field

from tasks.reads.block import Block, Integers, Reads
from tasks.reads.distinct import DistinctTexts
from tasks.reads.kernels.cycles import Q20, Q30, QUALITY, C, G, Totals, count_cycles
from tasks.reads.step import Stage, StepParams, Surroundings
from tasks.reads.steps.duplicates import marks_of

CYCLES = 256
"""Columns to begin with."""
MOST_CYCLES = 20_000
"""Longest curves; what lies behind is counted in their last point."""
ROWS = 8
EXACT = 1 << 17
"""Distinct molecules up to which duplicates are counted, and not estimated."""
BASES = "ACGT"
OFFSET = 33


class Statistics(StepParams):
    """Reads, bases, qualities and base content by cycle; changes nothing."""

    action: Literal["Statistics"] = "Statistics"
    name: str = Field("statistics", min_length=1, title="Name", description="in the reports")
    duplicates: bool = Field(
        False, title="Duplicates", description="count molecules that are equal in all segments"
    )

    def build(self, around: Surroundings) -> Stage:
        """Its stage."""
        return _Counting(self, around.segments)


@dataclass(slots=True)
class _SegmentCounts:
    """What one worker counts of a segment."""

    totals: Totals = field(default_factory=lambda: np.zeros((ROWS, CYCLES), np.int64))
    lengths: Integers = field(default_factory=lambda: np.zeros(CYCLES + 1, np.int64))
    bases: int = 0

    def add(self, reads: Reads) -> None:
        """Count reads."""
        a, b = reads.sequence, reads.quality
        self.make_room(int(a.length.max(initial=0)))
        self.bases += int(a.length.sum())
        count_cycles(a.buffer, a.start, b.buffer, b.start, a.length, self.totals, self.lengths)

    def make_room(self, longest: int) -> None:
        """Have a column for each position."""
        there = self.totals.shape[1]
        if there >= min(longest, MOST_CYCLES):
            return
        cycles = min(max(2 * there, longest + 7), MOST_CYCLES) // 8 * 8
        self.totals = np.pad(self.totals, ((0, 0), (0, cycles - there)))
        self.lengths = np.pad(self.lengths, (0, cycles - there))

    def take(self, other: "_SegmentCounts") -> None:
        """Add another worker's counts."""
        for one, two in ((self, other), (other, self)):
            one.make_room(min(two.totals.shape[1], MOST_CYCLES))
        cycles = other.totals.shape[1]
        if cycles > self.totals.shape[1]:
            self.totals = np.pad(self.totals, ((0, 0), (0, cycles - self.totals.shape[1])))
            self.lengths = np.pad(self.lengths, (0, cycles + 1 - len(self.lengths)))
        self.totals[:, :cycles] += other.totals
        self.lengths[: cycles + 1] += other.lengths
        self.bases += other.bases


@dataclass(slots=True)
class _Counts:
    """What one worker counts."""

    segments: dict[str, _SegmentCounts]
    molecules: int = 0
    distinct: DistinctTexts = field(default_factory=lambda: DistinctTexts(EXACT))


class _Counting(Stage):
    """Counts of workers add up."""

    watches = True

    def __init__(self, params: Statistics, segments: Sequence[str]) -> None:
        self._params = params
        self._segments = segments

    def account(self) -> _Counts:
        """A worker's counts."""
        return _Counts({name: _SegmentCounts() for name in self._segments})

    def run(self, block: Block, account: _Counts) -> Block:
        """The block as it is."""
        account.molecules += len(block)
        for name, reads in block.segments.items():
            account.segments[name].add(reads)
        if self._params.duplicates:
            columns = [reads.sequence for reads in block.segments.values()]
            account.distinct.add(marks_of(columns)[::2])
        return block

    def finish(self, accounts: Sequence[_Counts]) -> Mapping[str, Any]:
        """Counts and curves of each segment."""
        report: dict[str, Any] = {"molecules": sum(each.molecules for each in accounts)}
        if self._params.duplicates:
            distinct = DistinctTexts.merged([each.distinct for each in accounts])
            report["duplicates"] = distinct.duplicates()
        for name in self._segments:
            whole = _SegmentCounts()
            for each in accounts:
                whole.take(each.segments[name])
            report[name] = _curves(whole)
        return report


def _curves(counts: _SegmentCounts) -> dict[str, Any]:
    """What is told of a segment; curves end with the longest read."""
    totals, lengths = counts.totals, counts.lengths
    reads = int(lengths.sum())
    cycles = totals.shape[1]
    there = np.cumsum(lengths[::-1])[::-1][1 : cycles + 1]
    longest = int(np.count_nonzero(there))
    there = there[:longest].astype(np.float64)
    behind = counts.bases - int(there.sum())
    if behind:
        there[-1] += behind
    shares = totals[: len(BASES), :longest] / np.maximum(there, 1)
    scores = (totals[QUALITY, :longest] - OFFSET * there) / np.maximum(there, 1)
    content = {base: shares[row].tolist() for row, base in enumerate(BASES)}
    content["N"] = np.clip(1 - shares.sum(axis=0), 0, 1).tolist()
    content["GC"] = (shares[C] + shares[G]).tolist()
    return {
        "reads": reads,
        "bases": counts.bases,
        "q20_bases": int(totals[Q20].sum()),
        "q30_bases": int(totals[Q30].sum()),
        "gc_bases": int(totals[[C, G]].sum()),
        "cycles": longest,
        "mean_quality": scores.tolist(),
        "content": content,
        "lengths": np.trim_zeros(lengths, "b").tolist(),
    }
