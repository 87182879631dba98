"""Finds what lies under a key in answers that were taken apart into leaves.

A key is a path without marks. Where it meets a list and has no index for it, it means the entries
of that list: `embeddings.embedding` stands for `embeddings.0.embedding`, `embeddings.1.embedding` …
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tasks.design.answers import ARRAY, JSON, LONG, LongText, parts_of, path_and_mark

Parts = tuple[str, ...]
Choose = Callable[[Sequence[Any]], Any]
"""Gives the entry of a list in which a key without index goes on."""


class Answers:
    """The leaves of several answers, to be looked up by key."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.count = len(frame)
        self._frame = frame
        self._names = {str(name): parts_of(path_and_mark(str(name))[0]) for name in frame.columns}

    def values(self, keys: Sequence[str]) -> Iterator[Any]:
        """What each answer holds under the keys together: nested dicts, None where nothing.

        Lists that were taken apart are dicts here, with their indices as keys.
        """
        wanted = [parts_of(key) for key in keys]
        columns = [
            (parts, _cells(self._frame[name], name))
            for name, parts in self._names.items()
            if any(touches(key, parts) for key in wanted)
        ]
        for row in range(self.count):
            yield _nested((parts, cells[row]) for parts, cells in columns)

    def numbers(self, key: str) -> pd.Series | None:
        """The column of a key under which there are only single numbers; None if there are more."""
        wanted = parts_of(key)
        names = [name for name, parts in self._names.items() if touches(wanted, parts)]
        if len(names) != 1 or self._names[names[0]] != wanted:
            return None
        column = self._frame[names[0]]
        return column if column.dtype == np.float64 else None


def touches(key: Parts, path: Parts) -> bool:
    """Whether a leaf at this path is a part of what the key means, or holds it."""
    return any(True for _ in _remainders(key, path))


def names_value(key: str, leaf: str) -> bool:
    """Whether the key can mean (a part of) this leaf, or a list of which the leaf is an entry."""
    path, mark = path_and_mark(leaf)
    for rest, beyond in _remainders(parts_of(key), parts_of(path)):
        inside = mark == JSON or (mark == ARRAY and all(part.isdecimal() for part in rest))
        if all(part.isdecimal() for part in beyond) and (not rest or inside):
            return True
    return False


def dig(value: object, parts: Parts, choose: Choose | None = None) -> Any:  # noqa: ANN401 -- JSON
    """What lies under a key inside a value; None if nothing does.

    Args:
        choose: Which entry of a list counts where the key has no index; None: all, as a list.
    """
    if not parts:
        return value.item() if isinstance(value, np.generic) else value
    head, rest = parts[0], parts[1:]
    if isinstance(value, dict) and head in value:
        return dig(value[head], rest, choose)
    if isinstance(value, list | np.ndarray) and head.isdecimal():
        return dig(value[int(head)], rest, choose) if int(head) < len(value) else None
    found = entries(value)
    if found is None or isinstance(value, np.ndarray) or head.isdecimal():
        return None
    if choose is not None:
        return dig(choose(found), parts, choose) if found else None
    return [dig(entry, parts) for entry in found]


def entries(value: object) -> list[Any] | None:
    """The entries of a list, whether it was taken apart or not; None if it is no list."""
    if isinstance(value, list | np.ndarray):
        return list(value)
    if isinstance(value, dict) and value and all(key.isdecimal() for key in value):
        return [value[key] for key in sorted(value, key=int)]
    return None


def is_missing(cell: object) -> bool:
    """Whether a cell of a frame of leaves holds nothing."""
    return cell is None or cell is pd.NA or (isinstance(cell, float) and cell != cell)  # noqa: PLR0124 -- NaN


def _remainders(key: Parts, path: Parts) -> Iterator[tuple[Parts, Parts]]:
    """What is left of key and path, one of them nothing, where one leads along the other."""
    if not key or not path:
        yield key, path
        return
    if key[0] == path[0]:
        yield from _remainders(key[1:], path[1:])
    if path[0].isdecimal() and not key[0].isdecimal():
        yield from _remainders(key, path[1:])


def _cells(column: pd.Series, name: str) -> list[Any]:
    """Plain cells; long texts stay recognisable: the store gives names of files for them."""
    cells: list[Any] = column.tolist()
    if not name.endswith(LONG):
        return cells
    return [LongText(cell) if isinstance(cell, str) else None for cell in cells]


def _nested(leaves: Iterable[tuple[Parts, Any]]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for parts, cell in leaves:
        if is_missing(cell):
            continue
        place: Any = nested
        for part in parts[:-1]:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                break
        else:
            place[parts[-1]] = cell
    return nested
