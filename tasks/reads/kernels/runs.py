"""Runs along reads: of low qualities, of one base.

All kernels take the buffer of a column with `start` and `length` of each read, and write where they
found something into `at` (offset in the read, -1: nowhere) and `size`.
"""

# ruff: noqa: PLR0917 -- kernels take plain arrays, and these many
import numpy as np

from tasks.reads.block import Bytes, Integers
from tasks.reads.kernels.jit import inlined, kernel


@kernel
def find_low_start(
    buffer: Bytes, start: Integers, length: Integers, least: int, size: Integers
) -> None:
    """How many qualities at the beginning are below `least`."""
    for n in range(len(start)):
        k = 0
        while k < length[n] and buffer[start[n] + k] < least:
            k += 1
        size[n] = k


@kernel
def find_low_end(
    buffer: Bytes, start: Integers, length: Integers, least: int, size: Integers
) -> None:
    """How many qualities at the end are below `least`."""
    for n in range(len(start)):
        k = 0
        while k < length[n] and buffer[start[n] + length[n] - 1 - k] < least:
            k += 1
        size[n] = k


@kernel
def find_low_runs(
    buffer: Bytes, start: Integers, length: Integers, least: int, shortest: int,
    count: Integers, at: Integers, size: Integers,
) -> int:  # fmt: skip
    """Runs of at least `shortest` qualities below `least`; returns how many in all.

    `count` holds how many each read has; `at` and `size`, if they are not empty, one behind the
    other where they are.
    """
    total = 0
    for n in range(len(start)):
        before = total
        run = 0
        for k in range(length[n] + 1):
            if k < length[n] and buffer[start[n] + k] < least:
                run += 1
                continue
            if run >= shortest:
                if len(at) > 0:
                    at[total] = k - run
                    size[total] = run
                total += 1
            run = 0
        count[n] = total - before
    return total


@kernel
def find_tail(
    buffer: Bytes, start: Integers, length: Integers, base: int, shortest: int,
    rate: float, consecutive: int, at: Integers,
) -> None:  # fmt: skip
    """The leftmost beginning of a tail of one base.

    From the end of the read to its beginning: a place where the base stands begins a tail if it is
    long enough and the share of other letters in it is at most `rate`; the walk ends when no
    longer tail can be, or behind more than `consecutive` other letters in a row.
    """
    for n in range(len(start)):
        at[n] = -1
        others = 0
        row = 0
        for k in range(length[n]):
            place = length[n] - 1 - k
            if buffer[start[n] + place] == base:
                row = 0
                if k + 1 >= shortest and others / (k + 1) <= rate:
                    at[n] = place
            else:
                others += 1
                row += 1
                if row > consecutive or others / length[n] > rate:
                    break


@inlined
def _longest(weight: Integers, records: Integers, first: int, last: int) -> tuple[int, int]:
    """Longest stretch first <= a < b <= last with weight[b] <= weight[a]: (a, b), a leftmost."""
    count = 0
    for k in range(first, last + 1):
        if count == 0 or weight[k] > weight[records[count - 1]]:
            records[count] = k
            count += 1
    begin = first
    end = first
    b = last
    while b > first and count > 0:
        while count > 0 and weight[records[count - 1]] >= weight[b]:
            a = records[count - 1]
            if b - a >= end - begin:
                begin = a
                end = b
            count -= 1
        b -= 1
    return begin, end


@kernel
def find_longest_run(
    buffer: Bytes, start: Integers, length: Integers, base: int, shortest: int,
    part: int, whole: int, consecutive: int, at: Integers, size: Integers,
) -> None:  # fmt: skip
    """The longest stretch of one base, the leftmost of equals; time grows with the length only.

    At most part/whole of its letters are others, and fewer than `consecutive` of them in a row.
    """
    longest = 0
    for n in range(len(start)):
        longest = max(longest, length[n])
    weight = np.zeros(longest + 1, np.int64)
    records = np.zeros(longest + 1, np.int64)
    for n in range(len(start)):
        at[n] = -1
        size[n] = 0
        first = 0
        row = 0
        for k in range(length[n] + 1):
            ends = k == length[n]
            if not ends:
                other = buffer[start[n] + k] != base
                weight[k + 1] = weight[k] + (whole if other else 0) - part
                row = row + 1 if other else 0
                ends = row >= consecutive
            if ends:
                if row <= consecutive:  # else there are only other letters
                    begin, end = _longest(weight, records, first, k)
                    if end - begin >= shortest and end - begin > size[n]:
                        at[n] = begin
                        size[n] = end - begin
                first = k + 2 - consecutive
