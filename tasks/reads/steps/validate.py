"""Steps that stop the run where reads are not what they should be."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, field_validator

from tasks.reads.block import Block, Integers, Numbers, Regions, Strings, Texts, Truths
from tasks.reads.kernels.counts import Marks, first_unmarked
from tasks.reads.step import SerialStage, Stage, StepParams, Surroundings, TagUse
from tasks.reads.steps.edit import Byte, OnSegments
from tasks.reads.steps.encodings import Encoding, limits
from tasks.reads.steps.name_check import NameCheck, letters_before
from tasks.reads.steps.positions import covered_length
from tasks.reads.steps.targets import (
    Target,
    read_called,
    segments_of,
    shown,
    target_of,
    target_problems,
    target_uses,
    wrong_read,
)

Stride = Annotated[
    int,
    Field(ge=1, title="Every n-th", description="1: every molecule is checked; n: every n-th"),
]


def first_wrong(texts: Texts, allowed: Marks) -> int:
    """The first text with a byte that is not allowed; -1 if there is none."""
    return first_unmarked(texts.buffer, texts.start, texts.length, allowed)


def quality_marks(encoding: Encoding) -> Marks:
    """Which bytes an encoding uses; shape (256,)."""
    low, high = limits(encoding)
    byte = np.arange(256)
    return (byte >= low) & (byte <= high)


def require_quality(block: Block, segment: str, encoding: Encoding) -> None:
    """Check that all qualities of a segment are of an encoding.

    Raises:
        ReadError: The first that is not.
    """
    quality = block.segments[segment].quality
    row = first_wrong(quality, quality_marks(encoding))
    if row < 0:
        return
    low, high = limits(encoding)
    told = (
        f"{read_called(block, segment, row)}: quality {shown(quality[row])} is not {encoding}; "
        f"expected bytes {low} to {high} ({chr(low)} to {chr(high)})"
    )
    raise wrong_read(block, segment, row, told)


@dataclass(eq=False)
class QualityCheck(Stage):
    """Checks the bytes of qualities."""

    segments: tuple[str, ...]
    encoding: Encoding

    def run(self, block: Block, account: Any) -> Block:  # noqa: ANN401 -- as the base class
        """The block, if all is well."""
        for segment in self.segments:
            require_quality(block, segment, self.encoding)
        return block


class ValidateQuality(OnSegments):
    """Stop at a quality that the encoding does not have."""

    action: Literal["ValidateQuality"] = "ValidateQuality"
    encoding: Encoding = Field(title="Encoding", description="of the qualities")

    def build(self, around: Surroundings) -> Stage:
        """Checks every read."""
        return QualityCheck(segments_of(self.segment, around), self.encoding)


@dataclass(eq=False)
class SequenceCheck(Stage):
    """Checks the letters of sequences."""

    segments: tuple[str, ...]
    allowed: str
    marks: Marks

    def run(self, block: Block, account: Any) -> Block:  # noqa: ANN401 -- as the base class
        """The block, if all is well."""
        for segment in self.segments:
            sequence = block.segments[segment].sequence
            row = first_wrong(sequence, self.marks)
            if row >= 0:
                told = (
                    f"{read_called(block, segment, row)}: invalid base in sequence "
                    f"{shown(sequence[row])}; expected only {self.allowed}"
                )
                raise wrong_read(block, segment, row, told)
        return block


class ValidateSeq(OnSegments):
    """Stop at a base that is not allowed."""

    action: Literal["ValidateSeq"] = "ValidateSeq"
    allowed: str = Field(title="Allowed", description="letters; case matters", min_length=1)

    @field_validator("allowed")
    @classmethod
    def _ascii(cls, allowed: str) -> str:
        if not allowed.isascii():
            raise ValueError(f"allowed is {allowed!r}; expected ASCII letters")
        return allowed

    def build(self, around: Surroundings) -> Stage:
        """Checks every read."""
        marks = np.zeros(256, np.bool_)
        marks[np.frombuffer(self.allowed.encode(), np.uint8)] = True
        return SequenceCheck(segments_of(self.segment, around), self.allowed, marks)


class OnPairs(StepParams):
    """A check of names across segments."""

    sample_stride: Stride = 1

    def problems(self, around: Surroundings) -> Sequence[str]:
        """Whether there is anything to compare."""
        if len(around.segments) > 1:
            return []
        return [f"{self.action} requires at least two input segments; expected two in [input]"]


class ValidateReadPairing(OnPairs):
    """Stop where the names of a molecule's reads do not belong together.

    They may differ in one letter, which must not be a digit of a longer number: x/1 and x/2, not
    r11 and r12. What follows the first blank is a comment and not compared.
    """

    action: Literal["ValidateReadPairing"] = "ValidateReadPairing"

    def build(self, around: Surroundings) -> Stage:
        """Checks the names."""
        return NameCheck(
            self.action, around.comment, required=False, tolerance=1, stride=self.sample_stride
        )


class ValidateName(OnPairs):
    """Stop where the names of a molecule's reads are not equal up to a character."""

    action: Literal["ValidateName"] = "ValidateName"
    readname_end_char: Byte | None = Field(
        None, title="End", description="first character that is not compared; none: whole names"
    )

    def build(self, around: Surroundings) -> Stage:
        """Checks the names."""
        end = None if self.readname_end_char is None else chr(self.readname_end_char)
        required = end is not None
        return NameCheck(self.action, end, required, tolerance=0, stride=self.sample_stride)


