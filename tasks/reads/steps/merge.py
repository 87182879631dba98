"""Merge the two reads of a molecule where they overlap."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from tasks.reads.assembly import MARGIN, assemble, repeated, where
from tasks.reads.block import Block, Integers, Mask, Reads, Texts, Truths
from tasks.reads.kernels.overlap import find_overlaps, merge
from tasks.reads.step import Stage, StepParams, Surroundings, TagGift
from tasks.reads.steps.positions import shifted
from tasks.reads.steps.sources import Label, Letter, tagged
from tasks.reads.texts import IDENTITY, complemented, translated

AS_FASTP = 50
"""Bases of an overlap that fastp compares."""
ALL_BASES = 1 << 40


class MergeReads(StepParams):
    """Merge reads that overlap into the first segment; the second one becomes empty."""

    action: Literal["MergeReads"] = "MergeReads"
    algorithm: Literal["FastpSeemsWeird", "WholeOverlap"] = Field(
        title="Algorithm",
        description="FastpSeemsWeird as fastp: mismatches count in the first 50 bases of the "
        "overlap only; WholeOverlap: all of them count",
    )
    min_overlap: int = Field(ge=5, title="Least overlap", description="[nt]; 30 is usual")
    max_mismatch_rate: Annotated[float, Field(ge=0, lt=1)] = Field(
        title="Most mismatches", description="share of the overlap; 0.2 is usual"
    )
    max_mismatch_count: int = Field(
        ge=0, title="Most mismatches in number", description="whatever the overlap; 5 is usual"
    )
    no_overlap_strategy: Literal["as_is", "concatenate"] = Field(
        title="Without overlap", description="leave the reads, or glue them with a spacer"
    )
    concatenate_spacer: str | None = Field(
        None, title="Spacer", description="bases between glued reads, such as NNNN"
    )
    spacer_quality_char: Annotated[Letter, Field(ge=33, le=126)] = Field(
        33, title="Spacer quality", description="as the character in the file or its number"
    )
    out_label: Label | None = Field(None, description="name of a new tag: whether it was merged")
    reverse_complement_segment2: bool = Field(
        title="Turn the second", description="true for pairs as sequencers write them"
    )
    segment1: str = Field(title="First segment", description="whose bases count")
    segment2: str = Field(title="Second segment", description="becomes empty")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.segment1 == self.segment2:
            raise ValueError("segment1 and segment2 are the same; expected two segments")
        if self.no_overlap_strategy == "concatenate" and self.concatenate_spacer is None:
            raise ValueError(
                "concatenate_spacer is required when no_overlap_strategy = 'concatenate'; "
                "expected bases such as 'NNNN'"
            )
        return self

    def gives(self) -> Sequence[TagGift]:
        """Whether reads were merged."""
        return [] if self.out_label is None else [TagGift(self.out_label, "bool")]

    def build(self, around: Surroundings) -> Stage:
        """Its stage."""
        return _Merging(self, around.segments)


class _Merging(Stage):
    """Counts merged molecules and the others; together they are all."""

    def __init__(self, params: MergeReads, segments: Sequence[str]) -> None:
        self._params = params
        self._places = (segments.index(params.segment1), segments.index(params.segment2))

    def account(self) -> Counter[str]:
        """Molecules by what became of them."""
        return Counter()

    def run(self, block: Block, account: Counter[str]) -> Block:
        """The block with merged reads."""
        params = self._params
        one, two = block.segments[params.segment1], block.segments[params.segment2]
        turned = _turned(two) if params.reverse_complement_segment2 else two
        offset, size = self._overlaps(one, turned)
        merged = size >= 0
        account["merged"] += int(merged.sum())
        account["not_merged"] += int((~merged).sum())
        glued = params.no_overlap_strategy == "concatenate"
        emptied = np.ones(len(block), np.bool_) if glued else merged
        tags = block.tags
        kept = np.where(merged, np.maximum(offset, 0) + size, one.sequence.length)
        left = np.where(emptied, 0, two.sequence.length)
        for number, length in zip(self._places, (kept, left), strict=True):
            tags = shifted(tags, number, np.zeros(len(block), np.int64), length)
        segments = dict(block.segments)
        segments[params.segment1] = self._first(one, turned, offset, size)
        segments[params.segment2] = Reads(
            two.name, where(~emptied, two.sequence), where(~emptied, two.quality)
        )
        block = replace(block, segments=segments, tags=tags)
        return (
            block if params.out_label is None else tagged(block, params.out_label, Truths(merged))
        )

    def finish(self, accounts: Sequence[Counter[str]]) -> Mapping[str, Any]:
        """How many were merged."""
        total = sum(accounts, Counter())
        return {key: total[key] for key in ("merged", "not_merged")}

    def _overlaps(self, one: Reads, two: Reads) -> tuple[Integers, Integers]:
        params = self._params
        offset, size = np.empty(len(one.name), np.int64), np.empty(len(one.name), np.int64)
        compared = AS_FASTP if params.algorithm == "FastpSeemsWeird" else ALL_BASES
        a, b = one.sequence, two.sequence
        find_overlaps(
            *(a.buffer, a.start, a.length, b.buffer, b.start, b.length, params.min_overlap),
            *(params.max_mismatch_count, params.max_mismatch_rate, compared, offset, size),
        )
        return offset, size

    def _first(self, one: Reads, two: Reads, offset: Integers, size: Integers) -> Reads:
        """The reads of the first segment: merged, glued or as they were."""
        merged = size >= 0
        bases, marks = _merged(one, two, offset, size)
        rest = ~merged
        spacer = self._params.concatenate_spacer or ""
        if self._params.no_overlap_strategy == "as_is":
            parts = [[where(rest, one.sequence)], [where(rest, one.quality)]]
        else:
            quality = bytes([self._params.spacer_quality_char]) * len(spacer)
            parts = [
                _glued(rest, one.sequence, spacer.encode(), two.sequence),
                _glued(rest, one.quality, quality, two.quality),
            ]
        return Reads(one.name, assemble([bases, *parts[0]]), assemble([marks, *parts[1]]))


def _turned(reads: Reads) -> Reads:
    """The reads on the other strand."""
    marks = translated(reads.quality, IDENTITY, backwards=True)
    return Reads(reads.name, complemented(reads.sequence), marks)


def _glued(rows: Mask, one: Texts, spacer: bytes, two: Texts) -> list[Texts]:
    return [where(rows, part) for part in (one, repeated(spacer, len(one)), two)]


def _merged(one: Reads, two: Reads, offset: Integers, size: Integers) -> tuple[Texts, Texts]:
    """Bases and qualities of the merged reads; empty where there is no overlap."""
    rows = np.flatnonzero(size >= 0)
    offset, size = offset[rows], size[rows]
    rest = np.where(offset > 0, two.sequence.length[rows] - size, 0)
    length = np.zeros(len(one.name), np.int64)
    length[rows] = np.maximum(offset, 0) + size + rest
    start: Integers = np.cumsum(length) - length
    at: Integers = start[rows]
    bases = np.empty(int(length.sum()) + MARGIN, np.uint8)
    marks = np.empty_like(bases)
    a, b = one.sequence, two.sequence
    starts = (a.start[rows], one.quality.start[rows])
    others = (b.start[rows], two.quality.start[rows])
    merge(
        *(a.buffer, one.quality.buffer),
        *starts,
        *(b.buffer, two.quality.buffer),
        *others,
        *(b.length[rows], offset, size, at),
        *(bases, marks),
    )
    return Texts(bases, start, length), Texts(marks, start, length)
