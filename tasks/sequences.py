"""Sequences in and out: FASTA, CSV, TSV, Parquet, or a list; gzip or plain.

Every format becomes the same frame, one row per record in the order of the input:

    id           str   FASTA: header up to the first blank; tables: the id column
    description  str   FASTA: the rest of the header; "" otherwise
    sequence     str   upper case, one final `*` removed; several chains joined with ":"
    <others>           chain columns and all further columns of a table

Nothing is repaired silently: whatever cannot be a sequence of the alphabet is reported with its
place, all places of one input at once.
"""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from Bio.SeqIO.FastaIO import SimpleFastaParser

from blocks.errors import InputError, InputProblems, Problem

Alphabet = Literal["protein", "dna", "rna"]
Format = Literal["auto", "fasta", "csv", "tsv", "parquet"]

LETTERS: dict[str, str] = {
    "protein": "ACDEFGHIKLMNPQRSTVWYBJOUXZ",
    "dna": "ACGTNRYSWKMBDHV",
    "rna": "ACGUNRYSWKMBDHV",
}
"""IUPAC letters, the ambiguous ones last."""

SUFFIXES: dict[Format, tuple[str, ...]] = {
    "fasta": (".fasta", ".fa", ".faa", ".fna", ".ffn", ".fas"),
    "csv": (".csv",),
    "tsv": (".tsv", ".tab"),
    "parquet": (".parquet", ".pq"),
}
CHUNK_ROWS = 50_000
KEPT_PROBLEMS = 1_000
_NUMBER = r"\s*[+-]?(?:0|[1-9]\d*|0?\.\d+)(?:\.\d*)?(?:[eE][+-]?\d+)?\s*"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of a record stand in a table."""

    alphabet: Alphabet = "protein"
    id_column: str = "id"
    sequence_column: str = "sequence"
    chains: tuple[str, ...] = ()
    """Columns that hold one chain each; empty: one chain, in `sequence_column`."""
    gaps: bool = False
    """Whether the sequences may be aligned, with `-` and `.` for gaps."""

    @property
    def required(self) -> tuple[str, ...]:
        """Columns without which a table cannot be read."""
        return self.chains or (self.sequence_column,)


@dataclass(slots=True)
class _Report:
    """Problems found so far; counts all, keeps the first ones."""

    problems: list[Problem] = field(default_factory=list)
    more: int = 0

    def add(self, where: str, what: str, expected: str) -> None:
        if len(self.problems) < KEPT_PROBLEMS:
            self.problems.append(Problem(where, what, expected))
        else:
            self.more += 1

    def stop_if_any(self) -> None:
        if self.more:
            self.problems.append(Problem("input", f"{self.more} further problems", "none"))
        if self.problems:
            raise InputProblems(self.problems)


def format_of(name: str, declared: Format = "auto") -> Format:
    """The format of a file, by its declaration or its name without `.gz`.

    >>> format_of("s3://bucket/globins.FA.gz")
    'fasta'
    """
    if declared != "auto":
        return declared
    stem = name.lower().removesuffix(".gz")
    for format_, suffixes in SUFFIXES.items():
        if stem.endswith(suffixes):
            return format_
    known = ", ".join(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
    raise InputError(
        f"{name}: format not known from the name; expected one of {known}, or `format`"
    )


def read_sequences(
    file: IO[bytes], name: str, format_: Format = "auto", layout: Layout = Layout()
) -> Iterator[pd.DataFrame]:
    """Frames of at most `CHUNK_ROWS` records; see the module's head for the columns.

    The last step of the iteration raises when anything was wrong, so that one pass finds all.

    Raises:
        InputProblems: Everything that is wrong with the input, with row, column and remedy.
    """
    report = _Report()
    kind = format_of(name, format_)
    rows = 0
    for frame in _frames(file, name, kind, layout, report):
        rows += len(frame)
        yield _checked(frame, name, layout, report)
    if rows == 0 and not report.problems:
        report.add(name, "no records", "at least one sequence")
    report.stop_if_any()


def from_list(sequences: Sequence[str], layout: Layout = Layout()) -> pd.DataFrame:
    """Sequences given as they are; ids are `seq-1`, `seq-2`, …; raises as `read_sequences`."""
    report = _Report()
    frame = pd.DataFrame({"sequence": list(sequences)}, dtype=str)
    frame.insert(0, "id", [f"seq-{n}" for n in range(1, len(frame) + 1)])
    frame["_place"] = frame["id"]
    checked = _checked(frame, "sequences", layout, report)
    report.stop_if_any()
    return checked


def _frames(
    file: IO[bytes], name: str, kind: Format, layout: Layout, report: _Report
) -> Iterator[pd.DataFrame]:
    """Raw frames with the place of each record in the column `_place`."""
    try:
        if kind == "parquet":
            yield from _parquet_frames(file, name, layout, report)
            return
        binary = gzip.GzipFile(fileobj=file) if _is_gzip(file) else file
        with io.TextIOWrapper(binary, encoding="utf-8-sig", newline=None) as text:
            parse = _fasta_frames if kind == "fasta" else _table_frames
            yield from parse(text, name, "\t" if kind == "tsv" else ",", layout, report)
    except UnicodeDecodeError as error:
        report.add(name, f"byte {error.object[error.start]:#04x} is not UTF-8", "text in UTF-8")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        report.add(name, f"broken gzip data ({error})", "a whole file: transfer it again")


def _is_gzip(file: IO[bytes]) -> bool:
    start = file.read(2)
    file.seek(0)
    return start == b"\x1f\x8b"


def _fasta_frames(
    text: IO[str], name: str, _separator: str, _layout: Layout, report: _Report
) -> Iterator[pd.DataFrame]:
    first = next((line for line in text if line.strip()), "")
    if not first:
        return
    if not first.startswith(">"):
        report.add(f"{name}, first line", repr(first.strip()[:30]), "`>` and a name (FASTA)")
        return
    records: list[tuple[str, str, str, str]] = []
    lines = (line for part in ((first,), text) for line in part)
    for number, (header, sequence) in enumerate(_fasta_records(lines), start=1):
        identifier, _, description = header.strip().partition(" ")
        place = f"record {number} ({identifier})" if identifier else f"record {number}"
        if not identifier:
            report.add(f"{name}, {place}", "no name after `>`", "`>name` before each sequence")
        records.append((identifier, description.strip(), sequence, place))
        if len(records) == CHUNK_ROWS:
            yield _fasta_frame(records)
            records = []
    if records:
        yield _fasta_frame(records)


def _fasta_records(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    records: Iterator[tuple[str, str]] = SimpleFastaParser(lines)  # type: ignore[no-untyped-call]
    return records


def _fasta_frame(records: list[tuple[str, str, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(records, columns=["id", "description", "sequence", "_place"], dtype=str)


def _table_frames(
    text: IO[str], name: str, separator: str, layout: Layout, report: _Report
) -> Iterator[pd.DataFrame]:
    numbers: list[int] = []
    reader = csv.reader(_data_lines(text, numbers), delimiter=separator, strict=True)
    try:
        header = [column.strip() for column in next(reader, [])]
        if not _good_header(header, name, layout, report):
            return
        rows: list[list[str]] = []
        places: list[str] = []
        for row in reader:
            place = f"row {numbers[-1]}"
            if len(row) != len(header):
                report.add(f"{name}, {place}", f"{len(row)} cells", f"{len(header)} cells")
                continue
            rows.append(row)
            places.append(place)
            if len(rows) == CHUNK_ROWS:
                yield _table_frame(rows, header, places, layout)
                rows, places = [], []
        if rows:
            yield _table_frame(rows, header, places, layout)
    except csv.Error as error:
        report.add(f"{name}, row {numbers[-1]}", str(error), "cells quoted as in RFC 4180")


def _data_lines(text: IO[str], numbers: list[int]) -> Iterator[str]:
    """Lines that are neither blank nor comments; `numbers` ends with the number of the last one."""
    numbers.append(0)
    for number, line in enumerate(text, start=1):
        if line.strip() and not line.startswith("#"):
            numbers[-1] = number
            yield line


def _good_header(header: list[str], name: str, layout: Layout, report: _Report) -> bool:
    place = f"{name}, header"
    before = len(report.problems)
    if not header:
        report.add(name, "no rows", "a header and at least one row")
        return False
    for column in sorted(set(layout.required) - set(header)):
        report.add(place, f"no column {column!r} among {', '.join(header)}", f"a column {column!r}")
    for column in sorted({column for column in header if header.count(column) > 1}):
        report.add(place, f"column {column!r} twice", "each column once")
    if "" in header:
        report.add(place, f"column {header.index('') + 1} without name", "a name for each column")
    return len(report.problems) == before


def _table_frame(
    rows: list[list[str]], header: list[str], places: list[str], layout: Layout
) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=header, dtype=str)
    return _named(frame, layout).assign(_place=places)


def _named(frame: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    names = {layout.id_column: "id"}
    if not layout.chains:
        names[layout.sequence_column] = "sequence"
    return frame.rename(columns=names)


def _parquet_frames(
    file: IO[bytes], name: str, layout: Layout, report: _Report
) -> Iterator[pd.DataFrame]:
    try:
        parquet = pq.ParquetFile(file)
    except pa.ArrowInvalid as error:
        report.add(name, f"not a Parquet file ({error})", "a whole Parquet file")
        return
    if not _good_header(parquet.schema_arrow.names, name, layout, report):
        return
    row = 0
    for batch in parquet.iter_batches(CHUNK_ROWS):
        frame = _named(batch.to_pandas(), layout)
        for column in {"id", "sequence", *layout.chains} & set(frame.columns):
            frame[column] = frame[column].astype("str").fillna("")
        yield frame.assign(_place=[f"row {row + n}" for n in range(1, len(frame) + 1)])
        row += len(frame)


def _checked(frame: pd.DataFrame, name: str, layout: Layout, report: _Report) -> pd.DataFrame:
    """The frame with clean sequences; whatever is wrong goes into the report."""
    places = frame["_place"].tolist()
    frame = frame.drop(columns="_place")
    chains = layout.chains or ("sequence",)
    for chain in chains:
        label = f"column {chain!r}" if layout.chains else "sequence"
        cleaned = [text.strip().upper().removesuffix("*") for text in frame[chain]]
        frame[chain] = pd.Series(cleaned, dtype=str)
        where = [f"{name}, {place}, {label}" for place in places]
        _check_letters(cleaned, where, layout, report)
    if layout.chains:
        joined = [":".join(row) for row in zip(*(frame[c] for c in chains), strict=True)]
        frame["sequence"] = pd.Series(joined, dtype=str)
    if "id" not in frame:
        frame["id"] = [place.replace(" ", "-") for place in places]
    if "description" not in frame:
        frame["description"] = pd.Series([""] * len(frame), dtype=str)
    for place, identifier in zip(places, frame["id"], strict=True):
        if not identifier or re.search(r"\s", identifier):
            report.add(f"{name}, {place}, id", repr(identifier), "a name without blanks")
    first = ["id", "description", "sequence"]
    return frame[first + [column for column in frame.columns if column not in first]]


def _check_letters(sequences: list[str], where: list[str], layout: Layout, report: _Report) -> None:
    letters = LETTERS[layout.alphabet] + ("-." if layout.gaps else "")
    expected = f"letters of {layout.alphabet} ({letters})"
    strip = str.maketrans("", "", letters)
    for sequence, place in zip(sequences, where, strict=True):
        if not sequence:
            report.add(place, "empty", expected)
        elif wrong := sequence.translate(strip):
            position = sequence.index(wrong[0]) + 1
            report.add(f"{place}, position {position}", f"letter {wrong[0]!r}", expected)


def numeric_columns(frame: pd.DataFrame) -> list[str]:
    """Text columns in which every cell is a number or empty, without anything lost by conversion.

    >>> numeric_columns(pd.DataFrame({"tm": ["48.5", ""], "plate": ["007", "008"]}))
    ['tm']
    """
    candidates = [c for c in frame.columns if c not in ("id", "description", "sequence")]
    found = []
    for column in candidates:
        cells = frame[column]
        if pd.api.types.is_string_dtype(cells):
            filled = cells[cells.str.strip() != ""]
            if len(filled) and filled.str.fullmatch(_NUMBER).all():
                found.append(column)
    return found


def fasta_text(ids: Iterable[str], sequences: Iterable[str], width: int = 60) -> Iterator[str]:
    r"""Records of a FASTA file, each with its line ends.

    >>> list(fasta_text(["a"], ["MKV"], width=2))
    ['>a\nMK\nV\n']
    """
    for identifier, sequence in zip(ids, sequences, strict=True):
        lines = (sequence[start : start + width] for start in range(0, len(sequence), width))
        yield f">{identifier}\n" + "\n".join(lines) + "\n"
