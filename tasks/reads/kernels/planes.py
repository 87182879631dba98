"""Bases as bits, so that 64 of them are compared at once.

A base becomes three bits (bits 1 to 3 of its ASCII code), which differ for A, C, G, T and N; the
bits of other letters may be those of one of these.
"""

import numpy as np

from tasks.reads.block import Bytes
from tasks.reads.kernels.jit import inlined
from tasks.reads.kernels.words import bits32, load64, product

Planes = np.ndarray[tuple[int, int], np.dtype[np.uint64]]
Words = np.ndarray[tuple[int], np.dtype[np.uint64]]
ONES = np.uint64(0x0101_0101_0101_0101)
GATHER = np.uint64(0x0102_0408_1020_4080)
TOP = np.uint64(56)
LAST = np.uint64(63)


@inlined
def fill(planes: Planes, buffer: Bytes, start: int, length: int) -> None:
    """The bases as bits: base k is bit k % 64 of word k // 64."""
    for w in range((length + 63) // 64 + 1):
        planes[0, w] = np.uint64(0)
        planes[1, w] = np.uint64(0)
        planes[2, w] = np.uint64(0)
    k = 0
    while k + 32 <= length:
        shift = np.uint64(k & 63)
        for bit in range(3):
            planes[bit, k >> 6] |= bits32(buffer, start + k, bit + 1) << shift
        k += 32
    while k + 8 <= length:
        word = load64(buffer, start + k)
        shift = np.uint64(k & 63)
        for bit in range(3):
            lane = (word >> np.uint64(bit + 1)) & ONES
            planes[bit, k >> 6] |= (product(lane, GATHER) >> TOP) << shift
        k += 8
    while k < length:
        letter = np.uint64(buffer[start + k])
        shift = np.uint64(k & 63)
        for bit in range(3):
            planes[bit, k >> 6] |= ((letter >> np.uint64(bit + 1)) & np.uint64(1)) << shift
        k += 1


@inlined
def differences(one: Planes, two: Planes, word: int, into: Words, at: int) -> None:
    """Where the beginning of `two` differs from `one`, for each of 64 offsets.

    What is found at offset o of the word goes to `into[at + o]`; bit i stands for base i of `two`.
    """
    a, b, c = two[0, 0], two[1, 0], two[2, 0]
    a0, b0, c0 = one[0, word], one[1, word], one[2, word]
    a1, b1, c1 = one[0, word + 1], one[1, word + 1], one[2, word + 1]
    for o in range(64):
        u = np.uint64(o)
        v = LAST - u
        x = (a0 >> u) | ((a1 << v) << np.uint64(1))
        y = (b0 >> u) | ((b1 << v) << np.uint64(1))
        z = (c0 >> u) | ((c1 << v) << np.uint64(1))
        into[at + o] = (x ^ a) | (y ^ b) | (z ^ c)
