"""The gap-free blocks of all rows of evidence in one array each, for work on many rows at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Positions = NDArray[np.int64]
BLOCKS = ("query_starts", "target_starts", "block_lengths")


@dataclass(frozen=True, slots=True)
class FlatBlocks:
    """Blocks of each row behind those of the row before."""

    bounds: Positions
    """First block of each row, and one more: the number of blocks; shape (rows + 1,)."""
    query: Positions
    """First position of each block in the query, 0-based; shape (blocks,) as the next ones."""
    target: Positions
    length: Positions
    """[columns]"""

    @property
    def columns(self) -> Positions:
        """Aligned columns of each row."""
        return np.diff(bounds_of(self.length)[self.bounds])

    @property
    def query_ends(self) -> Positions:
        """End in the query of each row's last block; 0 without blocks."""
        ends = np.concatenate([[0], self.query + self.length])
        return np.where(np.diff(self.bounds) > 0, ends[self.bounds[1:]], 0)

    @property
    def insertions(self) -> Positions:
        """Most residues that a row's query has beyond the target between two blocks, or 0."""
        found = np.zeros(len(self.bounds) - 1, np.int64)
        rows = np.flatnonzero(np.diff(self.bounds))
        if len(rows):
            first = self.bounds[rows]
            more = np.diff(self.query - self.target, prepend=0)
            more[first] = 0
            found[rows] = np.maximum.reduceat(more, first)
        return found


def bounds_of(sizes: Sequence[int] | Positions) -> Positions:
    """Where each thing begins, one behind the other, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


def flat_blocks(evidence: pd.DataFrame) -> FlatBlocks:
    """The blocks of a frame of evidence.

    Raises:
        ValueError: A row has more of one thing than of another.
    """
    lists = [evidence[name].tolist() for name in BLOCKS]
    counts = [np.fromiter(map(len, each), np.int64, len(each)) for each in lists]
    if any((each != counts[0]).any() for each in counts):
        raise ValueError("blocks: starts and lengths are not as many")
    empty = np.zeros(0, np.int64)  # concatenate wants one at least
    flat = [np.concatenate([empty, *each], dtype=np.int64, casting="unsafe") for each in lists]
    return FlatBlocks(bounds_of(counts[0]), *flat)


def range_texts(starts: Positions, lengths: Positions, bounds: Positions) -> list[str]:
    """Blocks of each row as 1-based inclusive ranges, such as `1-11,15-164`.

    Blocks that touch are one range: only the other sequence has a gap there.
    """
    ends = starts + lengths
    begins = np.ones(len(starts) + 1, np.bool_)  # whether a range begins with this block
    begins[1:-1] = starts[1:] != ends[:-1]
    begins[bounds] = True
    places = np.flatnonzero(begins)
    first, last = starts[places[:-1]] + 1, ends[places[1:] - 1]
    parts = [f"{begin}-{end}" for begin, end in zip(first.tolist(), last.tolist(), strict=True)]
    rows = np.searchsorted(places, bounds).tolist()
    return [",".join(parts[begin:end]) for begin, end in pairwise(rows)]
