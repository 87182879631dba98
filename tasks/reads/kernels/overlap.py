"""How two reads of a molecule overlap: bit-parallel, 64 offsets at a time.

What the bits of letters other than A, C, G, T and N say is checked on the bytes.

Source: the rule is that of fastp (OpenGene/fastp, overlapanalysis), which MergeReads follows.
"""

# ruff: noqa: PLR0917 -- kernels take plain arrays, and these many
import numpy as np

from tasks.reads.block import Bytes, Integers
from tasks.reads.kernels.jit import inlined, kernel
from tasks.reads.kernels.planes import ONES, TOP, Planes, Words, differences, fill
from tasks.reads.kernels.words import copy_bytes, load64, low_bits, popcount, product

REVERSE = np.uint64(0x8040_2010_0804_0201)
"""As `planes.GATHER`, with the last base lowest."""
EIGHT = np.uint64(0xFF)
STARTED = 50
"""Bases at the beginning of an overlap that are compared first; the rest only if they are alike."""
GOOD, BAD = 30 + 33, 14 + 33
"""A base of the second read replaces one of the first if it is at least good and that is bad."""
NO_OVERLAP = -1


@inlined
def _fill_turned(planes: Planes, buffer: Bytes, start: int, length: int) -> None:
    """The reverse complement's bases as bits; N stays N."""
    for w in range((length + 63) // 64 + 1):
        planes[0, w] = np.uint64(0)
        planes[1, w] = np.uint64(0)
        planes[2, w] = np.uint64(0)
    k = 0
    while k + 8 <= length:
        word = load64(buffer, start + length - k - 8)
        shift = np.uint64(k & 63)
        a = product((word >> np.uint64(1)) & ONES, REVERSE) >> TOP
        b = product((word >> np.uint64(2)) & ONES, REVERSE) >> TOP
        c = product((word >> np.uint64(3)) & ONES, REVERSE) >> TOP
        planes[0, k >> 6] |= a << shift
        planes[1, k >> 6] |= ((b ^ EIGHT) | c) << shift
        planes[2, k >> 6] |= c << shift
        k += 8
    while k < length:
        letter = np.uint64(buffer[start + length - 1 - k])
        shift = np.uint64(k & 63)
        one = np.uint64(1)
        a = (letter >> one) & one
        b = (letter >> np.uint64(2)) & one
        c = (letter >> np.uint64(3)) & one
        planes[0, k >> 6] |= a << shift
        planes[1, k >> 6] |= ((b ^ one) | c) << shift
        planes[2, k >> 6] |= c << shift
        k += 1


@inlined
def _unequal(one: Bytes, begin: int, two: Bytes, other: int, length: int, most: int) -> int:
    """How many bytes differ; counting ends beyond `most`."""
    count = 0
    for k in range(length):
        if one[begin + k] != two[other + k]:
            count += 1
            if count > most:
                break
    return count


@inlined
def _first_overlap(
    one: Bytes, begin: int, length: int, planes: Planes,
    two: Bytes, other: int, size: int, starts: Planes,
    least: int, most: int, rate: float, compared: int, differing: Words,
) -> int:  # fmt: skip
    """The first offset at which `two` may lie on `one`; NO_OVERLAP if there is none."""
    base = 0
    while base < length - least:
        differences(planes, starts, base >> 6, differing, 0)
        for o in range(min(64, length - least - base)):
            overlap = min(length - base - o, size)
            limit = min(most, int(overlap * rate))
            seen = min(overlap, STARTED)
            if np.int64(popcount(differing[o] & low_bits(seen))) > limit:
                continue
            checked = min(overlap, compared)
            if _unequal(one, begin + base + o, two, other, checked, limit) <= limit:
                return base + o
        base += 64
    return NO_OVERLAP


@inlined
def _unequal_turned(
    one: Bytes, begin: int, two: Bytes, last: int, length: int, most: int, complement: Bytes
) -> int:
    """How many bytes of `one` differ from the complements of `two`, read backwards from `last`."""
    count = 0
    for k in range(length):
        if one[begin + k] != complement[two[last - k]]:
            count += 1
            if count > most:
                break
    return count


@inlined
def _first_alike(
    planes: Planes, length: int, starts: Planes, size: int, begin: int,
    least: int, most: int, rate: float, differing: Words,
) -> int:  # fmt: skip
    """The first offset from `begin` at which the bits allow an overlap; NO_OVERLAP if none does."""
    base = begin & ~63
    stop = length - least
    whole = low_bits(STARTED)
    while base < stop:
        differences(planes, starts, base >> 6, differing, 0)
        first = begin - base if base < begin else 0
        for o in range(first, min(64, stop - base)):
            overlap = min(length - base - o, size)
            if overlap >= STARTED:
                if np.int64(popcount(differing[o] & whole)) <= min(most, int(overlap * rate)):
                    return base + o
            elif np.int64(popcount(differing[o] & low_bits(overlap))) <= min(
                most, int(overlap * rate)
            ):
                return base + o
        base += 64
    return NO_OVERLAP


@kernel
def pair_overlaps(
    one: Bytes, one_start: Integers, one_length: Integers,
    two: Bytes, two_start: Integers, two_length: Integers,
    least: int, most: int, rate: float, complement: Bytes, offset: Integers, size: Integers,
) -> None:  # fmt: skip
    """As `find_overlaps` with 50 bases compared, for second reads as sequencers write them.

    Args:
        least: Bases of an overlap, exclusive: at least this many must be left of a read.
        most: Mismatches of an overlap, and `rate` of its length.
        complement: Of each byte; shape (256,).
        offset: Of the second read's first base on the first read; may be negative.
        size: Bases of the overlap; -1 where there is none.
    """
    longest = 0
    for n in range(len(one_start)):
        longest = max(longest, one_length[n], two_length[n])
    words = longest // 64 + 3
    first = np.zeros((3, words), np.uint64)
    second = np.zeros((3, words), np.uint64)
    differing = np.zeros(64, np.uint64)
    for n in range(len(one_start)):
        a, b = one_length[n], two_length[n]
        offset[n] = 0
        size[n] = NO_OVERLAP
        fill(first, one, one_start[n], a)
        _fill_turned(second, two, two_start[n], b)
        last = two_start[n] + b - 1
        at = _first_alike(first, a, second, b, 0, least, most, rate, differing)
        while at != NO_OVERLAP:
            overlap = min(a - at, b)
            limit = min(most, int(overlap * rate))
            seen = min(overlap, STARTED)
            if _unequal_turned(one, one_start[n] + at, two, last, seen, limit, complement) <= limit:
                offset[n] = at
                size[n] = overlap
                break
            at = _first_alike(first, a, second, b, at + 1, least, most, rate, differing)
        if at != NO_OVERLAP:
            continue
        at = _first_alike(second, b, first, a, 0, least, most, rate, differing)
        while at != NO_OVERLAP:
            overlap = min(b - at, a)
            limit = min(most, int(overlap * rate))
            seen = min(overlap, STARTED)
            if _unequal_turned(one, one_start[n], two, last - at, seen, limit, complement) <= limit:
                offset[n] = -at
                size[n] = overlap
                break
            at = _first_alike(second, b, first, a, at + 1, least, most, rate, differing)


@kernel
def find_overlaps(
    one: Bytes, one_start: Integers, one_length: Integers,
    two: Bytes, two_start: Integers, two_length: Integers,
    least: int, most: int, rate: float, compared: int, offset: Integers, size: Integers,
) -> None:  # fmt: skip
    """Where the second reads, as they read on the strand of the first, lie on the first ones.

    Args:
        least: Bases of an overlap, exclusive: at least this many must be left of a read.
        most: Mismatches of an overlap, and `rate` of its length.
        compared: Only so many bases at the beginning of the overlap are compared.
        offset: Of the second read's first base on the first read; may be negative.
        size: Bases of the overlap; -1 where there is none.
    """
    longest = 0
    for n in range(len(one_start)):
        longest = max(longest, one_length[n], two_length[n])
    words = longest // 64 + 3
    first = np.zeros((3, words), np.uint64)
    second = np.zeros((3, words), np.uint64)
    differing = np.zeros(64, np.uint64)
    for n in range(len(one_start)):
        a, b = one_length[n], two_length[n]
        offset[n] = 0
        size[n] = NO_OVERLAP
        fill(first, one, one_start[n], a)
        fill(second, two, two_start[n], b)
        at = _first_overlap(
            one, one_start[n], a, first, two, two_start[n], b, second,
            least, most, rate, compared, differing,
        )  # fmt: skip
        if at != NO_OVERLAP:
            offset[n] = at
            size[n] = min(a - at, b)
            continue
        at = _first_overlap(
            two, two_start[n], b, second, one, one_start[n], a, first,
            least, most, rate, compared, differing,
        )  # fmt: skip
        if at != NO_OVERLAP:
            offset[n] = -at
            size[n] = min(b - at, a)


@kernel
def merge(
    one: Bytes, one_marks: Bytes, one_start: Integers, one_mark_start: Integers,
    two: Bytes, two_marks: Bytes, two_start: Integers, two_mark_start: Integers,
    two_length: Integers, offset: Integers, size: Integers, at: Integers,
    bases: Bytes, marks: Bytes,
) -> None:  # fmt: skip
    """Write merged reads to their places: before the overlap, the overlap, and what follows it.

    Where the reads differ the first counts, unless it is bad there and the second good.
    """
    for n in range(len(one_start)):
        ahead = max(offset[n], 0)
        behind = max(-offset[n], 0)
        copy_bytes(bases, at[n], one, one_start[n], ahead + size[n])
        copy_bytes(marks, at[n], one_marks, one_mark_start[n], ahead + size[n])
        for k in range(size[n]):
            base = two[two_start[n] + behind + k]
            mark = two_marks[two_mark_start[n] + behind + k]
            place = at[n] + ahead + k
            if base != bases[place] and mark >= GOOD and marks[place] <= BAD:
                bases[place] = base
                marks[place] = mark
        if offset[n] > 0:
            rest = two_length[n] - size[n]
            end = at[n] + ahead + size[n]
            copy_bytes(bases, end, two, two_start[n] + size[n], rest)
            copy_bytes(marks, end, two_marks, two_mark_start[n] + size[n], rest)
