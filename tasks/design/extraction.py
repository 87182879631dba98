"""Columns from the stored leaves of a remote model's answers.

What stands in a row depends on that row's answer alone, except that vectors must have one length.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.design import mutation_table
from tasks.design.answer_columns import (
    PLDDT,
    Column,
    Columns,
    check_keys,
    kinds,
    leaves_needed,
    lookup_keys,
    output_columns,
)
from tasks.design.answer_lookup import Answers, dig
from tasks.design.answer_values import (
    format_of,
    mutations_of,
    number,
    of_layer,
    only_one,
    text,
    vector,
)
from tasks.design.answers import LongText, parts_of
from tasks.design.mutation_table import Mutations, UnusableError
from tasks.design.plddt import mean_b_factor

__all__ = [
    "Column",
    "Columns",
    "Extracted",
    "check_keys",
    "dimensions",
    "extract",
    "kinds",
    "leaves_needed",
    "output_columns",
]


Texts = Callable[[Sequence[str | None]], Sequence[str | None]]
"""Gives the texts that names stand for."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """What the columns hold, one row per answer."""

    frame: pd.DataFrame
    """`output_columns`: float64, text, or objects of float32 vectors; NaN, "" and None where an
    answer has no value. A structure's column holds its format, `pdb` or `cif`."""
    errors: list[str]
    """"" or what is wrong with an answer, per row; its other columns keep their values."""
    structures: dict[str, list[str | None]]
    """Texts of the structures by column, or their names, as the frame has them."""
    mutations: pd.DataFrame | None
    """One row per mutation (`mutation_table.COLUMNS`, positions from 0); None where no column
    holds mutations."""


class _Errors:
    """What went wrong, per row."""

    def __init__(self, count: int) -> None:
        self.texts = [""] * count

    def add(self, row: int, column: Column, why: object) -> None:
        self.texts[row] += ("; " if self.texts[row] else "") + f"{column.name}: {why}"


def extract(
    columns: Sequence[Column],
    frame: pd.DataFrame,
    *,
    texts: Texts | None = None,
    sequences: Sequence[str] | None = None,
    expected: Mapping[str, int] | None = None,
) -> Extracted:
    """The columns of answers that were taken apart.

    Args:
        columns: What is wanted.
        frame: Leaves by name, as `answers.frame` gives them, with the long texts in columns too.
        texts: Reads long texts, if their columns hold names of files, as the store gives them;
            structures are then given by name, and read only where confidence stands in them.
        sequences: What each answer is about; wild types of mutations are held against it.
        expected: Lengths of vectors by column, for those that are not per residue; without one,
            the length that most rows have.
    """
    answers, errors = Answers(frame), _Errors(len(frame))
    values: dict[str, Any] = {}
    structures: dict[str, list[str | None]] = {}
    mutations: list[tuple[int, str, Mutations]] = []
    for column in columns:
        match column.holds:
            case "number":
                values[column.name] = _numbers(answers, column, errors)
            case "text":
                cells = _texts(answers, column, texts, errors)
                values[column.name] = pd.Series(cells, dtype="str")
            case "vector":
                length = (expected or {}).get(column.name)
                values[column.name] = _vectors(answers, column, length, errors)
            case "structure":
                found, formats, plddt = _structures(answers, column, texts, errors)
                structures[column.name] = found
                values[column.name] = pd.Series(formats, dtype="str")
                values[column.name + PLDDT] = plddt
            case "mutations":
                mutations += _mutations(answers, column, sequences, errors)
    return Extracted(
        pd.DataFrame(values, index=range(len(frame))),
        errors.texts,
        structures,
        mutation_table.table(mutations) if any(c.holds == "mutations" for c in columns) else None,
    )


def dimensions(columns: Sequence[Column], frame: pd.DataFrame) -> dict[str, int]:
    """Lengths of the vectors in what was extracted, to hold later answers against."""
    found: dict[str, int] = {}
    for column in columns:
        if column.holds == "vector" and not column.per_residue:
            length = _usual_length(frame[column.name].tolist())
            found |= {} if length is None else {column.name: length}
    return found


