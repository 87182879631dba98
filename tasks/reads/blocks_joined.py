"""Blocks made of others: several as one, or without the bytes that nothing refers to."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tasks.reads.block import Block, Integers, Numbers, Reads, Regions, Strings, Tag, Truths
from tasks.reads.texts import compact, joined


def compact_block(block: Block, *, number: int | None = None) -> Block:
    """The same molecules in buffers that hold nothing else, so that the old ones can go."""
    return Block(
        block.number if number is None else number,
        block.index,
        {
            segment: Reads(compact(reads.name), compact(reads.sequence), compact(reads.quality))
            for segment, reads in block.segments.items()
        },
        {label: _compact_tag(tag) for label, tag in block.tags.items()},
        block.stream,
    )


def _compact_tag(tag: Tag) -> Tag:
    return replace(tag, text=compact(tag.text)) if isinstance(tag, Regions | Strings) else tag


def joined_blocks(blocks: Sequence[Block]) -> Block:
    """All molecules of blocks with the same segments and tags, with the number of the first."""
    first = blocks[0]
    if len(blocks) == 1:
        return first
    streams = [block.stream for block in blocks if block.stream is not None]
    return Block(
        first.number,
        np.concatenate([block.index for block in blocks]),
        {
            name: _joined_reads([block.segments[name] for block in blocks])
            for name in first.segments
        },
        {label: _joined_tags([block.tags[label] for block in blocks]) for label in first.tags},
        np.concatenate(streams) if streams else None,
    )


def _joined_reads(parts: Sequence[Reads]) -> Reads:
    return Reads(
        joined([part.name for part in parts]),
        joined([part.sequence for part in parts]),
        joined([part.quality for part in parts]),
    )


def _joined_tags(parts: Sequence[Tag]) -> Tag:
    match parts[0]:
        case Numbers():
            return Numbers(np.concatenate([p.value for p in parts if isinstance(p, Numbers)]))
        case Truths():
            return Truths(np.concatenate([p.value for p in parts if isinstance(p, Truths)]))
        case Strings():
            strings = [part for part in parts if isinstance(part, Strings)]
            present = np.concatenate([part.present for part in strings])
            return Strings(joined([part.text for part in strings]), present)
        case Regions():
            return _joined_regions([part for part in parts if isinstance(part, Regions)])


def _joined_regions(parts: Sequence[Regions]) -> Regions:
    counts: Integers = np.concatenate([np.diff(part.first) for part in parts])
    return Regions(
        np.concatenate([[0], np.cumsum(counts)]),
        np.concatenate([part.segment for part in parts]),
        np.concatenate([part.start for part in parts]),
        np.concatenate([part.length for part in parts]),
        joined([part.text for part in parts]),
    )
