"""Steps that cut tails of one base, as fastp does."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from tasks.reads.block import Block, Integers, Mask, Reads, Texts
from tasks.reads.kernels.tails import any_base_tail, one_base_tail
from tasks.reads.step import Stage, Surroundings
from tasks.reads.steps.edit import OnSegment, trimmed
from tasks.reads.steps.targets import condition, segment_of

TWO_COLOURS = (b"NS", b"NB", b"NDX", b"A0")
"""Begins of read names of sequencers that show a missing signal as G."""


class TrimPolyG(OnSegment):
    """Cut tails of G, which two-colour sequencers write where there is no signal.

    Source:
        fastp 0.23.2: at most 5 other bases in the tail, and 1 in 8. With `only_two_colour` each
        read's name decides; there the first name of the input decides for all.
    """

    action: Literal["TrimPolyG"] = "TrimPolyG"
    min_length: int = Field(10, ge=1, title="Least length", description="of a tail [nt]")
    only_two_colour: bool = Field(
        False,
        title="Two colours only",
        description="only reads whose names begin with NS, NB, NDX or A0",
    )

    def build(self, around: Surroundings) -> Stage:
        """Its stage."""
        return _TailStage(self, segment_of(self.segment, around))

    def stops(self, reads: Reads) -> Integers:
        """How many bases stay of each read."""
        texts = reads.sequence
        stop = np.empty(len(texts), np.int64)
        base = ord("G")
        one_base_tail(texts.buffer, texts.start, texts.length, base, self.min_length, stop)
        if self.only_two_colour:
            cut = np.flatnonzero(stop < texts.length)
            other = cut[~_begins(reads.name.take(cut))]
            stop[other] = texts.length[other]
        return stop


class TrimPolyX(OnSegment):
    """Cut tails of any one base.

    Source:
        fastp 0.23.2: at most 5 other bases in the tail, and 1 in 8.
    """

    action: Literal["TrimPolyX"] = "TrimPolyX"
    min_length: int = Field(10, ge=1, title="Least length", description="of a tail [nt]")

    def build(self, around: Surroundings) -> Stage:
        """Its stage."""
        return _TailStage(self, segment_of(self.segment, around))

    def stops(self, reads: Reads) -> Integers:
        """How many bases stay of each read."""
        texts = reads.sequence
        stop = np.empty(len(texts), np.int64)
        any_base_tail(texts.buffer, texts.start, texts.length, self.min_length, stop)
        return stop


def _begins(names: Texts) -> Mask:
    """Names that begin as those of two-colour sequencers; shape (n,)."""
    found = np.zeros(len(names), np.bool_)
    for begin in TWO_COLOURS:
        alike = names.length >= len(begin)
        for place, letter in enumerate(begin):
            at = np.minimum(names.start + place, len(names.buffer) - 1)
            alike &= names.buffer[at] == letter
        found |= alike
    return found


class _TailStage(Stage):
    """Counts what it cuts."""

    def __init__(self, params: TrimPolyG | TrimPolyX, segment: str) -> None:
        self._params = params
        self._segment = segment

    def account(self) -> Counter[str]:
        """A worker's counts."""
        return Counter()

    def run(self, block: Block, account: Counter[str]) -> Block:
        """The block with shorter reads."""
        reads = block.segments[self._segment]
        length = reads.sequence.length
        stop = self._params.stops(reads)
        wanted = condition(block, self._params.if_tag)
        if wanted is not None:
            stop = np.where(wanted, stop, length)
        cut = stop < length
        account["trimmed"] += int(cut.sum())
        if not cut.any():
            return block
        account["trimmed_bases"] += int((length - stop).sum())
        return trimmed(block, self._segment, np.zeros(len(block), np.int64), stop)

    def finish(self, accounts: Sequence[Counter[str]]) -> Mapping[str, Any]:
        """Reads and bases that were cut."""
        total = sum(accounts, Counter[str]())
        return {key: total[key] for key in ("trimmed", "trimmed_bases")}