def _numbers(answers: Answers, column: Column, errors: _Errors) -> NDArray[np.float64]:
    found: NDArray[np.float64]
    single = answers.numbers(column.key) if column.reduce != "std" else None
    if single is not None:
        found = single.to_numpy(dtype=np.float64, copy=True)
        for row in np.flatnonzero(~np.isfinite(found)).tolist():
            errors.add(row, column, _absent(column.key, found[row]))
            found[row] = np.nan
        return found
    found = np.full(answers.count, np.nan)
    for row, value in enumerate(answers.values([column.key])):
        try:
            inside = dig(value, parts_of(column.key))
            found[row] = number(inside, column.key, column.reduce)
        except UnusableError as error:
            errors.add(row, column, error)
    return found


def _absent(key: str, value: float) -> str:
    if np.isnan(value):
        return f"key {key!r} is missing or null"
    return f"{value} under key {key!r}; expected a finite number"


def _texts(answers: Answers, column: Column, texts: Texts | None, errors: _Errors) -> list[str]:
    found = [""] * answers.count
    for row, value in enumerate(answers.values([column.key])):
        try:
            found[row] = text(dig(value, parts_of(column.key), only_one), column.key)
        except UnusableError as error:
            errors.add(row, column, error)
    return [cell or "" for cell in _read(found, texts)]


def _vectors(
    answers: Answers, column: Column, length: int | None, errors: _Errors
) -> NDArray[np.object_]:
    found: NDArray[np.object_] = np.full(answers.count, None, dtype=object)
    for row, value in enumerate(answers.values(lookup_keys(column))):
        try:
            found[row] = vector(of_layer(value, column), column)
        except UnusableError as error:
            errors.add(row, column, error)
    if column.per_residue:
        return found
    usual = length if length is not None else _usual_length(found.tolist())
    for row, cell in enumerate(found):
        if cell is not None and len(cell) != usual:
            errors.add(row, column, f"vector of {len(cell)} numbers; expected {usual}")
            found[row] = None
    return found


def _usual_length(cells: Sequence[Any]) -> int | None:
    """The length that most vectors have, of equally frequent ones the first; None without any."""
    counts = Counter(len(cell) for cell in cells if cell is not None)
    return counts.most_common(1)[0][0] if counts else None


def _structures(
    answers: Answers, column: Column, texts: Texts | None, errors: _Errors
) -> tuple[list[str | None], list[str], NDArray[np.float64]]:
    """Structures as they are given, their formats, and confidences."""
    found: list[str | None] = [None] * answers.count
    formats = [""] * answers.count
    plddt = np.full(answers.count, np.nan)
    for row, value in enumerate(answers.values(lookup_keys(column))):
        try:
            inside = text(dig(value, parts_of(column.key), only_one), column.key)
            formats[row] = format_of(inside, column.key)
            found[row] = inside
            if column.plddt_key:
                given = dig(value, parts_of(column.plddt_key))
                plddt[row] = number(given, column.plddt_key, "mean")
        except UnusableError as error:
            errors.add(row, column, error)
    if not column.plddt_key:
        for row, content in enumerate(_read(found, texts)):
            if content is not None:
                plddt[row] = mean_b_factor(content, "pdb" if formats[row] == "pdb" else "cif")
    return [None if cell is None else str(cell) for cell in found], formats, plddt


def _read(cells: Sequence[str | None], texts: Texts | None) -> Sequence[str | None]:
    """Texts, with those that lie in the store fetched by their names."""
    if texts is None or not any(isinstance(cell, LongText) for cell in cells):
        return cells
    names = [str(cell) if isinstance(cell, LongText) else None for cell in cells]
    contents = texts(names)
    return [
        cell if name is None else content
        for cell, name, content in zip(cells, names, contents, strict=True)
    ]


def _mutations(
    answers: Answers, column: Column, sequences: Sequence[str] | None, errors: _Errors
) -> list[tuple[int, str, Mutations]]:
    found = []
    for row, value in enumerate(answers.values(lookup_keys(column))):
        try:
            mutations = mutations_of(value, column)
            if sequences is not None:
                mutations = mutation_table.on_sequence(mutations, sequences[row])
            found.append((row, column.name, mutations))
        except UnusableError as error:
            errors.add(row, column, error)
    return found
