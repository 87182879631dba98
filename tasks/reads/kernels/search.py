"""Searches in the reads of one column.

All of them take the buffer of a column with `start` and `length` of each read, and write where they
found something into `at` (offset in the read, -1: nowhere) and `size`.

A pattern is a table of `misses`: 256 entries for each of its letters, 1 where a byte of a read does
not match the letter.
"""

# ruff: noqa: PLR0917 -- kernels take plain arrays, and these many
import numpy as np
from numpy.typing import NDArray

from tasks.reads.block import Bytes, Integers
from tasks.reads.kernels.jit import inlined, kernel

LEFT, RIGHT, ANYWHERE = 0, 1, 2
"""Where a pattern is looked for."""
BITS = 64
FEW = 7
"""Mismatches up to which all places of a short pattern are looked at together."""
ZERO, ONE = np.uint64(0), np.uint64(1)
Words = np.ndarray[tuple[int], np.dtype[np.uint64]]
NOTHING = -(1 << 30)
"""Score of what does not fit."""


@inlined
def _mismatches(buffer: Bytes, begin: int, misses: Bytes, letters: int, limit: int) -> int:
    """How many letters of a pattern differ there; counting ends above the limit."""
    count = 0
    for k in range(letters):
        if misses[256 * k + np.int64(buffer[begin + k])] != 0:
            count += 1
        if count > limit:
            break
    return count


