"""Adapters found by their sequence, bit-parallel; positions of a read against a whole adapter.

Source: without indels the rule is that of fastp 0.23.2 (adaptertrimmer, trimBySequence).
"""

# ruff: noqa: PLR0917 -- kernels take plain arrays, and these many
import numpy as np
from numpy.typing import NDArray

from tasks.reads.block import Bytes, Integers, Mask
from tasks.reads.kernels.jit import inlined, kernel
from tasks.reads.kernels.planes import Planes, Words, differences, fill
from tasks.reads.kernels.words import low_bits, popcount

SIZE = 64
"""Letters of an adapter, at most."""
AHEAD = 4
"""An adapter may begin as many bases before the read."""
PER = 8
"""One mismatch is allowed for so many bases."""
SHORTEST_WITH_INDEL = 12
"""Bases of an adapter that must be there to be found with an indel [nt]."""
TELLING = 4
"""Bases behind an overlap that say something [nt]."""
NOT_FOUND = -9


@inlined
def _differences(read: Planes, adapter: Planes, stop: int, into: Words) -> None:
    """Where the adapter differs from the read at each position; that of `p` is `into[p + AHEAD]`.

    Bit i stands for the adapter's base i.
    """
    a, b, c = adapter[0, 0], adapter[1, 0], adapter[2, 0]
    for back in range(1, AHEAD + 1):
        u = np.uint64(back)
        differ = (read[0, 0] ^ (a >> u)) | (read[1, 0] ^ (b >> u)) | (read[2, 0] ^ (c >> u))
        into[AHEAD - back] = differ << u
    for w in range((stop + 63) // 64):
        differences(read, adapter, w, into, AHEAD + w * 64)


@inlined
def _fewest(differ: Words, begin: int, end: int, part: np.uint64) -> int:
    """Fewest mismatches of that part of the adapter; a loop that compiles to vectors."""
    fewest = SIZE
    for p in range(begin, end):
        fewest = min(fewest, np.int64(popcount(differ[p + AHEAD] & part)))  # type: ignore[assignment]  # numbers of numpy
    return fewest


@inlined
def _fewest_with_indel(differ: Words, end: int, part: np.uint64) -> int:
    """Of each position and its neighbours together: what one indel cannot mend."""
    fewest = SIZE
    for p in range(end):
        both = differ[p + AHEAD + 1] & differ[p + AHEAD - 1]
        fewest = min(fewest, np.int64(popcount(differ[p + AHEAD] & both & part)))  # type: ignore[assignment]  # numbers of numpy
    return fewest


@inlined
def _free(differ: Words, length: int, size: int, least: int) -> int:
    """So many positions from the first base on at which the adapter lies neither way.

    One look for both: what one indel cannot mend is not more than what differs without one.
    """
    end = min(length - size, length - SHORTEST_WITH_INDEL + 1, length - least)
    if end > 0 and _fewest_with_indel(differ, end, low_bits(size)) > size // PER:
        return end
    return 0


@inlined
def _first(differ: Words, length: int, size: int, begin: int, end: int) -> int:
    """The first of these positions with at most one mismatch in eight bases; else NOT_FOUND."""
    for p in range(begin, end):
        count = min(length - p, size)
        if np.int64(popcount(differ[p + AHEAD] & low_bits(count))) <= count // PER:
            return p
    return NOT_FOUND


@inlined
def _leftmost(differ: Words, length: int, size: int, least: int, free: int) -> int:
    """The first position of all; NOT_FOUND if there is none."""
    begin = 0
    if size >= 16:  # noqa: PLR2004 -- fastp's steps
        begin = -4
    elif size >= 12:  # noqa: PLR2004
        begin = -3
    elif size >= 8:  # noqa: PLR2004
        begin = -2
    at = _first(differ, length, size, begin, min(0, length - least))
    if at != NOT_FOUND:
        return at
    whole = min(length - size + 1, length - least)  # it fits into the read at positions before
    if free < whole and _fewest(differ, free, whole, low_bits(size)) > size // PER:
        free = whole
    return _first(differ, length, size, free, length - least)


@inlined
def _edits_with_indel(straight: np.uint64, later: np.uint64, count: int, most: int) -> int:
    """Fewest mismatches where the comparison goes from `straight` to `later` somewhere.

    Ends beyond `most`.
    """
    best = count
    before = 0
    for k in range(count):
        rest = np.int64(popcount((later & low_bits(count)) >> np.uint64(k)))
        best = min(best, before + rest)  # type: ignore[assignment]  # numbers of numpy
        before += np.int64((straight >> np.uint64(k)) & np.uint64(1))  # type: ignore[assignment]
        if before > most:
            break
    return best


@inlined
def _with_indel(differ: Words, length: int, size: int, free: int) -> int:
    """The best position with one base too many or too few, and few mismatches besides.

    Of equally good ones it is the first.
    """
    at = NOT_FOUND
    fewest = 0
    whole = min(length - size, length - SHORTEST_WITH_INDEL + 1)
    if free < whole and _fewest_with_indel(differ, whole, low_bits(size)) > size // PER - 1:
        free = whole
    for p in range(free, length - SHORTEST_WITH_INDEL + 1):
        count = min(length - p - 1, size)
        most = count // PER - 1
        if most < 0:
            break
        here, long, short = differ[p + AHEAD], differ[p + AHEAD + 1], differ[p + AHEAD - 1]
        if np.int64(popcount(here & long & short & low_bits(count))) > most:
            continue
        edits = min(
            _edits_with_indel(here, long, count, most), _edits_with_indel(here, short, count, most)
        )
        if edits <= most and (at == NOT_FOUND or edits < fewest):
            at = p
            fewest = edits
    return at


@kernel
def adapter_starts(
    buffer: Bytes, start: Integers, length: Integers, wanted: Mask,
    adapter: Bytes, least: int, indel: bool, stop: Integers,
) -> None:  # fmt: skip
    """Write how many bases of each read stay before an adapter; all where it is not found.

    Args:
        wanted: Reads that are looked at.
        adapter: At most 64 letters.
        least: Bases of the adapter that must be there, exclusive.
        indel: Look again, for an adapter with one inserted or missing base.
    """
    size = len(adapter)
    longest = 0
    for n in range(len(start)):
        longest = max(longest, length[n])
    read = np.zeros((3, longest // 64 + 3), np.uint64)
    whole = np.zeros((3, 3), np.uint64)
    differ = np.zeros(AHEAD + (longest // 64 + 2) * 64, np.uint64)
    fill(whole, adapter, 0, size)
    for n in range(len(start)):
        stop[n] = length[n]
        if not wanted[n] or length[n] == 0:
            continue
        fill(read, buffer, start[n], length[n])
        _differences(read, whole, length[n], differ)
        free = _free(differ, length[n], size, least) if indel else 0
        at = _leftmost(differ, length[n], size, least, free)
        if at == NOT_FOUND and indel:
            at = _with_indel(differ, length[n], size, free)
        if at != NOT_FOUND:
            stop[n] = max(at, 0)


@kernel
def tails_are(
    buffer: Bytes, start: Integers, length: Integers, rows: Integers, at: Integers,
    adapter: Bytes, verdict: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Mark reads whose bases from `at` on are an adapter: 2; set 1 where too few tell.

    One mismatch in four bases is allowed, since the place is known; or one indel for one of them.

    Args:
        rows: Numbers of the reads that are looked at.
        at: Of each of these.
        adapter: At most 64 letters.
        verdict: Of each of these; is raised only.
    """
    tail = np.zeros((3, 3), np.uint64)
    whole = np.zeros((3, 3), np.uint64)
    fill(whole, adapter, 0, len(adapter))
    for r in range(len(rows)):
        n = rows[r]
        count = min(length[n] - at[r], len(adapter))
        if count < TELLING:
            verdict[r] = max(verdict[r], np.uint8(1))
            continue
        fill(tail, buffer, start[n] + at[r], count)
        x, y, z = whole[0, 0], whole[1, 0], whole[2, 0]
        a, b, c = tail[0, 0], tail[1, 0], tail[2, 0]
        one = np.uint64(1)
        here = (a ^ x) | (b ^ y) | (c ^ z)
        long = ((a >> one) ^ x) | ((b >> one) ^ y) | ((c >> one) ^ z)
        short = ((a << one) ^ x) | ((b << one) ^ y) | ((c << one) ^ z)
        most = count // 4
        if (
            np.int64(popcount(here & low_bits(count))) <= most
            or _edits_with_indel(here, long, count - 1, most - 1) <= most - 1
            or _edits_with_indel(here, short, count, most - 1) <= most - 1
        ):
            verdict[r] = np.uint8(2)
