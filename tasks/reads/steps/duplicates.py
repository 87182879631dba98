"""Steps that tell whether a molecule was seen before, or is in another file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from blocks.errors import InputError
from tasks.reads.assembly import joined
from tasks.reads.block import Block, Mask, Regions, Strings, Texts, Truths
from tasks.reads.formats import ReadOptions
from tasks.reads.kernels.hashing import Words, contains, fingerprints, insert, refill
from tasks.reads.reading import BlockReader
from tasks.reads.reading import Source as ReadSource
from tasks.reads.step import SerialStage, Stage, StepParams, Surroundings, TagGift, TagUse
from tasks.reads.steps.sources import ALL, Change, Label, Letter, Source, bare_names, tagged

BETWEEN_REGIONS = b"\xff"
SMALLEST_SET = 1 << 12
BLOCK_SIZE = 10_000
ALIGNED = (".bam", ".sam")
Rate = Annotated[float, Field(ge=0, lt=1)]


class Fingerprints:
    """A growing set of fingerprints of 128 bits each."""

    def __init__(self) -> None:
        self._table: Words = np.zeros(2 * SMALLEST_SET, np.uint64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, marks: Words, wanted: Mask) -> Mask:
        """Put some in, one after another; which of them were in it before."""
        self._make_room(len(wanted))
        seen = np.zeros(len(wanted), np.bool_)
        self._count += insert(self._table, marks, wanted, seen)
        return seen

    def having(self, marks: Words) -> Mask:
        """Which of them are in it."""
        found = np.zeros(len(marks) // 2, np.bool_)
        contains(self._table, marks, found)
        return found

    def _make_room(self, more: int) -> None:
        places = len(self._table) // 2
        while 2 * (self._count + more) > places:
            places *= 2
        if 2 * places > len(self._table):
            larger = np.zeros(2 * places, np.uint64)
            refill(self._table, larger)
            self._table = larger


def marks_of(columns: Sequence[Texts], begin: Words | None = None) -> Words:
    """Fingerprints of the rows of some columns; two words for each row.

    Args:
        columns: At least one.
        begin: A number for each row that tells rows with equal texts apart.
    """
    marks = np.zeros(2 * len(columns[0]), np.uint64)
    if begin is not None:
        marks[::2] = begin
    for texts in columns:
        fingerprints(texts.buffer, texts.start, texts.length, marks)
    return marks


def source_columns(block: Block, source: Source, comment: str) -> tuple[list[Texts], Mask]:
    """The texts that a source gives, and for which molecules there are any."""
    everywhere = np.ones(len(block), np.bool_)
    match source.kind:
        case "all":
            return [reads.sequence for reads in block.segments.values()], everywhere
        case "segment":
            return [block.segments[source.what].sequence], everywhere
        case "name":
            return [bare_names(block.segments[source.what].name, comment)], everywhere
        case "tag":
            tag = block.tags[source.what]
            if isinstance(tag, Regions):
                return [joined(tag, BETWEEN_REGIONS)], np.diff(tag.first) > 0
            assert isinstance(tag, Strings)  # noqa: S101 -- the configuration was checked
            return [tag.text], tag.present


class _Approximate(StepParams):
    """What both steps have in common; ours are exact, whatever rate is allowed."""

    out_label: Label = Field(description="name of the new tag")
    false_positive_rate: Rate = Field(
        title="False positives", description="share that is allowed; the result is exact anyway"
    )
    seed: int | None = Field(None, title="Seed", description="accepted, without effect")

    def gives(self) -> Sequence[TagGift]:
        """Whether it is so."""
        return [TagGift(self.out_label, "bool")]

    @model_validator(mode="after")
    def _seeded(self) -> Self:
        if self.false_positive_rate > 0 and self.seed is None:
            raise ValueError(
                "seed is required when false_positive_rate > 0.0; expected a seed such as 42, or "
                "false_positive_rate = 0"
            )
        return self


class TagDuplicates(_Approximate):
    """Tag what was seen before, in the order of the input; the first of equals is none."""

    action: Literal["TagDuplicates"] = "TagDuplicates"
    source: str = Field(ALL, title="Source", description="All, read1, name:read1 or tag:label")
    initial_filter_capacity: int | None = Field(
        None, title="First capacity", description="accepted, without effect"
    )

    def uses(self) -> Sequence[TagUse]:
        """The tag of its source."""
        return Source.of(self.source).uses()

    def problems(self, around: Surroundings) -> Sequence[str]:
        """What is wrong with it in its place."""
        return Source.of(self.source).problems(around)

    def build(self, around: Surroundings) -> Stage:
        """Its stage."""
        return _Duplicates(self.out_label, Source.of(self.source), around.comment)


class _Duplicates(SerialStage[tuple[Words, Mask]]):
    def __init__(self, label: str, source: Source, comment: str) -> None:
        self._label = label
        self._source = source
        self._comment = comment
        self._seen = Fingerprints()

    def prepare(self, block: Block) -> tuple[Words, Mask]:
        """Fingerprints; molecules of different streams are never duplicates."""
        columns, there = source_columns(block, self._source, self._comment)
        begin = None if block.stream is None else block.stream.view(np.uint64)
        return marks_of(columns, begin), there

    def fold(self, block: Block, prepared: tuple[Words, Mask]) -> Block:
        """The tag; what is missing is no duplicate."""
        return tagged(block, self._label, Truths(self._seen.add(*prepared)))


class TagOtherFile(_Approximate):
    """Tag what another file holds, too: the same sequence, or the same name."""

    action: Literal["TagOtherFile"] = "TagOtherFile"
    source: str = Field(title="Source", description="read1, name:read1 or tag:label")
    filename: str = Field(min_length=1, title="File", description="FASTQ, FASTA or BAM")
    other_read_name_end_char: Letter | None = Field(
        None,
        title="End of names",
        description="names of the file end before it; empty: whole names",
    )
    include_mapped: bool | None = Field(None, title="Mapped", description="of a BAM file")
    include_unmapped: bool | None = Field(None, title="Unmapped", description="of a BAM file")

    def uses(self) -> Sequence[TagUse]:
        """The tag of its source."""
        return Source.of(self.source).uses()

    @model_validator(mode="after")
    def _aligned(self) -> Self:
        if self.filename.lower().endswith(ALIGNED):
            for field in ("include_mapped", "include_unmapped"):
                if getattr(self, field) is None:
                    raise ValueError(f"{field} is missing; expected true or false for a BAM file")
            if not (self.include_mapped or self.include_unmapped):
                raise ValueError(
                    "include_mapped and include_unmapped are both false; expected one to be true"
                )
        return self

    def problems(self, around: Surroundings) -> Sequence[str]:
        """What is wrong with it in its place."""
        source = Source.of(self.source)
        if source.kind == "all":
            return ["source: 'All' is several; expected one segment, name: or tag:"]
        return source.problems(around)

    def build(self, around: Surroundings) -> Stage:
        """Its stage; the file is read here."""
        source = Source.of(self.source)
        other = self._read(around.folder, named=source.kind == "name")

        def tag(block: Block) -> Block:
            columns, there = source_columns(block, source, around.comment)
            return tagged(block, self.out_label, Truths(other.having(marks_of(columns)) & there))

        return Change(tag)

    def _read(self, folder: Path, *, named: bool) -> Fingerprints:
        """Fingerprints of all names or sequences of the file."""
        path = self.filename if "://" in self.filename else str(folder / self.filename)
        options = ReadOptions(
            fake_quality=ord("I"), mapped=self.include_mapped, unmapped=self.include_unmapped
        )
        reader = BlockReader(ReadSource(("other",), ((path,),), options), BLOCK_SIZE)
        found = Fingerprints()
        end = self.other_read_name_end_char
        try:
            for block in reader:
                reads = block.segments["other"]
                texts = reads.name if named else reads.sequence
                if named and end is not None:
                    texts = bare_names(texts, chr(end))
                found.add(marks_of([texts]), np.ones(len(texts), np.bool_))
        finally:
            reader.close()
        if not len(found):
            raise InputError(
                f"TagOtherFile: {path}: holds no reads; expected some (of a BAM file: see "
                "include_mapped and include_unmapped)"
            )
        return found
