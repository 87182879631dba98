"""Places in tables that a sentence can cite, and what stands there.

A place is a row with some of its columns, or a figure over a whole column. What stands there is
always worked out from the table itself, so a wrong figure of an agent cannot support itself.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.agents.table_data import Cell, TableData, is_missing, is_number
from tasks.parameters import Record
from tasks.text.number_support import Known, Support, Unit

Figure = Literal[
    "rows", "present", "missing", "distinct", "sum", "mean", "median", "min", "max", "sd",
    "equal", "share",
]  # fmt: skip
"""rows: of the table; present, missing, distinct: cells of a column; sd: of the sample, n - 1;
equal: rows whose cell is `equals`; share: of them among all rows."""
LONGEST = 300
"""Letters of a cell in a list of places."""
_NUMERIC: Mapping[str, Callable[[NDArray[np.float64]], Any]] = {
    "sum": np.sum,
    "mean": np.mean,
    "median": np.median,
    "min": np.min,
    "max": np.max,
    "sd": lambda values: np.std(values, ddof=1),
}
_PERCENT = re.compile(r"%|percent(?!ile)|_pct\b", re.IGNORECASE)


class Place(Record):
    """Where something stands."""

    table: str
    row: int = 0
    """From 1; 0: the whole table."""
    columns: tuple[str, ...] = ()
    """Of a row; for figures the one column that they are over, none for `rows`."""
    figures: tuple[Figure, ...] = ()
    equals: str = ""
    """For `equal` and `share`."""


@dataclass(frozen=True, slots=True)
class Found:
    """What stands at a place."""

    place: Place
    label: str
    """What names the row; "" for a figure."""
    values: Mapping[str, Cell]
    """By column, or by figure."""
    units: Mapping[str, Unit]

    @property
    def support(self) -> Support:
        """What a sentence that cites the place may say."""
        place = self.place
        values = [
            Known(float(value), self.units.get(name, ""))
            for name, value in self.values.items()
            if is_number(value)
        ]
        texts = [
            str(value)
            for value in self.values.values()
            if not is_number(value) and not is_missing(value)
        ]
        inner = (name.partition(".")[2] for name in place.columns)  # of `lost.close: x > 2`
        labels = [place.table, *place.columns, *inner, self.label, place.equals]
        labels += [f"row {place.row:,}"] if place.row else []
        return Support(tuple(values), tuple(texts), tuple(one for one in labels if one))

    def told(self) -> str:
        """The place and what stands there, on one line."""
        place = self.place
        if place.row:
            where = f"{place.table}, row {place.row:,}" + (f" ({self.label})" if self.label else "")
        else:
            column = "".join(f", {name}" for name in place.columns)
            where = f"{place.table}{column}" + (f" = {place.equals}" if place.equals else "")
        cells = ", ".join(f"{name} = {_short(value)}" for name, value in self.values.items())
        return f"{where}: {cells}"


def resolve(place: Place, tables: Mapping[str, TableData]) -> Found:
    """What stands at a place.

    Raises:
        LookupError: There is no such table, row or column, or the figure has no values.
    """
    table = tables[place.table]
    if not place.figures:
        return _row(place, table)
    if place.row or len(place.columns) > 1:
        raise LookupError(f"{place}: figures are over one column of all rows")
    values: dict[str, Cell] = {}
    units: dict[str, Unit] = {}
    for figure in place.figures:
        values[figure] = _figure(figure, place, table)
        units[figure] = _figure_unit(figure, place, table)
    return Found(place, "", values, units)


def _row(place: Place, table: TableData) -> Found:
    if not 1 <= place.row <= len(table.rows):
        raise LookupError(f"{place.table}: no row {place.row}")
    values = {name: table.column(name)[place.row - 1] for name in place.columns}
    units = {name: unit_of(table, name) for name in place.columns}
    return Found(place, table.label(place.row), values, units)


def unit_of(table: TableData, column: str) -> Unit:
    """Whether a column holds percentages, shares, or other values.

    Values in percent are known by the column's name; shares are fractions from 0 to 1. Fractions
    in a column of percent, such as a `percent_identity` of 0.87, may be either and are none.
    """
    values = table.numbers(column)
    some = len(values) and bool(np.any(values != np.round(values)))
    fractions = some and values.min() >= 0 and values.max() <= 1
    if _PERCENT.search(column):
        return "" if fractions else "%"
    return "share" if fractions else ""


def _figure(figure: Figure, place: Place, table: TableData) -> Cell:
    if figure == "rows":
        return len(table.rows)
    (column,) = place.columns
    match figure:
        case "present":
            return len(table.present(column))
        case "missing":
            return len(table.rows) - len(table.present(column))
        case "distinct":
            return len({str(cell) for cell in table.present(column)})
        case "equal" | "share":
            count = sum(str(cell) == place.equals for cell in table.present(column))
            return count if figure == "equal" else count / max(len(table.rows), 1)
    values = table.numbers(column)
    if len(values) < (2 if figure == "sd" else 1):
        raise LookupError(f"{place.table}, {column}: too few numbers for {figure}")
    made = float(_NUMERIC[figure](values))
    whole = figure in ("sum", "min", "max") and bool(np.all(values == np.round(values)))
    return int(made) if whole and abs(made) < 2**53 else made


def _figure_unit(figure: Figure, place: Place, table: TableData) -> Unit:
    if figure == "share":
        return "share"
    same = figure in ("mean", "median", "min", "max") and place.columns
    return unit_of(table, place.columns[0]) if same else ""


def _short(value: Cell) -> str:
    text = f"{value:,}" if is_number(value) else "missing" if is_missing(value) else str(value)
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= LONGEST else f"{one_line[:LONGEST]}…"
