"""Steps that replace letters one by one: the case of letters, the encoding of qualities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from tasks.reads.block import Block, Bytes, Mask, Regions, Strings, Tag, Texts
from tasks.reads.kernels.counts import find_each
from tasks.reads.step import Stage, StepParams, Surroundings, TagUse
from tasks.reads.steps.edit import OnCondition, with_reads
from tasks.reads.steps.encodings import Encoding, conversion
from tasks.reads.steps.positions import each_location
from tasks.reads.steps.targets import (
    Target,
    condition,
    segments_of,
    target_of,
    target_problems,
    target_uses,
)
from tasks.reads.steps.validate import require_quality
from tasks.reads.texts import LOWER, UPPER, translated


@dataclass(eq=False)
class Recase(Stage):
    """Changes the case of letters."""

    target: Target
    segments: tuple[str, ...]
    if_tag: str | None
    table: Bytes
    comment: str

    def run(self, block: Block, account: Any) -> Block:  # noqa: ANN401 -- as the base class
        """The block with other letters in reads, names or a tag's texts."""
        rows = condition(block, self.if_tag)
        if self.target.kind == "tag":
            return replace(block, tags={**block.tags, **self._tag(block, rows)})
        changed = {}
        for segment in self.segments:
            reads = block.segments[segment]
            if self.target.kind == "name":
                changed[segment] = replace(reads, name=self._name(reads.name, rows))
            else:
                sequence = translated(reads.sequence, self.table, rows)
                changed[segment] = replace(reads, sequence=sequence)
        return with_reads(block, changed, block.tags)

    def _tag(self, block: Block, rows: Mask | None) -> Mapping[str, Tag]:
        tag = block.tags[self.target.what]
        if isinstance(tag, Strings):
            return {self.target.what: replace(tag, text=translated(tag.text, self.table, rows))}

        def change(tag: Regions) -> Regions:
            mine = None if rows is None else np.repeat(rows, np.diff(tag.first))
            return replace(tag, text=translated(tag.text, self.table, mine))

        return each_location({self.target.what: tag}, change)

    def _name(self, name: Texts, rows: Mask | None) -> Texts:
        """Names with their comments as they were."""
        end = np.empty(len(name), np.int64)
        find_each(name.buffer, name.start, name.length, ord(self.comment), end)
        head = np.where(end < 0, name.length, end)
        return translated(name, self.table, rows, head=head)


class Case(OnCondition):
    """Letters whose case changes."""

    target: str = Field(
        title="Target",
        description="a segment, All, name:<segment> (without the comment) or tag:<label>",
    )

    def uses(self) -> Sequence[TagUse]:
        """The tag that is changed, and that of the condition."""
        return [*super().uses(), *target_uses(self.target, ("location", "string"), "target")]

    def problems(self, around: Surroundings) -> Sequence[str]:
        """Whether the target is there."""
        return target_problems(self.target, around, "target")

    def recase(self, around: Surroundings, table: Bytes) -> Stage:
        """The stage with a table of letters."""
        target = target_of(self.target)
        segments = () if target.kind == "tag" else segments_of(target.what or None, around)
        return Recase(target, segments, self.if_tag, table, around.comment)


class Lowercase(Case):
    """Make letters lower case."""

    action: Literal["Lowercase"] = "Lowercase"

    def build(self, around: Surroundings) -> Stage:
        """To lower case."""
        return self.recase(around, LOWER)


class Uppercase(Case):
    """Make letters upper case."""

    action: Literal["Uppercase"] = "Uppercase"

    def build(self, around: Surroundings) -> Stage:
        """To upper case."""
        return self.recase(around, UPPER)


@dataclass(eq=False)
class Recode(Stage):
    """Writes qualities in another encoding."""

    origin: Encoding
    table: Bytes

    def run(self, block: Block, account: Any) -> Block:  # noqa: ANN401 -- as the base class
        """The block with other qualities."""
        recoded = {}
        for segment, reads in block.segments.items():
            require_quality(block, segment, self.origin)
            recoded[segment] = replace(reads, quality=translated(reads.quality, self.table))
        return with_reads(block, recoded, block.tags)


class ConvertQuality(StepParams):
    """Write the qualities of all segments in another encoding."""

    action: Literal["ConvertQuality"] = "ConvertQuality"
    origin: Encoding = Field(alias="from", title="From", description="encoding of the input")
    to: Encoding = Field(title="To", description="encoding that is wanted")

    @model_validator(mode="after")
    def _differ(self) -> "ConvertQuality":
        if self.origin == self.to:
            raise ValueError(f"from and to are identical ({self.to}); expected two encodings")
        return self

    def build(self, around: Surroundings) -> Stage:
        """Checks the qualities and converts them."""
        return Recode(self.origin, conversion(self.origin, self.to))
