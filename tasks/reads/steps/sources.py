"""What steps read and give: segments, names and tags; stages without anything to remember."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from blocks.errors import InputError
from tasks.reads.assembly import column, cut, find
from tasks.reads.block import Block, Integers, Reads, Regions, Strings, Tag, Texts
from tasks.reads.step import Stage, Surroundings, TagUse

ALL = "All"


def _byte(value: object) -> object:
    if isinstance(value, str):
        if len(value) != 1 or not value.isascii():
            raise ValueError(f"{value!r}; expected one character or its number")
        return ord(value)
    return value


Letter = Annotated[int, BeforeValidator(_byte), Field(ge=0, le=255)]
"""A character, written as it is or as its number."""
Label = Annotated[str, Field(min_length=1, title="Tag")]


class Change(Stage):
    """A stage that does one thing to each block and remembers nothing."""

    def __init__(self, change: Callable[[Block], Block]) -> None:
        self._change = change

    def run(self, block: Block, account: Any) -> Block:  # noqa: ANN401 -- the base class
        """The block after this step."""
        return self._change(block)


def tagged(block: Block, label: str, tag: Tag) -> Block:
    """The block with one tag more."""
    return replace(block, tags={**block.tags, label: tag})


Kind = Literal["segment", "all", "name", "tag"]


@dataclass(frozen=True, slots=True)
class Source:
    """A `source` of the configuration: `read1`, `All`, `name:read1`, `tag:umi`."""

    kind: Kind
    what: str
    """Segment or label; "" for all segments, or for the only one."""

    @classmethod
    def of(cls, text: str) -> "Source":
        """The source that the text names."""
        head, colon, rest = text.strip().partition(":")
        if colon and head.lower() in {"name", "tag"}:
            return cls("name" if head.lower() == "name" else "tag", rest.strip())
        if head.lower() == ALL.lower():
            return cls("all", "")
        return cls("segment", head)

    def uses(self, field: str = "source") -> list[TagUse]:
        """The tag that it reads."""
        if self.kind != "tag":
            return []
        return [TagUse(self.what, ("location", "string"), field)]

    def problems(self, around: Surroundings, field: str = "source") -> list[str]:
        """What is wrong with it."""
        segments = ", ".join(around.segments)
        if self.kind in {"segment", "name"} and self.what not in around.segments:
            return [f"{field}: segment '{self.what}' is not in [input]; expected one of {segments}"]
        if self.kind == "tag" and not self.what:
            return [f"{field}: tag: without a name; expected tag:<label>"]
        return []


def segment_named(block: Block, name: str) -> tuple[int, Reads]:
    """A segment and its number."""
    return list(block.segments).index(name), block.segments[name]


def chosen_segments(around: Surroundings, segment: str) -> list[str]:
    """The segments that `read1` or `All` stands for; the only one if nothing is said."""
    if segment.lower() == ALL.lower():
        return list(around.segments)
    if not segment and len(around.segments) == 1:
        return list(around.segments)
    if segment not in around.segments:
        raise InputError(
            f"segment '{segment}' is not in [input]; expected one of {', '.join(around.segments)}"
        )
    return [segment]


def bare_names(names: Texts, comment: str) -> Texts:
    """Names up to their comment."""
    return cut(names, np.zeros(len(names), np.int64), find(names, ord(comment)))


def place_in(block: Block, number: int) -> str:
    """How messages name a molecule of the block."""
    name = next(iter(block.segments.values())).name[number].decode("latin-1")
    return f"read {int(block.index[number]) + 1} ({name})"


def regions_at(reads: Reads, segment: int, at: Integers, size: Integers) -> Regions:
    """A Location tag of at most one region a read; `at` is -1 where there is none."""
    hit = np.flatnonzero(at >= 0)
    first = np.concatenate([[0], np.cumsum(at >= 0)]).astype(np.int64)
    begin, length = at[hit], size[hit]
    text = Texts(reads.sequence.buffer, reads.sequence.start[hit] + begin, length)
    return Regions(first, np.full(len(hit), segment, np.int16), begin, length, text)


def strings_of(values: list[bytes | None]) -> Strings:
    """A String tag; None where it is missing."""
    present = np.array([value is not None for value in values], np.bool_)
    return Strings(column([value or b"" for value in values]), present)
