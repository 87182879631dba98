"""Rows of predictions as JSON arrays, and back as columns of the types that they had."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import pandas as pd

from blocks.errors import InputError

Kinds = dict[str, str]
"""Stored columns, in order: name -> dtype, or `null`, `vector`, `text` (a long one)."""
IN_FILES = frozenset({"vector", "text"})
"""Kinds that lie in files, not in the database."""


_INFINITE = {np.inf: "Infinity", -np.inf: "-Infinity"}


def column_kinds(frame: pd.DataFrame) -> Kinds:
    """How the values of each column are stored: a dtype, `null`, or `vector`.

    Raises:
        InputError: A column holds what cannot be stored.
    """
    return {str(name): _kind(str(name), frame[name]) for name in frame.columns}


def _kind(name: str, column: pd.Series) -> str:
    dtype: Any = column.dtype
    if not name.isprintable():
        raise InputError(f"column {name!r}; expected a name without line ends")
    if isinstance(dtype, pd.StringDtype):
        return "str"
    kind = str(getattr(dtype, "kind", "O"))
    if kind == "f":
        return "float64" if dtype.itemsize > 4 else "float32"  # noqa: PLR2004 -- bytes
    if kind in "iub":
        return "bool" if kind == "b" else "int64"
    if kind != "O" or str(dtype) != "object":
        raise InputError(f"column {name}: {dtype}; expected numbers, texts, booleans or arrays")
    cells = [cell for cell in column if not is_missing(cell)]
    if any(isinstance(cell, float) and math.isinf(cell) for cell in cells):
        raise InputError(f"column {name}: infinities among objects; expected a column of floats")
    arrays = sum(isinstance(cell, np.ndarray) for cell in cells)
    if 0 < arrays < len(cells):
        raise InputError(f"column {name}: some cells are arrays; expected all or none")
    return "null" if not cells else "vector" if arrays else "object"


def merged_kinds(model: str, stored: Kinds, new: Kinds) -> Kinds:
    """Stored columns and new ones behind them, each of a type that holds both.

    Raises:
        InputError: A column would hold both arrays and other values.
    """
    merged = dict(stored)
    for name, kind in new.items():
        before = merged.get(name, "null")
        pair = {before, kind} - {"null"}
        if len(pair) > 1 and pair & IN_FILES:
            raise InputError(
                f"column {name} of {model}: {kind} values; expected {before}, as stored before"
            )
        if len(pair) > 1:
            numbers = pair <= {"float64", "float32", "int64"}
            merged[name] = "float64" if numbers else "object"
        else:
            merged[name] = pair.pop() if pair else "null"
    return merged


def in_table(kinds: Kinds) -> list[str]:
    """The columns that lie in the database, not in files."""
    return [name for name, kind in kinds.items() if kind not in IN_FILES]


def encode(frame: pd.DataFrame, names: list[str]) -> list[str]:
    """One JSON array per row, with the columns in the order of `names`; null where there is none.

    JSON has no infinities: they are stored as texts, in columns that are known to hold numbers.
    """
    dtypes = {str(frame[name].dtype) if name in frame else "" for name in names}
    if names and dtypes <= {"float64", "float32"}:
        matrix = np.ascontiguousarray(frame[names].to_numpy(dtype=np.float64))
        if not np.isinf(matrix).any():
            text = orjson.dumps(matrix, option=orjson.OPT_SERIALIZE_NUMPY).decode()
            return [f"[{row}]" for row in text[2:-2].split("],[")]
    columns = [_cells(frame[name]) if name in frame else [None] * len(frame) for name in names]
    rows = zip(*columns, strict=True) if columns else [()] * len(frame)
    try:
        return [orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY).decode() for row in rows]
    except TypeError as error:
        raise InputError(f"columns {names}: {error}; expected values that JSON knows") from None


def _cells(column: pd.Series) -> list[Any]:
    if getattr(column.dtype, "kind", "O") == "f":
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        listed: list[Any] = values.tolist()
        for place in np.flatnonzero(np.isinf(values)):
            listed[place] = _INFINITE[listed[place]]
        return listed
    missing = column.isna().to_numpy()
    cells = column.astype(object).tolist()
    return [None if gone else cell for cell, gone in zip(cells, missing, strict=True)]


def decode(text: str, kinds: Kinds, columns: Sequence[str] | None) -> pd.DataFrame:
    """Rows from JSON arrays between commas; arrays stored before a column was added are shorter."""
    names = in_table(kinds)
    asked = [name for name in names if columns is None or name in columns]
    if names and {kinds[name] for name in names} == {"float64"}:
        # One flat list is read three times as fast as many small ones.
        flat = orjson.loads(f"[{text.replace('[', '').replace(']', '')}]")
        rows = text.count("]")
        if len(flat) == rows * len(names):
            matrix = np.array(flat, dtype=np.float64).reshape(rows, len(names))
            return pd.DataFrame(matrix, columns=names)[asked]
    listed = orjson.loads(f"[{text}]")
    width = len(names)
    full = [row if len(row) == width else row + [None] * (width - len(row)) for row in listed]
    cells = dict(zip(names, zip(*full, strict=True) if full else [()] * width, strict=True))
    return pd.DataFrame(
        {name: _series(cells[name], kinds[name]) for name in asked}, index=range(len(full))
    )


def _series(cells: Sequence[Any], kind: str) -> pd.Series:
    if kind in {"float64", "float32"}:
        return pd.Series(np.array(cells, dtype=np.float64).astype(kind))
    if kind in {"int64", "bool"} and None in cells:
        kind = "float64" if kind == "int64" else "object"
    if kind in {"object", "null"}:
        return pd.Series(list(cells), dtype=object)
    return pd.Series(list(cells), dtype=kind)


def is_missing(cell: object) -> bool:
    """Whether a cell holds nothing: None, NA or NaN."""
    return cell is None or cell is pd.NA or (isinstance(cell, float) and cell != cell)  # noqa: PLR0124 -- NaN
