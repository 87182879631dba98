"""How many of many texts are duplicates of others, in bounded memory."""

from collections.abc import Sequence

import numpy as np

from tasks.reads.block import Integers
from tasks.reads.kernels.hashing import Words

CAPACITY = 1 << 20
"""Distinct texts up to which counts are exact; beyond, a share of all texts is looked at."""
PENDING = 1 << 16
BITS = 64


class DistinctTexts:
    """Counts texts by their fingerprints; those of several workers add up.

    It looks at all texts whose fingerprint begins with `level` zero bits; the level grows with the
    number of distinct texts, so that results do not depend on which worker saw which text.
    """

    def __init__(self, capacity: int | None = None) -> None:
        """None yet; counts are exact up to `capacity` distinct texts (None: CAPACITY)."""
        self.level = 0
        self._capacity = CAPACITY if capacity is None else capacity
        self._marks: Words = np.empty(0, np.uint64)
        self._counts: Integers = np.empty(0, np.int64)
        self._pending: list[Words] = []
        self._waiting = 0

    def add(self, marks: Words) -> None:
        """Count texts, given 64 bits for each."""
        self._pending.append(self._looked_at(marks))
        self._waiting += len(self._pending[-1])
        if self._waiting > max(PENDING, len(self._marks)):
            self._settle()

    def duplicates(self) -> int:
        """How many texts were there before; an estimate beyond the capacity."""
        self._settle()
        return int(self._counts.sum() - len(self._counts)) << self.level

    def _looked_at(self, marks: Words) -> Words:
        if self.level == 0:
            return marks
        kept: Words = marks[marks >> np.uint64(BITS - self.level) == 0]
        return kept

    def _settle(self) -> None:
        ones = [np.ones(len(each), np.int64) for each in self._pending]
        self._take([self._marks, *self._pending], [self._counts, *ones])
        self._pending, self._waiting = [], 0

    def _take(self, marks: Sequence[Words], counts: Sequence[Integers]) -> None:
        found, which = np.unique(np.concatenate(marks), return_inverse=True)
        total = np.bincount(which, weights=np.concatenate(counts), minlength=len(found))
        self._marks, self._counts = found, total.astype(np.int64)
        while len(self._marks) > self._capacity:
            self._raise_to(self.level + 1)

    def _raise_to(self, level: int) -> None:
        self.level = level
        if level:
            kept = self._marks >> np.uint64(BITS - level) == 0
            self._marks, self._counts = self._marks[kept], self._counts[kept]

    @classmethod
    def merged(cls, parts: Sequence["DistinctTexts"]) -> "DistinctTexts":
        """All of them together."""
        whole = cls(min((part._capacity for part in parts), default=None))
        whole.level = max((part.level for part in parts), default=0)
        for part in parts:
            part._settle()
            part._raise_to(whole.level)
        if parts:
            whole._take([part._marks for part in parts], [part._counts for part in parts])
        return whole
