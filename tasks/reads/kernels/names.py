"""Whether the names of mates belong together."""

# ruff: noqa: PLR0917 -- kernels take plain arrays, and these many

from tasks.reads.block import Bytes, Integers
from tasks.reads.kernels.jit import inlined, kernel
from tasks.reads.kernels.words import find_byte, load64

ALIKE, FIRST_WITHOUT_END, SECOND_WITHOUT_END, UNLIKE = range(4)
"""Verdicts."""
ZERO, NINE = 48, 57
WHOLE = -1
"""No character ends what is compared."""


@inlined
def _until(buffer: Bytes, start: int, length: int, end: int) -> int:
    """Letters in front of the end; -1 if it is not there, or no end is looked for."""
    if end == WHOLE or length == 0:
        return -1
    place = find_byte(buffer, start, start + length, end)
    return place - start if place >= 0 else -1


@inlined
def _is_digit(buffer: Bytes, start: int, length: int, at: int) -> bool:
    return 0 <= at < length and ZERO <= buffer[start + at] <= NINE


@inlined
def _mates(
    one: Bytes, begin: int, two: Bytes, other: int, length: int, tolerance: int
) -> bool:  # fmt: skip
    """Whether few letters differ, and none that is a digit of a longer number."""
    count = 0
    place = -1
    at = 0
    while at < length:
        if at + 8 <= length and load64(one, begin + at) == load64(two, other + at):
            at += 8
            continue
        if one[begin + at] != two[other + at]:
            count += 1
            place = at
        at += 1
    if count > tolerance:
        return False
    both = _is_digit(one, begin, length, place) and _is_digit(two, other, length, place)
    longer = _is_digit(one, begin, length, place - 1) or _is_digit(one, begin, length, place + 1)
    return count == 0 or not (both and longer)


@kernel
def first_unlike(
    one: Bytes, one_start: Integers, one_length: Integers,
    two: Bytes, two_start: Integers, two_length: Integers,
    end: int, required: bool, tolerance: int,
) -> tuple[int, int]:  # fmt: skip
    """Row of the first pair of names that do not belong together, and why; -1 if all do.

    Args:
        end: Names are compared up to this character; WHOLE: to their ends.
        required: Each name must have it.
        tolerance: Letters that may differ.
    """
    for n in range(len(one_start)):
        a = _until(one, one_start[n], one_length[n], end)
        b = _until(two, two_start[n], two_length[n], end)
        if required and a < 0:
            return n, FIRST_WITHOUT_END
        if required and b < 0:
            return n, SECOND_WITHOUT_END
        length = one_length[n] if a < 0 else a
        if length != (two_length[n] if b < 0 else b):
            return n, UNLIKE
        if not _mates(one, one_start[n], two, two_start[n], length, tolerance):
            return n, UNLIKE
    return -1, ALIKE
