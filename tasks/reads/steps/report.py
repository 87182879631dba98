"""Report what the reads are like where the step stands."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from tasks.reads.assembly import listed
from tasks.reads.block import Block, Integers, Numbers, Reads, Tag, Truths
from tasks.reads.distinct import DistinctTexts
from tasks.reads.kernels.tallies import QUALITIES, Counts, tally
from tasks.reads.kernels.texts import have_oligo
from tasks.reads.step import Stage, StepParams, Surroundings, TagKind, TagUse
from tasks.reads.steps.duplicates import marks_of
from tasks.reads.steps.sources import ALL, Label, chosen_segments
from tasks.reads.steps.store import ANY, written

BASES = "acgtn"
POSITIONS = 20_000
"""Longest curves; what lies behind is counted in their last point."""
FIRST_ROWS = 256
Q20, Q30 = 20, 30
ERROR = 10.0 ** (-np.arange(QUALITIES) / 10)
"""Probability that a base of each quality is wrong."""
Oligo = Annotated[str, Field(pattern="^[ACGTacgt]+$")]


def _base_numbers() -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    numbers = np.full(256, BASES.index("n"), np.uint8)
    for number, base in enumerate("acgt"):
        numbers[[ord(base), ord(base.upper())]] = number
    return numbers


NUMBERS = _base_numbers()


class Report(StepParams):
    """Counts, lengths, base statistics and duplicates at this place; changes nothing."""

    action: Literal["Report"] = "Report"
    name: str = Field("report", min_length=1, title="Name", description="in the report file")
    count: bool = Field(True, title="Molecules", description="how many there are")
    base_statistics: bool = Field(
        False, title="Bases", description="bases and qualities by position, in each segment"
    )
    length_distribution: bool = Field(False, title="Lengths", description="in each segment")
    duplicate_count_per_read: bool = Field(
        False, title="Duplicate reads", description="reads that were there before, in each segment"
    )
    duplicate_count_per_fragment: bool = Field(
        False, title="Duplicate molecules", description="equal in all segments"
    )
    debug_reproducibility: bool = Field(
        False, title="Debugging", description="accepted, without effect"
    )
    count_oligos: tuple[Oligo, ...] | None = Field(
        None, title="Oligos", description="sequences; counts the reads that contain them"
    )
    count_oligos_segment: str = Field(ALL, title="Oligos in", description="read1 …, or All")
    tag_histograms: tuple[Label, ...] | None = Field(
        None, title="Histograms", description="tags whose values are counted"
    )

    def uses(self) -> Sequence[TagUse]:
        """The tags that it counts."""
        return [TagUse(label, ANY, "tag_histograms") for label in self.tag_histograms or ()]

    def build(self, around: Surroundings) -> Stage:
        """Its stage."""
        return _Reporting(self, around)


@dataclass(slots=True)
class _SegmentTally:
    """What is counted of one segment."""

    lengths: Integers = field(default_factory=lambda: np.zeros(1, np.int64))
    bases: Counts = field(default_factory=lambda: np.zeros((FIRST_ROWS, len(BASES)), np.int64))
    marks: Counts = field(default_factory=lambda: np.zeros((FIRST_ROWS, QUALITIES), np.int64))
    distinct: DistinctTexts = field(default_factory=DistinctTexts)

    def count_lengths(self, reads: Reads) -> None:
        found = np.bincount(reads.sequence.length)
        self.lengths = _added(self.lengths, found)

    def count_bases(self, reads: Reads) -> None:
        rows = min(int(reads.sequence.length.max(initial=0)), POSITIONS)
        if rows > len(self.bases):
            rows = min(2 * rows, POSITIONS)
            self.bases = _with_rows(self.bases, rows)
            self.marks = _with_rows(self.marks, rows)
        a, b = reads.sequence, reads.quality
        tally(*(a.buffer, a.start, b.buffer, b.start, a.length), NUMBERS, self.bases, self.marks)


def _added(one: Integers, other: Integers) -> Integers:
    total = np.zeros(max(len(one), len(other)), np.int64)
    total[: len(one)] += one
    total[: len(other)] += other
    return total


def _with_rows(counts: Counts, rows: int) -> Counts:
    larger = np.zeros((rows, counts.shape[1]), np.int64)
    larger[: len(counts)] = counts
    return larger


@dataclass(slots=True)
class _Tally:
    """What is counted of one stream."""

    molecules: int = 0
    segments: dict[str, _SegmentTally] = field(default_factory=lambda: defaultdict(_SegmentTally))
    fragments: DistinctTexts = field(default_factory=DistinctTexts)
    oligos: Counter[str] = field(default_factory=Counter)
    histograms: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


Account = dict[int, _Tally]


class _Reporting(Stage):
    """Everything that is counted adds up over workers, to the same whoever saw which block."""

    watches = True

    def __init__(self, params: Report, around: Surroundings) -> None:
        self._params = params
        self._segments = around.segments
        self._streams = around.streams
        self._kinds = around.tags
        chosen = chosen_segments(around, params.count_oligos_segment) if params.count_oligos else []
        self._oligo_segments = chosen

    def account(self) -> Account:
        """What one worker counts, by the bits of the stream."""
        return defaultdict(_Tally)

    def run(self, block: Block, account: Account) -> Block:
        """The block as it is."""
        if block.stream is None:
            self._count(block, account[0])
        else:
            for bits in np.unique(block.stream).tolist():
                self._count(block.take(block.stream == bits), account[bits])
        return block

    def finish(self, accounts: Sequence[Account]) -> Mapping[str, Any]:
        """The report's object; by the names of the streams if there are several."""
        by_stream = {
            name: [account[bits] for account in accounts if bits in account]
            for bits, name in self._streams.items()
        }
        if list(self._streams.values()) == [""]:
            tallies = by_stream[""]
            return {**self._body(tallies), **self._aside(tallies)}
        report: dict[str, Any] = {name: self._body(each) for name, each in by_stream.items()}
        for name, each in by_stream.items():
            for key, value in self._aside(each).items():
                report.setdefault(key, {})[name] = value
        return {key: value for key, value in report.items() if value != {}}

    def _count(self, block: Block, into: _Tally) -> None:
        params = self._params
        into.molecules += len(block)
        for name, reads in block.segments.items():
            if params.length_distribution:
                into.segments[name].count_lengths(reads)
            if params.base_statistics:
                into.segments[name].count_bases(reads)
            if params.duplicate_count_per_read:
                into.segments[name].distinct.add(marks_of([reads.sequence])[::2])
        if params.duplicate_count_per_fragment:
            columns = [reads.sequence for reads in block.segments.values()]
            into.fragments.add(marks_of(columns)[::2])
        for oligo in params.count_oligos or ():
            into.oligos[oligo] += sum(
                _holding(block.segments[name], oligo) for name in self._oligo_segments
            )
        for label in params.tag_histograms or ():
            into.histograms[label].update(_values(block.tags[label]))

    def _body(self, tallies: Sequence[_Tally]) -> dict[str, Any]:
        """What is reported of a stream."""
        params = self._params
        body: dict[str, Any] = {}
        if params.count:
            body["molecule_count"] = sum(each.molecules for each in tallies)
        for name in self._segments:
            parts = [each.segments[name] for each in tallies if name in each.segments]
            if found := self._segment(parts):
                body[name] = found
        if params.duplicate_count_per_fragment:
            fragments = DistinctTexts.merged([each.fragments for each in tallies])
            body["fragment_duplicate_count"] = fragments.duplicates()
        return body

    def _segment(self, parts: Sequence[_SegmentTally]) -> dict[str, Any]:
        params = self._params
        body: dict[str, Any] = {}
        if params.length_distribution:
            lengths = np.zeros(0, np.int64)
            for part in parts:
                lengths = _added(lengths, part.lengths)
            body["length_distribution"] = lengths.tolist()
        if params.duplicate_count_per_read:
            distinct = DistinctTexts.merged([part.distinct for part in parts])
            body["duplicate_count"] = distinct.duplicates()
        if params.base_statistics:
            body["base_statistics"] = _base_statistics(parts)
        return body

    def _aside(self, tallies: Sequence[_Tally]) -> dict[str, Any]:
        """What is reported beside the segments."""
        params = self._params
        found: dict[str, Any] = {}
        if params.count_oligos:
            total = sum((each.oligos for each in tallies), Counter[str]())
            found["count_oligos"] = {oligo: total[oligo] for oligo in params.count_oligos}
        if params.tag_histograms:
            found["histogram"] = {
                label: _histogram([each.histograms[label] for each in tallies], self._kinds[label])
                for label in params.tag_histograms
            }
        return found


