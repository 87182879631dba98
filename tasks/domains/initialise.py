"""Proteins of all inputs, checked: one frame after the other, every problem told at the end.

id           str   unique; `sample:id` where a sheet names samples
description  str
sequence     str   upper case, letters of proteins only
digest       str   of the sequence
source       str   the file
"""

import csv
import io
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import IO

import pandas as pd

from blocks.errors import InputError, InputProblems, Problem
from tasks.sequence_files import Format, read_sequences
from tasks.sequences import Layout

COLUMNS = ("id", "description", "sequence", "digest", "source")
LENGTH_CLASSES = (("peptide", 0), ("short", 100), ("medium", 300), ("long", 1_000))
"""Name and the length below which a protein no longer belongs to it; the last one has no end."""
SHEET_COLUMNS = ("sample", "fasta")
NUCLEOTIDES = "[ACGTUN]{50,}"
"""A protein of these letters alone is hardly one."""
LONGEST = 100_000
"""Longest sequence taken [aa]: no protein is longer, and BLAST takes memory for it."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file of proteins."""

    place: str
    prefix: str = ""
    """Before each id, with a colon; "" for none."""


@dataclass(slots=True)
class Tally:
    """What was read."""

    records: int = 0
    repeated: int = 0
    """Records with an id and a sequence that were there already; they are left out."""
    lengths: Counter[str] = field(default_factory=Counter)
    """Class of length -> proteins."""
    nucleotides: int = 0
    """Sequences that have the letters of nucleotides only."""
    first_nucleotides: str = ""
    """Id of the first of them."""
    refused: dict[str, list[Problem]] = field(default_factory=dict)
    """File -> what is wrong with it."""


def length_class(length: int, peptide_below: int) -> str:
    """Class of a length [aa].

    >>> [length_class(n, 30) for n in (29, 30, 300, 5000)]
    ['peptide', 'short', 'long', 'very_long']
    """
    bounds = [(name, limit or peptide_below) for name, limit in LENGTH_CLASSES]
    return next((name for name, limit in bounds if length < limit), "very_long")


def read_proteins(
    sources: Sequence[Source],
    opened: Callable[[str], IO[bytes]],
    digests: Callable[[Sequence[str]], list[str]],
    tally: Tally,
    *,
    format_: Format = "auto",
    layout: Layout = Layout(),
) -> Iterator[pd.DataFrame]:
    """Frames of proteins, file by file; what is wrong with a file stands in `tally.refused`.

    Ids are unique: a record that is there already with the same sequence is left out and counted,
    one with another sequence is a problem. Ids seen so far lie on disk, not in memory.
    """
    with closing(sqlite3.connect("")) as seen:  # "": a temporary file
        seen.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, digest TEXT, source TEXT)")
        for source in sources:
            try:
                with opened(source.place) as file:
                    for frame in read_sequences(file, source.place, format_, layout):
                        made = _named(frame, source, digests)
                        tally.records += len(made)
                        _look_for_nucleotides(made, tally)
                        yield _unique(made, seen, tally)
            except InputProblems as error:
                tally.refused.setdefault(source.place, []).extend(error.problems)
            except InputError as error:
                where, _, rest = str(error).partition(": ")
                what, _, expected = rest.partition("; expected ")
                problem = Problem(where, what, expected or "a readable file")
                tally.refused.setdefault(source.place, []).append(problem)


def _look_for_nucleotides(frame: pd.DataFrame, tally: Tally) -> None:
    found = frame["id"][frame["sequence"].str.fullmatch(NUCLEOTIDES)].tolist()
    tally.nucleotides += len(found)
    tally.first_nucleotides = tally.first_nucleotides or next(iter(found), "")


def _named(
    frame: pd.DataFrame, source: Source, digests: Callable[[Sequence[str]], list[str]]
) -> pd.DataFrame:
    ids = frame["id"] if not source.prefix else f"{source.prefix}:" + frame["id"]
    return pd.DataFrame(
        {
            "id": ids.astype("str"),
            "description": frame["description"].astype("str"),
            "sequence": frame["sequence"].astype("str"),
            "digest": pd.Series(digests(frame["sequence"].tolist()), dtype="str"),
            "source": pd.Series([source.place] * len(frame), dtype="str"),
        }
    )


def _unique(frame: pd.DataFrame, seen: sqlite3.Connection, tally: Tally) -> pd.DataFrame:
    kept = []
    rows = zip(frame["id"], frame["digest"], frame["sequence"], frame["source"], strict=True)
    for place, (one, digest, sequence, source) in enumerate(rows):
        known = seen.execute("SELECT digest, source FROM seen WHERE id = ?", (one,)).fetchone()
        problem = None
        if len(sequence) > LONGEST:
            what = f"{len(sequence):,} residues"
            problem = Problem(f"{source}, {one}", what, f"at most {LONGEST:,}")
        elif known is None:
            seen.execute("INSERT INTO seen VALUES (?, ?, ?)", (one, digest, source))
            kept.append(place)
        elif known[0] == digest:
            tally.repeated += 1
        else:
            there = "this file" if known[1] == source else known[1]
            what = f"id {one!r} has another sequence in {there}"
            problem = Problem(f"{source}, {one}", what, "one sequence for each id")
        if problem is not None:
            tally.refused.setdefault(source, []).append(problem)
    return frame.iloc[kept].reset_index(drop=True)


def read_sheet(text: str, name: str) -> tuple[Source, ...]:
    """The files of a samplesheet: `sample,fasta`, further columns are left alone.

    Raises:
        InputProblems: All that is wrong, each with its row (the line in the file) and column.
    """
    rows = csv.reader(
        io.StringIO(text.removeprefix("\ufeff")), delimiter="\t" if ".tsv" in name else ","
    )
    lines = [(rows.line_num, [cell.strip() for cell in row]) for row in rows]
    lines = [(number, row) for number, row in lines if any(row) and not row[0].startswith("#")]
    head = lines[0][1] if lines else []
    missing = [column for column in SHEET_COLUMNS if column not in head]
    problems = [
        Problem(f"{name}, header", f"no column {column!r}", f"a head: {','.join(SHEET_COLUMNS)}")
        for column in missing
    ]
    if not missing and len(lines) == 1:
        problems.append(Problem(name, "no samples", "a row for each file"))
    found: dict[str, Source] = {}
    for number, row in lines[1:] if not missing else ():
        cells = dict(zip(head, row, strict=False))
        for column in SHEET_COLUMNS:
            if not cells.get(column) or " " in cells[column]:
                what = repr(cells[column]) if cells.get(column) else "empty"
                expected = "a name without blanks" if column == "sample" else "a file of proteins"
                problems.append(Problem(f"{name}, row {number}, column {column}", what, expected))
        source = Source(cells.get("fasta", ""), cells.get("sample", ""))
        if source.place in found:
            place = f"{name}, row {number}, column fasta"
            problems.append(Problem(place, f"{source.place} twice", "each file once"))
        found[source.place] = source
    if problems:
        raise InputProblems(problems)
    return tuple(found.values())
