"""Steps that turn reads round, and that exchange segments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from tasks.reads.block import Block, Mask, Reads
from tasks.reads.step import Stage, Surroundings
from tasks.reads.steps.edit import OnCondition, OnSegment, number_of, with_reads
from tasks.reads.steps.positions import exchanged, mirrored
from tasks.reads.steps.targets import condition, segment_of, segment_problems
from tasks.reads.texts import IDENTITY, complemented, either, translated


@dataclass(eq=False)
class Turn(Stage):
    """Reverse-complements reads."""

    segment: str
    if_tag: str | None

    def run(self, block: Block, account: Any) -> Block:  # noqa: ANN401 -- as the base class
        """The block with turned reads; regions turn with them."""
        rows = condition(block, self.if_tag)
        if rows is None:
            rows = np.ones(len(block), np.bool_)
        reads = block.segments[self.segment]
        turned = Reads(
            reads.name,
            complemented(reads.sequence, rows),
            translated(reads.quality, IDENTITY, rows, backwards=True),
        )
        number, length = number_of(block, self.segment), reads.sequence.length
        tags = mirrored(block.tags, number, length, rows, complemented)
        return with_reads(block, {self.segment: turned}, tags)


class ReverseComplement(OnSegment):
    """Turn reads into their reverse complement; IUPAC codes too, other letters stay."""

    action: Literal["ReverseComplement"] = "ReverseComplement"

    def build(self, around: Surroundings) -> Stage:
        """Turns reads, qualities and the regions on them."""
        return Turn(segment_of(self.segment, around), self.if_tag)


@dataclass(eq=False)
class Exchange(Stage):
    """Exchanges two segments."""

    one: str
    other: str
    if_tag: str | None

    def run(self, block: Block, account: Any) -> Block:  # noqa: ANN401 -- as the base class
        """The block with its reads, names and all, in the other segment."""
        rows = condition(block, self.if_tag)
        one, other = block.segments[self.one], block.segments[self.other]
        if rows is None:
            rows = np.ones(len(block), np.bool_)
            swapped = {self.one: other, self.other: one}
        else:
            swapped = {self.one: _mixed(one, other, rows), self.other: _mixed(other, one, rows)}
        numbers = number_of(block, self.one), number_of(block, self.other)
        return with_reads(block, swapped, exchanged(block.tags, *numbers, rows))


def _mixed(one: Reads, other: Reads, rows: Mask) -> Reads:
    return Reads(
        either(one.name, other.name, rows),
        either(one.sequence, other.sequence, rows),
        either(one.quality, other.quality, rows),
    )


class Swap(OnCondition):
    """Exchange two segments."""

    action: Literal["Swap"] = "Swap"
    segment_a: str | None = Field(
        None, title="Segment", description="may be left out, with the other, if there are two"
    )
    segment_b: str | None = Field(None, title="Other segment", description="its name")

    @model_validator(mode="after")
    def _both_or_none(self) -> "Swap":
        if (self.segment_a is None) != (self.segment_b is None):
            raise ValueError(
                "insufficient swap definition; expected both segment_a and segment_b, or neither"
            )
        if self.segment_a is not None and self.segment_a == self.segment_b:
            raise ValueError(
                f"segment_a is identical to segment_b ({self.segment_a!r}); "
                "expected two different segments"
            )
        return self

    def problems(self, around: Surroundings) -> Sequence[str]:
        """Whether both segments are there."""
        if self.segment_a is None or self.segment_b is None:
            two = len(around.segments) == 2  # noqa: PLR2004 -- a pair
            what = f"segment_a: insufficient swap definition, there are {len(around.segments)}"
            return [] if two else [f"{what} segments, not 2; expected segment_a and segment_b"]
        return [
            *segment_problems(self.segment_a, around, "segment_a"),
            *segment_problems(self.segment_b, around, "segment_b"),
        ]

    def build(self, around: Surroundings) -> Stage:
        """Exchanges reads and the regions on them."""
        if self.segment_a is None or self.segment_b is None:
            return Exchange(around.segments[0], around.segments[1], self.if_tag)
        return Exchange(self.segment_a, self.segment_b, self.if_tag)
