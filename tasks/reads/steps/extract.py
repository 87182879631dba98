"""Steps that find something in reads and keep it as a Location tag."""

from abc import abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tasks.reads.alphabet import IUPAC, misses
from tasks.reads.assembly import cut
from tasks.reads.block import Block, Bytes, Integers, Reads, Regions, Texts
from tasks.reads.kernels.runs import (
    find_longest_run,
    find_low_end,
    find_low_runs,
    find_low_start,
    find_tail,
)
from tasks.reads.kernels.search import (
    ANYWHERE,
    LEFT,
    RIGHT,
    find_pattern,
    find_suffix,
    find_with_gaps,
)
from tasks.reads.step import Stage, StepParams, Surroundings, TagGift
from tasks.reads.steps.sources import Change, Label, Letter, regions_at, segment_named, tagged

Anchor = Literal["Left", "Right", "Anywhere"]
WHERE = {"Left": LEFT, "Right": RIGHT, "Anywhere": ANYWHERE}
Count = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(ge=0, lt=1)]
FINEST_RATE = 1_000_000
"""Rates are exact to this part, so that 0.3 of 10 bases is 3 of them."""


def _iupac(pattern: str) -> str:
    upper = pattern.upper()
    wrong = sorted(set(upper) - IUPAC)
    if not upper:
        raise ValueError("empty sequence; expected IUPAC letters")
    if wrong:
        raise ValueError(f"{wrong[0]!r} in {pattern!r}; expected IUPAC letters")
    return upper


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _base(value: object) -> object:
    if isinstance(value, str) and value in {"a", "c", "g", "t", "n"}:
        return value.upper()
    return value


Pattern = Annotated[str, AfterValidator(_iupac)]
Patterns = Annotated[tuple[Pattern, ...], BeforeValidator(_as_list), Field(min_length=1)]
Base = Annotated[Literal["A", "C", "G", "T", "N", "."], BeforeValidator(_base)]


class _Extract(StepParams):
    """What all steps here have in common."""

    segment: str = Field(title="Segment", description="where to look: read1, read2, index1 …")
    out_label: Label = Field(description="name of the new tag")

    def gives(self) -> Sequence[TagGift]:
        """The tag that it makes."""
        return [TagGift(self.out_label, "location")]

    @abstractmethod
    def find(self, reads: Reads, segment: int) -> Regions:
        """The tag for the reads of a segment."""

    def build(self, around: Surroundings) -> Stage:
        """Its stage."""

        def extract(block: Block) -> Block:
            number, reads = segment_named(block, self.segment)
            return tagged(block, self.out_label, self.find(reads, number))

        return Change(extract)


def _plain(texts: Texts) -> tuple[Bytes, Integers, Integers]:
    return texts.buffer, texts.start, texts.length


def _places(reads: Reads) -> tuple[Integers, Integers]:
    return np.full(len(reads.name), -1, np.int64), np.zeros(len(reads.name), np.int64)


class ExtractIUPAC(_Extract):
    """The best place of a sequence, such as an adapter, by the number of mismatches."""

    action: Literal["ExtractIUPAC"] = "ExtractIUPAC"
    search: Patterns = Field(
        title="Sequences", description="IUPAC letters; of several, the first in the list that hits"
    )
    anchor: Anchor = Field(title="Where", description="start of the read, its end, or anywhere")
    max_mismatches: Count = Field(title="Most mismatches", description="letters that may differ")

    def find(self, reads: Reads, segment: int) -> Regions:
        """The tag for the reads of a segment."""
        bases = reads.sequence
        at, size = _places(reads)
        for pattern in self.search:
            here = np.empty_like(at)
            table, anchor = misses(pattern), WHERE[self.anchor]
            find_pattern(*_plain(bases), table, anchor, self.max_mismatches, here)
            new = (at < 0) & (here >= 0)
            at[new], size[new] = here[new], len(pattern)
        return regions_at(reads, segment, at, size)


class ExtractIUPACSuffix(_Extract):
    """The longest beginning of a sequence that ends the read, such as an adapter read into."""

    action: Literal["ExtractIUPACSuffix"] = "ExtractIUPACSuffix"
    search: Pattern = Field(title="Sequence", description="IUPAC letters")
    min_length: int = Field(ge=1, title="Least length", description="of the beginning [nt]")
    max_mismatches: Count = Field(title="Most mismatches", description="whatever the length")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.min_length > len(self.search):
            raise ValueError(
                f"min_length is {self.min_length}; expected at most the length of the search "
                f"sequence ({len(self.search)})"
            )
        if self.max_mismatches > self.min_length:
            raise ValueError(
                f"max_mismatches is {self.max_mismatches}; expected at most min_length "
                f"({self.min_length})"
            )
        return self

    def find(self, reads: Reads, segment: int) -> Regions:
        """The tag for the reads of a segment."""
        bases = reads.sequence
        at, _ = _places(reads)
        table = misses(self.search)
        find_suffix(*_plain(bases), table, self.min_length, self.max_mismatches, at)
        return regions_at(reads, segment, at, bases.length - at)


