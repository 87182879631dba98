"""Checks that the names of mates belong together."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from blocks.errors import InputError
from tasks.reads.block import Block, Integers, Mask, Texts
from tasks.reads.kernels.counts import count_differences, find_each
from tasks.reads.step import Stage
from tasks.reads.steps.targets import read_called, shown


@dataclass(eq=False)
class NameCheck(Stage):
    """Checks that the names of mates belong together."""

    action: str
    end: str | None
    """Character before which the compared part ends; None: whole names are compared."""
    required: bool
    """Whether every name must have it."""
    tolerance: int
    """Letters that may differ."""
    stride: int

    def run(self, block: Block, account: Any) -> Block:  # noqa: ANN401 -- as the base class
        """The block, if all is well."""
        rows = np.flatnonzero(block.index % self.stride == 0)
        if len(rows) == 0:
            return block
        first, *others = block.segments
        for other in others:
            self._compare(block, rows, first, other)
        return block

    def _compare(self, block: Block, rows: Integers, first: str, other: str) -> None:
        one, two = (block.segments[name].name.take(rows) for name in (first, other))
        lengths = []
        for segment, name in ((first, one), (other, two)):
            until = letters_before(name, self.end)
            if self.required and (until < 0).any():
                row = int(rows[np.flatnonzero(until < 0)[0]])
                raise InputError(
                    f"{self.action}: {read_called(block, segment, row)} has no {self.end!r} in "
                    "its name; expected this readname_end_char in every name"
                )
            lengths.append(np.where(until < 0, name.length, until))
        wrong = lengths[0] != lengths[1]
        differing, place = (np.empty(len(rows), np.int64) for _ in range(2))
        both = np.minimum(*lengths)
        count_differences(one.buffer, one.start, both, two.buffer, two.start, differing, place)
        wrong |= differing > self.tolerance
        longer = _digits(one, place - 1, both) | _digits(one, place + 1, both)
        wrong |= _digits(one, place, both) & _digits(two, place, both) & longer
        if wrong.any():
            self._refuse(block, int(rows[np.flatnonzero(wrong)[0]]), first, other)

    def _refuse(self, block: Block, row: int, first: str, other: str) -> None:
        what = "mismatched read names"
        part = "" if self.end is None else f" up to {self.end!r}"
        mates = "names that differ in one letter at most, and not in a longer number,"
        same = mates if self.tolerance else "the same name"
        names = " and ".join(
            f"{shown(block.segments[name].name[row])} in {name}" for name in (first, other)
        )
        place = f"read {int(block.index[row]) + 1}"
        raise InputError(f"{self.action}: {place}: {what} {names}; expected {same}{part}")


def _digits(texts: Texts, at: Integers, length: Integers) -> Mask:
    """Whether there is a digit at a place of each text; False outside of it; shape (n,)."""
    there = (at >= 0) & (at < length)
    byte = texts.buffer[np.where(there, texts.start + at, 0)]
    return np.asarray(there & (byte >= ord("0")) & (byte <= ord("9")))


def letters_before(texts: Texts, end: str | None) -> Integers:
    """Letters before the first such character; -1 where there is none."""
    found = np.full(len(texts), -1)
    if end is not None:
        find_each(texts.buffer, texts.start, texts.length, ord(end), found)
    return found
