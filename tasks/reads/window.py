"""A stretch of an input file in memory: filled, looked at, moved on."""

import re
from dataclasses import dataclass
from gzip import BadGzipFile

import numpy as np

from blocks.errors import InputError
from tasks.reads.block import Bytes, Integers
from tasks.reads.decompression import InputFile, broken_errors
from tasks.reads.kernels import records

FIRST_GUESS = 400
"""Bytes of a record, before one was seen."""
EXTRA = 1 << 16
_BEHIND = re.compile(r"^Not a gzipped file \((.*)\)$")
"""What is said where a member should begin; not of the first one, without which it is no gzip."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a chunk holds."""

    records: int
    size: int
    """Bytes; at least one record is read whatever its length."""


PIECE = 1 << 16
"""Bytes that are read at once: a decompressor that fails gives nothing of what it was asked for."""


class Window:
    """A stretch of a file in memory."""

    def __init__(self, file: InputFile) -> None:
        self.file = file
        self.buffer: Bytes = np.empty(0, np.uint8)
        self.end = 0
        self.final = False
        self.broken: Exception | None = None

    def restart(self, begin: int, wanted: int) -> None:
        """A new buffer, which starts with what was left from `begin` on."""
        rest = self.end - begin
        old = self.buffer
        self.buffer = np.empty(max(wanted, rest) + records.PADDING, np.uint8)
        self.buffer[:rest] = old[begin : self.end]
        self.end = rest

    def fill(self, wanted: int) -> None:
        """Read until there are that many bytes, or none are left, or reading fails."""
        if wanted > len(self.buffer) - records.PADDING:
            old = self.buffer
            self.buffer = np.empty(wanted + wanted // 8 + records.PADDING, np.uint8)
            self.buffer[: self.end] = old[: self.end]
        view = memoryview(self.buffer)  # type: ignore[arg-type]  # arrays have the buffer protocol
        while self.end < wanted and not self.final and self.broken is None:
            try:
                count = self.file.read_into(view[self.end : min(wanted, self.end + PIECE)])
            except broken_errors() as error:
                self.broken = error
                return
            self.final = count == 0
            self.end += count


def broken(window: Window, done: int, lines: int = 0) -> InputError:
    """The complaint about a file that cannot be read to its end.

    Args:
        done: Records in front.
        lines: What they take; 0: not known.
    """
    error = window.broken
    what = f"cannot be read ({error})"
    if isinstance(error, EOFError):
        what = "compressed data end too early"
    elif isinstance(error, BadGzipFile) and (found := _BEHIND.search(str(error))):
        what = f"compressed data are followed by what is not compressed ({found[1]})"
    line = f" (line {lines})" if lines else ""
    where = f"behind record {done}{line}" if done else "in the first records"
    return InputError(f"{window.file.address}: {what}, {where}; expected a whole file")


def column(columns: records.Columns, number: int) -> Integers:
    """One column of the parsers' tables."""
    return np.ascontiguousarray(columns[:, number])
