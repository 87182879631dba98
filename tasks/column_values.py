"""What the columns of a table hold, whichever of pandas' many types holds it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blocks.errors import InputError
from tasks.dag import closest

Kind = Literal["number", "text", "truth", "missing"]
Array: TypeAlias = NDArray[Any]
"""A value of the language: float64 (a truth value with gaps too), bool, or object of str and None;
of shape (n,), or () where it is the same for all rows."""


@dataclass(frozen=True, slots=True)
class Value:
    """An array and what it holds."""

    kind: Kind
    data: Array


def require_columns(table: pd.DataFrame, columns: Sequence[str], where: str) -> None:
    """Raise InputError unless the table has each of the columns exactly once."""
    known = table.columns.tolist()
    for column in columns:
        if column not in known:
            raise InputError(
                f"{where}: column {column!r} is not there; expected {closest(column, known)}"
            )
        if known.count(column) > 1:
            raise InputError(f"{where}: column {column!r} stands twice; expected each name once")


def numeric_column(table: pd.DataFrame, name: str, where: str) -> NDArray[np.float64]:
    """The column's numbers, truth values as 1 and 0; NaN where a value is missing.  Shape (n,).

    Raises:
        InputError: The column is not there, or holds something else.
    """
    require_columns(table, [name], where)
    value = column_value(table[name])
    if value.kind == "text":
        raise InputError(f"{where}: column {name!r} holds text; expected numbers")
    return value.data.astype(np.float64)


def column_value(column: "pd.Series[Any]") -> Value:
    """A column's values by what they are, whichever of pandas' many types holds them."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    held = "string" if isinstance(column.dtype, pd.StringDtype) else ""
    match held or pd.api.types.infer_dtype(column, skipna=True):
        case "string":
            return Value("text", column.astype(object).where(column.notna(), None).to_numpy())
        case "boolean" if not column.isna().any():
            return Value("truth", column.to_numpy(dtype=np.bool_))
        case "boolean":
            gaps = [np.nan if pd.isna(value) else float(value) for value in column]
            return Value("truth", np.array(gaps, np.float64))
        case "integer" | "floating" | "mixed-integer-float" | "decimal" | "integer-na":
            return Value("number", pd.to_numeric(column).to_numpy(np.float64, na_value=np.nan))
        case "empty":
            return Value("missing", np.full(len(column), np.nan))
        case kind:
            what = f"column {column.name!r} holds {kind} values"
            raise InputError(f"{what}; expected numbers, text or truth values")


def as_truth(value: Value) -> Array:
    """Truth values without gaps."""
    return value.data if value.data.dtype == np.bool_ else value.data == 1
