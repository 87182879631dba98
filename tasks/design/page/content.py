"""What the page of a design run shows."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blocks.errors import InputProblems, Problem
from tasks.report.funnel import FunnelRow
from tasks.report.logo import AMINO_ACIDS

_REQUIRED = {
    "table": ("item", "id", "outcome"),
    "top": ("rank", "id", "sequence"),
    "funnel": FunnelRow._fields,
}


@dataclass(frozen=True, slots=True)
class DesignPage:
    """Everything the page shows, already small or in columns."""

    run_name: str
    started: str
    seconds: float
    parent_id: str
    parent: str
    """Sequence of the parent; "" if there is none."""
    table: pd.DataFrame
    """All items: item, id, numeric columns, outcome (kept, dropped or failed)."""
    top: pd.DataFrame
    """Ranked designs to show: rank, id, sequence, score columns."""
    objectives: list[tuple[str, str]]
    """(column, "maximise", "minimise" or "target"), the most important first."""
    funnel: pd.DataFrame
    """stage, items_in, dropped, failed, items_out."""
    stages: pd.DataFrame
    """stage, kind, needs, items, cached, computed, seconds."""
    near_misses: pd.DataFrame
    what_if: dict[str, pd.DataFrame]
    """Rule such as "profile_bits >= 120" -> threshold, kept_then, gained."""
    diversity: dict[str, float]
    position_counts: NDArray[np.int64] | None
    """Residues of the kept designs per position, (L, 20), columns ACDEFGHIKLMNPQRSTVWY."""
    versions: dict[str, str]
    methods: pd.DataFrame
    """column, method, version, source; unit where it is known."""
    files: list[tuple[str, str]]
    """(path relative to the page, what it is)."""
    warnings: list[str]

    def __post_init__(self) -> None:
        problems = [
            Problem(f"page of {self.run_name}, {name}", f"no column {column!r}", "it")
            for name, columns in _REQUIRED.items()
            for column in columns
            if column not in getattr(self, name).columns
        ]
        counts = self.position_counts
        if counts is not None and (counts.ndim != 2 or counts.shape[1] != len(AMINO_ACIDS)):  # noqa: PLR2004 -- a matrix
            problems.append(
                Problem(f"page of {self.run_name}, position_counts", f"{counts.shape}", "(L, 20)")
            )
        if problems:
            raise InputProblems(problems)

    @property
    def parent_row(self) -> "pd.Series | None":
        """The parent's row of the table, if it has one."""
        rows = self.table[self.table["id"] == self.parent_id] if self.parent_id else self.table[:0]
        return rows.iloc[0] if len(rows) else None

    @property
    def parent_cells(self) -> list[tuple[int, int]]:
        """(letter, position) of each standard residue of the parent."""
        return [
            (AMINO_ACIDS.index(letter), i)
            for i, letter in enumerate(self.parent)
            if letter in AMINO_ACIDS
        ]

    @property
    def table_file(self) -> str:
        """The first file that looks like a table, for notes on left-out rows."""
        suffixes = (".parquet", ".csv", ".tsv", ".csv.gz", ".tsv.gz")
        return next((path for path, _ in self.files if path.endswith(suffixes)), "")
