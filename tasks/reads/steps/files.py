"""Steps that write tags into files of their own: tables, reads of a tag, counts."""

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from tasks.reads.assembly import assemble, column, compact, holding, listed, repeated, where
from tasks.reads.block import Block, Regions, Texts
from tasks.reads.name_parts import NamePart
from tasks.reads.step import Stage, Surroundings, TagUse
from tasks.reads.steps.side_files import (
    ENDINGS,
    SUFFIXES,
    Kind,
    OwnFiles,
    Packing,
    SideFile,
    Writing,
    by_stream,
    check_level,
)
from tasks.reads.steps.sources import Label, Letter, bare_names
from tasks.reads.steps.store import ANY, check_values, with_comment, written, written_places
from tasks.reads.steps.tags import regions_of

SURE = ord("~")
"""Quality of bases of a tag, which has none of its own."""
QUOTED = b'\t"\r\n'


class StoreTagsInTable(OwnFiles):
    """Write tags into a table: a line for each molecule, a column for each tag."""

    action: Literal["StoreTagsInTable"] = "StoreTagsInTable"
    infix: NamePart = Field("", title="Infix", description="part of the file's name")
    compression: Packing = Field("Uncompressed", title="Compression", description="of the file")
    region_separator: str = Field(
        "_", title="Region separator", description="between the texts of several regions"
    )
    in_labels: tuple[Label, ...] | None = Field(
        None, title="Tags", description="columns; empty: all tags, by name"
    )

    def uses(self) -> Sequence[TagUse]:
        """The tags."""
        return [TagUse(label, ANY, "in_labels") for label in self.in_labels or ()]

    def uses_every_tag(self) -> bool:
        """Whether it writes all tags."""
        return self.in_labels is None

    def problems(self, around: Surroundings) -> Sequence[str]:
        """What is wrong with it in its place."""
        if around.tags:
            return []
        return ["in_labels: no tags here; expected at least one tag to be set before this step"]

    def paths(self, around: Surroundings) -> Mapping[int, Path]:
        """The file of each stream."""
        suffix = ".tsv" + ENDINGS[self.compression]
        return {
            bits: around.named(self.infix, name, suffix=suffix)
            for bits, name in around.streams.items()
        }

    def build(self, around: Surroundings) -> Stage:
        """Its stage."""
        labels = sorted(around.tags) if self.in_labels is None else list(self.in_labels)
        files = {
            bits: SideFile(path, self.compression) for bits, path in self.paths(around).items()
        }
        for file in files.values():
            file.write("\t".join(["ReadName", *labels]).encode() + b"\n")
        return _Table(files, labels, self.region_separator.encode(), around)


class _Table(Writing):
    def __init__(
        self,
        files: Mapping[int, SideFile],
        labels: Sequence[str],
        separator: bytes,
        around: Surroundings,
    ) -> None:
        super().__init__(files)
        self._labels = labels
        self._separator = separator
        self._around = around

    def prepare(self, block: Block) -> dict[int, bytes]:
        """The lines of the molecules, by stream."""
        first = next(iter(block.segments.values()))
        cells = [bare_names(first.name, self._around.comment)]
        cells += [written(block.tags[label], self._separator, full=True) for label in self._labels]
        tab, end = repeated(b"\t", len(block)), repeated(b"\n", len(block))
        parts = [part for cell in cells for part in (_quoted(cell), tab)]
        lines = assemble([*parts[:-1], end])
        rows = by_stream(block, self._around.streams)
        return {bits: whole(lines.take(chosen)) for bits, chosen in rows.items()}


def _quoted(cells: Texts) -> Texts:
    """Cells as a table holds them: in quotes if they hold a tab or a quote."""
    if holding(cells, QUOTED) is None:
        return cells
    quoted = []
    for cell in listed(cells):
        line = io.StringIO()
        csv.writer(line, delimiter="\t", lineterminator="").writerow([cell.decode("latin-1")])
        quoted.append(line.getvalue().encode("latin-1") if cell else b"")
    return column(quoted)


def whole(texts: Texts) -> bytes:
    """All texts, one behind the other."""
    packed = compact(texts)
    return packed.buffer[: int(packed.length.sum())].tobytes()


class StoreTagInFastQ(OwnFiles):
    """Write a tag's text as reads of a file of its own."""

    action: Literal["StoreTagInFastQ"] = "StoreTagInFastQ"
    in_label: Label = Field(description="the tag")
    comment_tags: tuple[Label, ...] = Field(
        (), title="Tags in names", description="whose values are written into the names"
    )
    comment_location_tags: tuple[Label, ...] | None = Field(
        None, title="Places in names", description="tags whose places are; empty: the tag itself"
    )
    comment_separator: Letter = Field(ord("|"), title="Separator", description="before label=value")
    comment_insert_char: Letter = Field(
        ord(" "), title="Insert before", description="begins the comment of a name"
    )
    region_separator: str = Field(
        "_", title="Region separator", description="between the texts of several regions"
    )
    format: Kind = Field("Fastq", title="Format", description="of the file")
    compression: Packing = Field("Uncompressed", title="Compression", description="of the file")
    compression_level: int | None = Field(None, title="Level", description="empty: a fast one")

    @model_validator(mode="after")
    def _level(self) -> Self:
        check_level(self.compression, self.compression_level)
        return self

    def uses(self) -> Sequence[TagUse]:
        """The tag, and those in the names."""
        return [
            TagUse(self.in_label, ("location",)),
            *(TagUse(label, ANY, "comment_tags") for label in self.comment_tags),
            *(
                TagUse(label, ("location",), "comment_location_tags")
                for label in self.comment_location_tags or ()
            ),
        ]

    def paths(self, around: Surroundings) -> Mapping[int, Path]:
        """The file of each stream."""
        suffix = SUFFIXES[self.format] + ENDINGS[self.compression]
        infix = f"tag.{self.in_label}"
        return {
            bits: around.named(infix, name, suffix=suffix) for bits, name in around.streams.items()
        }

    def build(self, around: Surroundings) -> Stage:
        """Its stage."""
        files = {
            bits: SideFile(path, self.compression, self.compression_level)
            for bits, path in self.paths(around).items()
        }
        return _TagReads(files, self, around)


