"""The tables of batches, and the one statement that fills them."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from blocks.database import JSON, METADATA, UTCDateTime

T = TypeVar("T")

ROWS_AT_ONCE = 500
"""Rows of a statement; SQLite takes 32,766 values."""

_DIGEST = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BATCHES = sa.Table(
    "batches",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("pipeline", sa.Text, nullable=False),
    sa.Column("stages", JSON, nullable=False),
    sa.Column("execution_id", sa.Text),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime, nullable=False),
)
ITEMS = sa.Table(
    "batch_items",
    METADATA,
    sa.Column("batch_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("item", sa.Text, primary_key=True),
    sa.Column("sequence", _DIGEST, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("updated_at", UTCDateTime, nullable=False),
    sa.Index("ix_batch_items_state", "batch_id", "state"),
    sqlite_with_rowid=False,
)
STAGES = sa.Table(
    "batch_item_stages",
    METADATA,
    sa.Column("batch_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("item", sa.Text, primary_key=True),
    sa.Column("stage", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("updated_at", UTCDateTime, nullable=False),
    sqlite_with_rowid=False,
)


def portions(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """The items in parts small enough for a statement."""
    return (items[start : start + ROWS_AT_ONCE] for start in range(0, len(items), ROWS_AT_ONCE))


def upsert(
    connection: Connection,
    table: sa.Table,
    rows: Sequence[dict[str, Any]],
    where: sa.ColumnElement[bool] | None = None,
) -> None:
    """Insert rows; those whose key is there take the new values, if `where` holds."""
    many = connection.dialect.name == "sqlite"  # a statement of many rows is compiled each time
    dialect: Any = sqlite if many else postgresql
    statement = dialect.insert(table)
    statement = statement if many else statement.values(list(rows))
    keys = [column.name for column in table.primary_key]
    fresh = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in keys}
    change = statement.on_conflict_do_update(index_elements=keys, set_=fresh, where=where)
    connection.execute(change, *([list(rows)] if many else []))
