"""What fastp does with single reads: tails of one base, and reads that are not good enough.

Source: OpenGene/fastp 0.23.2 (polyx, filter).
"""

# ruff: noqa: PLR0917 -- kernels take plain arrays, and these many
import numpy as np
from numpy.typing import NDArray

from tasks.reads.block import Bytes, Integers
from tasks.reads.kernels.jit import inlined, kernel
from tasks.reads.kernels.words import load64, popcount, product

Codes = NDArray[np.uint8]
PASSED, MANY_N, SHORT, LONG, LOW_QUALITY = range(5)
"""Verdicts; of a molecule's reads the largest counts, as in fastp."""
MISMATCHES = 5
"""In a tail, at most; and one in PER."""
PER = 8
HIGH = np.uint64(0x8080_8080_8080_8080)
LOW = np.uint64(0x7F7F_7F7F_7F7F_7F7F)
EVERY = 0x0101_0101_0101_0101
LETTER_N = 78
OFFSET = 33


@inlined
def _matches(buffer: Bytes, start: int, count: int, letters: np.uint64) -> int:
    """How many bytes are the letter that `letters` repeats; eight at a time."""
    found = 0
    at = 0
    while at + 8 <= count:
        other = load64(buffer, start + at) ^ letters
        found += int(popcount(~(((other & LOW) + LOW) | other) & HIGH))
        at += 8
    letter = letters & np.uint64(0xFF)
    while at < count:
        found += int(np.uint64(buffer[start + at]) == letter)
        at += 1
    return found


@kernel
def one_base_tail(
    buffer: Bytes, start: Integers, length: Integers, base: int, least: int, stop: Integers
) -> None:
    """Write how many bases of each read stay before a tail of one base, such as G.

    The tail is walked from the end while at most 5 bases differ, and 1 in 8 from `least` on.
    """
    letters = product(np.uint64(base), np.uint64(EVERY))
    few = least // PER
    for n in range(len(start)):
        end = start[n] + length[n]
        stop[n] = length[n]
        if length[n] < least or least - _matches(buffer, end - least, least, letters) > few:
            continue  # the walk would end within these bases
        different = 0
        first = length[n] - 1
        k = 0
        while k < length[n]:
            if buffer[end - 1 - k] != base:
                different += 1
            else:
                first = length[n] - 1 - k
            if different > MISMATCHES or (different > (k + 1) // PER and k >= least - 1):
                break
            k += 1
        if k >= least:
            stop[n] = first


@kernel
def any_base_tail(
    buffer: Bytes, start: Integers, length: Integers, least: int, stop: Integers
) -> None:
    """Write how many bases of each read stay before a tail of any one base; N is like all."""
    letters = np.array([65, 84, 67, 71], np.uint8)
    counts = np.zeros(4, np.int64)
    for n in range(len(start)):
        end = start[n] + length[n]
        counts[:] = 0
        k = 0
        while k < length[n]:
            letter = buffer[end - 1 - k]
            alike = 0
            for b in range(4):
                if letter == letters[b] or letter == LETTER_N:
                    counts[b] += 1
                alike = max(alike, counts[b])
            if k + 1 - alike > min(MISMATCHES, (k + 1) // PER) and (k >= PER or k + 1 >= least - 1):
                break
            k += 1
        stop[n] = length[n]
        if k + 1 >= least:
            base = letters[np.argmax(counts)]
            k = min(k, length[n] - 1)
            while k >= 0 and buffer[end - 1 - k] != base:
                k -= 1
            stop[n] = length[n] - 1 - k


@kernel
def judge(  # noqa: C901 -- fastp's rules in fastp's order
    bases: Bytes, base_start: Integers, marks: Bytes, mark_start: Integers, length: Integers,
    quality: int, percent: float, mean: float, most_n: int, shortest: int, longest: int,
    verdict: Codes,
) -> None:  # fmt: skip
    """Raise each molecule's verdict to that of its read.

    Args:
        quality: A base is of low quality below it (Phred score).
        percent: More of the bases than that are of low quality: the read fails.
        mean: Least mean quality.
        most_n: More N than that: the read fails.
        shortest: [nt]
        longest: [nt]
        verdict: Shape (n,).
    """
    add = np.uint64(EVERY * (128 - quality - OFFSET))
    every_n = np.uint64(EVERY * LETTER_N)
    for n in range(len(length)):
        size = length[n]
        if size == 0:
            verdict[n] = max(verdict[n], np.uint8(SHORT))
            continue
        s, q = base_start[n], mark_start[n]
        low = np.int64(0)
        unknown = np.int64(0)
        total = np.int64(0)
        k = 0
        while k + 8 <= size:
            word = load64(marks, q + k)
            low += np.int64(popcount(~((word & LOW) + add) & HIGH))
            other = load64(bases, s + k) ^ every_n
            unknown += np.int64(popcount(~(((other & LOW) + LOW) | other) & HIGH))
            k += 8
        while k < size:
            if marks[q + k] < quality + OFFSET:
                low += 1
            if bases[s + k] == LETTER_N:
                unknown += 1
            k += 1
        if mean > 0:
            for k in range(size):
                total += np.int64(marks[q + k]) - OFFSET
        found = PASSED
        if low > percent * size / 100.0 or (mean > 0 and total < mean * size):
            found = LOW_QUALITY
        elif unknown > most_n:
            found = MANY_N
        elif size < shortest:
            found = SHORT
        elif size > longest:
            found = LONG
        verdict[n] = max(verdict[n], np.uint8(found))
