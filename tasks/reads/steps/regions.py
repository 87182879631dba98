"""Steps that take out regions at known places, or what a regular expression finds."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field

from tasks.parameters import Params
from tasks.reads.assembly import assemble, column, cut, stacked, where
from tasks.reads.block import Block, Integers, Mask, Regions, Strings, Texts
from tasks.reads.step import Stage, StepParams, Surroundings, TagGift, TagKind, TagUse
from tasks.reads.steps.patterns import expander, in_time, pattern_of, readable
from tasks.reads.steps.sources import (
    Change,
    Label,
    Source,
    regions_at,
    segment_named,
    strings_of,
    tagged,
)

RegionAnchor = Literal["Start", "End"]


class Region(Params):
    """One region: a stretch of a read, or relative to what another tag found."""

    source: str = Field(title="Source", description="read1, name:read1 or tag:label")
    start: int = Field(title="Start", description="0-based, from the anchor; may be negative [nt]")
    length: int = Field(ge=1, title="Length", description="of the region [nt]")
    anchor: RegionAnchor = Field(
        title="Anchor", description="start is counted from the start or the end of the source"
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """One region of each molecule."""

    there: Mask
    text: Texts
    segment: Integers
    """-1 where the region lies on no read."""
    start: Integers


class _Regions(StepParams):
    """What both steps have in common."""

    out_label: Label = Field(description="name of the new tag")

    def regions_wanted(self) -> Sequence[Region]:
        """The regions in their order."""
        raise NotImplementedError

    def uses(self) -> Sequence[TagUse]:
        """The tags of its sources."""
        return [use for region in self.regions_wanted() for use in Source.of(region.source).uses()]

    def gives(self) -> Sequence[TagGift]:
        """The tag that it makes."""
        return self.gives_among({})

    def gives_among(self, known: Mapping[str, TagKind]) -> Sequence[TagGift]:
        """The tag that it makes, given the others."""
        sources = [Source.of(region.source) for region in self.regions_wanted()]
        placed = all(
            source.kind == "segment"
            or (source.kind == "tag" and known.get(source.what, "location") == "location")
            for source in sources
        )
        return [TagGift(self.out_label, "location" if placed else "string")]

    def problems(self, around: Surroundings) -> Sequence[str]:
        """What is wrong with it in its place."""
        found = []
        for region in self.regions_wanted():
            source = Source.of(region.source)
            found += source.problems(around)
            if source.kind == "all":
                found.append("source: 'All' is several; expected one segment, name: or tag:")
        return found

    def build(self, around: Surroundings) -> Stage:
        """Its stage."""
        regions = self.regions_wanted()
        (gift,) = self.gives_among(around.tags)

        def extract(block: Block) -> Block:
            found = [_region(block, region) for region in regions]
            tag = _located(found) if gift.kind == "location" else _glued(found)
            return tagged(block, self.out_label, tag)

        return Change(extract)


class ExtractRegion(_Regions, Region):
    """A stretch at a known place of the read; missing where it would reach beyond the read."""

    action: Literal["ExtractRegion"] = "ExtractRegion"

    def regions_wanted(self) -> Sequence[Region]:
        """The regions in their order."""
        return [
            Region(source=self.source, start=self.start, length=self.length, anchor=self.anchor)
        ]


class ExtractRegions(_Regions):
    """Several stretches at known places; missing if one of them would reach beyond its read."""

    action: Literal["ExtractRegions"] = "ExtractRegions"
    regions: Annotated[tuple[Region, ...], Field(min_length=1)] = Field(
        title="Regions", description="at least one"
    )

    def regions_wanted(self) -> Sequence[Region]:
        """The regions in their order."""
        return self.regions


def _region(block: Block, region: Region) -> _Found:
    """One region of each molecule of the block."""
    source = Source.of(region.source)
    count = len(block)
    if source.kind != "tag":
        number, reads = segment_named(block, source.what)
        text = reads.sequence if source.kind == "segment" else reads.name
        segment = np.full(count, number if source.kind == "segment" else -1, np.int64)
        return _stretch(region, text, segment, np.zeros(count, np.int64), text.length)
    tag = block.tags[source.what]
    if isinstance(tag, Strings):
        nowhere = np.full(count, -1, np.int64)
        zero = np.zeros(count, np.int64)
        found = _stretch(region, tag.text, nowhere, zero, tag.text.length)
        return _Found(found.there & tag.present, found.text, found.segment, found.start)
    assert isinstance(tag, Regions)  # noqa: S101 -- the configuration was checked
    return _beside(block, region, tag)


def _beside(block: Block, region: Region, tag: Regions) -> _Found:
    """A region relative to the first one of a tag; it may reach beyond that."""
    hit = np.flatnonzero(np.diff(tag.first) > 0)
    segment = np.full(len(block), -1, np.int64)
    begin, end = np.zeros(len(block), np.int64), np.zeros(len(block), np.int64)
    chosen = tag.first[:-1][hit]
    segment[hit] = tag.segment[chosen]
    begin[hit] = tag.start[chosen]
    end[hit] = tag.start[chosen] + tag.length[chosen]
    columns = [reads.sequence for reads in block.segments.values()]
    whole = stacked(columns)
    rows = np.maximum(segment, 0) * len(block) + np.arange(len(block))
    found = _stretch(region, whole.take(rows), segment, begin, end)
    return _Found(found.there & (segment >= 0), found.text, found.segment, found.start)


def _stretch(
    region: Region, text: Texts, segment: Integers, begin: Integers, end: Integers
) -> _Found:
    """The region of texts of which [begin, end) is what it is relative to."""
    start = region.start + (begin if region.anchor == "Start" else end)
    there = (start >= 0) & (start + region.length <= text.length)
    start = np.where(there, start, 0)
    return _Found(there, cut(text, start, np.where(there, region.length, 0)), segment, start)


def _located(found: Sequence[_Found]) -> Regions:
    """All regions of each molecule as a Location tag."""
    there = np.all([each.there for each in found], axis=0)
    hit = np.flatnonzero(there)
    order = np.arange(len(hit) * len(found)).reshape(len(found), -1).T.reshape(-1)

    def interleaved(columns: list[Integers]) -> Integers:
        return np.concatenate([each[hit] for each in columns])[order]

    text = stacked([each.text.take(hit) for each in found]).take(order)
    return Regions(
        np.concatenate([[0], np.cumsum(there * len(found))]).astype(np.int64),
        interleaved([each.segment for each in found]).astype(np.int16),
        interleaved([each.start for each in found]),
        text.length,
        text,
    )


def _glued(found: Sequence[_Found]) -> Strings:
    """All regions of each molecule as one text."""
    there = np.all([each.there for each in found], axis=0)
    return Strings(assemble([where(there, each.text) for each in found]), there)


def _unmistakable(replacement: str) -> str:
    if re.search(r"\$\d+_", replacement):
        raise ValueError(
            f"{replacement!r} holds a '$1_' style group reference, which would mean a group named "
            "'1_'; expected ${1}_"
        )
    return replacement


class ExtractRegex(StepParams):
    """The first match of a regular expression in the read or its name."""

    action: Literal["ExtractRegex"] = "ExtractRegex"
    search: Annotated[str, AfterValidator(readable)] = Field(
        title="Expression", description="regular expression, on bytes"
    )
    replacement: Annotated[str, AfterValidator(_unmistakable)] = Field(
        "$0", title="Text", description="what the tag holds: $0 is the match, $1 its first group"
    )
    source: str = Field(title="Source", description="read1 or name:read1")
    out_label: Label = Field(description="name of the new tag")

    def gives(self) -> Sequence[TagGift]:
        """The tag that it makes."""
        named = Source.of(self.source).kind == "name"
        return [TagGift(self.out_label, "string" if named else "location")]

    def problems(self, around: Surroundings) -> Sequence[str]:
        """What is wrong with it in its place."""
        source = Source.of(self.source)
        if source.kind in {"all", "tag"}:
            return [f"source: '{self.source}'; expected a segment or name:segment"]
        return source.problems(around)

    def build(self, around: Surroundings) -> Stage:
        """Its stage."""
        source = Source.of(self.source)
        pattern = pattern_of(self.search)
        expand = expander(self.replacement, pattern)

        def extract(block: Block) -> Block:
            number, reads = segment_named(block, source.what)
            named = source.kind == "name"
            within = reads.name if named else reads.sequence
            found = in_time(pattern.search, block, source.what, within)
            texts = [None if match is None else expand(match) for match in found]
            if named:
                return tagged(block, self.out_label, strings_of(texts))
            at = np.array([-1 if match is None else match.start() for match in found], np.int64)
            end = np.array([-1 if match is None else match.end() for match in found], np.int64)
            places = regions_at(reads, number, at, end - at)
            held = column([text for text in texts if text is not None])
            tag = Regions(places.first, places.segment, places.start, places.length, held)
            return tagged(block, self.out_label, tag)

        return Change(extract)
