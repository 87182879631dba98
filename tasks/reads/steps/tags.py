"""Steps that change reads where tags were found."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from blocks.errors import InputError
from tasks.reads.assembly import column, compact, cut, put, stacked
from tasks.reads.block import Block, Integers, Reads, Regions, Tag, Texts
from tasks.reads.kernels.texts import overwrite
from tasks.reads.step import Stage, StepParams, Surroundings, TagUse
from tasks.reads.steps.positions import NOWHERE, molecule_of, shifted
from tasks.reads.steps.sources import Change, Label, Letter, place_in, tagged

NO_QUALITY = ord("B")
"""Quality of bases that are put where none were."""


def regions_of(block: Block, label: str) -> Regions:
    """A tag that the configuration says is a Location."""
    tag = block.tags[label]
    assert isinstance(tag, Regions)  # noqa: S101 -- the configuration was checked
    return tag


class TrimAtTag(StepParams):
    """Cut reads where a tag was found."""

    action: Literal["TrimAtTag"] = "TrimAtTag"
    in_label: Label = Field(description="the tag: one region in each read")
    direction: Literal["Start", "End"] = Field(
        title="Cut off", description="what lies before the tag, or behind it"
    )
    keep_tag: bool = Field(title="Keep the tag", description="cut beside it, not with it")

    def uses(self) -> Sequence[TagUse]:
        """The tag."""
        return [TagUse(self.in_label, ("location",))]

    def build(self, around: Surroundings) -> Stage:  # noqa: D102 -- as the base class
        return Change(self._trim)

    def _trim(self, block: Block) -> Block:
        tag = regions_of(block, self.in_label)
        _check_single(block, self.in_label, tag)
        for number in range(len(block.segments)):
            if np.any(tag.segment == number):
                block = self._trim_segment(block, tag, number)
        if not self.keep_tag:
            nowhere = np.full(len(tag.start), NOWHERE, np.int64)
            kept = replace(tag, segment=nowhere.astype(np.int16), start=nowhere)
            block = tagged(block, self.in_label, kept)
        return block

    def _trim_segment(self, block: Block, tag: Regions, number: int) -> Block:
        name, reads = list(block.segments.items())[number]
        here = tag.segment == number
        rows = molecule_of(tag)[here]
        begin, end = tag.start[here], tag.start[here] + tag.length[here]
        first = np.zeros(len(block), np.int64)
        length = reads.sequence.length.copy()
        if self.direction == "Start":
            first[rows] = begin if self.keep_tag else end
            length = length - first
        else:
            length[rows] = end if self.keep_tag else begin
        trimmed = Reads(
            reads.name, cut(reads.sequence, first, length), cut(reads.quality, first, length)
        )
        tags = shifted(block.tags, number, -first, length)
        return replace(block, segments={**block.segments, name: trimmed}, tags=tags)


def _check_single(block: Block, label: str, tag: Regions) -> None:
    """Refuse what `TrimAtTag` cannot cut at."""
    several = np.flatnonzero(np.diff(tag.first) > 1)
    if len(several):
        raise InputError(
            f"TrimAtTag: {place_in(block, int(several[0]))}: tag {label} covers several regions; "
            "expected tags that cover one single region"
        )
    lost = np.flatnonzero(tag.segment < 0)
    if len(lost):
        number = int(molecule_of(tag)[lost[0]])
        raise InputError(
            f"TrimAtTag: {place_in(block, number)}: tag {label} has lost its place on the read; "
            "expected TrimAtTag before steps that cut into the tag"
        )


class StoreTagInSequence(StepParams):
    """Write a tag's text, changed by other steps, back into the read where it was found."""

    action: Literal["StoreTagInSequence"] = "StoreTagInSequence"
    in_label: Label = Field(description="the tag")
    ignore_missing: bool = Field(
        False, title="Ignore lost", description="skip tags that have lost their place on the read"
    )

    def uses(self) -> Sequence[TagUse]:
        """The tag."""
        return [TagUse(self.in_label, ("location",))]

    def build(self, around: Surroundings) -> Stage:  # noqa: D102 -- as the base class
        return Change(self._store)

    def _store(self, block: Block) -> Block:
        tag = regions_of(block, self.in_label)
        lost = np.flatnonzero(tag.segment < 0)
        if len(lost) and not self.ignore_missing:
            number = int(molecule_of(tag)[lost[0]])
            raise InputError(
                f"StoreTagInSequence: {place_in(block, number)}: tag {self.in_label} has lost its "
                "place on the read; expected ignore_missing = true, or this step earlier"
            )
        for number, (name, reads) in enumerate(block.segments.items()):
            if not np.any(tag.segment == number):
                continue
            written, resized = _written_back(block, reads, tag, number)
            tags = _without_places(block.tags, number, resized)
            block = replace(block, segments={**block.segments, name: written}, tags=tags)
        return block


