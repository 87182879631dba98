"""Samplesheets: which FASTQ files belong to which sample.

`sample,fastq_1,fastq_2[,index_1,index_2,lane,…]`, one row per lane; rows of one sample are read one
after the other. Columns that are not known are left alone, so sheets of other pipelines do.
"""

import csv
import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from blocks.errors import InputError, InputProblems, Problem
from tasks.reads.run_files import is_taken
from tasks.reads.sections import cut, shown

SEGMENTS = {"fastq_1": "read1", "fastq_2": "read2", "index_1": "index1", "index_2": "index2"}
"""Column -> segment."""
NEEDED = ("sample", "fastq_1")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
NAME_EXPECTED = "letters, digits, '.', '_' and '-', a letter or digit first, 100 at most"


def name_fault(name: str) -> tuple[str, str] | None:
    """What is wrong with a sample's name, and what was expected; its folder is called so."""
    if not name:
        return "empty", NAME_EXPECTED
    if not NAME.fullmatch(name):
        return f"{shown(name)} cannot be a file's name", NAME_EXPECTED
    if is_taken(name):
        return f"{name!r} is what a run calls a file of its own", "another name"
    return None


LONGEST_CELL = 131_072
"""Letters; the csv module's own limit is one for the whole process, and others raise it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample and its files."""

    name: str
    files: Mapping[str, tuple[str, ...]]
    """Segment -> its files, in the order of the lanes."""


def read_samplesheet(
    text: str,
    source: str,
    wrong: Callable[[str], str] = lambda _file: "",
    place: Callable[[str], str] = os.path.normpath,
) -> tuple[Sample, ...]:
    """The samples of a sheet, in the order in which they come first.

    Args:
        text: The sheet; with tabs where `source` ends in `.tsv`.
        source: Name for messages.
        wrong: Says what is wrong with a file, nothing if it can be read.
        place: The same for all spellings of a file's name.

    Raises:
        InputError: It is no table.
        InputProblems: All that is wrong, each with its row (the line in the file) and column.
    """
    if "\0" in text:  # as UTF-16 has, which spreadsheets call Unicode text
        raise InputError(f"{source}: holds NUL characters; expected a table in UTF-8")
    sheet = _Sheet(source, wrong, place)
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    rows = csv.reader(
        io.StringIO(text.removeprefix("\ufeff")), delimiter="\t" if source.endswith(".tsv") else ","
    )
    try:
        lines = [(rows.line_num, [cell.strip() for cell in row]) for row in rows]
    except csv.Error as error:
        told = f"{source}, row {rows.line_num}: {error}"
        raise InputError(f"{told}; expected a table of short cells") from None
    for number, row in lines:  # a cell without an end, mostly for a quote too many
        if len(max(row, key=len, default="")) > LONGEST_CELL:
            told = f"{source}, row {number}: a cell of more than {LONGEST_CELL:,} letters"
            raise InputError(f"{told}; expected a table of short cells")
    lines = [(number, row) for number, row in lines if any(row)]
    if sheet.has_columns(lines):
        head = lines[0][1]
        for number, row in lines[1:]:
            sheet.take(number, head, row)
    if sheet.problems:
        raise InputProblems(sheet.problems)
    return tuple(
        Sample(name, {segment: tuple(files) for segment, files in segments.items()})
        for name, segments in sheet.samples.items()
    )


class _Sheet:
    """What was found so far."""

    def __init__(
        self, source: str, wrong: Callable[[str], str], place: Callable[[str], str]
    ) -> None:
        self.source = source
        self._wrong = wrong
        self._place = place
        self.problems: list[Problem] = []
        self.samples: dict[str, dict[str, list[str]]] = {}
        self._first_row: dict[str, int] = {}
        self._seen: dict[str, str] = {}

    def note(self, place: str, what: str, expected: str) -> None:
        """One more thing is wrong."""
        self.problems.append(Problem(f"{self.source}, {place}", what, expected))

    def has_columns(self, lines: list[tuple[int, list[str]]]) -> bool:
        """Whether there is a head with all that is needed, and a row below it."""
        if not lines:
            self.note("row 1", "the sheet is empty", "a head: sample,fastq_1,fastq_2")
            return False
        head = lines[0][1]
        for name in NEEDED:
            if name not in head:
                self.note("row 1", f"no column {name!r}", "a head: sample,fastq_1,fastq_2")
        for name in {*NEEDED, *SEGMENTS}:
            if head.count(name) > 1:
                self.note("row 1", f"column {name!r} twice", "each column once")
        if not self.problems and len(lines) == 1:
            self.note("row 2", "no samples", "a row for each sample or lane")
        return not self.problems

    def take(self, number: int, head: list[str], row: list[str]) -> None:
        """Check a row and add its files to its sample."""
        if len(row) != len(head):
            self.note(f"row {number}", f"{len(row)} cells", f"{len(head)}, as in the head")
            return
        cells = dict(zip(head, row, strict=True))
        name = cells["sample"]
        if fault := name_fault(name):
            self.note(f"row {number}, column sample", *fault)
        if not cells["fastq_1"]:
            self.note(f"row {number}, column fastq_1", "empty", "a FASTQ file")
        found = dict(self._files(number, cells))
        sample = self.samples.setdefault(name, {segment: [] for segment in found})
        first = self._first_row.setdefault(name, number)
        if set(sample) != set(found):
            what = f"{_told(found)}, but row {first} of sample {shown(name)} has {_told(sample)}"
            self.note(f"row {number}", what, "the same columns in all rows of a sample")
        for segment, file in found.items():
            sample.setdefault(segment, []).append(file)

    def _files(self, number: int, cells: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        for column, segment in SEGMENTS.items():
            file = cells.get(column, "")
            if not file:
                continue
            place = f"row {number}, column {column}"
            reason = self._wrong(file)
            same = file if reason or "://" in file else self._place(file)
            if same in self._seen:
                self.note(
                    place, f"{cut(file)} stands in {self._seen[same]} already", "each file once"
                )
            elif reason:
                self.note(place, f"{cut(file)}: {reason}", "a file that can be read")
            self._seen.setdefault(same, place)
            yield segment, file


def _told(segments: Mapping[str, object]) -> str:
    columns = [column for column, segment in SEGMENTS.items() if segment in segments]
    return " and ".join(columns) or "no file"
