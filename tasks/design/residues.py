"""Sequences as arrays of letters, and what is wrong with a sequence."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Residues:
    """Several sequences in one array."""

    letters: NDArray[np.uint8]
    """ASCII codes of all sequences, each followed by zeros."""
    starts: NDArray[np.int64]
    """Where each sequence begins, shape (n,)."""
    lengths: NDArray[np.int64]
    """Without the zeros, shape (n,)."""


def concatenated(sequences: Sequence[str], spacing: int) -> Residues:
    """The sequences one after the other, `spacing` zeros after each; none may be empty."""
    gap = "\0" * spacing
    text = "".join(sequence + gap for sequence in sequences)
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    ends = np.cumsum(lengths + spacing)
    starts = ends - lengths - spacing
    return Residues(np.frombuffer(text.encode("ascii"), np.uint8), starts, lengths)


def letter_matrix(sequences: Sequence[str]) -> NDArray[np.uint8]:
    """ASCII codes of sequences of equal length, shape (n, length)."""
    codes = np.frombuffer("".join(sequences).encode("ascii"), np.uint8)
    return codes.reshape(len(sequences), -1)


def lookup(letters: str) -> NDArray[np.uint8]:
    """ASCII code -> place in `letters`, `len(letters)` for any other; shape (256,)."""
    table = np.full(256, len(letters), np.uint8)
    table[np.frombuffer(letters.encode("ascii"), np.uint8)] = np.arange(len(letters))
    return table


def sequence_fault(sequence: str, letters: str, max_length: int) -> str:
    """What is wrong with a sequence in one line, "" if nothing.

    >>> sequence_fault("MKX", "ACDEFGHIKLMNPQRSTVWY", 100)
    "letter 'X' at position 3; expected one of ACDEFGHIKLMNPQRSTVWY"
    """
    if not sequence:
        return "no residues; expected a protein sequence"
    wrong = sequence.lstrip(letters)
    if wrong:
        position = len(sequence) - len(wrong) + 1
        return f"letter {wrong[0]!r} at position {position}; expected one of {letters}"
    if len(sequence) > max_length:
        return f"{len(sequence)} residues; expected at most {max_length}"
    return ""
