"""Renaming of reads by a regular expression."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from tasks.reads.block import Block, Texts
from tasks.reads.step import Stage, StepParams, Surroundings
from tasks.reads.steps.edit import with_reads
from tasks.reads.steps.patterns import Match, Pattern, expander, in_time, pattern_of, readable
from tasks.reads.texts import column_of

INDEX = b"{{READ_INDEX}}"


@dataclass(eq=False)
class Renaming(Stage):
    """Replaces all matches in the names of all segments."""

    pattern: Pattern
    expand: Callable[[Match], bytes]
    counts: bool
    """Whether the number of the molecule is wanted."""

    def run(self, block: Block, account: Any) -> Block:  # noqa: ANN401 -- as the base class
        """The block with other names."""
        renamed = {
            segment: replace(reads, name=self._names(reads.name, block, segment))
            for segment, reads in block.segments.items()
        }
        return with_reads(block, renamed, block.tags)

    def _names(self, names: Texts, block: Block, segment: str) -> Texts:
        found = in_time(partial(self.pattern.sub, self.expand), block, segment, names)
        if self.counts:
            numbers = (b"%d" % index for index in block.index.tolist())
            found = [
                name.replace(INDEX, number) for name, number in zip(found, numbers, strict=True)
            ]
        return column_of(found)


class Rename(StepParams):
    """Replace what a regular expression finds in the names of all segments, comment included."""

    action: Literal["Rename"] = "Rename"
    search: Annotated[str, AfterValidator(readable)] = Field(
        title="Search", description="regular expression; every match is replaced"
    )
    replacement: str = Field(
        title="Replacement",
        description="$1 or ${name}: a group; {{READ_INDEX}}: number of the molecule in the input, "
        "from 0",
    )

    def build(self, around: Surroundings) -> Stage:
        """Renames every read."""
        pattern = pattern_of(self.search)
        expand = expander(self.replacement, pattern)
        return Renaming(pattern, expand, INDEX.decode() in self.replacement)
