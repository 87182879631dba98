"""What a block adds to each output file, as text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.reads.block import Block
from tasks.reads.outputs import Output
from tasks.reads.serialising import serialised


@dataclass(frozen=True, slots=True)
class Piece:
    """What a block adds to a file."""

    series: int
    stream: int
    text: memoryview
    ends: np.ndarray[tuple[int], np.dtype[np.int64]] | None
    """Where each molecule ends; only if files are chunked."""
    molecules: int


def pieces_of(series: int, output: Output, block: Block) -> Iterator[Piece]:
    """The block's molecules for each stream of an output."""
    if output.stdout or block.stream is None:
        if output.stdout or 0 in output.stems:
            yield from _piece(series, output, block, [0], [len(block)])
        return
    order = np.argsort(block.stream, kind="stable")
    order = order[np.isin(block.stream[order], list(output.stems))]
    streams, counts = np.unique(block.stream[order], return_counts=True)
    yield from _piece(series, output, block.take(order), streams.tolist(), counts.tolist())


def _piece(
    series: int, output: Output, block: Block, streams: Sequence[int], counts: Sequence[int]
) -> Iterator[Piece]:
    """Pieces for streams whose molecules stand one after the other in the block."""
    if not len(block):
        return
    text = serialised([block.segments[name] for name in output.segments], output.format)
    view = memoryview(text.bytes)  # type: ignore[arg-type]  # arrays have the buffer protocol
    first = begin = 0
    for stream, count in zip(streams, counts, strict=True):
        end = int(text.ends[first + count - 1])
        ends = None if output.chunk is None else text.ends[first : first + count] - begin
        yield Piece(series, stream, view[begin:end], ends, count)
        first, begin = first + count, end
