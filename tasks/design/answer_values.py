"""One number, text, vector or table of mutations from what lies under a key of an answer."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from blocks.errors import InputError
from tasks.design.answer_columns import Column, Pooling, Reduce
from tasks.design.answer_lookup import dig, entries
from tasks.design.answers import parts_of
from tasks.design.mutation_table import Mutations, UnusableError, from_list, from_matrix, labels
from tasks.design.structure_text import structure_format

_MATRIX = 2
_STORED = re.compile(r"\S+\.([a-z]+)\.gz")
_REDUCED: dict[str, Callable[[NDArray[np.float64]], Any]] = {
    "mean": np.mean,
    "median": np.median,
    "min": np.min,
    "max": np.max,
    "sum": np.sum,
    "std": np.std,
    "first": lambda numbers: numbers[0],
    "last": lambda numbers: numbers[-1],
}
_POOLED: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "mean": lambda rows: rows.mean(axis=0),
    "max": lambda rows: rows.max(axis=0),
    "first": lambda rows: rows[0],
    "last": lambda rows: rows[-1],
}


def number(value: object, key: str, reduce: Reduce) -> float:
    """One finite number, of a list by reduction of the numbers in it that are not null.

    Raises:
        UnusableError: There is none.
    """
    numbers = _flat(value)
    if numbers is None:
        raise UnusableError(f"{_what(value)} under key {key!r}; expected a number")
    if reduce not in {"none", "first", "last"}:
        numbers = numbers[~np.isnan(numbers)]
    if reduce == "none" and len(numbers) > 1:
        raise UnusableError(
            f"{len(numbers)} numbers under key {key!r}; expected one, or a reduction such as mean"
        )
    with np.errstate(all="ignore"):
        found = float(_REDUCED.get(reduce, np.sum)(numbers)) if len(numbers) else float("nan")
    if np.isnan(found):
        raise UnusableError(f"key {key!r} is missing or null")
    if np.isinf(found):
        raise UnusableError(f"{found} under key {key!r}; expected a finite number")
    return found


def text(value: object, key: str) -> str:
    """A text, or the only one of a list.

    Raises:
        UnusableError: There is none.
    """
    listed = None if isinstance(value, str) else entries(value)
    found = value if listed is None else only_one(listed)
    if found is None:
        raise UnusableError(f"key {key!r} is missing or null")
    if not isinstance(found, str):
        raise UnusableError(f"{_what(found)} under key {key!r}; expected a text")
    return found


def format_of(found: str, key: str) -> Literal["pdb", "cif"]:
    """Format of a structure, given by its text or, in the store, by the name of its file.

    Raises:
        UnusableError: It is none.
    """
    stored = _STORED.fullmatch(found)
    try:
        if stored is None:
            return structure_format(found)
    except InputError as error:
        raise UnusableError(f"key {key!r}: {error}") from None
    if stored[1] not in ("pdb", "cif"):
        raise UnusableError(f"a long text under key {key!r}; expected a structure, PDB or mmCIF")
    return "pdb" if stored[1] == "pdb" else "cif"


def vector(value: object, column: Column) -> NDArray[np.float32]:
    """A vector; a matrix of residues by dimension is pooled, one of a single row is that row.

    Raises:
        UnusableError: There is none, or it holds gaps that the column does not allow.
    """
    if value is None:
        raise UnusableError(f"key {column.key!r} is missing or null")
    if not isinstance(value, np.ndarray):
        listed = _numbers_in(value)
        if listed is None:
            raise UnusableError(f"{_what(value)} under key {column.key!r}; expected a vector")
        value = listed
    if value.ndim == _MATRIX and (column.pooling != "none" or len(value) == 1):
        value = _pooled(value, column.pooling)
    if value.ndim != 1 or not value.size:
        raise UnusableError(
            f"{_what(value)} under key {column.key!r}; expected a vector"
            + (", or pooling" if value.ndim == _MATRIX and value.size else "")
        )
    with np.errstate(over="ignore"):
        found = np.asarray(value, dtype=np.float32)
    gaps = np.isnan(found)
    if gaps.all() or (gaps.any() and not column.per_residue):
        raise UnusableError(f"nulls in the vector under key {column.key!r}; expected numbers")
    if np.isinf(found).any():
        raise UnusableError(f"a number under key {column.key!r} that float32 cannot hold")
    return found


def mutations_of(value: object, column: Column) -> Mutations:
    """The mutations in an answer, from a matrix with labels or a list of objects.

    Raises:
        UnusableError: There are none, or they cannot be read.
    """
    inside = dig(value, parts_of(column.key))
    if inside is None:
        raise UnusableError(f"key {column.key!r} is missing or null")
    if column.row_key:
        if not isinstance(inside, np.ndarray) or inside.ndim != _MATRIX:
            raise UnusableError(f"key {column.key!r} holds no matrix of numbers; expected one")
        rows, names = (
            labels(dig(value, parts_of(key))) for key in (column.row_key, column.column_key)
        )
        return from_matrix(inside.astype(np.float64), rows, names)
    listed = entries(inside)
    if listed is None:
        raise UnusableError(f"key {column.key!r} holds no list; expected one of mutations")
    mutation, score = parts_of(column.mutation_key), parts_of(column.value_key)
    return from_list(
        [dig(entry, mutation) for entry in listed], [dig(entry, score) for entry in listed]
    )


def of_layer(value: object, column: Column) -> Any:  # noqa: ANN401 -- JSON
    """What lies under the key of a vector, in the column's layer where there are layers.

    Without a layer in the column: in the highest, or in the last entry if no layer is told.

    Raises:
        UnusableError: There is no such layer.
    """
    asked = column.layer
    seen: list[float] = []

    def chosen(listed: Sequence[Any]) -> object:
        layers = [entry.get("layer") if isinstance(entry, dict) else None for entry in listed]
        seen.extend(number for number in layers if isinstance(number, int | float))
        if asked is None:
            return listed[layers.index(max(seen))] if seen else listed[-1]
        return listed[layers.index(asked)] if asked in layers else None

    found = dig(value, parts_of(column.key), chosen)
    if asked is not None and asked not in seen:
        told = " or ".join(f"{number:g}" for number in seen) or "none, as no layers are told"
        raise UnusableError(f"no layer {asked} under key {column.key!r}; expected {told}")
    return found


def only_one(listed: Sequence[Any]) -> Any:  # noqa: ANN401 -- JSON
    """The entry of a list of one.

    Raises:
        UnusableError: There are more, or none.
    """
    if len(listed) != 1:
        raise UnusableError(f"a list of {len(listed)}; expected an index in the key, such as x.0")
    return listed[0]


def _pooled(value: NDArray[Any], pooling: Pooling) -> NDArray[Any]:
    if not len(value):
        return value
    if pooling == "none":
        pooled: NDArray[Any] = value[0]
        return pooled
    return _POOLED[pooling](value.astype(np.float64))


def _flat(value: object) -> NDArray[np.float64] | None:
    """All numbers in a value, nulls as NaN; None if anything else is in it."""
    if value is None:
        return np.array([np.nan])
    if isinstance(value, int | float):
        return np.array([float(value)])
    if isinstance(value, np.ndarray):
        return value.ravel().astype(np.float64)
    listed = entries(value)
    if listed is None:
        return None
    parts = [_flat(entry) for entry in listed]
    numbers = [part for part in parts if part is not None]
    return np.concatenate(numbers) if numbers and len(numbers) == len(parts) else None


def _numbers_in(value: object) -> NDArray[np.float64] | None:
    """A list of single numbers as a vector, as keys through lists of objects give it."""
    listed = entries(value)
    if listed is None or not all(isinstance(entry, int | float | None) for entry in listed):
        return None
    return np.array(listed, dtype=np.float64)


def _what(value: object) -> str:
    match value:
        case np.ndarray():
            return f"an array of {' by '.join(map(str, value.shape))}"
        case str():
            return f"text {value[:20]!r}"
        case bool() | int() | float():
            return f"the number {value}"
        case dict() if entries(value) is None:
            return "an object"
        case _:
            return "a list"
