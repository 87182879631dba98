"""Fingerprints of texts, and sets of them.

A fingerprint has 128 bits in two words; texts that differ have, but for chances of 1 in 2^128 for
each pair, different ones. A set is a vector of pairs of words, of which (0, 0) is an empty place;
its number of places is a power of two.
"""

import numpy as np
from numpy.typing import NDArray

from tasks.reads.block import Bytes, Integers, Mask
from tasks.reads.kernels.jit import inlined, kernel
from tasks.reads.kernels.words import load64, product

Words = NDArray[np.uint64]
FIRST = np.uint64(0x9E37_79B9_7F4A_7C15)
SECOND = np.uint64(0xC2B2_AE3D_27D4_EB4F)
SHORT, LONG = np.uint64(29), np.uint64(32)


@inlined
def _mixed(state: np.uint64, word: np.uint64, factor: np.uint64) -> np.uint64:
    state = product(state ^ word, factor)
    state ^= state >> LONG
    state = product(state, FIRST)
    return state ^ (state >> SHORT)


@kernel
def fingerprints(buffer: Bytes, start: Integers, length: Integers, into: Words) -> None:
    """Go on with the fingerprints in `into`, two words for each text, by one text more.

    Texts may be given in pieces, one call after another; where pieces end makes a difference.
    """
    eight = np.uint64(8)
    for n in range(len(start)):
        one = into[2 * n]
        two = into[2 * n + 1]
        end = start[n] + length[n]
        k = start[n]
        while k + 8 <= end:
            word = load64(buffer, k)
            one = _mixed(one, word, FIRST)
            two = _mixed(two, word, SECOND)
            k += 8
        word = np.uint64(0)
        shift = np.uint64(0)
        while k < end:
            word |= np.uint64(buffer[k]) << shift
            shift += eight
            k += 1
        size = np.uint64(length[n])
        one = _mixed(_mixed(one, word, FIRST), size, FIRST)
        two = _mixed(_mixed(two, word, SECOND), size, SECOND)
        into[2 * n] = one | np.uint64(one == np.uint64(0))
        into[2 * n + 1] = two


@inlined
def _place(table: Words, one: np.uint64, two: np.uint64) -> int:
    """Where a fingerprint stands in a set, or the empty place where it would stand."""
    last = len(table) // 2 - 1
    place = int(np.int64(one >> np.uint64(1))) & last
    while table[2 * place] != np.uint64(0) and (
        table[2 * place] != one or table[2 * place + 1] != two
    ):
        place = (place + 1) & last
    return place


@kernel
def insert(table: Words, marks: Words, wanted: Mask, seen: Mask) -> int:
    """Put fingerprints into a set, one after another; `seen` says which were there before.

    Returns how many were new. Half of the places must be empty behind it: see `grown`.
    """
    new = 0
    for n in range(len(wanted)):
        seen[n] = False
        if not wanted[n]:
            continue
        one, two = marks[2 * n], marks[2 * n + 1]
        place = _place(table, one, two)
        if table[2 * place] == np.uint64(0):
            table[2 * place] = one
            table[2 * place + 1] = two
            new += 1
        else:
            seen[n] = True
    return new


@kernel
def contains(table: Words, marks: Words, into: Mask) -> None:
    """Which fingerprints are in a set."""
    for n in range(len(into)):
        place = _place(table, marks[2 * n], marks[2 * n + 1])
        into[n] = table[2 * place] != np.uint64(0)


@kernel
def refill(old: Words, new: Words) -> None:
    """Put all of a set into a larger, empty one."""
    for n in range(len(old) // 2):
        one, two = old[2 * n], old[2 * n + 1]
        if one != np.uint64(0):
            place = _place(new, one, two)
            new[2 * place] = one
            new[2 * place + 1] = two
