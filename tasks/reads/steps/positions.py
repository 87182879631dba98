"""How the regions of Location tags follow when reads are edited.

A region that an edit cuts, wholly or in part, lies on no read any more; with it all regions that
the tag has for that molecule lose their place. Their texts stay, so the tag is still present.
Each function returns all tags: those that it need not touch as they were.
"""

from collections.abc import Callable, Mapping

import numpy as np

from tasks.reads.block import Integers, Mask, Regions, Tag, Texts

NOWHERE = -1
"""Segment and start of a region that lies on no read."""
Tags = Mapping[str, Tag]
Segments = np.ndarray[tuple[int], np.dtype[np.int16]]


def each_location(tags: Tags, change: Callable[[Regions], Regions]) -> Tags:
    """The tags, with `change` made to each Location tag that holds a region."""
    return {
        label: change(tag) if isinstance(tag, Regions) and len(tag.start) else tag
        for label, tag in tags.items()
    }


def molecule_of(tag: Regions) -> Integers:
    """Row of the molecule that each region belongs to; shape (number of regions,)."""
    return np.repeat(np.arange(len(tag.first) - 1), np.diff(tag.first))


def covered_length(tag: Regions) -> Integers:
    """Bases in all regions of each molecule together, placed or not; shape (n,)."""
    ends = np.concatenate([[0], np.cumsum(tag.length)])
    covered: Integers = ends[tag.first[1:]] - ends[tag.first[:-1]]
    return covered


def shifted(tags: Tags, segment: int, by: Integers, length: Integers) -> Tags:
    """Tags after bases were put before the reads of a segment or taken off, at either end.

    Args:
        segment: Number of the segment.
        by: Bases that each read gained at its start; negative: lost; shape (n,).
        length: Length of each read now; shape (n,).
    """

    def shift(tag: Regions) -> Regions:
        molecule = molecule_of(tag)
        here = tag.segment == segment
        start = np.where(here, tag.start + by[molecule], tag.start)
        cut = here & ((start < 0) | (start + tag.length > length[molecule]))
        return displaced(tag, tag.segment, start, cut)

    return each_location(tags, shift)


def displaced(tag: Regions, segment: Segments, start: Integers, cut: Mask) -> Regions:
    """The tag with regions at new places; molecules of which a region is cut lose all places."""
    if cut.any():
        molecule = molecule_of(tag)
        lost = np.zeros(len(tag.first) - 1, np.bool_)
        lost[molecule[cut]] = True
        gone = lost[molecule]
        segment = np.where(gone, NOWHERE, segment).astype(np.int16)
        start = np.where(gone, NOWHERE, start)
    return Regions(tag.first, segment, start, tag.length, tag.text)


def mirrored(
    tags: Tags,
    segment: int,
    length: Integers,
    rows: Mask,
    complement: Callable[[Texts, Mask], Texts],
) -> Tags:
    """Tags after some reads of a segment were turned round; their texts are turned with them.

    Args:
        segment: Number of the segment.
        length: Length of each read; shape (n,).
        rows: Reads that were turned; shape (n,).
        complement: Gives the texts with the marked ones reverse-complemented.
    """

    def mirror(tag: Regions) -> Regions:
        molecule = molecule_of(tag)
        turned = (tag.segment == segment) & rows[molecule]
        start = np.where(turned, length[molecule] - tag.start - tag.length, tag.start)
        return Regions(tag.first, tag.segment, start, tag.length, complement(tag.text, turned))

    return each_location(tags, mirror)


def exchanged(tags: Tags, one: int, other: int, rows: Mask) -> Tags:
    """Tags after two segments changed places for some molecules."""

    def exchange(tag: Regions) -> Regions:
        swapped = rows[molecule_of(tag)]
        segment = tag.segment.copy()
        segment[swapped & (tag.segment == one)] = other
        segment[swapped & (tag.segment == other)] = one
        return Regions(tag.first, segment, tag.start, tag.length, tag.text)

    return each_location(tags, exchange)
