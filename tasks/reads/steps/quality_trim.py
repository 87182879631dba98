"""Steps that cut off ends of low quality; the original has none, fastp and cutadapt do."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from tasks.reads.block import Integers, Reads
from tasks.reads.kernels.edits import bwa_front, bwa_tail, window_front, window_right, window_tail
from tasks.reads.step import Stage, Surroundings
from tasks.reads.steps.edit import OnSegment, Trim
from tasks.reads.steps.targets import segment_of

OFFSET = 33
"""Of the bytes of qualities: Phred+33."""
Score = Annotated[int, Field(ge=0, le=93)]


class TrimQualityBwa(OnSegment):
    """Cut ends of low quality by the running sum of BWA and cutadapt.

    Source:
        BWA `-q`, cutadapt `-q`: from the end inwards, sum up min_quality - quality until the sum
        is negative; cut where it was greatest.
    """

    action: Literal["TrimQualityBwa"] = "TrimQualityBwa"
    min_quality: Score = Field(20, title="Quality", description="Phred score that an end must have")
    end: Literal["Start", "End", "Both"] = Field(
        "End", title="End", description="which end of the reads is cut"
    )

    def build(self, around: Surroundings) -> Stage:
        """Cuts."""
        least = OFFSET + self.min_quality

        def part(reads: Reads) -> tuple[Integers, Integers]:
            texts = reads.quality
            first, stop = np.zeros(len(texts), np.int64), texts.length.copy()
            if self.end != "End":
                bwa_front(texts.buffer, texts.start, texts.length, least, first)
            if self.end != "Start":
                bwa_tail(texts.buffer, texts.start, texts.length, least, stop)
            return first, stop

        return Trim(segment_of(self.segment, around), self.if_tag, part)


class TrimQualityWindow(OnSegment):
    """Cut ends of low mean quality by a window that slides over the read.

    Reads that are not longer than the window become empty, and so do those of which one base is
    left at the start: fastp drops them.

    Source:
        fastp `--cut_front` (Start), `--cut_tail` (End), `--cut_right` (Right).
    """

    action: Literal["TrimQualityWindow"] = "TrimQualityWindow"
    mode: Literal["Start", "End", "Right"] = Field(
        "End",
        title="Mode",
        description="Start: cut before the first good window; End: behind the last good one; "
        "Right: from the first bad window on",
    )
    window_size: int = Field(4, ge=1, le=1000, title="Window", description="bases in it [nt]")
    mean_quality: Score = Field(20, title="Quality", description="mean Phred score of a good one")

    def build(self, around: Surroundings) -> Stage:
        """Cuts."""
        segment = segment_of(self.segment, around)
        return Trim(segment, self.if_tag, self._front if self.mode == "Start" else self._back)

    def _front(self, reads: Reads) -> tuple[Integers, Integers]:
        quality, bases = reads.quality, reads.sequence
        first, length = np.empty(len(quality), np.int64), quality.length
        width, least = self.window_size, OFFSET + self.mean_quality
        window_front(
            quality.buffer, quality.start, bases.buffer, bases.start, length, width, least, first
        )
        return first, length

    def _back(self, reads: Reads) -> tuple[Integers, Integers]:
        quality, bases = reads.quality, reads.sequence
        stop, length = np.empty(len(quality), np.int64), quality.length
        width, least = self.window_size, OFFSET + self.mean_quality
        if self.mode == "Right":
            window_right(quality.buffer, quality.start, length, width, least, stop)
        else:
            window_tail(
                quality.buffer, quality.start, bases.buffer, bases.start, length, width, least, stop
            )
        return np.zeros_like(stop), stop
