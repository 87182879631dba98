"""What a remote model answered, taken apart into leaves that the prediction store can keep.

A leaf is named by its path, such as `confidence.score` or `embeddings.0.embedding[]`: the keys and
list indices that lead to it, between dots, and behind them a mark for what is no single value:
`[]` for arrays of numbers, `<>` for long texts and structures, and `{}` for other JSON. The mark
keeps apart what the store cannot hold in one column: a value that is a number in one answer and a
list in the next gives two columns, `x` and `x[]`. A top-level scalar or list is called `value`.

Dots, percent signs, brackets and unprintable characters of a key are written as in URLs: the key
`t.m` is `t%2Em`. (So is the `f` of a lone `found`, a name that the store needs for itself.)
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from types import NoneType
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ARRAY, JSON, LONG = "[]", "{}", "<>"
LONGEST_TEXT = 4_000
"""Characters of a text that is kept beside the numbers; longer ones are files of their own."""
MOST_LEAVES = 2_000
MOST_KEYS = 256
"""Keys of an object whose values become leaves; an object with more is data, and one leaf."""
MOST_ENTRIES = 64
"""Entries of a list of objects that become leaves."""
DEEPEST = 32
_NUMBERS: frozenset[type] = frozenset({float, int, NoneType})
_WRITTEN_OUT = frozenset(".%[]{}<>")
_RESERVED = "found"
_STRUCTURE = re.compile(r"^(ATOM  |HETATM|data_)", re.MULTILINE)


class LongText(str):
    """A text of more than `LONGEST_TEXT` characters, or a structure of any length."""

    __slots__ = ()


Leaf = float | bool | str | LongText | NDArray[Any] | list[Any] | dict[str, Any] | None


def leaves(answer: object) -> dict[str, Leaf]:
    """The parts of one JSON answer by name, in its order; at most `MOST_LEAVES`.

    Numbers are float, with null as NaN inside arrays; arrays are rectangular, of any dimension, and
    float32 where that loses no bit. Lists of objects and lists with long texts are taken apart by
    index; what is too large, too deep or too varied stays one leaf of JSON.

    >>> leaves({"tm": 61, "layers": [{"layer": 6, "embedding": [0.5, None]}]})
    {'tm': 61.0, 'layers.0.layer': 6.0, 'layers.0.embedding[]': array([0.5, nan], dtype=float32)}
    """
    if isinstance(answer, dict) and len(answer) <= MOST_KEYS:
        items = ((escaped(key), value) for key, value in answer.items())
        return _taken_apart("", items, MOST_LEAVES - len(answer), 1)
    return _branch("value", answer, 0)


def frame(answers: Sequence[Mapping[str, Leaf]]) -> pd.DataFrame:
    """One row per answer, with a column for each leaf except long texts, in the order first seen.

    Columns are float64, text or bool, else objects; what an answer lacks is NaN or None there.
    """
    names = dict.fromkeys(chain.from_iterable(answers))
    columns = {
        name: _column([answer.get(name) for answer in answers])
        for name in names
        if not name.endswith(LONG)
    }
    return pd.DataFrame(columns, index=range(len(answers)))


def long_texts(answers: Sequence[Mapping[str, Leaf]]) -> dict[str, list[str | None]]:
    """The long texts that `frame` leaves out: name -> text of each answer, or None."""
    names = dict.fromkeys(chain.from_iterable(answers))
    found: dict[str, list[str | None]] = {}
    for name in names:
        if name.endswith(LONG):
            cells = [answer.get(name) for answer in answers]
            found[name] = [str(cell) if isinstance(cell, str) else None for cell in cells]
    return found


def joined(parts: Mapping[str, Leaf]) -> dict[str, Any]:
    """An answer from its leaves, the inverse of `leaves`: arrays stay arrays, lists are lists.

    An answer without keys, which has the one path `value`, comes back under that key.

    >>> joined({"tm": 61.0, "layers.0.layer": 6.0, "layers.1.layer": 7.0})
    {'tm': 61.0, 'layers': [{'layer': 6.0}, {'layer': 7.0}]}
    """
    tree: dict[str, Any] = {}
    for name, leaf in parts.items():
        *above, last = parts_of(path_and_mark(name)[0])
        branch = tree
        for part in above:
            branch = branch.setdefault(part, {})
        branch[last] = leaf
    return {key: _with_lists(value) for key, value in tree.items()}


def _with_lists(value: Any) -> Any:  # noqa: ANN401 -- JSON
    if not isinstance(value, dict):
        return value
    inside = {key: _with_lists(child) for key, child in value.items()}
    numbered = list(inside) == [str(place) for place in range(len(inside))]
    return list(inside.values()) if inside and numbered else inside


@lru_cache(maxsize=10_000)
def escaped(key: str) -> str:
    """A key as it stands in a path.

    >>> escaped("t.m [°C]")
    't%2Em %5B°C%5D'
    """
    if key.isidentifier():
        return key
    return "".join(
        "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
        if character in _WRITTEN_OUT or not character.isprintable()
        else character
        for character in key
    )


@lru_cache(maxsize=10_000)
def parts_of(path: str) -> tuple[str, ...]:
    """The keys and indices of a path without mark, as they were in the answer."""
    return tuple(unquote(part) for part in path.split("."))


def path_and_mark(name: str) -> tuple[str, str]:
    """The path of a leaf and its mark, "" for single values.

    >>> path_and_mark("embeddings.0.embedding[]")
    ('embeddings.0.embedding', '[]')
    """
    return (name[:-2], name[-2:]) if name.endswith((ARRAY, JSON, LONG)) else (name, "")


def _taken_apart(
    prefix: str, items: Iterable[tuple[str | int, Any]], room: int, depth: int
) -> dict[str, Leaf]:
    """The leaves below an object or a list; a child that would fill the room stays one leaf."""
    found: dict[str, Leaf] = {}
    for part, value in items:
        path = f"{prefix}{part}"
        kind = type(value)
        if kind is float:
            found[_kept(path)] = value
        elif kind is dict or kind is list:
            below = _branch(path, value, depth)
            if len(found) + len(below) > room and len(below) > 1:
                below = {path + JSON: value}
            found.update(below)
        else:
            name, leaf = _single(path, value)
            found[name] = leaf
    return found


def _branch(path: str, value: object, depth: int) -> dict[str, Leaf]:
    """The leaves of one value."""
    if isinstance(value, dict):
        if 0 < len(value) <= MOST_KEYS and depth < DEEPEST:
            items = ((escaped(key), child) for key, child in value.items())
            return _taken_apart(f"{path}.", items, MOST_LEAVES - len(value), depth + 1)
        return {path + JSON: value}
    if isinstance(value, list):
        array = _array(value)
        if array is not None:
            return {path + ARRAY: array}
        if depth < DEEPEST and len(value) <= MOST_ENTRIES and _taken_by_index(value):
            found = _taken_apart(
                f"{path}.", enumerate(value), MOST_LEAVES * MOST_ENTRIES, depth + 1
            )
            return found if len(found) <= MOST_LEAVES else {path + JSON: value}
        return {path + JSON: value}
    return dict([_single(path, value)])


def _single(path: str, value: object) -> tuple[str, Leaf]:
    if isinstance(value, str):
        if _is_long(value):
            return path + LONG, LongText(value)
        return _kept(path), value
    if value is None or isinstance(value, bool):
        return _kept(path), value
    if isinstance(value, int | float):
        try:
            return _kept(path), float(value)
        except OverflowError:
            return _kept(path), str(value)
    raise TypeError(f"{path}: {type(value).__name__}; expected what JSON knows")


def _kept(path: str) -> str:
    return path if path != _RESERVED else f"%{ord(path[0]):02X}{path[1:]}"


def _taken_by_index(value: list[Any]) -> bool:
    kinds = set(map(type, value))
    if kinds == {dict}:
        return True
    texts = kinds <= {str, NoneType}
    return texts and any(text is not None and _is_long(text) for text in value)


def _is_long(text: str) -> bool:
    return len(text) > LONGEST_TEXT or ("\n" in text and _STRUCTURE.search(text) is not None)


def _array(value: list[Any]) -> NDArray[Any] | None:
    """A rectangular list of numbers as an array; None for any other list."""
    if _shape(value, 0) is None:
        return None
    try:
        exact = np.array(value, dtype=np.float64)
    except OverflowError:
        return None
    with np.errstate(over="ignore"):
        short = exact.astype(np.float32)
    return short if np.array_equal(short, exact, equal_nan=True) else exact


def _shape(value: list[Any], depth: int) -> tuple[int, ...] | None:
    kinds = set(map(type, value))
    if kinds <= _NUMBERS:
        return (len(value),)
    if kinds != {list} or depth == DEEPEST:
        return None
    first = _shape(value[0], depth + 1)
    if first is None or any(_shape(row, depth + 1) != first for row in value[1:]):
        return None
    return (len(value), *first)


def _column(cells: list[Any]) -> Any:  # noqa: ANN401 -- an array or a Series
    kinds = set(map(type, cells)) - {NoneType}
    if kinds == {float}:
        return np.array(cells, dtype=np.float64)
    if kinds == {str}:
        return pd.Series(cells, dtype="str")
    if kinds == {bool} and None not in cells:
        return np.array(cells, dtype=bool)
    column = np.empty(len(cells), dtype=object)
    for row, cell in enumerate(cells):  # one by one: NumPy would make one array of equal lists
        column[row] = str(cell) if isinstance(cell, float) and np.isinf(cell) else cell
    return column