@inlined
def _masks(misses: Bytes, masks: Words) -> None:
    """For each byte the letters of a pattern that it matches, letter k as bit k."""
    for byte in range(256):
        masks[byte] = ZERO
        for k in range(len(misses) // 256):
            if misses[256 * k + byte] == 0:
                masks[byte] |= ONE << np.uint64(k)


@inlined
def _best_by_bits(
    buffer: Bytes, start: int, length: int, masks: Words, letters: int, limit: int, state: Words
) -> int:
    """The best place of a pattern of up to 64 letters, all places of it at once (Wu-Manber).

    Bit k of state[d]: the first k + 1 letters match the text that ends here with d mismatches.
    """
    top = ONE << np.uint64(letters - 1)
    at = -1
    for d in range(limit + 1):
        state[d] = ZERO
    for k in range(length):
        matching = masks[buffer[start + k]]
        other = ZERO
        for d in range(limit + 1):
            longer = (state[d] << ONE) | ONE
            state[d] = (longer & matching) | other
            other = longer
            if state[d] & top:
                at = k + 1 - letters
                limit = d - 1
                break
        if limit < 0:
            break
    return at


@kernel
def find_pattern(
    buffer: Bytes, start: Integers, length: Integers, misses: Bytes, where: int, limit: int,
    at: Integers,
) -> None:  # fmt: skip
    """The best place of the pattern with at most `limit` mismatches, the leftmost of equals."""
    letters = len(misses) // 256
    by_bits = where == ANYWHERE and letters <= BITS and limit <= FEW
    masks = np.zeros(256, np.uint64)
    state = np.zeros(FEW + 1, np.uint64)
    if by_bits:
        _masks(misses, masks)
    for n in range(len(start)):
        at[n] = -1
        first = 0
        last = length[n] - letters
        if last < 0:
            continue
        if by_bits:
            at[n] = _best_by_bits(buffer, start[n], length[n], masks, letters, limit, state)
            continue
        if where == LEFT:
            last = 0
        elif where == RIGHT:
            first = last
        best = limit + 1
        for k in range(first, last + 1):
            count = _mismatches(buffer, start[n] + k, misses, letters, best - 1)
            if count < best:
                best = count
                at[n] = k
                if best == 0:
                    break


@kernel
def find_suffix(
    buffer: Bytes, start: Integers, length: Integers, misses: Bytes, shortest: int, limit: int,
    at: Integers,
) -> None:  # fmt: skip
    """The longest beginning of the pattern that ends the read, with at most `limit` mismatches."""
    letters = len(misses) // 256
    for n in range(len(start)):
        at[n] = -1
        for size in range(min(letters, length[n]), shortest - 1, -1):
            begin = length[n] - size
            if _mismatches(buffer, start[n] + begin, misses, size, limit) <= limit:
                at[n] = begin
                break


@inlined
def _align(  # noqa: C901, PLR0912 -- one branch for each edit and each limit
    buffer: Bytes, begin: int, end: int, to_end: bool, misses: Bytes, letters: int,
    most_misses: int, most_gaps: int, most_edits: int, cost: Integers, older: Integers,
) -> tuple[int, int]:  # fmt: skip
    """Best alignment of the pattern that starts at `begin`: (score, size), or NOTHING.

    `cost[i, d]` (as one vector) counts the mismatches after i insertions (letters of the read
    without one in the pattern) and d deletions; never more than `most_gaps` of both.
    """
    wide = most_gaps + 1
    none = most_misses + 1
    for i in range(wide):
        for d in range(wide):
            cost[i * wide + d] = 0 if d == 0 else none
    for p in range(letters):
        older[:] = cost
        alive = False
        for i in range(wide):
            for d in range(wide - i):
                best = none
                place = begin + p - d + i
                if place < end and older[i * wide + d] < none:
                    best = older[i * wide + d] + np.int64(misses[256 * p + np.int64(buffer[place])])
                if d > 0:
                    best = min(best, older[i * wide + d - 1])
                if i > 0 and place < end + 1:
                    best = min(best, cost[(i - 1) * wide + d])
                best = min(best, none)
                cost[i * wide + d] = best
                alive = alive or best < none
        if not alive:
            return NOTHING, 0
    top = NOTHING
    size = 0
    for gaps in range(wide):
        for i in range(gaps + 1):
            d = gaps - i
            count = cost[i * wide + d]
            span = letters - d + i
            if count > most_misses or count + gaps > most_edits or begin + span > end:
                continue
            if to_end and begin + span != end:
                continue
            score = letters - d - 2 * count - gaps
            if score > top and span > 0:
                top = score
                size = span
    return top, size


@inlined
def _within(
    buffer: Bytes, start: int, length: int, masks: Words, letters: int, edits: int, state: Words
) -> bool:
    """Whether the pattern is anywhere in the text with so many edits (Wu-Manber)."""
    top = ONE << np.uint64(letters - 1)
    for d in range(edits + 1):
        state[d] = (ONE << np.uint64(d)) - ONE
        if state[d] & top:
            return True
    for k in range(length):
        matching = masks[buffer[start + k]]
        old = state[0]
        state[0] = ((old << ONE) | ONE) & matching
        for d in range(1, edits + 1):
            before = state[d]
            longer = ((before << ONE) | ONE) & matching
            state[d] = longer | old | ((old | state[d - 1]) << ONE) | ONE
            old = before
        if state[edits] & top:
            return True
    return False


@kernel
def find_with_gaps(
    buffer: Bytes, start: Integers, length: Integers, misses: Bytes, where: int, most_misses: int,
    most_gaps: int, most_edits: int, at: Integers, size: Integers,
) -> None:  # fmt: skip
    """The best alignment of the pattern within the limits, the leftmost of equals.

    A match counts 1, a mismatch and each base inserted or deleted -1.
    """
    letters = len(misses) // 256
    wide = most_gaps + 1
    cost = np.zeros(wide * wide, np.int64)
    older = np.zeros(wide * wide, np.int64)
    by_bits = letters <= BITS and most_edits <= FEW
    masks = np.zeros(256, np.uint64)
    state = np.zeros(FEW + 1, np.uint64)
    if by_bits:
        _masks(misses, masks)
    for n in range(len(start)):
        at[n] = -1
        size[n] = 0
        if by_bits and not _within(buffer, start[n], length[n], masks, letters, most_edits, state):
            continue
        top = NOTHING
        end = start[n] + length[n]
        first = 0
        last = length[n] - max(letters - most_gaps, 1)
        if where == LEFT:
            last = min(last, 0)
        elif where == RIGHT:
            first = max(length[n] - letters - most_gaps, 0)
        for k in range(first, last + 1):
            score, span = _align(
                buffer, start[n] + k, end, where == RIGHT, misses, letters,
                most_misses, most_gaps, most_edits, cost, older,
            )  # fmt: skip
            if score > top:
                top = score
                at[n] = k
                size[n] = span
                if score == letters:
                    break


@kernel
def find_nearest(
    buffer: Bytes, start: Integers, length: Integers, letters: Bytes, accepted: NDArray[np.bool_],
    first: Integers, most: int, nearest: Integers, distance: Integers,
) -> None:  # fmt: skip
    """For each text the number of the nearest pattern of its length; -1 none, -2 several.

    Pattern b has the letters first[b] to first[b + 1]; `accepted[256 * letter + byte]` says which
    bytes a letter stands for.
    """
    for n in range(len(start)):
        best = most + 1
        found = -1
        for b in range(len(first) - 1):
            if first[b + 1] - first[b] != length[n]:
                continue
            count = 0
            for k in range(length[n]):
                letter = np.int64(letters[first[b] + k])
                if not accepted[256 * letter + np.int64(buffer[start[n] + k])]:
                    count += 1
                    if count > best:
                        break
            if count < best:
                best = count
                found = b
                if best == 0:
                    break
            elif count == best and best <= most:
                found = -2
        nearest[n] = found
        distance[n] = best
