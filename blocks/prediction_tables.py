"""The tables of the prediction store, and the statements that fill and read them in bulk.

Digests are sorted wherever a statement gets many of them: that is the order of the tables, and it
keeps two writers on PostgreSQL from waiting for each other in a circle.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pandas as pd
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine

from blocks.database import JSON, METADATA, UTCDateTime, insert_new, reading, writing
from blocks.prediction_codec import Kinds, merged_kinds
from blocks.prediction_key import ModelKey, sequence_digest

CHUNK = 50_000
"""Sequences per statement: bounds the texts that the database puts together."""

_DIGEST = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MODELS = sa.Table(
    "prediction_models",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("params_digest", sa.Text, nullable=False),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("params", sa.Text, nullable=False),
    sa.Column("columns", JSON, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.UniqueConstraint("model", "action", "params_digest", "model_version"),
)
PREDICTIONS = sa.Table(
    "predictions",
    METADATA,
    sa.Column("model_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sequence", _DIGEST, primary_key=True),
    sa.Column("values", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)
FILES = sa.Table(
    "prediction_files",
    METADATA,
    sa.Column("model_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sequence", _DIGEST, primary_key=True),
    sa.Column("column", sa.Text, primary_key=True),
    sa.Column("uri", sa.Text, nullable=False),
    sa.Column("row", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)

# The digests asked for, numbered from 0, as a table; they come as one parameter.
_WANTED = {
    "sqlite": "(SELECT key AS n, value AS digest FROM json_each(:digests))",
    "postgresql": "(SELECT ordinality - 1 AS n, digest FROM "
    "unnest(string_to_array(:digests, ',')) WITH ORDINALITY AS u (digest, ordinality))",
}
_JOINED = {"sqlite": "group_concat", "postgresql": "string_agg"}


def find_model(
    connection: Connection, key: ModelKey, lock: bool = False
) -> tuple[int, Kinds] | None:
    """The number of the model and its columns; None where nothing is stored of it."""
    query = sa.select(MODELS.c.id, MODELS.c["columns"])
    for name, value in _key_columns(key).items():
        query = query.where(MODELS.c[name] == value)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else (row[0], dict(row[1]))


def register_model(engine: Engine, key: ModelKey, kinds: Kinds) -> tuple[int, Kinds]:
    """The number of the model, and its columns once those of `kinds` are among them."""
    with reading(engine) as connection:
        found = find_model(connection, key)
    if found is not None and merged_kinds(key.model, found[1], kinds) == found[1]:
        return found
    row = {"params": key.params, "columns": [], "created_at": datetime.now(UTC)}
    with writing(engine) as connection:
        insert_new(connection, MODELS, _key_columns(key) | row)
        found = find_model(connection, key, lock=True)
        if found is None:
            raise AssertionError("a row just inserted is there")
        merged = merged_kinds(key.model, found[1], kinds)
        change = sa.update(MODELS).where(MODELS.c.id == found[0])
        connection.execute(change.values(columns=[list(item) for item in merged.items()]))
    return found[0], merged


def stored_digests(connection: Connection, key: ModelKey) -> list[str]:
    """The digests of all that is stored of one model, sorted."""
    model = find_model(connection, key)
    query = sa.select(PREDICTIONS.c.sequence).order_by(PREDICTIONS.c.sequence)
    query = query.where(PREDICTIONS.c.model_id == (model[0] if model else None))
    return list(connection.execute(query).scalars())


def stored_values(
    connection: Connection, model_id: int, digests: list[str], with_values: bool = True
) -> Iterator[tuple[NDArray[np.int64], str]]:
    """Places of the digests that are stored, and their values: JSON arrays between commas."""
    joined = _JOINED[connection.dialect.name]
    values = f", {joined}(p.\"values\", ',')" if with_values else ""
    statement = sa.text(
        f"SELECT {joined}(CAST(n AS TEXT), ','){values} "  # noqa: S608 -- constants
        f"FROM {_WANTED[connection.dialect.name]} AS wanted "
        "CROSS JOIN predictions AS p WHERE p.model_id = :model AND p.sequence = wanted.digest"
    )
    for start, order, text in _in_chunks(connection, digests):
        row = connection.execute(statement, {"digests": text, "model": model_id}).one()
        if row[0] is not None:
            yield start + order[orjson.loads(f"[{row[0]}]")], row[1] if with_values else ""


def file_places(
    connection: Connection, model_id: int, column: str, digests: list[str]
) -> list[tuple[str, int] | None]:
    """Where each digest's array or structure lies: (file, row), or None."""
    places: list[tuple[str, int] | None] = [None] * len(digests)
    statement = sa.text(
        f"SELECT n, uri, row FROM {_WANTED[connection.dialect.name]} AS wanted "  # noqa: S608 -- constants
        'CROSS JOIN prediction_files AS f WHERE f.model_id = :model AND f."column" = :column '
        "AND f.sequence = wanted.digest"
    )
    for start, order, text in _in_chunks(connection, digests):
        values = {"digests": text, "model": model_id, "column": column}
        for n, uri, row in connection.execute(statement, values):
            places[start + order[n]] = (uri, row)
    return places


