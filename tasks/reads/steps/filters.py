"""Steps that drop whole molecules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from tasks.reads.block import Block, Integers, Mask, Numbers
from tasks.reads.step import SerialStage, Stage, StepParams, Surroundings, TagUse
from tasks.reads.steps.edit import OnSegments
from tasks.reads.steps.targets import segments_of, truth_of

Keep = Literal["Keep", "Remove"]


def kept(block: Block, rows: Mask) -> Block:
    """The block with the marked molecules."""
    return block if rows.all() else block.take(rows)


@dataclass(eq=False)
class Counting(SerialStage[None]):
    """Knows how many molecules of each stream came before."""

    n: int
    streams: tuple[int, ...]
    seen: dict[int, int] = field(default_factory=dict)

    def prepare(self, block: Block) -> None:
        """Nothing can be known of a block by itself."""

    def ranks(self, block: Block) -> Integers:
        """0-based number of each molecule in its stream; counts them."""
        rank = np.empty(len(block), np.int64)
        if block.stream is None:
            groups: Mapping[int, Mask] = {0: np.ones(len(block), np.bool_)}
        else:
            groups = {int(bits): block.stream == bits for bits in np.unique(block.stream)}
        for bits, rows in groups.items():
            count = int(rows.sum())
            before = self.seen.get(bits, 0)
            rank[rows] = np.arange(before, before + count)
            self.seen[bits] = before + count
        return rank


@dataclass(eq=False)
class HeadStage(Counting):
    """Keeps the first molecules of each stream."""

    def __post_init__(self) -> None:
        self.enough = self.n == 0

    def fold(self, block: Block, prepared: None) -> Block:
        """The molecules that are among the first."""
        rank = self.ranks(block)
        self.enough = all(self.seen.get(bits, 0) >= self.n for bits in self.streams)
        return kept(block, rank < self.n)


@dataclass(eq=False)
class SkipStage(Counting):
    """Drops the first molecules of each stream."""

    def fold(self, block: Block, prepared: None) -> Block:
        """The molecules behind the first."""
        return kept(block, self.ranks(block) >= self.n)


class Head(StepParams):
    """Keep the first molecules, of each stream if there are several; then reading ends."""

    action: Literal["Head"] = "Head"
    n: int = Field(ge=0, title="Molecules", description="number that is kept of each stream")

    def build(self, around: Surroundings) -> Stage:
        """Counts and keeps."""
        return HeadStage(self.n, tuple(around.streams))


class Skip(StepParams):
    """Drop the first molecules, of each stream if there are several."""

    action: Literal["Skip"] = "Skip"
    n: int = Field(ge=0, title="Molecules", description="number that is dropped of each stream")

    def build(self, around: Surroundings) -> Stage:
        """Counts and drops."""
        return SkipStage(self.n, tuple(around.streams))


@dataclass(eq=False)
class TagFilter(Stage):
    """Keeps or drops molecules by the truth of a tag."""

    label: str
    keep: bool

    def run(self, block: Block, account: Any) -> Block:  # noqa: ANN401 -- as the base class
        """What passes."""
        return kept(block, truth_of(block.tags[self.label]) == self.keep)


class FilterByTag(StepParams):
    """Keep or remove molecules where a tag is true, or present."""

    action: Literal["FilterByTag"] = "FilterByTag"
    in_label: str = Field(title="Tag", description="Bool, String or Location tag")
    keep_or_remove: Keep = Field(title="Keep or remove", description="what is done with them")

    def uses(self) -> Sequence[TagUse]:
        """The tag."""
        return (TagUse(self.in_label, ("bool", "string", "location")),)

    def build(self, around: Surroundings) -> Stage:
        """Keeps what passes."""
        return TagFilter(self.in_label, self.keep_or_remove == "Keep")


@dataclass(eq=False)
class NumericFilter(Stage):
    """Keeps or drops molecules by the value of a tag."""

    label: str
    low: float | None
    high: float | None
    keep: bool

    def run(self, block: Block, account: Any) -> Block:  # noqa: ANN401 -- as the base class
        """What passes; a missing value lies in no range."""
        tag = block.tags[self.label]
        assert isinstance(tag, Numbers)  # noqa: S101 -- `uses` lets no other through
        inside = ~np.isnan(tag.value)
        if self.low is not None:
            inside &= tag.value >= self.low
        if self.high is not None:
            inside &= tag.value < self.high
        return kept(block, inside == self.keep)


class FilterByNumericTag(StepParams):
    """Keep or remove molecules whose tag lies in a range."""

    action: Literal["FilterByNumericTag"] = "FilterByNumericTag"
    in_label: str = Field(title="Tag", description="Numeric tag")
    min_value: float | None = Field(None, title="At least", description="none: no lower bound")
    max_value: float | None = Field(None, title="Less than", description="none: no upper bound")
    keep_or_remove: Keep = Field(title="Keep or remove", description="what is done with them")

    @model_validator(mode="after")
    def _bounded(self) -> "FilterByNumericTag":
        if self.min_value is None and self.max_value is None:
            raise ValueError("neither min_value nor max_value; expected at least one")
        return self

    def uses(self) -> Sequence[TagUse]:
        """The tag."""
        return (TagUse(self.in_label, ("numeric",)),)

    def build(self, around: Surroundings) -> Stage:
        """Keeps what passes."""
        keep = self.keep_or_remove == "Keep"
        return NumericFilter(self.in_label, self.min_value, self.max_value, keep)


@dataclass(eq=False)
class EmptyFilter(Stage):
    """Drops molecules whose reads are empty."""

    segments: tuple[str, ...]

    def run(self, block: Block, account: Any) -> Block:  # noqa: ANN401 -- as the base class
        """Molecules that hold a base in any of the segments."""
        filled = np.zeros(len(block), np.bool_)
        for segment in self.segments:
            filled |= block.segments[segment].sequence.length > 0
        return kept(block, filled)


class FilterEmpty(OnSegments):
    """Drop molecules without a base in a segment; `All`: in none of the segments."""

    action: Literal["FilterEmpty"] = "FilterEmpty"

    def build(self, around: Surroundings) -> Stage:
        """Drops what is empty."""
        return EmptyFilter(segments_of(self.segment, around))
