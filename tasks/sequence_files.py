"""Files of sequences: FASTA, CSV, TSV, Parquet; gzip or plain.

Every format becomes the frame that `tasks.sequences` describes.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from Bio.SeqIO.FastaIO import SimpleFastaParser

from blocks.errors import InputError
from tasks.sequences import Findings, Layout, checked

Format = Literal["auto", "fasta", "csv", "tsv", "parquet"]
SUFFIXES: dict[Format, tuple[str, ...]] = {
    "fasta": (".fasta", ".fa", ".faa", ".fna", ".ffn", ".fas"),
    "csv": (".csv",),
    "tsv": (".tsv", ".tab"),
    "parquet": (".parquet", ".pq"),
}
TOLD_LETTERS = 60
"""Of an id, in the place of a problem."""
CHUNK_ROWS = 50_000


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
    """Frames of at most `CHUNK_ROWS` records; see `tasks.sequences` for the columns.

    The last step of the iteration raises when anything was wrong, so that one pass finds all.

    Raises:
        InputProblems: Everything that is wrong with the input, with row, column and remedy.
    """
    findings = Findings()
    kind = format_of(name, format_)
    rows = 0
    for frame in _frames(file, name, kind, layout, findings):
        rows += len(frame)
        yield checked(frame, name, layout, findings)
    if rows == 0 and not findings.problems:
        findings.add(name, "no records", "at least one sequence")
    findings.stop_if_any()


def _frames(
    file: IO[bytes], name: str, kind: Format, layout: Layout, findings: Findings
) -> Iterator[pd.DataFrame]:
    """Raw frames with the place of each record in the column `_place`."""
    try:
        if kind == "parquet":
            yield from _parquet_frames(file, name, layout, findings)
            return
        binary = gzip.GzipFile(fileobj=file) if _is_gzip(file) else file
        with io.TextIOWrapper(binary, encoding="utf-8-sig", newline=None) as text:
            parse = _fasta_frames if kind == "fasta" else _table_frames
            yield from parse(text, name, "\t" if kind == "tsv" else ",", layout, findings)
    except UnicodeDecodeError as error:
        findings.add(name, f"byte {error.object[error.start]:#04x} is not UTF-8", "text in UTF-8")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        findings.add(name, f"broken gzip data ({error})", "a whole file: transfer it again")


def _is_gzip(file: IO[bytes]) -> bool:
    start = file.read(2)
    file.seek(0)
    return start == b"\x1f\x8b"


def _fasta_frames(
    text: IO[str], name: str, _separator: str, _layout: Layout, findings: Findings
) -> Iterator[pd.DataFrame]:
    first = next((line for line in text if line.strip()), "")
    if not first:
        return
    if not first.startswith(">"):
        findings.add(f"{name}, first line", repr(first.strip()[:30]), "`>` and a name (FASTA)")
        return
    records: list[tuple[str, str, str, str]] = []
    lines = (line for part in ((first,), text) for line in part)
    for number, (header, sequence) in enumerate(_fasta_records(lines), start=1):
        identifier, description = [*header.split(None, 1), "", ""][:2]
        place = (
            f"record {number} ({identifier[:TOLD_LETTERS]})" if identifier else f"record {number}"
        )
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
    text: IO[str], name: str, separator: str, layout: Layout, findings: Findings
) -> Iterator[pd.DataFrame]:
    numbers: list[int] = []
    reader = csv.reader(_data_lines(text, numbers), delimiter=separator, strict=True)
    try:
        header = [column.strip() for column in next(reader, [])]
        if not _good_header(header, name, layout, findings):
            return
        rows: list[list[str]] = []
        places: list[str] = []
        for row in reader:
            place = f"row {numbers[-1]}"
            if len(row) != len(header):
                findings.add(f"{name}, {place}", f"{len(row)} cells", f"{len(header)} cells")
                continue
            rows.append(row)
            places.append(place)
            if len(rows) == CHUNK_ROWS:
                yield _table_frame(rows, header, places, layout)
                rows, places = [], []
        if rows:
            yield _table_frame(rows, header, places, layout)
    except csv.Error as error:
        findings.add(f"{name}, row {numbers[-1]}", str(error), "cells quoted as in RFC 4180")


def _data_lines(text: IO[str], numbers: list[int]) -> Iterator[str]:
    """Lines that are neither blank nor comments; `numbers` ends with the number of the last one."""
    numbers.append(0)
    for number, line in enumerate(text, start=1):
        if line.strip() and not line.startswith("#"):
            numbers[-1] = number
            yield line


def _good_header(header: list[str], name: str, layout: Layout, findings: Findings) -> bool:
    place = f"{name}, header"
    before = len(findings.problems)
    if not header:
        findings.add(name, "no rows", "a header and at least one row")
        return False
    for column in sorted(set(layout.required) - set(header)):
        findings.add(
            place, f"no column {column!r} among {', '.join(header)}", f"a column {column!r}"
        )
    for column in sorted({column for column in header if header.count(column) > 1}):
        findings.add(place, f"column {column!r} twice", "each column once")
    if "" in header:
        findings.add(place, f"column {header.index('') + 1} without name", "a name for each column")
    return len(findings.problems) == before


def _table_frame(
    rows: list[list[str]], header: list[str], places: list[str], layout: Layout
) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=header, dtype=str)
    return _named(frame, layout).assign(_place=places)


def _named(frame: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """The columns under our names; other columns that had those become `input_<name>`."""
    ours = {"id": layout.id_column, "sequence": "" if layout.chains else layout.sequence_column}
    displaced = {name: f"input_{name}" for name, given in ours.items() if name != given}
    if "id" in displaced and layout.id_column not in frame:
        del displaced["id"]  # no such column, so the one called id may serve
    frame = frame.rename(columns={k: v for k, v in displaced.items() if k in frame})
    return frame.rename(columns={given: name for name, given in ours.items()})


def _parquet_frames(
    file: IO[bytes], name: str, layout: Layout, findings: Findings
) -> Iterator[pd.DataFrame]:
    try:
        parquet = pq.ParquetFile(file)
    except pa.ArrowInvalid as error:
        findings.add(name, f"not a Parquet file ({error})", "a whole Parquet file")
        return
    if not _good_header(parquet.schema_arrow.names, name, layout, findings):
        return
    row = 0
    for batch in parquet.iter_batches(CHUNK_ROWS):
        frame = _named(batch.to_pandas(), layout)
        for column in {"id", "sequence", *layout.chains} & set(frame.columns):
            frame[column] = frame[column].astype("str").fillna("")
        yield frame.assign(_place=[f"row {row + n}" for n in range(1, len(frame) + 1)])
        row += len(frame)


def fasta_text(ids: Iterable[str], sequences: Iterable[str], width: int = 60) -> Iterator[str]:
    r"""Records of a FASTA file, each with its line ends.

    >>> list(fasta_text(["a"], ["MKV"], width=2))
    ['>a\nMK\nV\n']
    """
    for identifier, sequence in zip(ids, sequences, strict=True):
        lines = (sequence[start : start + width] for start in range(0, len(sequence), width))
        yield f">{identifier}\n" + "\n".join(lines) + "\n"