@dataclass(eq=False)
class LengthCheck(SerialStage[tuple[int, int, int] | None]):
    """Checks that all texts are of one length."""

    source: str
    segments: tuple[str, ...]
    comment: str
    expected: int | None = None

    def prepare(self, block: Block) -> tuple[int, int, int] | None:
        """Length of the first text, and row and length of the first that differs from it."""
        length = self._lengths(block, target_of(self.source))
        rows = np.flatnonzero(length >= 0)
        if len(rows) == 0:
            return None
        first = int(length[rows[0]])
        other = rows[length[rows] != first]
        return first, int(rows[0]), int(other[0]) if len(other) else -1

    def _lengths(self, block: Block, target: Target) -> Integers:
        """Shape (n,); -1 where a tag is missing."""
        if target.kind == "tag":
            match block.tags[target.what]:
                case Regions() as tag:
                    return np.where(tag.first[1:] > tag.first[:-1], covered_length(tag), -1)
                case Strings(text=text, present=present):
                    return np.where(present, text.length, -1)
                case Numbers() | Truths():  # `uses` lets none through
                    return np.full(len(block), -1)
        total = np.zeros(len(block), np.int64)
        for segment in self.segments:
            reads = block.segments[segment]
            if target.kind == "name":
                end = letters_before(reads.name, self.comment)
                total += np.where(end < 0, reads.name.length, end)
            else:
                total += reads.sequence.length
        return total

    def fold(self, block: Block, prepared: tuple[int, int, int] | None) -> Block:
        """The block, if all is well so far."""
        if prepared is None:
            return block
        length, row, other = prepared
        if self.expected is None:
            self.expected = length
        if length != self.expected or other >= 0:
            row = row if length != self.expected else other
            found = int(self._lengths(block, target_of(self.source))[row])
            segment = next(iter(block.segments))
            told = (
                "ValidateAllReadsSameLength: "
                f"{read_called(block, segment, row)}: differing read lengths "
                f"for source {self.source!r}: {found} here, {self.expected} before; "
                "expected one length"
            )
            raise wrong_read(block, segment, row, told)
        return block


class ValidateAllReadsSameLength(StepParams):
    """Stop where a read, name or tag has another length than the first one."""

    action: Literal["ValidateAllReadsSameLength"] = "ValidateAllReadsSameLength"
    source: str = Field(
        title="Source",
        description="a segment, All (together), name:<segment> (without comment) or tag:<label>",
    )

    def uses(self) -> Sequence[TagUse]:
        """The tag, if the source is one."""
        return target_uses(self.source, ("location", "string"), "source")

    def problems(self, around: Surroundings) -> Sequence[str]:
        """Whether the source is there."""
        return target_problems(self.source, around, "source")

    def build(self, around: Surroundings) -> Stage:
        """Checks every read."""
        target = target_of(self.source)
        segments = () if target.kind == "tag" else segments_of(target.what or None, around)
        return LengthCheck(self.source, segments, around.comment)
