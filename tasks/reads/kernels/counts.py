"""Kernels that count and add up over the letters of each text, or check them."""

# ruff: noqa: PLR0917 -- kernels take plain arrays, by place

import numpy as np
from numpy.typing import NDArray

from tasks.reads.block import Bytes, Integers
from tasks.reads.kernels.jit import inlined, kernel
from tasks.reads.kernels.words import find_byte

Marks = NDArray[np.bool_]
"""One truth for each byte value; shape (256,)."""
Words = NDArray[np.uint64]
EMPTY = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
"""A slot that holds no k-mer; no code of 31 letters or fewer is that large."""
NO_BASE = 4
SPREAD = np.uint64(0x9E37_79B9_7F4A_7C15)


@kernel
def count_marked(
    buffer: Bytes, start: Integers, length: Integers, marked: Marks, into: Integers
) -> None:
    """Write how many letters of each text are marked."""
    for row in range(len(start)):
        begin = start[row]
        count = 0
        for place in range(begin, begin + length[row]):
            count += marked[buffer[place]]
        into[row] = count


@kernel
def sum_weights(
    buffer: Bytes,
    start: Integers,
    length: Integers,
    weights: NDArray[np.float64],
    into: NDArray[np.float64],
) -> None:
    """Write the sum of the letters' weights, added from the first letter on."""
    for row in range(len(start)):
        begin = start[row]
        total = 0.0
        for place in range(begin, begin + length[row]):
            total += weights[buffer[place]]
        into[row] = total


@kernel
def greatest_weights(
    buffer: Bytes,
    start: Integers,
    length: Integers,
    weights: NDArray[np.float64],
    into: NDArray[np.float64],
) -> None:
    """Write the greatest of the letters' weights; 0 for an empty text."""
    for row in range(len(start)):
        begin = start[row]
        greatest = 0.0
        for place in range(begin, begin + length[row]):
            greatest = max(greatest, weights[buffer[place]])
        into[row] = greatest


@kernel
def count_changes(buffer: Bytes, start: Integers, length: Integers, into: Integers) -> None:
    """Write how many letters of each text differ from the one before them."""
    for row in range(len(start)):
        begin = start[row]
        count = 0
        for place in range(begin + 1, begin + length[row]):
            count += buffer[place] != buffer[place - 1]
        into[row] = count


@kernel
def first_unmarked(buffer: Bytes, start: Integers, length: Integers, marked: Marks) -> int:
    """The first text that holds a letter without a mark; -1 if there is none."""
    for row in range(len(start)):
        begin = start[row]
        good = True
        for place in range(begin, begin + length[row]):
            good &= marked[buffer[place]]
        if not good:
            return row
    return -1


@kernel
def find_each(buffer: Bytes, start: Integers, length: Integers, byte: int, into: Integers) -> None:
    """Write where each text first has a byte; -1 where it has none."""
    for row in range(len(start)):
        begin = start[row]
        found = -1
        if length[row] > 0:
            found = find_byte(buffer, begin, begin + length[row], byte)
        into[row] = -1 if found < 0 else found - begin


@kernel
def list_kmers(
    buffer: Bytes,
    start: Integers,
    length: Integers,
    size: int,
    codes: Bytes,
    both: bool,
    into: Words,
) -> int:
    """Write the k-mers of all texts, of both strands if `both`; gives how many.

    Args:
        size: Letters in a k-mer, at most 31; each takes 2 bits.
        codes: Byte value -> 0 to 3, or 4 for what is no base; shape (256,).
        into: Space for all k-mers.
    """
    mask = (np.uint64(1) << np.uint64(2 * size)) - np.uint64(1)
    top = np.uint64(2 * size - 2)
    found = 0
    for row in range(len(start)):
        begin = start[row]
        word = np.uint64(0)
        turned = np.uint64(0)
        run = 0
        for place in range(begin, begin + length[row]):
            code = codes[buffer[place]]
            if code == NO_BASE:
                run = 0
                continue
            run += 1
            word = ((word << np.uint64(2)) | np.uint64(code)) & mask
            turned = (turned >> np.uint64(2)) | ((np.uint64(3) - np.uint64(code)) << top)
            if run >= size:
                into[found] = word
                found += 1
                if both:
                    into[found] = turned
                    found += 1
    return found


@inlined
def _slot_of(word: np.uint64, slots: Words) -> np.uint64:
    """The slot that holds a word, or the empty one where it belongs."""
    last = np.uint64(len(slots) - 1)
    place = ((word * SPREAD) >> np.uint64(20)) & last
    while slots[place] != EMPTY and slots[place] != word:
        place = (place + np.uint64(1)) & last
    return place


@kernel
def fill_slots(words: Words, slots: Words) -> None:
    """Put words into a hash table: a power of two slots, more than there are words."""
    for row in range(len(words)):
        slots[_slot_of(words[row], slots)] = words[row]


@kernel
def count_known(
    buffer: Bytes,
    start: Integers,
    length: Integers,
    size: int,
    codes: Bytes,
    slots: Words,
    into: Integers,
) -> None:
    """Write how many k-mers of each text the table holds; as `list_kmers` and `fill_slots`."""
    mask = (np.uint64(1) << np.uint64(2 * size)) - np.uint64(1)
    for row in range(len(start)):
        begin = start[row]
        word = np.uint64(0)
        run = 0
        count = 0
        for place in range(begin, begin + length[row]):
            code = codes[buffer[place]]
            if code == NO_BASE:
                run = 0
                continue
            run += 1
            word = ((word << np.uint64(2)) | np.uint64(code)) & mask
            if run >= size:
                count += slots[_slot_of(word, slots)] == word
        into[row] = count