class ExtractIUPACWithIndel(_Extract):
    """The best alignment of a sequence, with mismatches, insertions and deletions."""

    action: Literal["ExtractIUPACWithIndel"] = "ExtractIUPACWithIndel"
    search: Pattern = Field(title="Sequence", description="IUPAC letters")
    anchor: Anchor = Field(title="Where", description="start of the read, its end, or anywhere")
    max_mismatches: Count = Field(0, title="Most mismatches", description="letters that differ")
    max_indel_bases: Annotated[int, Field(ge=0, le=100)] = Field(
        0, title="Most indel bases", description="inserted and deleted, together [nt]"
    )
    max_total_edits: Count | None = Field(
        None, title="Most edits", description="mismatches and indel bases; empty: as both allow"
    )

    def find(self, reads: Reads, segment: int) -> Regions:
        """The tag for the reads of a segment."""
        bases = reads.sequence
        at, size = _places(reads)
        most = self.max_mismatches + self.max_indel_bases
        if self.max_total_edits is not None:
            most = min(most, self.max_total_edits)
        letters, gaps = min(self.max_mismatches, most), min(self.max_indel_bases, most)
        table, anchor = misses(self.search), WHERE[self.anchor]
        find_with_gaps(*_plain(bases), table, anchor, letters, gaps, most, at, size)
        return regions_at(reads, segment, at, size)


class _LowEnd(_Extract):
    """A stretch of low quality at one end."""

    min_qual: Letter = Field(
        title="Least quality", description="as the character in the file or its number"
    )


class ExtractLowQualityStart(_LowEnd):
    """The bases at the beginning whose qualities are below a limit."""

    action: Literal["ExtractLowQualityStart"] = "ExtractLowQualityStart"

    def find(self, reads: Reads, segment: int) -> Regions:
        """The tag for the reads of a segment."""
        marks = reads.quality
        _, size = _places(reads)
        find_low_start(*_plain(marks), self.min_qual, size)
        return regions_at(reads, segment, np.where(size > 0, 0, -1), size)


class ExtractLowQualityEnd(_LowEnd):
    """The bases at the end whose qualities are below a limit."""

    action: Literal["ExtractLowQualityEnd"] = "ExtractLowQualityEnd"

    def find(self, reads: Reads, segment: int) -> Regions:
        """The tag for the reads of a segment."""
        marks = reads.quality
        _, size = _places(reads)
        find_low_end(*_plain(marks), self.min_qual, size)
        return regions_at(reads, segment, np.where(size > 0, marks.length - size, -1), size)


class ExtractRegionsOfLowQuality(_Extract):
    """All runs of bases whose qualities are below a limit."""

    action: Literal["ExtractRegionsOfLowQuality"] = "ExtractRegionsOfLowQuality"
    min_quality: Letter = Field(
        title="Least quality", description="as the character in the file or its number"
    )
    min_length: int = Field(ge=1, title="Least length", description="of a run [nt]")

    def find(self, reads: Reads, segment: int) -> Regions:
        """The tag for the reads of a segment."""
        marks = reads.quality
        count = np.zeros(len(marks), np.int64)
        nothing = np.zeros(0, np.int64)
        limits = (self.min_quality, self.min_length)
        total = find_low_runs(*_plain(marks), *limits, count, nothing, nothing)
        at, size = np.empty(total, np.int64), np.empty(total, np.int64)
        find_low_runs(*_plain(marks), *limits, count, at, size)
        text = cut(reads.sequence.take(np.repeat(np.arange(len(marks)), count)), at, size)
        first = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
        return Regions(first, np.full(total, segment, np.int16), at, size, text)


class _Poly(_Extract):
    """A stretch of one base with some others in it."""

    base: Base = Field(title="Base", description="A, C, G, T, N, or . for whichever is longest")
    max_mismatch_rate: Rate = Field(title="Most others", description="share of other letters")
    max_consecutive_mismatches: Count = Field(
        title="Most others in a row", description="letters that differ next to each other"
    )


class ExtractPolyTail(_Poly):
    """A tail of one base at the end of the read."""

    action: Literal["ExtractPolyTail"] = "ExtractPolyTail"
    min_length: int = Field(ge=2, title="Least length", description="of the tail [nt]")

    def find(self, reads: Reads, segment: int) -> Regions:
        """The tag for the reads of a segment."""
        bases = reads.sequence
        at, _ = _places(reads)
        for base in "ACGTN" if self.base == "." else self.base:
            here = np.empty_like(at)
            rate, row = self.max_mismatch_rate, self.max_consecutive_mismatches
            find_tail(*_plain(bases), ord(base), self.min_length, rate, row, here)
            better = (here >= 0) & ((at < 0) | (here < at))
            at[better] = here[better]
        return regions_at(reads, segment, at, bases.length - at)


class ExtractLongestPolyX(_Poly):
    """The longest stretch of one base, wherever it is; it ends before so many others in a row."""

    action: Literal["ExtractLongestPolyX"] = "ExtractLongestPolyX"
    min_length: int = Field(ge=1, title="Least length", description="of the stretch [nt]")

    def find(self, reads: Reads, segment: int) -> Regions:
        """The tag for the reads of a segment."""
        bases = reads.sequence
        at, size = _places(reads)
        rate = Fraction(self.max_mismatch_rate).limit_denominator(FINEST_RATE)
        for base in "ACGT" if self.base == "." else self.base:
            here, long = _places(reads)
            find_longest_run(
                *(*_plain(bases), ord(base), self.min_length, rate.numerator, rate.denominator),
                *(max(self.max_consecutive_mismatches, 1), here, long),
            )
            better = (long > size) | ((long == size) & (here >= 0) & (here < at))
            at[better], size[better] = here[better], long[better]
        return regions_at(reads, segment, at, size)
