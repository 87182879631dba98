"""Steps that write tags into the names of reads, and how a tag's value is written."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from blocks.errors import InputError
from tasks.reads.assembly import assemble, column, cut, find, holding, joined, repeated, where
from tasks.reads.block import Block, Numbers, Regions, Strings, Tag, Texts, Truths
from tasks.reads.step import Stage, StepParams, Surroundings, TagKind, TagUse
from tasks.reads.steps.sources import ALL, Change, Label, Letter, chosen_segments, place_in

ANY: tuple[TagKind, ...] = ("location", "string", "numeric", "bool")
PLAIN_FROM, PLAIN_TO = 1e-3, 1e6
"""Numbers with a fraction are written plainly between these, with an exponent beyond."""


def short_number(value: float) -> str:
    """A number as comments hold it: whole numbers as such, others with four decimals."""
    if np.isnan(value):
        return ""
    if np.isfinite(value) and value == int(value):
        return str(int(value))
    if PLAIN_FROM <= abs(value) <= PLAIN_TO:
        return f"{value:.4f}"
    mantissa, _, exponent = f"{value:.4e}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def full_number(value: float) -> str:
    """A number as tables hold it: as many digits as it has, no exponent."""
    return "" if np.isnan(value) else np.format_float_positional(value, trim="-")


def written(tag: Tag, region_separator: bytes, *, full: bool = False) -> Texts:
    """A tag's values as texts; what is missing is empty.

    Args:
        tag: Any kind of tag; true is 1, false is 0.
        region_separator: Between the texts of several regions.
        full: Numbers with all their digits.
    """
    match tag:
        case Regions():
            return joined(tag, region_separator)
        case Strings():
            return where(tag.present, tag.text)
        case Truths():
            return column([b"0", b"1"]).take(tag.value.astype(np.int64))
        case Numbers():
            values, which = np.unique(tag.value, return_inverse=True)
            number = full_number if full else short_number
            return column([number(value).encode() for value in values.tolist()]).take(which)


def written_places(tag: Regions, segments: Sequence[str]) -> Texts:
    """Where a tag's regions are: `read1:3-7,read2:0-4`; empty where they lie on no read."""
    lies = tag.segment >= 0
    before = np.concatenate([[0], np.cumsum(lies)])
    segment, start = tag.segment[lies].astype(np.int64), tag.start[lies]
    end = start + tag.length[lies]
    wide = int(end.max(initial=0)) + 1
    keys, which = np.unique((segment * wide + start) * wide + end, return_inverse=True)
    places = [
        f"{segments[key // wide // wide]}:{key // wide % wide}-{key % wide}".encode()
        for key in keys.tolist()
    ]
    text = column(places).take(which)
    return joined(Regions(before[tag.first], tag.segment[lies], start, end - start, text), b",")


def with_comment(names: Texts, label: str, values: Texts, separator: int, insert: int) -> Texts:
    """Names with `|label=value` before their comment, or at their end."""
    count = len(names)
    at = find(names, insert)
    head = cut(names, np.zeros(count, np.int64), at)
    mark = repeated(bytes([separator]) + label.encode() + b"=", count)
    return assemble([head, mark, values, cut(names, at, names.length - at)])


def check_values(block: Block, label: str, values: Texts, separator: int, insert: int) -> None:
    """Refuse values that could not be told from the rest of the name."""
    number = holding(values, {separator, insert})
    if number is None:
        return
    value = values[number].decode("latin-1")
    raise InputError(
        f"{place_in(block, number)}: tag value must not contain the comment separator "
        f"({chr(separator)!r}) nor the comment insert char ({chr(insert)!r}): {label}={value}; "
        f"expected another comment_separator"
    )


class _Comment(StepParams):
    """What both steps have in common."""

    segment: str = Field(ALL, title="Segment", description="whose names: read1 …, or All")
    comment_separator: Letter = Field(
        ord("|"), title="Separator", description="stands before label=value"
    )
    comment_insert_char: Letter = Field(
        ord(" "), title="Insert before", description="begins the comment of a name"
    )

    def _store(self, block: Block, around: Surroundings, values: Mapping[str, Texts]) -> Block:
        """The block with label=value in the names."""
        separator, insert = self.comment_separator, self.comment_insert_char
        changed = dict(block.segments)
        for label, texts in values.items():
            check_values(block, label, texts, separator, insert)
            for segment in chosen_segments(around, self.segment):
                name = with_comment(changed[segment].name, label, texts, separator, insert)
                changed[segment] = replace(changed[segment], name=name)
        return replace(block, segments=changed)

    def _label_problems(self, labels: Sequence[str]) -> Sequence[str]:
        marks = {chr(self.comment_separator), chr(self.comment_insert_char), "="}
        return [
            f"in_label: {label!r} holds {min(marks & set(label))!r}, which separates comments; "
            "expected another label or comment_separator"
            for label in labels
            if marks & set(label)
        ]


class StoreTagInComment(_Comment):
    """Write a tag's value into the names: `name|label=value comment`."""

    action: Literal["StoreTagInComment"] = "StoreTagInComment"
    in_label: Label | None = Field(None, description="the tag; empty: all of them")
    region_separator: str = Field(
        "_", title="Region separator", description="between the texts of several regions"
    )

    def uses(self) -> Sequence[TagUse]:
        """The tag."""
        return [] if self.in_label is None else [TagUse(self.in_label, ANY)]

    def uses_every_tag(self) -> bool:
        """Whether it writes all tags."""
        return self.in_label is None

    def problems(self, around: Surroundings) -> Sequence[str]:
        """What is wrong with it in its place."""
        return self._label_problems(self._labels(around))

    def build(self, around: Surroundings) -> Stage:
        """Its stage."""
        labels = self._labels(around)
        separator = self.region_separator.encode()

        def store(block: Block) -> Block:
            values = {label: written(block.tags[label], separator) for label in labels}
            return self._store(block, around, values)

        return Change(store)

    def _labels(self, around: Surroundings) -> Sequence[str]:
        return sorted(around.tags) if self.in_label is None else [self.in_label]


class StoreTagLocationInComment(_Comment):
    """Write where a tag was found into the names: `name|label_location=read1:0-4 comment`."""

    action: Literal["StoreTagLocationInComment"] = "StoreTagLocationInComment"
    in_label: Label = Field(description="the tag")

    def uses(self) -> Sequence[TagUse]:
        """The tag."""
        return [TagUse(self.in_label, ("location",))]

    def problems(self, around: Surroundings) -> Sequence[str]:
        """What is wrong with it in its place."""
        return self._label_problems([self.in_label])

    def build(self, around: Surroundings) -> Stage:
        """Its stage."""

        def store(block: Block) -> Block:
            tag = block.tags[self.in_label]
            assert isinstance(tag, Regions)  # noqa: S101 -- the configuration was checked
            places = written_places(tag, around.segments)
            return self._store(block, around, {f"{self.in_label}_location": places})

        return Change(store)
