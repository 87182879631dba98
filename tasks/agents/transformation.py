"""Records made uniform: names of fields, blanks, cases, numbers, dates and units; nothing is lost.

What is done to a column is done to all of it or not at all: texts become numbers, dates or
quantities only where every text of the column is one, of one dimension. The order of records stays.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.agents.model import Naming, TransformParams
from tasks.agents.quantities import quantity
from tasks.agents.table_data import Cell, TableData, is_missing, qualities
from tasks.text.numbers import same_day
from tasks.text.patterns import known

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_A-Za-z]+")
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d+)?([eE][+-]?\d{1,2})?")
Row = dict[str, Any]


@dataclass(slots=True)
class Transformed:
    """Records after the transformation, and what was done."""

    rows: list[Row]
    changes: list[Row] = field(default_factory=list)
    """A row for each column and operation: table, field, becomes, operation, cells."""
    completeness: float = 1.0
    """Share of cells that hold something."""
    consistency: float = 1.0
    """Share of cells that have the type of most of their column."""


def transformed(table: TableData, params: TransformParams) -> Transformed:
    """The records of a table made uniform."""
    made = Transformed([])
    columns: dict[str, list[Cell]] = {}
    for old, new in new_names(table.columns, params.naming).items():
        steps = list(_steps(table, old, new, params))
        columns[new] = steps[-1][1]
        units = _quantities(columns[new]) if params.units else None
        if units is not None:
            steps.append(("base unit", units[0]))
            columns[new] = units[0]
            held = [None if is_missing(cell) else units[1] for cell in units[0]]
            columns[_free(f"{new}_unit", columns)] = held
        for operation, count in _counted(table.column(old), steps):
            row = {"table": table.name, "field": old, "becomes": new, "operation": operation}
            made.changes.append({**row, "cells": count})
        if new != old:
            row = {"table": table.name, "field": old, "becomes": new, "operation": "name"}
            made.changes.append({**row, "cells": len(table.rows)})
    cells_of_rows = zip(*columns.values(), strict=True)
    made.rows = [dict(zip(columns, cells, strict=True)) for cells in cells_of_rows]
    made.completeness, made.consistency = qualities(TableData(table.name, made.rows))
    return made


def _steps(
    table: TableData, old: str, new: str, params: TransformParams
) -> Iterator[tuple[str, list[Cell]]]:
    """What is done to a column, one after the other, and its cells after that."""
    cells = [_tidy(cell) for cell in table.column(old)]
    yield "tidy", cells
    if old in params.lower or new in params.lower:
        cells = [cell.lower() if isinstance(cell, str) else cell for cell in cells]
        yield "lower case", cells
    for operation, read in _READINGS.items():
        if operation == "number" and old == table.id_column:
            continue  # an id stays what it is
        values = _all_texts(cells, read)
        if values is not None:
            cells = values
            yield operation, cells


def _counted(
    before: Sequence[Cell], steps: Sequence[tuple[str, list[Cell]]]
) -> Iterator[tuple[str, int]]:
    """The steps that changed something, and how many cells."""
    for operation, after in steps:
        changed = sum(a is not b and a != b for a, b in zip(before, after, strict=True))
        if changed:
            yield operation, changed
        before = after


def new_names(columns: Sequence[str], naming: Naming) -> dict[str, str]:
    """What each column is called; two that would be called the same get a number.

    >>> new_names(["Gene ID", "geneId", "assay.pH"], "snake")
    {'Gene ID': 'gene_id', 'geneId': 'gene_id_2', 'assay.pH': 'assay_p_h'}
    >>> new_names(["gene id", "assay.pH"], "camel"), new_names(["a.B c"], "flat")
    ({'gene id': 'geneId', 'assay.pH': 'assayPH'}, {'a.B c': 'a.B c'})
    """
    found: dict[str, str] = {}
    for old in columns:
        found[old] = _free(_named(old, naming), found.values())
    return found


def _named(old: str, naming: Naming) -> str:
    if naming in ("keep", "flat"):
        return old
    words = list(map(str, _WORDS.findall(old))) or [old]
    if naming == "snake":
        return "_".join(word.lower() for word in words)
    first, *others = words
    return "".join([first.lower(), *(word[:1].upper() + word[1:] for word in others)])


def _free(name: str, taken: Any) -> str:  # noqa: ANN401 -- anything with `in`
    number, free = 2, name
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def _tidy(cell: Cell) -> Cell:
    """A text in one form of Unicode without blanks at its ends; an empty one is missing."""
    if isinstance(cell, list):
        return [_tidy(one) for one in cell]
    if not isinstance(cell, str):
        return None if is_missing(cell) else cell
    text = re.sub(r"[^\S\n]+", " ", unicodedata.normalize("NFC", cell)).strip()
    return text or None


def _all_texts(cells: Sequence[Cell], read: Callable[[str], Cell]) -> list[Cell] | None:
    """All cells read, if they are texts and every one can be; None otherwise."""
    if not any(isinstance(cell, str) for cell in cells):
        return None
    found: list[Cell] = []
    for cell in cells:
        value = None if cell is None else read(cell) if isinstance(cell, str) else None
        if cell is not None and value is None:
            return None
        found.append(value)
    return found


def _as_number(text: str) -> Cell:
    if not _NUMBER.fullmatch(text):
        return None
    return int(text) if text.lstrip("-").isdecimal() else float(text)


def _as_day(text: str) -> Cell:
    found = list(known(text, ["date"]))
    whole = len(found) == 1 and (found[0].start, found[0].end) == (0, len(text))
    return same_day(text) if whole else None


_READINGS: Mapping[str, Callable[[str], Cell]] = {"number": _as_number, "date": _as_day}


def _quantities(cells: Sequence[Cell]) -> tuple[list[Cell], str] | None:
    """Values in their base unit, and the unit; None unless all texts are of one."""
    units: set[str] = set()

    def read(text: str) -> Cell:
        found = quantity(text)
        if found is None:
            return None
        units.add(found.unit)
        return found.value

    values = _all_texts(cells, read)
    return (values, units.pop()) if values is not None and len(units) == 1 else None
