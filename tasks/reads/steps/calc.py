"""Steps that compute a number for each molecule and keep it as a Numeric tag."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from tasks.reads.block import Block, Integers, Numbers, Reads, Texts
from tasks.reads.kernels.counts import (
    Marks,
    count_changes,
    count_marked,
    greatest_weights,
    sum_weights,
)
from tasks.reads.step import Stage, Surroundings, TagGift
from tasks.reads.steps.edit import Byte, OnSegments
from tasks.reads.steps.targets import read_called, segments_of, wrong_read
from tasks.reads.steps.validate import first_wrong, quality_marks

Values = NDArray[np.float64]
Weights = NDArray[np.float64]
PERCENT = 100
PHRED_OFFSET = 33
ERROR: Weights = np.asarray(10.0 ** ((PHRED_OFFSET - np.arange(256.0)) / 10))
"""Probability of a wrong base, by the byte of its quality; shape (256,)."""


def marked(texts: Texts, marks: Marks) -> Integers:
    """How many letters of each text are marked; shape (n,)."""
    into = np.empty(len(texts), np.int64)
    count_marked(texts.buffer, texts.start, texts.length, marks, into)
    return into


def changes(texts: Texts) -> Integers:
    """How many letters of each text differ from the one before; shape (n,)."""
    into = np.empty(len(texts), np.int64)
    count_changes(texts.buffer, texts.start, texts.length, into)
    return into


def weighed(texts: Texts, weights: Weights, *, greatest: bool) -> Values:
    """Sum of the letters' weights, or the greatest of them; shape (n,)."""
    into = np.empty(len(texts), np.float64)
    kernel = greatest_weights if greatest else sum_weights
    kernel(texts.buffer, texts.start, texts.length, weights, into)
    return into


def marks_of(letters: str) -> Marks:
    """Marks on these letters, in both cases; shape (256,)."""
    marks = np.zeros(256, np.bool_)
    marks[np.frombuffer((letters.upper() + letters.lower()).encode("ascii"), np.uint8)] = True
    return marks


def ratio(part: Values | Integers, whole: Values | Integers) -> Values:
    """What `part` is of `whole`; 0 where there is nothing."""
    found: Values = np.zeros(len(whole))
    np.divide(part, whole, out=found, where=whole > 0)
    return found


@dataclass(eq=False)
class Calculation(Stage):
    """Adds a Numeric tag."""

    label: str
    segments: tuple[str, ...]
    value: Callable[[Block, tuple[str, ...]], Values | Integers]

    def run(self, block: Block, account: Any) -> Block:  # noqa: ANN401 -- as the base class
        """The block with the tag."""
        value = self.value(block, self.segments)
        return replace(block, tags={**block.tags, self.label: Numbers(np.asarray(value, float))})


class Calc(OnSegments):
    """A number for each molecule."""

    out_label: str = Field(title="Tag", description="name of the Numeric tag that is made")

    def gives(self) -> Sequence[TagGift]:
        """The number."""
        return (TagGift(self.out_label, "numeric"),)

    def summed(self, around: Surroundings, count: Callable[[Reads], Values | Integers]) -> Stage:
        """The stage whose number is a sum over the segments."""

        def total(block: Block, segments: tuple[str, ...]) -> Values | Integers:
            found = count(block.segments[segments[0]])
            for segment in segments[1:]:
                found = found + count(block.segments[segment])
            return found

        return Calculation(self.out_label, segments_of(self.segment, around), total)


class CalcLength(Calc):
    """Bases of a read; `All`: of all reads together."""

    action: Literal["CalcLength"] = "CalcLength"

    def build(self, around: Surroundings) -> Stage:
        """Takes the length."""
        return self.summed(around, lambda reads: reads.sequence.length)


def content(
    label: str, segments: tuple[str, ...], count: Marks, ignore: Marks, *, relative: bool
) -> Stage:
    """The stage that counts letters, or gives their share of those not ignored, in percent."""

    def value(block: Block, segments: tuple[str, ...]) -> Values | Integers:
        sequences = [block.segments[segment].sequence for segment in segments]
        counted = sum((marked(one, count & ~ignore) for one in sequences[1:]),
                      marked(sequences[0], count & ~ignore))  # fmt: skip
        if not relative:
            return counted
        whole = sum((marked(one, ~ignore) for one in sequences[1:]), marked(sequences[0], ~ignore))
        return ratio(counted, whole) * PERCENT

    return Calculation(label, segments, value)


class CalcNCount(Calc):
    """Number of N."""

    action: Literal["CalcNCount"] = "CalcNCount"
    relative: bool = Field(False, title="Relative", description="percent of the bases instead")

    def build(self, around: Surroundings) -> Stage:
        """Counts them."""
        segments = segments_of(self.segment, around)
        return content(
            self.out_label, segments, marks_of("N"), marks_of(""), relative=self.relative
        )


