"""Checks that the names of mates belong together."""

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from tasks.reads.block import Block, Integers, Texts
from tasks.reads.kernels import names
from tasks.reads.kernels.counts import find_each
from tasks.reads.step import Stage
from tasks.reads.steps.targets import read_called, shown, wrong_read


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
        end = names.WHOLE if self.end is None else ord(self.end)
        found, why = names.first_unlike(
            one.buffer, one.start, one.length, two.buffer, two.start, two.length,
            end, self.required, self.tolerance,
        )  # fmt: skip
        if why == names.ALIKE:
            return
        row = int(rows[found])
        if why == names.UNLIKE:
            self._refuse(block, row, first, other)
        segment = first if why == names.FIRST_WITHOUT_END else other
        told = (
            f"{self.action}: {read_called(block, segment, row)} has no {self.end!r} in "
            "its name; expected this readname_end_char in every name"
        )
        raise wrong_read(block, segment, row, told)

    def _refuse(self, block: Block, row: int, first: str, other: str) -> NoReturn:
        what = "mismatched read names"
        same = "the same name" + ("" if self.end is None else f" up to the first {self.end!r}")
        if self.tolerance:
            same += (
                ", or a single letter that differs, as in 'x/1' and 'x/2' (numbers of several"
                " digits must be the same)"
            )
        told = " and ".join(
            f"{shown(block.segments[name].name[row])} in {name}" for name in (first, other)
        )
        place = f"read {int(block.index[row]) + 1}"
        whole = f"{self.action}: {place}: {what} {told}; expected {same}"
        raise wrong_read(block, other, row, whole)


def letters_before(texts: Texts, end: str | None) -> Integers:
    """Letters before the first such character; -1 where there is none."""
    found = np.full(len(texts), -1)
    if end is not None:
        find_each(texts.buffer, texts.start, texts.length, ord(end), found)
    return found
