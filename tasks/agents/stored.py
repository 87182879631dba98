"""Tables of a review as objects of the storage, and back."""

from collections.abc import Mapping, Sequence

import pandas as pd

from blocks.settings import settings
from blocks.storage import Storage, read_bytes, read_table
from tasks.agents.outcome import Described, Gathered, Processed, Sheet, SourceRef
from tasks.agents.table_data import TableData, flat_rows, lines_of, records_of
from tasks.item_reading import Item
from tasks.items import Counts


def sheet(source: SourceRef, items: Sequence[Item]) -> Sheet:
    """A table that was read, stored."""
    told = source.model_dump(exclude={"file", "kind"})
    lines = Storage(settings().storage).put_bytes(lines_of(items), ".jsonl")
    return Sheet(lines=lines, rows=len(items), **told)


def tables_of(gathered: Gathered) -> dict[str, TableData]:
    """The tables under review."""
    return {one.name: table_of(one, records_of(read_bytes(one.lines))) for one in gathered.sheets}


def table_of(described: Described, records: Sequence[Item]) -> TableData:
    """A table under the name that the review gives it."""
    told = described.model_dump(include={"pipeline", "id", "best", "goal", "about"})
    return TableData(described.name, flat_rows(records), told=described.columns, **told)


def made_tables(processed: Sequence[Processed]) -> dict[str, TableData]:
    """The tables that the processors made."""
    frames = {name: read_table(table) for one in processed for name, table in one.tables.items()}
    return {
        name: TableData(name, [{str(k): v for k, v in row.items()} for row in rows])
        for name, rows in ((name, frame.to_dict("records")) for name, frame in frames.items())
    }


def processed(
    stage: str,
    gathered: Gathered,
    made: Mapping[str, Sequence[Mapping[str, object]]],
    *,
    confidence: float,
    degraded: str = "",
    model: str = "",
    failed: int = 0,
) -> Processed:
    """What a processor found out, stored; tables without rows are not."""
    storage = Storage(settings().storage)
    tables = {
        name: storage.write_table(pd.DataFrame(list(rows))) for name, rows in made.items() if rows
    }
    return Processed(
        stage=stage,
        tables=tables,
        confidence=confidence,
        degraded=degraded,
        model=model,
        counts=counts(sum(one.rows for one in gathered.sheets), failed=failed),
    )


def counts(items: int, *, dropped: int = 0, failed: int = 0) -> Counts:
    """Counts of a stage that computed all its items."""
    passed = items - dropped - failed
    lost = {"items_dropped": dropped, "items_failed": failed}
    return Counts(items_in=items, items_out=passed, computed=items, **lost)


def mean(scores: Sequence[tuple[float, int]]) -> float:
    """The mean of scores, each with its weight; 1 without any."""
    weight = sum(one for _, one in scores)
    return sum(score * one for score, one in scores) / weight if weight else 1.0
