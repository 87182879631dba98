"""A table as the agents see it: records whose nested fields are columns `a.b`.

Truth values are no numbers, and NaN is a missing value. Rows count from 1 wherever people see them.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

Kind = Literal["number", "text", "truth", "list", "mixed", "missing"]
Cell = Any
"""A JSON value that is no object."""
ID_COLUMNS = ("id", "name", "sample", "protein", "stage", "accession", "key", "title")
"""What names a row where nobody says so, the first that is there."""


@dataclass(frozen=True)
class TableData:
    """The records of one table."""

    name: str
    rows: Sequence[Mapping[str, Cell]]
    """Flat ones; see `flat`."""
    pipeline: str = ""
    """That wrote it; "" for others."""
    id: str = ""
    best: str = ""
    goal: str = "maximise"
    told: tuple[str, ...] = ()
    """Columns that are told of the best rows; none: some that hold numbers."""
    about: str = "record"
    """What a row is."""
    _lists: dict[str, list[Cell]] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in the order in which they first appear."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row))

    def column(self, name: str) -> list[Cell]:
        """The cells of a column; None where one is missing.

        Raises:
            KeyError: There is no such column.
        """
        if name not in self.columns:
            raise KeyError(name)
        if name not in self._lists:
            self._lists[name] = [row.get(name) for row in self.rows]
        return self._lists[name]

    def present(self, name: str) -> list[Cell]:
        """The cells that are not missing."""
        return [cell for cell in self.column(name) if not is_missing(cell)]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """The numbers of a column, shape (n,)."""
        return np.array([cell for cell in self.column(name) if is_number(cell)], np.float64)

    def kind(self, name: str) -> Kind:
        """What all cells of a column hold."""
        kinds = {kind_of(cell) for cell in self.present(name)}
        if not kinds:
            return "missing"
        return kinds.pop() if len(kinds) == 1 else "mixed"

    @cached_property
    def id_column(self) -> str:
        """The column that names a row: as asked, by its name, or a first one of distinct texts."""
        if self.id in self.columns:
            return self.id
        by_name = {name.casefold(): name for name in reversed(self.columns)}
        known = next((by_name[name] for name in ID_COLUMNS if name in by_name), "")
        if known or not self.columns:
            return known
        first = self.column(self.columns[0])
        named = all(isinstance(cell, str) and cell for cell in first)
        return self.columns[0] if named and len(set(first)) == len(first) > 1 else ""

    def label(self, row: int) -> str:
        """What names a row, which counts from 1; "" where nothing does."""
        name = self.rows[row - 1].get(self.id_column) if self.id_column else None
        return "" if is_missing(name) or isinstance(name, list) else str(name)


def qualities(table: TableData) -> tuple[float, float]:
    """Completeness and consistency of a table; 1 where there are no cells.

    Completeness is the share of cells that hold something, consistency the share of those that have
    the type of most of their column; whole numbers and others are of one type.
    """
    cells = present = main = 0
    for name in table.columns:
        kinds = Counter(kind_of(cell) for cell in table.present(name))
        cells += len(table.rows)
        present += kinds.total()
        main += max(kinds.values(), default=0)
    return present / cells if cells else 1.0, main / present if present else 1.0


def flat(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Cell]]:
    """The leaves of a record by dotted path; lists are leaves.

    >>> dict(flat({"a": {"b": 1, "c": {}}, "d": [1]}))
    {'a.b': 1, 'd': [1]}
    """
    for name, value in record.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from flat(value, f"{path}.")
        else:
            yield path, value


def flat_rows(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Cell]]:
    """Records with dotted paths."""
    return [dict(flat(record)) for record in records]


def records_of(lines: bytes) -> list[dict[str, Any]]:
    """Records out of JSON lines."""
    return [orjson.loads(line) for line in lines.splitlines()]


def lines_of(records: Sequence[Mapping[str, Any]]) -> bytes:
    """Records as JSON lines."""
    return b"".join(orjson.dumps(one, default=str) + b"\n" for one in records)


def is_number(cell: Cell) -> bool:
    """Whether a cell is a finite number; true and false are none."""
    return isinstance(cell, int | float) and not isinstance(cell, bool) and math.isfinite(cell)


def is_missing(cell: Cell) -> bool:
    """Whether a cell holds nothing: null, NaN, a text of blanks."""
    if isinstance(cell, str):
        return not cell.strip()
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def kind_of(cell: Cell) -> Kind:
    """What one cell that is not missing holds."""
    if isinstance(cell, bool):
        return "truth"
    if isinstance(cell, int | float):
        return "number"
    return "list" if isinstance(cell, list) else "text"
