"""Renaming of reads by a regular expression."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import Field, field_validator

from tasks.reads.block import Block, Texts
from tasks.reads.step import Stage, StepParams, Surroundings
from tasks.reads.steps.edit import with_reads
from tasks.reads.steps.patterns import pattern_of, replacement_of
from tasks.reads.texts import column_of, each

INDEX = b"{{READ_INDEX}}"


@dataclass(eq=False)
class Renaming(Stage):
    """Replaces all matches in the names of all segments."""

    pattern: re.Pattern[bytes]
    expand: Callable[[re.Match[bytes]], bytes]
    counts: bool
    """Whether the number of the molecule is wanted."""

    def run(self, block: Block, account: Any) -> Block:  # noqa: ANN401 -- as the base class
        """The block with other names."""
        renamed = {
            segment: replace(reads, name=self._names(reads.name, block))
            for segment, reads in block.segments.items()
        }
        return with_reads(block, renamed, block.tags)

    def _names(self, names: Texts, block: Block) -> Texts:
        found = [self.pattern.sub(self.expand, name) for name in each(names)]
        if self.counts:
            numbers = (b"%d" % index for index in block.index.tolist())
            found = [
                name.replace(INDEX, number) for name, number in zip(found, numbers, strict=True)
            ]
        return column_of(found)


class Rename(StepParams):
    """Replace what a regular expression finds in the names of all segments, comment included."""

    action: Literal["Rename"] = "Rename"
    search: str = Field(title="Search", description="regular expression; every match is replaced")
    replacement: str = Field(
        title="Replacement",
        description="$1 or ${name}: a group; {{READ_INDEX}}: number of the molecule in the input, "
        "from 0",
    )

    @field_validator("search")
    @classmethod
    def _readable(cls, search: str) -> str:
        pattern_of(search)
        return search

    def build(self, around: Surroundings) -> Stage:
        """Renames every read."""
        pattern = pattern_of(self.search)
        expand = replacement_of(self.replacement).expander(pattern)
        return Renaming(pattern, expand, INDEX.decode() in self.replacement)
