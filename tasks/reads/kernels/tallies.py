"""Counting bases and qualities by position."""

# ruff: noqa: PLR0917 -- kernels take plain arrays, and these many
import numpy as np

from tasks.reads.block import Bytes, Integers
from tasks.reads.kernels.jit import kernel

Counts = np.ndarray[tuple[int, int], np.dtype[np.int64]]
QUALITIES = 94
"""Qualities that can be written as one character."""


@kernel
def tally(
    bases: Bytes, base_start: Integers, marks: Bytes, mark_start: Integers, length: Integers,
    number: Bytes, base_counts: Counts, mark_counts: Counts,
) -> None:  # fmt: skip
    """Add reads to the counts; positions beyond the last row are counted in the last row.

    Args:
        number: Column of each byte that a base may be; shape (256,).
        base_counts: Row: position; column: base.
        mark_counts: Row: position; column: quality - 33.
    """
    last = len(base_counts) - 1
    for n in range(len(base_start)):
        for k in range(length[n]):
            row = min(k, last)
            base_counts[row, number[bases[base_start[n] + k]]] += 1
            mark = int(marks[mark_start[n] + k]) - 33
            mark_counts[row, min(max(mark, 0), QUALITIES - 1)] += 1
