"""Steps that shorten or lengthen reads, and what all editing steps share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, field_validator, model_validator

from tasks.reads.block import Block, Integers, Reads, Tag, Texts
from tasks.reads.step import Stage, StepParams, Surroundings, TagUse
from tasks.reads.steps.encodings import Encoding, limits
from tasks.reads.steps.positions import shifted
from tasks.reads.steps.targets import condition, condition_uses, segment_of, segment_problems
from tasks.reads.texts import enclosed

Part = Callable[[Reads], tuple[Integers, Integers]]
"""Where the part of each read that stays begins and ends."""


def with_reads(block: Block, segments: Mapping[str, Reads], tags: Mapping[str, Tag]) -> Block:
    """The block with other reads in some segments, and other tags."""
    return replace(block, segments={**block.segments, **segments}, tags=tags)


def number_of(block: Block, segment: str) -> int:
    """Number of a segment, as Location tags hold it."""
    return list(block.segments).index(segment)


def trimmed(block: Block, segment: str, first: Integers, stop: Integers) -> Block:
    """The block with only `first` to `stop` of each read of a segment; tags follow."""
    reads = block.segments[segment]
    length = np.maximum(stop - first, 0)
    cut = Reads(
        reads.name,
        Texts(reads.sequence.buffer, reads.sequence.start + first, length),
        Texts(reads.quality.buffer, reads.quality.start + first, length),
    )
    tags = shifted(block.tags, number_of(block, segment), -first, length)
    return with_reads(block, {segment: cut}, tags)


@dataclass(eq=False)
class Trim(Stage):
    """Keeps a part of each read."""

    segment: str
    if_tag: str | None
    part: Part

    def run(self, block: Block, account: Any) -> Block:  # noqa: ANN401 -- as the base class
        """The block with shorter reads."""
        reads = block.segments[self.segment]
        first, stop = self.part(reads)
        rows = condition(block, self.if_tag)
        if rows is not None:
            first = np.where(rows, first, 0)
            stop = np.where(rows, stop, reads.sequence.length)
        return trimmed(block, self.segment, first, stop)


class OnCondition(StepParams):
    """A step that may be bound to a tag."""

    if_tag: str | None = Field(
        None,
        title="If tag",
        description="only molecules for which this tag is true or present; !label: the others",
    )

    def uses(self) -> Sequence[TagUse]:
        """The tag of the condition."""
        return condition_uses(self.if_tag)


class OnSegment(OnCondition):
    """A step on the reads of one segment."""

    segment: str | None = Field(
        None, title="Segment", description="its name; may be left out if there is only one"
    )

    def problems(self, around: Surroundings) -> Sequence[str]:
        """Whether the segment is there."""
        return segment_problems(self.segment, around)


class OnSegments(StepParams):
    """A step that only looks at reads."""

    segment: str | None = Field(
        None, title="Segment", description="its name, or All; may be left out if there is only one"
    )

    def problems(self, around: Surroundings) -> Sequence[str]:
        """Whether the segment is there."""
        return segment_problems(self.segment, around, whole=True)


Count = Annotated[int, Field(ge=0, title="Bases", description="number of bases [nt]")]


class CutStart(OnSegment):
    """Drop bases at the start of each read."""

    action: Literal["CutStart"] = "CutStart"
    n: Count

    def build(self, around: Surroundings) -> Stage:
        """Cuts at the start."""

        def part(reads: Reads) -> tuple[Integers, Integers]:
            length = reads.sequence.length
            return np.minimum(length, self.n), length

        return Trim(segment_of(self.segment, around), self.if_tag, part)


class CutEnd(OnSegment):
    """Drop bases at the end of each read."""

    action: Literal["CutEnd"] = "CutEnd"
    n: Count

    def build(self, around: Surroundings) -> Stage:
        """Cuts at the end."""

        def part(reads: Reads) -> tuple[Integers, Integers]:
            length = reads.sequence.length
            return np.zeros_like(length), np.maximum(length - self.n, 0)

        return Trim(segment_of(self.segment, around), self.if_tag, part)


class Truncate(OnSegment):
    """Keep at most that many bases of each read."""

    action: Literal["Truncate"] = "Truncate"
    n: Count

    def build(self, around: Surroundings) -> Stage:
        """Cuts what is too long."""

        def part(reads: Reads) -> tuple[Integers, Integers]:
            length = reads.sequence.length
            return np.zeros_like(length), np.minimum(length, self.n)

        return Trim(segment_of(self.segment, around), self.if_tag, part)


@dataclass(eq=False)
class Lengthen(Stage):
    """Puts bases before or behind each read."""

    segment: str
    if_tag: str | None
    front: tuple[bytes, bytes] = (b"", b"")
    """Bases and their qualities."""
    back: tuple[bytes, bytes] = (b"", b"")

    def run(self, block: Block, account: Any) -> Block:  # noqa: ANN401 -- as the base class
        """The block with longer reads."""
        rows = condition(block, self.if_tag)
        reads = block.segments[self.segment]
        sequence = enclosed(reads.sequence, self.front[0], self.back[0], rows)
        quality = enclosed(reads.quality, self.front[1], self.back[1], rows)
        by = np.full(len(block), len(self.front[0]))
        if rows is not None:
            by *= rows
        tags = shifted(block.tags, number_of(block, self.segment), by, sequence.length)
        return with_reads(block, {self.segment: Reads(reads.name, sequence, quality)}, tags)


class Glue(OnSegment):
    """Bases and qualities to put on reads."""

    seq: str = Field(title="Bases", description="A, C, G, T or N, in any case")
    qual: str = Field(title="Qualities", description="one character for each base")
    encoding: Encoding = Field(
        "Sanger", title="Encoding", description="of the reads' qualities: which letters may stand"
    )

    @field_validator("seq")
    @classmethod
    def _bases_only(cls, seq: str) -> str:
        for letter in seq.upper():
            if letter not in "ACGTN":
                raise ValueError(f"invalid DNA base {letter!r} in seq; expected A, C, G, T or N")
        return seq

    @model_validator(mode="after")
    def _fits(self) -> "Glue":
        if len(self.seq) != len(self.qual):
            raise ValueError(
                f"'seq' has {len(self.seq)} characters and 'qual' {len(self.qual)}; "
                "expected the same length"
            )
        low, high = limits(self.encoding)
        if not all(low <= ord(letter) <= high for letter in self.qual):
            raise ValueError(
                f"qual {self.qual!r} is not {self.encoding}; "
                f"expected characters from {chr(low)!r} to {chr(high)!r}"
            )
        return self

    def glued(self) -> tuple[bytes, bytes]:
        """Bases and qualities."""
        return self.seq.encode(), self.qual.encode()


class Prefix(Glue):
    """Put bases before each read."""

    action: Literal["Prefix"] = "Prefix"

    def build(self, around: Surroundings) -> Stage:
        """Puts them there."""
        segment = segment_of(self.segment, around)
        return Lengthen(segment, self.if_tag, front=self.glued())


class Postfix(Glue):
    """Put bases behind each read."""

    action: Literal["Postfix"] = "Postfix"

    def build(self, around: Surroundings) -> Stage:
        """Puts them there."""
        segment = segment_of(self.segment, around)
        return Lengthen(segment, self.if_tag, back=self.glued())


def character(value: object) -> object:
    """The byte that a single character, or a number, means."""
    return ord(value) if isinstance(value, str) and len(value) == 1 else value


Byte = Annotated[int, BeforeValidator(character), Field(ge=0, le=255)]
