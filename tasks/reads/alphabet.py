"""The letters of sequences and what they stand for."""

import numpy as np
from numpy.typing import NDArray

from tasks.reads.block import Bytes

STANDS_FOR = {
    "A": "A", "C": "C", "G": "G", "T": "T", "U": "T",
    "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip
IUPAC = frozenset(STANDS_FOR)


def _accepted() -> NDArray[np.bool_]:
    """Shape (256, 256): whether a letter of a pattern (row) accepts a byte of a read."""
    table = np.eye(256, dtype=np.bool_)
    for letter, bases in STANDS_FOR.items():
        for row in (ord(letter), ord(letter.lower())):
            for base in bases:
                table[row, [ord(base), ord(base.lower())]] = True
    table[[ord("N"), ord("n")], :] = True  # whatever stands there, even another N
    return table


ACCEPTED = _accepted()
"""An N in a read is accepted by an N only: nobody knows which base it is."""


def misses(pattern: str) -> Bytes:
    """The pattern as kernels take it: 256 entries per letter, 1 where a byte does not match."""
    letters = np.frombuffer(pattern.encode("ascii"), np.uint8)
    return (~ACCEPTED[letters]).astype(np.uint8).reshape(-1)
