"""Functions and operators of the language of `tasks.expression`, on arrays."""

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd

from tasks.column_values import Array, Kind


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language."""

    takes: str
    """A letter per argument: n number, t text, a anything, d literal number of digits,
    q literal share, s literal text; in lower case needed, in upper case optional, + repeats."""
    gives: Kind
    apply: Callable[..., Array]


def _over_table(figure: Callable[[pd.Series], Any]) -> Callable[..., Array]:
    return lambda numbers: np.asarray(figure(pd.Series(np.atleast_1d(numbers))), np.float64)


def _rank(numbers: Array) -> Array:
    return pd.Series(np.atleast_1d(numbers)).rank().to_numpy()


def _zscore(numbers: Array) -> Array:
    column = pd.Series(np.atleast_1d(numbers))
    return ((column - column.mean()) / column.std()).to_numpy()


def _quantile(numbers: Array, share: float) -> Array:
    return np.asarray(pd.Series(np.atleast_1d(numbers)).quantile(share), np.float64)


def _extreme(pairwise: np.ufunc, figure: Callable[[pd.Series], Any]) -> Callable[..., Array]:
    over_table = _over_table(figure)

    def extreme(first: Array, *others: Array) -> Array:
        return reduce(pairwise, others, first) if others else over_table(first)

    return extreme


def _per_text(function: Callable[..., Any], missing: object, dtype: type) -> Callable[..., Array]:
    def apply(texts: Array, *more: str) -> Array:
        flat = [missing if text is None else function(text, *more) for text in texts.ravel()]
        return np.array(flat, dtype).reshape(texts.shape)

    return apply


def _is_missing(data: Array) -> Array:
    return np.asarray(pd.isna(data))


def _is_there(data: Array) -> Array:
    return np.asarray(pd.notna(data))


FUNCTIONS: dict[str, Function] = {
    "abs": Function("n", "number", np.abs),
    "log": Function("n", "number", np.log),
    "log10": Function("n", "number", np.log10),
    "exp": Function("n", "number", np.exp),
    "sqrt": Function("n", "number", np.sqrt),
    "round": Function("nD", "number", np.round),
    "min": Function("n+", "number", _extreme(np.minimum, pd.Series.min)),
    "max": Function("n+", "number", _extreme(np.maximum, pd.Series.max)),
    "len": Function("t", "number", _per_text(len, np.nan, np.float64)),
    "isna": Function("a", "truth", _is_missing),
    "notna": Function("a", "truth", _is_there),
    "upper": Function("t", "text", _per_text(str.upper, None, object)),
    "contains": Function("ts", "truth", _per_text(operator.contains, False, np.bool_)),
    "startswith": Function("ts", "truth", _per_text(str.startswith, False, np.bool_)),
    "endswith": Function("ts", "truth", _per_text(str.endswith, False, np.bool_)),
    "mean": Function("n", "number", _over_table(pd.Series.mean)),
    "median": Function("n", "number", _over_table(pd.Series.median)),
    "std": Function("n", "number", _over_table(pd.Series.std)),
    "quantile": Function("nq", "number", _quantile),
    "rank": Function("n", "number", _rank),
    "zscore": Function("n", "number", _zscore),
}
"""Functions by name.  `min` and `max` of one argument are over the table, of several row by row;
`rank` gives 1 to the smallest and means to ties; `std` divides by n - 1."""
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
COMPARISON: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