def _base_statistics(parts: Sequence[_SegmentTally]) -> dict[str, Any]:
    """Bases and qualities of one segment, in sum and by position."""
    rows = max((len(part.bases) for part in parts), default=0)
    bases = np.zeros((rows, len(BASES)), np.int64)
    marks = np.zeros((rows, QUALITIES), np.int64)
    for part in parts:
        bases[: len(part.bases)] += part.bases
        marks[: len(part.marks)] += part.marks
    reached = np.flatnonzero(bases.sum(axis=1))
    length = int(reached[-1]) + 1 if len(reached) else 0
    return {
        "total_bases": int(bases.sum()),
        "q20_bases": int(marks[:, Q20:].sum()),
        "q30_bases": int(marks[:, Q30:].sum()),
        "expected_errors_from_quality_curve": (marks[:length] @ ERROR).tolist(),
        "gc_bases": int(bases[:, [BASES.index("c"), BASES.index("g")]].sum()),
        "per_position_counts": {
            base: bases[:length, number].tolist() for number, base in enumerate(BASES)
        },
    }


def _holding(reads: Reads, oligo: str) -> int:
    """How many reads contain the oligo."""
    into = np.empty(len(reads.name), np.bool_)
    letters = np.frombuffer(bytearray(oligo.encode()), np.uint8)
    texts = reads.sequence
    have_oligo(texts.buffer, texts.start, texts.length, letters, into)
    return int(into.sum())


def _values(tag: Tag) -> Counter[str]:
    """How often each value of a tag occurs; numbers are rounded."""
    match tag:
        case Truths():
            true = int(tag.value.sum())
            return Counter({"true": true, "false": len(tag.value) - true})
        case Numbers():
            there = tag.value[np.isfinite(tag.value)]
            rounded = np.copysign(np.floor(np.abs(there) + 0.5), there).astype(np.int64)
            values, counts = np.unique(rounded, return_counts=True)
            return Counter(dict(zip(map(str, values.tolist()), counts.tolist(), strict=True)))
        case _:
            return Counter(text.decode("latin-1") for text in listed(written(tag, b"_")))


def _histogram(parts: Sequence[Counter[str]], kind: TagKind) -> dict[str, int]:
    """The counts of all workers, in the order of the values."""
    total = sum(parts, Counter[str]())
    if kind == "bool":
        return {"true": total["true"], "false": total["false"]}
    key = int if kind == "numeric" else str
    return {value: total[value] for value in sorted(total, key=key)}