def _written_back(block: Block, reads: Reads, tag: Regions, number: int) -> tuple[Reads, Integers]:
    """The reads with the tag's texts in them, and the rows of those whose length changed."""
    here = np.flatnonzero(tag.segment == number)
    rows = molecule_of(tag)[here]
    same = tag.text.length[here] == tag.length[here]
    resized = np.unique(rows[~same])
    simple = here[~np.isin(rows, resized)]
    sequence = compact(reads.sequence)
    places = sequence.start[molecule_of(tag)[simple]] + tag.start[simple]
    put(sequence.buffer, places, tag.text.take(simple))
    written = Reads(reads.name, sequence, reads.quality)
    if len(resized):
        written = _resized(block, written, tag, here, rows, resized)
    return written, resized


def _resized(  # noqa: PLR0917 -- all of them belong together
    block: Block, reads: Reads, tag: Regions, here: Integers, rows: Integers, resized: Integers
) -> Reads:
    """The reads with texts of other lengths put into some of them."""
    sequences, qualities = [], []
    for row in resized.tolist():
        regions = sorted(here[rows == row].tolist(), key=lambda n: int(tag.start[n]))
        base, mark, cursor = reads.sequence[row], reads.quality[row], 0
        new_base, new_mark = b"", b""
        for n in regions:
            begin, size, text = int(tag.start[n]), int(tag.length[n]), tag.text[n]
            if begin < cursor:
                raise InputError(
                    f"StoreTagInSequence: {place_in(block, row)}: regions overlap and change their "
                    "length; expected regions that do not overlap"
                )
            old = mark[begin : begin + size]
            level = bytes([int(sum(old) / size + 0.5)]) if size else bytes([NO_QUALITY])
            new_base += base[cursor:begin] + text
            new_mark += mark[cursor:begin] + (old if len(text) == size else level * len(text))
            cursor = begin + size
        sequences.append(new_base + base[cursor:])
        qualities.append(new_mark + mark[cursor:])
    return Reads(
        reads.name,
        _replaced(reads.sequence, resized, sequences),
        _replaced(reads.quality, resized, qualities),
    )


def _replaced(texts: Texts, rows: Integers, new: list[bytes]) -> Texts:
    """The texts with other ones in some rows."""
    both = stacked([texts, column(new)])
    which = np.arange(len(texts))
    which[rows] = len(texts) + np.arange(len(rows))
    return both.take(which)


def _without_places(tags: Mapping[str, Tag], number: int, rows: Integers) -> Mapping[str, Tag]:
    """The tags; those on reads of a segment whose length changed inside lie nowhere any more."""
    if not len(rows):
        return tags
    found = dict(tags)
    for label, tag in tags.items():
        if isinstance(tag, Regions):
            owner = molecule_of(tag)
            touched = owner[(tag.segment == number) & np.isin(owner, rows)]
            gone = np.isin(owner, touched)
            segment = np.where(gone, NOWHERE, tag.segment).astype(np.int16)
            found[label] = replace(tag, segment=segment, start=np.where(gone, NOWHERE, tag.start))
    return found


class ReplaceTagWithLetter(StepParams):
    """Mask the bases where a tag was found; qualities stay."""

    action: Literal["ReplaceTagWithLetter"] = "ReplaceTagWithLetter"
    in_label: Label = Field(description="the tag")
    letter: Letter = Field(title="Letter", description="what the bases become, such as N")

    def uses(self) -> Sequence[TagUse]:
        """The tag."""
        return [TagUse(self.in_label, ("location",))]

    def build(self, around: Surroundings) -> Stage:  # noqa: D102 -- as the base class
        return Change(self._mask)

    def _mask(self, block: Block) -> Block:
        tag = regions_of(block, self.in_label)
        changed = dict(block.segments)
        for number, (name, reads) in enumerate(block.segments.items()):
            here = tag.segment == number
            if np.any(here):
                bases = compact(reads.sequence)
                start = bases.start[molecule_of(tag)[here]] + tag.start[here]
                overwrite(bases.buffer, start, tag.length[here], self.letter)
                changed[name] = replace(reads, sequence=bases)
        return replace(block, segments=changed)
