"""Operations on memory and on 64-bit words that kernels are made of.

What stands here is Python, for kernels that run as they are written; compiled ones get their twins
in `intrinsics`. Offsets count bytes. The bytes that are read or written must exist: nothing checks.
"""

import numpy as np

from tasks.reads.block import Bytes
from tasks.reads.kernels.jit import compiled_or, inlined

ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
ONES = np.uint64(0x0101_0101_0101_0101)
SPACES = np.uint64(0x2020_2020_2020_2020)
TOPS = np.uint64(0x8080_8080_8080_8080)
TAB, SPACE, DELETE = 9, 32, 127


def _load64_plain(buffer: Bytes, offset: int) -> np.uint64:
    return np.uint64(buffer[offset : offset + 8].view("<u8")[0])


def _bits32_plain(buffer: Bytes, offset: int, bit: int) -> np.uint64:
    letters = buffer[offset : offset + 32] >> bit & 1
    return np.uint64(np.packbits(letters, bitorder="little").view("<u4")[0])


def _popcount_plain(word: np.uint64) -> np.uint64:
    return np.uint64(int(word).bit_count())


def _trailing_zeros_plain(word: np.uint64) -> np.uint64:
    value = int(word)
    return np.uint64((value & -value).bit_length() - 1 if value else 64)


def _copy_plain(into: Bytes, at: int, source: Bytes, begin: int, count: int) -> None:
    into[at : at + count] = source[begin : begin + count]


def _find_plain(buffer: Bytes, begin: int, end: int, byte: int) -> int:
    hits = np.flatnonzero(buffer[begin:end] == byte)
    return begin + int(hits[0]) if len(hits) else -1


def _product_plain(one: np.uint64, other: np.uint64) -> np.uint64:
    return np.uint64(int(one) * int(other) & int(ALL))


load64 = compiled_or(_load64_plain, "load64")
"""Eight bytes as a word, the first one lowest; 8 bytes must lie behind the offset."""
bits32 = compiled_or(_bits32_plain, "bits32")
"""One bit of each of 32 bytes as a word: (buffer, offset, bit); the first byte's is lowest."""
popcount = compiled_or(_popcount_plain, "popcount")
"""Number of bits that are set."""
trailing_zeros = compiled_or(_trailing_zeros_plain, "trailing_zeros")
"""Number of zero bits below the lowest set one; 64 for 0."""
copy_bytes = compiled_or(_copy_plain, "copy_bytes")
"""Copy `count` bytes: (into, at, source, begin, count)."""
find_byte = compiled_or(_find_plain, "find_byte")
"""Place of the first such byte in buffer[begin:end], or -1: (buffer, begin, end, byte)."""
product = compiled_or(_product_plain, "product")
"""Of two words, without what does not fit into a word."""


@inlined
def low_bits(count: int) -> np.uint64:
    """A word with that many low bits set, 0 to 64."""
    if count >= 64:  # noqa: PLR2004 -- bits of a word
        return ALL
    return (np.uint64(1) << np.uint64(count)) - np.uint64(1)


@inlined
def has_control(buffer: Bytes, start: int, length: int) -> bool:
    """Whether a control character other than TAB is among these; 8 bytes must lie behind them.

    Eight at a time it is seen whether there may be any: a TAB counts, and so does what follows
    upon bytes of other letters than ASCII. Only then each byte is looked at.
    """
    faults = np.uint64(0)
    whole = length >> 3
    for word in range(whole):
        value = load64(buffer, start + 8 * word)
        faults |= ((value - SPACES) | (value + ONES)) & ~value
    rest = length - 8 * whole
    if rest > 0:
        value = load64(buffer, start + 8 * whole)
        faults |= ((value - SPACES) | (value + ONES)) & ~value & low_bits(8 * rest)
    if (faults & TOPS) == np.uint64(0):
        return False
    for place in range(start, start + length):
        letter = buffer[place]
        if letter == DELETE or (letter < SPACE and letter != TAB):
            return True
    return False
