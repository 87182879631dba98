"""Tables and sequences that runs over variants read."""

import csv
import io
from collections.abc import Sequence

from blocks.errors import InputError, InputProblems, Problem
from tasks.variants.positions import Span
from tasks.variants.scoring import Sample, check_samples

NEEDED = ("sample", "round", "replicate")


def read_samples(text: str, name: str) -> tuple[Sample, ...]:
    """The samples of a sheet; rows of one sample (lanes) must agree.

    Raises:
        InputError: A column or all rows are missing, or the rounds do not fit together.
        InputProblems: Cells that hold no numbers, with their rows.
    """
    found: dict[str, Sample] = {}
    problems: list[Problem] = []
    for number, row in enumerate(table_rows(text, name, NEEDED), start=2):
        cells = {key: row[key].strip() for key in NEEDED}
        for key in NEEDED[1:]:
            if not cells[key].isdecimal():
                place = f"{name}, row {number}, column {key}"
                problems.append(Problem(place, repr(cells[key]), "a whole number from 0 on"))
        if problems:
            continue
        one = Sample(cells["sample"], int(cells["round"]), int(cells["replicate"]))
        if found.setdefault(one.name, one) != one:
            what = f"sample {one.name!r} with another round or replicate before"
            problems.append(Problem(f"{name}, row {number}", what, "the same in all its rows"))
    if problems:
        raise InputProblems(problems)
    check_samples(list(found.values()))
    return tuple(found.values())


def read_domains(text: str, name: str) -> list[Span]:
    """Classes and stretches of the domains in a table of `domains`.

    Raises:
        InputError: It is no such table, or has several proteins.
    """
    rows = table_rows(text, name, ("protein", "range", "classification"), least=0)
    proteins = {row["protein"] for row in rows}
    if len(proteins) > 1:
        raise InputError(f"{name}: {len(proteins)} proteins; expected the parent only")
    try:
        return [(row["classification"], _stretches(row["range"])) for row in rows]
    except ValueError:
        raise InputError(f"{name}: a range that is none; expected such as 1-95,101-220") from None


def _stretches(text: str) -> list[tuple[int, int]]:
    """0-based and half-open, of `1-95,101-220`."""
    pairs = [part.split("-") for part in text.split(",")]
    return [(int(first) - 1, int(last)) for first, last in pairs]


def table_rows(text: str, name: str, needed: Sequence[str], least: int = 1) -> list[dict[str, str]]:
    """The rows of CSV, or of TSV where the name ends so.

    Raises:
        InputError: A column is missing, or there are fewer rows than `least`.
    """
    separator = "\t" if name.endswith((".tsv", ".tab")) else ","
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), delimiter=separator)
    head = reader.fieldnames or []
    missing = [column for column in needed if column not in head]
    if missing:
        told = f"{name}, row 1: no column {missing[0]!r}"
        raise InputError(f"{told}; expected the columns {', '.join(needed)}")
    rows = [{key: value or "" for key, value in row.items() if key} for row in reader]
    if len(rows) < least:
        raise InputError(f"{name}: no rows below the head; expected {least} at least")
    return rows