def insert_rows(
    connection: Connection, table: sa.Table, model_id: int, columns: Sequence[Sequence[Any]]
) -> None:
    """Add rows given by columns, without `model_id`; those that are there already stay."""
    insert = _insert_sqlite if connection.dialect.name == "sqlite" else _insert_postgresql
    for start in range(0, len(columns[0]) if columns else 0, CHUNK):
        part = [column[start : start + CHUNK] for column in columns]
        insert(connection, table, model_id, part)


def figures(connection: Connection) -> pd.DataFrame:
    """Per model: its key, `sequences`, `value_bytes`, `files` and `created_at`, by name."""
    values = sa.func.coalesce(sa.func.sum(sa.func.length(PREDICTIONS.c["values"])), 0)
    counted = sa.select(
        PREDICTIONS.c.model_id, sa.func.count().label("sequences"), values.label("value_bytes")
    ).group_by(PREDICTIONS.c.model_id)
    placed = sa.select(
        FILES.c.model_id, sa.func.count(sa.distinct(FILES.c.uri)).label("files")
    ).group_by(FILES.c.model_id)
    a, b, m = counted.subquery(), placed.subquery(), MODELS.c
    names = (m.model, m.action, m.params, m.model_version)
    amounts = [
        sa.func.coalesce(column, 0).label(column.name)
        for column in (a.c.sequences, a.c.value_bytes, b.c.files)
    ]
    joined = MODELS.outerjoin(a, a.c.model_id == m.id).outerjoin(b, b.c.model_id == m.id)
    query = sa.select(*names, *amounts, m.created_at).select_from(joined).order_by(*names)
    found = connection.execute(query)
    return pd.DataFrame(found.fetchall(), columns=list(found.keys()))


def _key_columns(key: ModelKey) -> dict[str, Any]:
    return {
        "model": key.model,
        "action": key.action,
        "params_digest": sequence_digest(key.params),
        "model_version": key.version,
    }


def _in_chunks(
    connection: Connection, digests: list[str]
) -> Iterator[tuple[int, NDArray[np.int64], str]]:
    """Begin of each chunk, the order that sorts its digests, and these as one parameter."""
    for start in range(0, len(digests), CHUNK):
        part = digests[start : start + CHUNK]
        order = np.array(sorted(range(len(part)), key=part.__getitem__))
        listed = [part[place] for place in order]
        as_json = connection.dialect.name == "sqlite"
        yield start, order, '["' + '","'.join(listed) + '"]' if as_json else ",".join(listed)


def _insert_sqlite(
    connection: Connection, table: sa.Table, model_id: int, columns: Sequence[Sequence[Any]]
) -> None:
    marks = ", ".join("?" for _ in columns)
    connection.exec_driver_sql(
        f"INSERT INTO {table.name} ({_names(table)}) VALUES ({int(model_id)}, {marks}) "  # noqa: S608 -- no values of the caller
        "ON CONFLICT DO NOTHING",
        list(zip(*columns, strict=True)),
    )


def _insert_postgresql(
    connection: Connection, table: sa.Table, model_id: int, columns: Sequence[Sequence[Any]]
) -> None:
    # No digest, JSON text or name holds a line end as such: JSON escapes it.
    types = [str(column.type.compile(connection.dialect)) for column in table.columns][1:]
    parts = [
        f"CAST(string_to_array(:c{place}, E'\\n') AS {kind.split()[0]}[])"
        for place, kind in enumerate(types)
    ]
    statement = sa.text(
        f"INSERT INTO {table.name} ({_names(table)}) SELECT CAST(:model AS integer), rows.* "  # noqa: S608 -- constants
        f"FROM unnest({', '.join(parts)}) AS rows ON CONFLICT DO NOTHING"
    )
    texts = {f"c{place}": "\n".join(map(str, column)) for place, column in enumerate(columns)}
    connection.execute(statement, {"model": model_id, **texts})


def _names(table: sa.Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.columns)