class CalcGCContent(Calc):
    """Percentage of G and C among the bases that are not N."""

    action: Literal["CalcGCContent"] = "CalcGCContent"
    relative: bool = Field(True, title="Relative", description="false: their number instead")

    def build(self, around: Surroundings) -> Stage:
        """Counts them."""
        segments = segments_of(self.segment, around)
        return content(
            self.out_label, segments, marks_of("GC"), marks_of("N"), relative=self.relative
        )


class CalcBaseContent(Calc):
    """Percentage or number of some bases."""

    action: Literal["CalcBaseContent"] = "CalcBaseContent"
    bases_to_count: str = Field(min_length=1, title="Bases", description="letters, in any case")
    bases_to_ignore: str = Field(
        "", title="Ignored", description="letters that count as not there; only if relative"
    )
    relative: bool = Field(
        True, title="Relative", description="percent of the bases that are not ignored"
    )

    @field_validator("bases_to_count", "bases_to_ignore")
    @classmethod
    def _letters_only(cls, bases: str) -> str:
        for letter in bases:
            if not (letter.isascii() and letter.isalpha()):
                raise ValueError(f"{letter!r} is no base; expected only ASCII letters")
        return bases.upper()

    @model_validator(mode="after")
    def _ignores_only_if_relative(self) -> "CalcBaseContent":
        if self.bases_to_ignore and not self.relative:
            raise ValueError(
                "bases_to_ignore without relative = true; expected relative = true, or none ignored"
            )
        return self

    def build(self, around: Surroundings) -> Stage:
        """Counts them."""
        count, ignore = marks_of(self.bases_to_count), marks_of(self.bases_to_ignore)
        segments = segments_of(self.segment, around)
        return content(self.out_label, segments, count, ignore, relative=self.relative)


Operator = Literal["Above", "Below", "AboveOrEqual", "BelowOrEqual"]


class CalcQualifiedBases(Calc):
    """Number of bases whose quality byte is above, or below, a threshold."""

    action: Literal["CalcQualifiedBases"] = "CalcQualifiedBases"
    threshold: Byte = Field(
        title="Threshold", description="a character such as 'C', or its number, 0 to 255"
    )
    operator: Operator = Field(title="Which", description="bytes to count; bytes, not scores")

    def build(self, around: Surroundings) -> Stage:
        """Counts them."""
        byte = np.arange(256)
        marks = {
            "Above": byte > self.threshold,
            "Below": byte < self.threshold,
            "AboveOrEqual": byte >= self.threshold,
            "BelowOrEqual": byte <= self.threshold,
        }[self.operator]
        return self.summed(around, lambda reads: marked(reads.quality, marks))


class CalcExpectedError(Calc):
    """Expected number of wrong bases, or the greatest probability of one, by the qualities."""

    action: Literal["CalcExpectedError"] = "CalcExpectedError"
    segment: str | None = Field("All", title="Segment", description="its name, or All")
    aggregate: Literal["Sum", "Max"] = Field(title="Aggregate", description="over the bases")

    def build(self, around: Surroundings) -> Stage:
        """Adds up.

        Source:
            Edgar & Flyvbjerg 2015, doi:10.1093/bioinformatics/btv401.
        """
        greatest = self.aggregate == "Max"

        def value(block: Block, segments: tuple[str, ...]) -> Values:
            found: Values = np.zeros(len(block))
            for segment in segments:
                _require_phred33(block, segment)
                here = weighed(block.segments[segment].quality, ERROR, greatest=greatest)
                found = np.maximum(found, here) if greatest else found + here
            return found

        return Calculation(self.out_label, segments_of(self.segment, around), value)


def _require_phred33(block: Block, segment: str) -> None:
    quality = block.segments[segment].quality
    row = first_wrong(quality, quality_marks("Sanger"))
    if row >= 0:
        told = (
            f"{read_called(block, segment, row)}: CalcExpectedError requires PHRED+33 encoded "
            f"qualities, found {quality[row]!r}; expected bytes 33 to 126, or ConvertQuality before"
        )
        raise wrong_read(block, segment, row, told)


class CalcComplexity(Calc):
    """Share of the bases that differ from the one before, 0 to 1."""

    action: Literal["CalcComplexity"] = "CalcComplexity"

    def build(self, around: Surroundings) -> Stage:
        """Counts changes; `All`: together over the segments, not across their borders."""

        def value(block: Block, segments: tuple[str, ...]) -> Values:
            sequences = [block.segments[segment].sequence for segment in segments]
            places = np.zeros(len(block), np.int64)
            found = np.zeros(len(block), np.int64)
            for sequence in sequences:
                found += changes(sequence)
                places += np.maximum(sequence.length - 1, 0)
            return ratio(found, places)

        return Calculation(self.out_label, segments_of(self.segment, around), value)
