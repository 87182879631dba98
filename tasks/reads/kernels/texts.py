"""Loops over many texts in one buffer: copying, finding a byte."""

import numpy as np
from numpy.typing import NDArray

from tasks.reads.block import Bytes, Integers, Mask
from tasks.reads.kernels.jit import kernel
from tasks.reads.kernels.words import copy_bytes


@kernel
def lay(into: Bytes, at: Integers, buffer: Bytes, start: Integers, length: Integers) -> None:
    """Copy each text to its place in another buffer."""
    for n in range(len(start)):
        copy_bytes(into, at[n], buffer, start[n], length[n])


@kernel
def find_first(buffer: Bytes, start: Integers, length: Integers, byte: int, into: Integers) -> None:
    """Where the byte stands first in each text; the text's length where it does not."""
    for n in range(len(start)):
        found = length[n]
        for k in range(length[n]):
            if buffer[start[n] + k] == byte:
                found = k
                break
        into[n] = found


@kernel
def first_with(buffer: Bytes, start: Integers, length: Integers, listed: NDArray[np.bool_]) -> int:
    """The first text that holds one of the listed bytes (shape (256,)); -1 if none does."""
    for n in range(len(start)):
        for k in range(length[n]):
            if listed[buffer[start[n] + k]]:
                return n
    return -1


@kernel
def overwrite(into: Bytes, start: Integers, length: Integers, byte: int) -> None:
    """Fill stretches of a buffer with one byte."""
    for n in range(len(start)):
        for k in range(length[n]):
            into[start[n] + k] = byte


@kernel
def have_oligo(buffer: Bytes, start: Integers, length: Integers, oligo: Bytes, into: Mask) -> None:
    """Which texts contain the oligo."""
    size = len(oligo)
    for n in range(len(start)):
        into[n] = False
        for at in range(start[n], start[n] + length[n] - size + 1):
            k = 0
            while k < size and buffer[at + k] == oligo[k]:
                k += 1
            if k == size:
                into[n] = True
                break
