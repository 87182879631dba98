"""What flows through a graph of stages: rows, columns that stages added, and losses.

Nothing is copied from stage to stage. A stage that makes items adds a table of rows, one that
predicts adds a table of columns, one that filters adds a table of losses; what a stage receives
from several parents is the union of theirs. An item is alive where no loss names it, so branches
may run in any order and join again: columns add up, and an item lost in one branch is lost.

Rows have `item`, a number unique in the run: the source's place in the graph in the high bits, the
record's place in the source in the low ones. Sorted by it, items stand in the order of the input.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blocks.errors import InputError
from blocks.storage import Table, iter_table, read_table, without_rows
from tasks.dag import closest
from tasks.parameters import Record

ITEMS_PER_SOURCE = 1 << 40


class Items(Record):
    """The state of a run's items after a stage."""

    rows: tuple[Table, ...] = ()
    """`item`, `id`, `sequence`, `digest` and what else the source knows; one table per source."""
    columns: tuple[Table, ...] = ()
    """`item` and the columns that one stage added."""
    losses: tuple[Table, ...] = ()
    """`tasks.attrition.LOSS_COLUMNS`; one table per stage that lost items."""

    def identity(self) -> dict[str, list[str]]:
        """The digests: where the tables lie does not matter to a cache."""
        return {
            name: [table.digest for table in getattr(self, name)]
            for name in ("rows", "columns", "losses")
        }

    def plus(
        self,
        *,
        rows: Table | None = None,
        columns: Table | None = None,
        losses: Table | None = None,
    ) -> "Items":
        """These items after one more stage."""
        return Items(
            rows=(*self.rows, *([rows] if rows else [])),
            columns=(*self.columns, *([columns] if columns else [])),
            losses=(*self.losses, *([losses] if losses else [])),
        )


class Counts(Record):
    """What a stage did; `items_in` is the sum of the other counts of items."""

    items_in: int = 0
    items_out: int = 0
    items_dropped: int = 0
    items_failed: int = 0
    cached: int = 0
    """Distinct items answered by the prediction store."""
    computed: int = 0
    """Distinct items computed."""
    requests: int = 0
    """Requests sent to a service."""


class StageResult(Record):
    """What a stage hands on, and how it went."""

    stage: str
    items: Items = Items()
    artifact: Table | None = None
    """A table that is not one row per item: a profile, figures."""
    counts: Counts = Counts()
    seconds: float = 0.0
    """Wall time when it was computed."""
    notes: tuple[str, ...] = ()
    """What the user should know: a shortfall, a fallback."""

    def identity(self) -> list[object]:
        """What the next stage depends on; not how long it took or how much was cached."""
        return [self.items.identity(), self.artifact.digest if self.artifact else None]


def union(parents: Iterable[Items]) -> Items:
    """The items of several parents together, each table once, in the order of the parents."""
    parents = list(parents)
    return Items(
        rows=tuple(dict.fromkeys(table for parent in parents for table in parent.rows)),
        columns=tuple(dict.fromkeys(table for parent in parents for table in parent.columns)),
        losses=tuple(dict.fromkeys(table for parent in parents for table in parent.losses)),
    )


def column_names(items: Items) -> list[str]:
    """All columns that the items have."""
    tables = [*items.rows, *items.columns]
    return list(dict.fromkeys(column for table in tables for column in table.columns))


def lost_items(items: Items) -> NDArray[np.int64]:
    """Numbers of the items that are not alive, sorted; shape (n_lost,)."""
    lost = [read_table(table, ["item"])["item"].to_numpy() for table in items.losses]
    return np.unique(np.concatenate(lost)) if lost else np.empty(0, np.int64)


def load(items: Items, columns: Sequence[str] | None = None, *, alive: bool = True) -> pd.DataFrame:
    """One frame of the items, sorted by `item`; missing values are NaN or None.

    Args:
        columns: Columns beside `item`, None for all of them.
        alive: Only items that no stage has lost.

    Raises:
        InputError: A column that no stage and no input gives.
    """
    frames = list(iter_load(items, columns, alive=alive))
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


def iter_load(
    items: Items, columns: Sequence[str] | None = None, *, alive: bool = True
) -> Iterator[pd.DataFrame]:
    """As `load`, in frames of at most `BATCH_ROWS` items; at least one frame.

    Rows, and with them the sequences, are read batch by batch; the columns that stages added are
    in memory as a whole, 8 bytes for each number.
    """
    known = column_names(items)
    wanted = [column for column in (known if columns is None else columns) if column != "item"]
    for column in wanted:
        if column not in known:
            raise InputError(f"column {column!r} is not there; expected {closest(column, known)}")
    schema = empty(items)[["item", *wanted]]
    slabs = [
        read_table(slab, ["item", *present]).set_index("item")
        for slab in items.columns
        if (present := [column for column in slab.columns if column in wanted])
    ]
    lost = lost_items(items) if alive else np.empty(0, np.int64)
    nothing = True
    for source in sorted(items.rows, key=_first_item):
        present = [column for column in source.columns if column in wanted]
        for batch in iter_table(source, ["item", *present]):
            rows = batch[~np.isin(batch["item"].to_numpy(), lost, assume_unique=True)]
            yield _completed(rows.set_index("item"), slabs, schema)
            nothing = False
    if nothing:
        yield schema


def _first_item(table: Table) -> int:
    return next((int(frame["item"].iloc[0]) for frame in iter_table(table, ["item"], 1)), 0)


def empty(items: Items) -> pd.DataFrame:
    """A frame without rows that has `item` and all columns, each with its stored type."""
    types: dict[str, pd.Series] = {"item": pd.Series(dtype=np.int64)}
    for table in (*items.rows, *items.columns):
        head = without_rows(table)
        types |= {column: head[column] for column in table.columns if column not in types}
    return pd.DataFrame(types)


def _completed(rows: pd.DataFrame, slabs: list[pd.DataFrame], schema: pd.DataFrame) -> pd.DataFrame:
    """The rows with what the slabs know of them, in the columns of `schema`.

    Several slabs may hold one column for different items (branches); the first value stays.
    """
    for slab in slabs:
        known = slab if rows.index.equals(slab.index) else slab.reindex(rows.index)
        rows = rows.assign(
            **{
                column: rows[column].where(rows[column].notna(), known[column])
                if column in rows
                else known[column]
                for column in slab.columns
            }
        )
    absent = [column for column in schema.columns if column not in rows and column != "item"]
    rows = rows.assign(
        **{
            column: pd.Series(
                None if schema[column].dtype.kind == "O" else np.nan,
                index=rows.index,
                dtype=_nullable(schema[column].dtype),
            )
            for column in absent
        }
    )
    return rows.reset_index()[list(schema.columns)]


def _nullable(stored: Any) -> Any:  # noqa: ANN401 -- a dtype of pandas or numpy
    """The type of a column that is missing altogether: texts stay texts, numbers become float."""
    if stored.kind in "iuf":
        return np.dtype(np.float64)
    return object if stored.kind == "b" else stored
