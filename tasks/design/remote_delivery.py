"""What remote models gave beside columns, as files of a run: structures, tables of mutations."""

import re
from collections.abc import Sequence
from contextlib import closing

import pandas as pd

from blocks.storage import Table, TableWriter, iter_table
from tasks.design.biolm_predict import STORED_STRUCTURE
from tasks.design.scoring import prediction_store
from tasks.items import Items, StageResult, load
from tasks.results import RunFolder

MOST_STRUCTURES = 1_000
"""Designs of which the structures are written, the best first; all others stay in the storage."""
AT_ONCE = 50


def write_structures(folder: RunFolder, designs: pd.DataFrame) -> pd.DataFrame:
    """The designs with paths in the run's folder in their columns of structures.

    Structures of designs behind the first `MOST_STRUCTURES` keep the names that they have in the
    storage.
    """
    changed = {}
    for column in _structure_columns(designs):
        names = designs[column].tolist()
        for start in range(0, min(len(names), MOST_STRUCTURES), AT_ONCE):
            rows = range(start, min(start + AT_ONCE, len(names), MOST_STRUCTURES))
            wanted = [names[row] or None for row in rows]
            for row, text in zip(rows, prediction_store().texts(wanted), strict=True):
                if text is not None:
                    suffix = names[row].split(".")[-2]
                    stem = _file_name(designs["id"].iloc[row], row + 1)
                    names[row] = f"structures/{column}/{stem}.{suffix}"
                    folder.text(names[row], text)
        changed[column] = pd.Series(names, index=designs.index, dtype="str")
    return designs.assign(**changed)


def write_mutations(folder: RunFolder, items: Items, results: Sequence[StageResult]) -> None:
    """The values of single mutations that a stage got, with the ids of their items."""
    tables = {
        result.stage: result.artifact
        for result in results
        if result.artifact is not None and {"mutant", "value"} <= set(result.artifact.columns)
    }
    if not tables:
        return
    ids = load(items, ["id"], alive=False).set_index("item")["id"]
    for stage, table in tables.items():
        _write(folder, f"tables/{stage}_mutations.parquet", table, ids)


def _write(folder: RunFolder, name: str, table: Table, ids: pd.Series) -> None:
    with closing(TableWriter(folder.file(name))) as parquet:
        for frame in iter_table(table):
            counted = frame.assign(position=frame["position"] + 1)  # as people count
            counted.insert(0, "id", ids.reindex(counted.pop("item")).to_numpy())
            parquet.write(counted)


def _structure_columns(designs: pd.DataFrame) -> list[str]:
    return [
        str(column)
        for column in designs
        if designs[column].dtype == "str" and _first(designs[column]) is not None
    ]


def _first(column: pd.Series) -> object:
    """The first cell that is not empty, if it names a structure."""
    filled = column[column.fillna("") != ""]
    return STORED_STRUCTURE.fullmatch(filled.iloc[0]) if len(filled) else None


def _file_name(identifier: str, place: int) -> str:
    """A file's name that holds the id as far as file systems take it."""
    return f"{place:04d}_{re.sub(r'[^A-Za-z0-9._-]+', '_', identifier)[:80]}"