class _TagReads(Writing):
    def __init__(
        self, files: Mapping[int, SideFile], params: StoreTagInFastQ, around: Surroundings
    ) -> None:
        super().__init__(files)
        self._params = params
        self._around = around

    def prepare(self, block: Block) -> dict[int, bytes]:
        """The records, by stream; molecules whose tag is missing or empty have none."""
        tag = regions_of(block, self._params.in_label)
        texts = written(tag, self._params.region_separator.encode())
        names = self._names(block, tag)
        count = len(block)
        parts = [repeated(b"@" if self._params.format == "Fastq" else b">", count), names]
        parts += [repeated(b"\n", count), texts]
        if self._params.format == "Fastq":
            longest = int(texts.length.max(initial=0))
            sure = repeated(bytes([SURE]) * longest, count)
            marks = Texts(sure.buffer, sure.start, texts.length)
            parts += [repeated(b"\n+\n", count), marks]
        records = assemble([*parts, repeated(b"\n", count)])
        rows = by_stream(block, self._around.streams)
        return {
            bits: whole(records.take(chosen[texts.length[chosen] > 0]))
            for bits, chosen in rows.items()
        }

    def _names(self, block: Block, tag: Regions) -> Texts:
        """The names of the reads that the tag lies on, with the tags that are wanted."""
        params = self._params
        names = self._bare(block, tag)
        marks = (params.comment_separator, params.comment_insert_char)
        for label in params.comment_tags:
            values = written(block.tags[label], params.region_separator.encode())
            check_values(block, label, values, *marks)
            names = with_comment(names, label, values, *marks)
        located = params.comment_location_tags
        for label in [params.in_label] if located is None else located:
            places = written_places(regions_of(block, label), self._around.segments)
            check_values(block, label, places, *marks)
            changed = with_comment(names, f"{label}_location", places, *marks)
            there = places.length > 0
            names = assemble([where(there, changed), where(~there, names)])
        return names

    def _bare(self, block: Block, tag: Regions) -> Texts:
        first = np.zeros(len(block), np.int64)
        hit = np.flatnonzero(np.diff(tag.first) > 0)
        first[hit] = tag.segment[tag.first[:-1][hit]]
        parts = [
            where(np.maximum(first, 0) == number, reads.name)
            for number, reads in enumerate(block.segments.values())
        ]
        return assemble(parts)


class QuantifyTag(OwnFiles):
    """Count the values of a tag, and write them, the most frequent first, as JSON."""

    action: Literal["QuantifyTag"] = "QuantifyTag"
    in_label: Label = Field(description="the tag")
    infix: NamePart = Field(title="Infix", description="part of the file's name")
    region_separator: str = Field(
        "_", title="Region separator", description="between the texts of several regions"
    )

    def uses(self) -> Sequence[TagUse]:
        """The tag."""
        return [TagUse(self.in_label, ("location", "string"))]

    def paths(self, around: Surroundings) -> Mapping[int, Path]:
        """The file of each stream."""
        return {
            bits: around.named(self.infix, name, suffix=".qr.json")
            for bits, name in around.streams.items()
        }

    def build(self, around: Surroundings) -> Stage:
        """Its stage."""
        return _Quantities(self, around)


class _Quantities(Stage):
    watches = True

    def __init__(self, params: QuantifyTag, around: Surroundings) -> None:
        self._params = params
        self._streams = around.streams
        self._files = {bits: SideFile(path) for bits, path in params.paths(around).items()}

    def account(self) -> dict[int, Counter[bytes]]:
        """Values by stream."""
        return defaultdict(Counter)

    def run(self, block: Block, account: dict[int, Counter[bytes]]) -> Block:
        """The block as it is."""
        tag = block.tags[self._params.in_label]
        there = np.diff(tag.first) > 0 if isinstance(tag, Regions) else tag.present  # type: ignore[union-attr] # checked
        values = written(tag, self._params.region_separator.encode())
        for bits, rows in by_stream(block, self._streams).items():
            account[bits].update(listed(values.take(rows[there[rows]])))
        return block

    def finish(self, accounts: Sequence[dict[int, Counter[bytes]]]) -> Mapping[str, Any]:
        """Nothing; the files are complete."""
        for bits, file in self._files.items():
            total = sum((each[bits] for each in accounts if bits in each), Counter[bytes]())
            order = sorted(total, key=lambda value: (-total[value], value.lower(), value))
            counts = {value.decode("latin-1"): total[value] for value in order}
            file.write(json.dumps(counts, indent=2, ensure_ascii=False).encode())
            file.close()
        return {}
