"""Sequences as frames, and what is wrong with them.

Whatever they came from, there is one row per record, in the order of the input:

    id           str   FASTA: header up to the first blank; tables: the id column
    description  str   FASTA: the rest of the header; "" otherwise
    sequence     str   upper case, one final `*` removed; several chains joined with ":"
    <others>           chain columns and all further columns of a table

Nothing is repaired silently: whatever cannot be a sequence of the alphabet is reported with its
place, all places of one input at once.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from blocks.errors import InputProblems, Problem

Alphabet = Literal["protein", "dna", "rna"]
LETTERS: dict[str, str] = {
    "protein": "ACDEFGHIKLMNPQRSTVWYBJOUXZ",
    "dna": "ACGTNRYSWKMBDHV",
    "rna": "ACGUNRYSWKMBDHV",
}
"""IUPAC letters, the ambiguous ones last."""
KEPT_PROBLEMS = 1_000
LONGEST_NAME = 1_000
"""Letters of an id; a whole sequence in its place is longer."""
_NUMBER = r"\s*[+-]?(?:0|[1-9]\d*|0?\.\d+)(?:\.\d*)?(?:[eE][+-]?\d+)?\s*"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of a record stand in a table."""

    alphabet: Alphabet = "protein"
    id_column: str = "id"
    sequence_column: str = "sequence"
    chains: tuple[str, ...] = ()
    """Columns that hold one chain each; empty: one chain, in `sequence_column`."""
    gaps: bool = False
    """Whether the sequences may be aligned, with `-` and `.` for gaps."""

    @property
    def required(self) -> tuple[str, ...]:
        """Columns without which a table cannot be read."""
        return self.chains or (self.sequence_column,)


@dataclass(slots=True)
class Findings:
    """Problems found so far; counts all, keeps the first ones."""

    problems: list[Problem] = field(default_factory=list)
    more: int = 0

    def add(self, where: str, what: str, expected: str) -> None:
        """Note a problem."""
        if len(self.problems) < KEPT_PROBLEMS:
            self.problems.append(Problem(where, what, expected))
        else:
            self.more += 1

    def stop_if_any(self) -> None:
        """Raise InputProblems if there are any."""
        if self.more:
            self.problems.append(Problem("input", f"{self.more} further problems", "none"))
        if self.problems:
            raise InputProblems(self.problems)


def from_list(sequences: Sequence[str], layout: Layout = Layout()) -> pd.DataFrame:
    """Sequences given as they are; ids are `seq-1`, `seq-2`, ….

    Raises:
        InputProblems: Everything that is wrong with them, with number and remedy.
    """
    findings = Findings()
    frame = pd.DataFrame({"sequence": list(sequences)}, dtype=str)
    frame.insert(0, "id", [f"seq-{n}" for n in range(1, len(frame) + 1)])
    frame["_place"] = frame["id"]
    frame = checked(frame, "sequences", layout, findings)
    findings.stop_if_any()
    return frame


def checked(frame: pd.DataFrame, name: str, layout: Layout, findings: Findings) -> pd.DataFrame:
    """The frame with clean sequences; whatever is wrong goes into the findings."""
    places = frame["_place"].tolist()
    frame = frame.drop(columns="_place")
    chains = layout.chains or ("sequence",)
    for chain in chains:
        label = f"column {chain!r}" if layout.chains else "sequence"
        cleaned = [text.strip().upper().removesuffix("*") for text in frame[chain]]
        frame[chain] = pd.Series(cleaned, dtype=str)
        where = [f"{name}, {place}, {label}" for place in places]
        _check_letters(cleaned, where, layout, findings)
    if layout.chains:
        joined = [":".join(row) for row in zip(*(frame[c] for c in chains), strict=True)]
        frame["sequence"] = pd.Series(joined, dtype=str)
    if "id" not in frame:
        frame["id"] = [place.replace(" ", "-") for place in places]
    if "description" not in frame:
        frame["description"] = pd.Series([""] * len(frame), dtype=str)
    for place, identifier in zip(places, frame["id"], strict=True):
        if len(identifier) > LONGEST_NAME:
            what = f"{len(identifier):,} letters"
            expected = f"a name of up to {LONGEST_NAME:,} letters"
        elif not identifier or re.search(r"\s", identifier):
            what, expected = repr(identifier) if identifier else "none", "a name without blanks"
        else:
            continue
        findings.add(f"{name}, {place}, id", what, expected)
    first = ["id", "description", "sequence"]
    return frame[first + [column for column in frame.columns if column not in first]]


def _check_letters(
    sequences: list[str], where: list[str], layout: Layout, findings: Findings
) -> None:
    letters = LETTERS[layout.alphabet] + ("-." if layout.gaps else "")
    expected = f"letters of {layout.alphabet} ({letters})"
    strip = str.maketrans("", "", letters)
    for sequence, place in zip(sequences, where, strict=True):
        if not sequence:
            findings.add(place, "empty", expected)
        elif wrong := sequence.translate(strip):
            position = sequence.index(wrong[0]) + 1
            findings.add(f"{place}, position {position}", f"letter {wrong[0]!r}", expected)


def numbers_and_texts(frame: pd.DataFrame) -> tuple[set[str], set[str]]:
    """Text columns in which all cells are numbers or empty, and those in which some are not.

    A number is a cell that loses nothing by conversion; columns without any cell are in neither.

    >>> numbers_and_texts(pd.DataFrame({"tm": ["48.5", ""], "plate": ["007", "008"]}))
    ({'tm'}, {'plate'})
    """
    numbers: set[str] = set()
    texts: set[str] = set()
    for column in frame.columns.difference(["id", "description", "sequence"]):
        cells = frame[column]
        if pd.api.types.is_string_dtype(cells):
            filled = cells[cells.str.strip() != ""]
            if len(filled):
                (numbers if filled.str.fullmatch(_NUMBER).all() else texts).add(column)
    return numbers, texts
