"""Steps that drop molecules whose reads are bad or of the wrong length; as fastp does.

A molecule goes if one of its reads fails, and is counted under one reason.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from tasks.reads.block import Block, Integers
from tasks.reads.kernels.tails import LONG, LOW_QUALITY, MANY_N, PASSED, SHORT, judge
from tasks.reads.step import Stage, StepParams, Surroundings
from tasks.reads.steps.filters import kept
from tasks.reads.steps.targets import segment_problems, segments_of

NO_LIMIT = 1 << 60
REASONS = {
    PASSED: "passed",
    LOW_QUALITY: "low_quality",
    MANY_N: "too_many_n",
    SHORT: "too_short",
    LONG: "too_long",
}


class _ByReads(StepParams):
    """A filter that looks at reads of one or all segments."""

    segment: str = Field("All", title="Segment", description="its name, or All")
    min_length: int = Field(15, ge=0, title="Least length", description="shorter reads fail [nt]")
    max_length: int | None = Field(
        None, ge=0, title="Greatest length", description="longer reads fail [nt]; empty: no limit"
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max_length is not None and self.max_length < self.min_length:
            raise ValueError(
                f"max_length is {self.max_length}; expected at least min_length, {self.min_length}"
            )
        return self

    def problems(self, around: Surroundings) -> Sequence[str]:
        """Whether the segment is there."""
        return segment_problems(self.segment, around, whole=True)


class FilterQuality(_ByReads):
    """Drop molecules with a read of low quality, with many N, or of the wrong length.

    Source:
        fastp 0.23.2, with its defaults; of several reasons the one counts that fastp counts.
    """

    action: Literal["FilterQuality"] = "FilterQuality"
    min_quality: int = Field(
        15, ge=0, le=93, title="Quality", description="Phred score; a base below it is bad"
    )
    max_low_percent: float = Field(
        40, ge=0, le=100, title="Most bad bases", description="[% of the read]"
    )
    min_mean_quality: float = Field(
        0, ge=0, le=93, title="Least mean quality", description="Phred score; 0: none"
    )
    max_n: int = Field(5, ge=0, title="Most N", description="bases N in a read")

    def build(self, around: Surroundings) -> Stage:
        """Its stage."""
        return _Judging(self, self.segment, around)

    def look(self, block: Block, segment: str, verdict: Any) -> None:  # noqa: ANN401 -- codes
        """Raise the verdicts to those of one segment's reads."""
        reads = block.segments[segment]
        bases, marks = reads.sequence, reads.quality
        longest = NO_LIMIT if self.max_length is None else self.max_length
        judge(
            bases.buffer, bases.start, marks.buffer, marks.start, bases.length,
            self.min_quality, self.max_low_percent, self.min_mean_quality, self.max_n,
            self.min_length, longest, verdict,
        )  # fmt: skip


class FilterLength(_ByReads):
    """Drop molecules with a read that is too short or too long."""

    action: Literal["FilterLength"] = "FilterLength"

    def build(self, around: Surroundings) -> Stage:
        """Its stage."""
        return _Judging(self, self.segment, around)

    def look(self, block: Block, segment: str, verdict: Any) -> None:  # noqa: ANN401 -- codes
        """Raise the verdicts to those of one segment's reads."""
        length = block.segments[segment].sequence.length
        longest = NO_LIMIT if self.max_length is None else self.max_length
        found = np.where(length < self.min_length, SHORT, np.where(length > longest, LONG, PASSED))
        np.maximum(verdict, found.astype(np.uint8), out=verdict)


class _Judging(Stage):
    """Counts molecules by reason; they add up to those that came in."""

    def __init__(
        self, params: FilterQuality | FilterLength, segment: str, around: Surroundings
    ) -> None:
        self._params = params
        self._segments = segments_of(segment, around)

    def account(self) -> Integers:
        """Molecules by verdict."""
        return np.zeros(len(REASONS), np.int64)

    def run(self, block: Block, account: Integers) -> Block:
        """The block with the molecules that pass."""
        verdict = np.zeros(len(block), np.uint8)
        for segment in self._segments:
            self._params.look(block, segment, verdict)
        account += np.bincount(verdict, minlength=len(REASONS))
        return kept(block, verdict == PASSED)

    def finish(self, accounts: Sequence[Integers]) -> Mapping[str, Any]:
        """How many molecules passed, and why the others did not."""
        total = sum(accounts, np.zeros(len(REASONS), np.int64))
        return {name: int(total[code]) for code, name in REASONS.items()}
