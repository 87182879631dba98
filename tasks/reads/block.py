"""What flows through the engine: a block of whole molecules as columns over byte buffers.

A molecule is what one cluster on the flow cell gave: one read in each segment (read1, read2,
index1 …). A text (name, sequence, quality) is a slice of a buffer, so that trimming moves no bytes:
it changes a start and a length. A step that writes new texts makes a new buffer.
Blocks and columns are never changed in place by those who receive them: steps return new ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Texts:
    """n texts as slices of one buffer; several may overlap, and need not be in order."""

    buffer: Bytes
    start: Integers
    """Shape (n,)."""
    length: Integers
    """Shape (n,)."""

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, place: int) -> bytes:
        """One text; for messages and tests, not for loops over blocks."""
        begin = int(self.start[place])
        return self.buffer[begin : begin + int(self.length[place])].tobytes()

    def take(self, rows: Integers | Mask) -> "Texts":
        """Some of the texts, in that order."""
        return Texts(self.buffer, self.start[rows], self.length[rows])


@dataclass(frozen=True, slots=True)
class Reads:
    """One segment of a block: n reads."""

    name: Texts
    """Without `@`, with the comment."""
    sequence: Texts
    quality: Texts
    """As long as the sequence, Phred+33 once it was read."""

    def take(self, rows: Integers | Mask) -> "Reads":
        """Some of the reads, in that order."""
        return Reads(self.name.take(rows), self.sequence.take(rows), self.quality.take(rows))


@dataclass(frozen=True, slots=True)
class Regions:
    """A Location tag: for each molecule no, one or several regions on its reads."""

    first: Integers
    """Where the molecule's regions begin among all regions; shape (n + 1,); equal: no hit."""
    segment: NDArray[np.int16]
    """Number of the segment of each region; -1 where it lies on no read any more."""
    start: Integers
    """0-based, half-open, on the read as it is now; -1 where it lies on no read any more."""
    length: Integers
    text: Texts
    """What was found, or what it was corrected to; one for each region."""

    def take(self, rows: Integers | Mask) -> "Regions":
        """The regions of some molecules, in that order."""
        chosen = np.flatnonzero(rows) if rows.dtype == bool else rows
        counts = (self.first[1:] - self.first[:-1])[chosen]
        first = np.concatenate([[0], np.cumsum(counts)])
        each = np.repeat(self.first[:-1][chosen] - first[:-1], counts) + np.arange(first[-1])
        return Regions(
            first, self.segment[each], self.start[each], self.length[each], self.text.take(each)
        )


@dataclass(frozen=True, slots=True)
class Strings:
    """A String tag."""

    text: Texts
    present: Mask

    def take(self, rows: Integers | Mask) -> "Strings":
        """The values of some molecules, in that order."""
        return Strings(self.text.take(rows), self.present[rows])


@dataclass(frozen=True, slots=True)
class Numbers:
    """A Numeric tag; NaN where there is none."""

    value: NDArray[np.float64]

    def take(self, rows: Integers | Mask) -> "Numbers":
        """The values of some molecules, in that order."""
        return Numbers(self.value[rows])


@dataclass(frozen=True, slots=True)
class Truths:
    """A Bool tag."""

    value: Mask

    def take(self, rows: Integers | Mask) -> "Truths":
        """The values of some molecules, in that order."""
        return Truths(self.value[rows])


Tag = Regions | Strings | Numbers | Truths


@dataclass(frozen=True, slots=True)
class Block:
    """Molecules that follow each other in the input, as far as no step dropped them."""

    number: int
    """From 0, without gaps, in the order of the input."""
    index: Integers
    """0-based number of each molecule in the whole input; shape (n,), increasing."""
    segments: Mapping[str, Reads]
    """In the order of the configuration; all hold n reads."""
    tags: Mapping[str, Tag] = field(default_factory=dict)
    stream: Integers | None = None
    """Bits that `Demultiplex` set for each molecule; None: a single stream."""

    def __len__(self) -> int:
        return len(self.index)

    def take(self, rows: Integers | Mask) -> "Block":
        """Some of the molecules, in that order, with all that belongs to them."""
        return Block(
            self.number,
            self.index[rows],
            {name: reads.take(rows) for name, reads in self.segments.items()},
            {label: tag.take(rows) for label, tag in self.tags.items()},
            None if self.stream is None else self.stream[rows],
        )
