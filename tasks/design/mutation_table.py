"""Values of single mutations, from a matrix with labels or from a list of mutations."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.design.profile import ALPHABET

COLUMNS = {
    "row": "int64", "column": "str", "position": "int64",
    "wild_type": "str", "mutant": "str", "value": "float64",
}  # fmt: skip
_MUTATION = re.compile(r"([A-Z])([1-9][0-9]{0,8})([A-Z])")
_ROW_LABEL = re.compile(r"([A-Z]?)([1-9][0-9]{0,8})?")


class UnusableError(ValueError):
    """What an answer holds does not fit what was asked; the message says why."""


@dataclass(frozen=True, slots=True)
class Mutations:
    """Values of the single mutations of one sequence; all of the same length."""

    positions: NDArray[np.int64]
    """From 0."""
    wild_types: NDArray[np.str_]
    """"" where the answer does not tell."""
    mutants: NDArray[np.str_]
    scores: NDArray[np.float64]


def parsed(text: str) -> tuple[str, int, str]:
    """Wild type, position from 0, and mutant of a mutation such as `A12G`.

    Raises:
        UnusableError: It is not written like this.

    >>> parsed("A12G")
    ('A', 11, 'G')
    """
    match = _MUTATION.fullmatch(text)
    if match is None:
        raise UnusableError(f"mutation {text[:40]!r}; expected one like A12G")
    return match[1], int(match[2]) - 1, match[3]


def from_matrix(
    values: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str]
) -> Mutations:
    """The mutations of a matrix, positions by residues, row by row.

    Columns that are none of the 20 residues, nulls, and what changes nothing are left out.

    Args:
        values: Shape (positions, residues).
        rows: The residue there (`A`: the n-th row is position n), `A12`, or `12`; from 1.
        columns: The residue that takes its place.

    Raises:
        UnusableError: Labels do not fit the matrix, or cannot be read.
    """
    if values.shape != (len(rows), len(columns)):
        shape = " by ".join(map(str, values.shape))
        raise UnusableError(
            f"matrix of {shape}; expected {len(rows)} by {len(columns)}, as there are labels"
        )
    places, residues = _row_labels(rows)
    used = np.array([len(label) == 1 and label in ALPHABET for label in columns], dtype=bool)
    if columns and not used.any():
        raise UnusableError(f"column label {columns[0][:40]!r}; expected residues such as A")
    mutants = np.array(columns, dtype=np.str_)[used]
    kept = ~np.isnan(values[:, used]) & (residues[:, None] != mutants[None, :])
    row, column = np.nonzero(kept)
    return Mutations(places[row], residues[row], mutants[column], values[:, used][row, column])


def from_list(mutations: Sequence[object], values: Sequence[object]) -> Mutations:
    """The mutations of a list; those without value, and what changes nothing, are left out.

    Raises:
        UnusableError: A mutation or a value cannot be read.
    """
    found = []
    for mutation, value in zip(mutations, values, strict=True):
        if not isinstance(mutation, str):
            raise UnusableError("an entry without mutation; expected one like A12G")
        wild_type, position, mutant = parsed(mutation)
        if value is None or wild_type == mutant:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UnusableError(f"{mutation} has a {type(value).__name__}; expected a number")
        found.append((position, wild_type, mutant, float(value)))
    positions, wild_types, mutants, numbers = zip(*found, strict=True) if found else ((),) * 4
    return Mutations(
        np.array(positions, dtype=np.int64),
        np.array(wild_types, dtype=np.str_),
        np.array(mutants, dtype=np.str_),
        np.array(numbers, dtype=np.float64),
    )


def on_sequence(mutations: Mutations, sequence: str) -> Mutations:
    """The mutations with the sequence's residues as wild types.

    Raises:
        UnusableError: They are not mutations of this sequence.
    """
    if len(mutations.positions) and int(mutations.positions.max()) >= len(sequence):
        place = int(mutations.positions.max()) + 1
        raise UnusableError(f"mutation at {place}; expected at most {len(sequence)}, the length")
    letters = np.array(list(sequence), dtype=np.str_)[mutations.positions]
    wrong = np.flatnonzero((mutations.wild_types != "") & (mutations.wild_types != letters))
    if len(wrong):
        place = int(mutations.positions[wrong[0]]) + 1
        raise UnusableError(
            f"wild type {mutations.wild_types[wrong[0]]} at {place}; expected "
            f"{letters[wrong[0]]}, as in the sequence"
        )
    kept = letters != mutations.mutants
    return Mutations(
        mutations.positions[kept], letters[kept], mutations.mutants[kept], mutations.scores[kept]
    )


def table(parts: Sequence[tuple[int, str, Mutations]]) -> pd.DataFrame:
    """One row per mutation, with the answer's row and the column that it belongs to."""
    frames = [
        pd.DataFrame(
            {
                "row": row,
                "column": column,
                "position": mutations.positions,
                "wild_type": mutations.wild_types,
                "mutant": mutations.mutants,
                "value": mutations.scores,
            }
        ).astype(COLUMNS)
        for row, column, mutations in parts
    ]
    empty = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in COLUMNS.items()})
    return pd.concat(frames, ignore_index=True) if frames else empty


def labels(value: Any) -> list[str]:  # noqa: ANN401 -- JSON
    """Labels as texts: a list of texts or whole numbers, or one text with a letter for each.

    Raises:
        UnusableError: They are something else.
    """
    if isinstance(value, str):
        return list(value)
    if isinstance(value, np.ndarray) and value.ndim == 1 and np.all(value == np.floor(value)):
        return [str(int(number)) for number in value]
    if isinstance(value, list) and all(isinstance(label, str) for label in value):
        return value
    raise UnusableError("labels that are neither texts nor whole numbers")


def _row_labels(rows: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """Positions from 0 and residues of the labels of rows."""
    matches = [_ROW_LABEL.fullmatch(label) for label in rows]
    for label, match in zip(rows, matches, strict=True):
        if match is None or not label:
            raise UnusableError(f"row label {label[:40]!r}; expected one like A, A12 or 12")
    places = [int(match[2]) - 1 if match[2] else row for row, match in enumerate(matches) if match]
    residues = [match[1] for match in matches if match]
    return np.array(places, dtype=np.int64), np.array(residues, dtype=np.str_)
