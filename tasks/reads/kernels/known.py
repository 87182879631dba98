"""How often each of many adapters, and each short word, is found in reads."""

# ruff: noqa: PLR0917 -- kernels take plain arrays, and these many
import numpy as np

from tasks.reads.block import Bytes, Integers
from tasks.reads.kernels.jit import inlined, kernel
from tasks.reads.kernels.planes import Words
from tasks.reads.kernels.words import low_bits, popcount

LEAST = 8
"""Bases of an adapter that must be there, exclusive [nt]."""
PER = 16
"""One mismatch is allowed for so many bases."""
PREFIX = 16
"""Bases by which places are chosen where an adapter may stand [nt]."""
LEADING = 20
"""Reads with the most frequent adapter from which on rare ones are not looked for any more."""


@inlined
def _digit(letter: int) -> int:
    """0 to 3 for A, T, C, G; -1 for anything else."""
    if letter == 65:  # noqa: PLR2004 -- A
        return 0
    if letter == 84:  # noqa: PLR2004 -- T
        return 1
    if letter == 67:  # noqa: PLR2004 -- C
        return 2
    return 3 if letter == 71 else -1  # noqa: PLR2004 -- G


@inlined
def _pack(buffer: Bytes, start: int, length: int, codes: Words) -> None:
    """Write the `PREFIX` bases from each position on, two bits each; other letters count as A."""
    word = np.uint64(0)
    mask = low_bits(2 * PREFIX)
    for p in range(length):
        digit = np.uint64(max(_digit(buffer[start + p]), 0))
        word = ((word << np.uint64(2)) | digit) & mask
        if p >= PREFIX - 1:
            codes[p - PREFIX + 1] = word


@inlined
def _candidates(codes: Words, length: int, wanted: np.uint64, most: int, places: Integers) -> int:
    """Write where a prefix may stand with so many mismatches; all places near the end."""
    count = 0
    whole = max(0, length - PREFIX + 1)
    for p in range(min(whole, length - LEAST)):
        differ = codes[p] ^ wanted
        differ = (differ | (differ >> np.uint64(1))) & np.uint64(0x5555_5555)
        if np.int64(popcount(differ)) <= most:
            places[count] = p
            count += 1
    for p in range(whole, length - LEAST):
        places[count] = p
        count += 1
    return count


@inlined
def _mismatches(buffer: Bytes, at: int, adapters: Bytes, start: int, count: int) -> int:
    """Mismatches over so many bases; -1: more than one in `PER`."""
    allowed = count // PER
    wrong = 0
    for k in range(count):
        if buffer[at + k] != adapters[start + k]:
            wrong += 1
            if wrong > allowed:
                return -1
    return wrong


@inlined
def _allowances(prefix: Words, size: Integers, allowed: Integers) -> None:
    """Write the most mismatches that any adapter with the same prefix may have."""
    begin = 0
    for a in range(len(size)):
        if prefix[a] != prefix[begin]:
            begin = a
        for b in range(begin, a + 1):
            allowed[b] = max(allowed[b], size[a] // PER)
            allowed[a] = max(allowed[a], allowed[b])


@kernel
def count_adapters(
    buffer: Bytes, start: Integers, length: Integers, adapters: Bytes, at: Integers,
    size: Integers, most: int, hits: Integers, mismatches: Integers,
) -> int:  # fmt: skip
    """Add to the reads in which each adapter stands, also cut off by the end of the read.

    Args:
        adapters: All of them, one behind the other in alphabetical order, each of `PREFIX` bases at
            least; `at` and `size` tell where.
        most: Ends behind the read with which an adapter has more hits.
        hits: Reads by adapter; is added to.
        mismatches: Of the first place in each of these reads; is added to.

    Returns:
        Number of reads that were looked at.

    Source:
        fastp 0.23.2, its check for known adapters.
    """
    longest = leading = 0
    for n in range(len(start)):
        longest = max(longest, length[n])
    codes = np.zeros(longest + 1, np.uint64)
    places = np.zeros(longest + 1, np.int64)
    prefix = np.zeros(len(at), np.uint64)
    allowed = np.zeros(len(at), np.int64)
    for a in range(len(at)):
        leading = max(leading, hits[a])
        _pack(adapters, at[a], PREFIX, prefix[a:])
    _allowances(prefix, size, allowed)
    for n in range(len(start)):
        if leading > most:
            return n
        _pack(buffer, start[n], length[n], codes)
        known = np.uint64(0)
        count = -1
        for a in range(len(at)):
            if size[a] >= length[n] or (leading > LEADING and hits[a] < leading // 10):
                continue
            if count < 0 or prefix[a] != known:
                known = prefix[a]
                count = _candidates(codes, length[n], known, allowed[a], places)
            for c in range(count):
                p = places[c]
                bases = min(length[n] - p, size[a])
                wrong = _mismatches(buffer, start[n] + p, adapters, at[a], bases)
                if wrong >= 0:
                    hits[a] += 1
                    mismatches[a] += wrong
                    leading = max(leading, hits[a])
                    break
    return len(start)


@kernel
def count_words(
    buffer: Bytes, start: Integers, length: Integers, size: int, first: int, last: int,
    counts: Integers,
) -> None:  # fmt: skip
    """Add the words of all reads to their counts.

    Args:
        size: Bases of a word; its number has two bits for each, A T C G, the first one on top.
        first: Bases at the start of a read in which no word begins.
        last: Bases at the end in which none ends.
        counts: By number; shape (4 ** size,).
    """
    mask = 4**size - 1
    for n in range(len(start)):
        word = valid = 0
        for p in range(first, length[n] - last):
            digit = _digit(buffer[start[n] + p])
            valid = valid + 1 if digit >= 0 else 0
            word = ((word << 2) | max(digit, 0)) & mask
            if valid >= size:
                counts[word] += 1


@kernel
def find_word(
    buffer: Bytes, start: Integers, length: Integers, size: int, first: int, last: int,
    wanted: int, read: Integers, place: Integers,
) -> int:  # fmt: skip
    """Write in which reads a word stands and where it begins there; return how often it does.

    Args:
        wanted: Number of the word; the others are as those of `count_words`.
        read: As long as the word is frequent.
        place: Likewise.
    """
    mask = 4**size - 1
    found = 0
    for n in range(len(start)):
        word = valid = 0
        for p in range(first, length[n] - last):
            digit = _digit(buffer[start[n] + p])
            valid = valid + 1 if digit >= 0 else 0
            word = ((word << 2) | max(digit, 0)) & mask
            if valid >= size and word == wanted and found < len(read):
                read[found] = n
                place[found] = p - size + 1
                found += 1
    return found
