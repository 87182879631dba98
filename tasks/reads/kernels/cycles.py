"""Counts by position (cycle of the sequencer), eight positions at a time.

Each byte of a word is a counter of its own; the counters go to the totals before they are full.
"""

# ruff: noqa: PLR0917 -- kernels take plain arrays, and these many
import numpy as np

from tasks.reads.block import Bytes, Integers
from tasks.reads.kernels.jit import inlined, kernel
from tasks.reads.kernels.words import load64, low_bits

Totals = np.ndarray[tuple[int, int], np.dtype[np.int64]]
Counters = np.ndarray[tuple[int, int], np.dtype[np.uint64]]
A, C, G, T, Q20, Q30, QUALITY, BASES = range(8)
"""Rows of the totals; QUALITY: sum of the scores."""
FULL = 255
"""Reads after which a counter may be full."""
HIGH = np.uint64(0x8080_8080_8080_8080)
LOW = np.uint64(0x7F7F_7F7F_7F7F_7F7F)
UPPER = np.uint64(0xDFDF_DFDF_DFDF_DFDF)
EVEN = np.uint64(0x00FF_00FF_00FF_00FF)
SEVEN, EIGHT = np.uint64(7), np.uint64(8)
AS, CS = np.uint64(0x4141_4141_4141_4141), np.uint64(0x4343_4343_4343_4343)
GS, TS = np.uint64(0x4747_4747_4747_4747), np.uint64(0x5454_5454_5454_5454)
FROM_20 = np.uint64(0x0101_0101_0101_0101 * (128 - 53))
FROM_30 = np.uint64(0x0101_0101_0101_0101 * (128 - 63))
OFFSET = 33


@inlined
def _load(buffer: Bytes, at: int, count: int) -> np.uint64:
    """Up to eight bytes as a word; the others are 0."""
    if count >= 8:  # noqa: PLR2004 -- bytes of a word
        return load64(buffer, at)
    if at + 8 <= len(buffer):
        return load64(buffer, at) & low_bits(8 * count)
    word = np.uint64(0)
    for k in range(count):
        word |= np.uint64(buffer[at + k]) << np.uint64(8 * k)
    return word


@inlined
def _equal(word: np.uint64, letters: np.uint64) -> np.uint64:
    """1 in each byte that is the letter."""
    other = word ^ letters
    return (~(((other & LOW) + LOW) | other) & HIGH) >> SEVEN


@inlined
def _empty(counters: Counters, words: int, totals: Totals) -> None:
    """Add the counters to the totals and set them to 0."""
    for w in range(words):
        for row in range(6):
            word = counters[row, w]
            for k in range(8):
                totals[row, 8 * w + k] += np.int64((word >> np.uint64(8 * k)) & np.uint64(255))
            counters[row, w] = np.uint64(0)
        for odd in range(2):
            word = counters[6 + odd, w]
            for k in range(4):
                value = np.int64((word >> np.uint64(16 * k)) & np.uint64(0xFFFF))
                totals[QUALITY, 8 * w + 2 * k + odd] += value
            counters[6 + odd, w] = np.uint64(0)


@inlined
def _count(counters: Counters, w: int, bases: np.uint64, marks: np.uint64) -> None:
    """Add eight positions of a read."""
    letters = bases & UPPER
    counters[A, w] += _equal(letters, AS)
    counters[C, w] += _equal(letters, CS)
    counters[G, w] += _equal(letters, GS)
    counters[T, w] += _equal(letters, TS)
    scores = marks & LOW
    counters[Q20, w] += ((scores + FROM_20) & HIGH) >> SEVEN
    counters[Q30, w] += ((scores + FROM_30) & HIGH) >> SEVEN
    counters[6, w] += scores & EVEN
    counters[7, w] += (scores >> EIGHT) & EVEN


@kernel
def count_cycles(
    bases: Bytes, base_start: Integers, marks: Bytes, mark_start: Integers, length: Integers,
    totals: Totals, lengths: Integers,
) -> None:  # fmt: skip
    """Add reads to the totals; what lies behind their last column is counted in it.

    Args:
        totals: Row: what is counted; column: position; a multiple of eight. QUALITY is the sum of
            the bytes, and BASES is not touched: both follow from the lengths.
        lengths: Reads of each length; the last one stands for all longer ones.
    """
    cycles = totals.shape[1]
    counters = np.zeros((8, cycles // 8), np.uint64)
    waiting = 0
    widest = 0
    for n in range(len(length)):
        size = length[n]
        lengths[min(size, len(lengths) - 1)] += 1
        within = min(size, cycles)
        words = (within + 7) // 8
        widest = max(widest, words)
        whole = within // 8
        base, mark = base_start[n], mark_start[n]
        for w in range(whole):
            _count(counters, w, load64(bases, base + 8 * w), load64(marks, mark + 8 * w))
        if whole < words:
            count, at = within - 8 * whole, 8 * whole
            one, two = _load(bases, base + at, count), _load(marks, mark + at, count)
            _count(counters, whole, one, two)
        for k in range(cycles, size):
            letter = bases[base_start[n] + k] & 0xDF
            score = np.int64(marks[mark_start[n] + k])
            totals[A, cycles - 1] += letter == 65  # noqa: PLR2004 -- A, C, G, T
            totals[C, cycles - 1] += letter == 67  # noqa: PLR2004
            totals[G, cycles - 1] += letter == 71  # noqa: PLR2004
            totals[T, cycles - 1] += letter == 84  # noqa: PLR2004
            totals[Q20, cycles - 1] += score >= 20 + OFFSET
            totals[Q30, cycles - 1] += score >= 30 + OFFSET
            totals[QUALITY, cycles - 1] += score
        waiting += 1
        if waiting == FULL:
            _empty(counters, widest, totals)
            waiting = 0
    _empty(counters, widest, totals)
