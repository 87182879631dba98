"""The database of an installation: an SQLite file, or a PostgreSQL server.

It holds the run ledger, the prediction store, the states of batches, what searches found, and
which files arrived.
`engine()` hands out one engine per URL and process, with the tables at the version of this code.
All statements go through `reading` and `writing`, which say in one line what is wrong with a
database, and never show its password.
"""

import os
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Dialect, Engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from blocks.database_errors import one_line_errors, shown
from blocks.errors import InputError
from blocks.settings import database_url, settings

METADATA = sa.MetaData()
"""The tables, which the modules that use them declare."""

SCHEMA = "0004"
"""The version of the tables that this code knows: the last file in `migrations/versions`."""

VERSION_TABLE = "seqloom_version"  # not Alembic's own name: Prefect may share the server
BUSY_S = 60.0
CONNECT_S = 20.0
_ADVISORY_LOCK = 0x5EC1003
_SSL = {"disable": False, "require": True}

JSON: sa.types.TypeEngine[Any] = sa.JSON(none_as_null=True).with_variant(
    JSONB(none_as_null=True), "postgresql"
)

_engines: dict[URL, Engine] = {}
_lock = threading.RLock()


class UTCDateTime(sa.types.TypeDecorator[datetime]):
    """A moment; aware and in UTC on both sides, also where the database knows no time zones."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """What the database gets."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """What the caller gets."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def engine(url: str | None = None) -> Engine:
    """The engine of this process for `url` (None: the settings'), its tables up to date.

    Raises:
        InputError: The URL, the folder, the login or the version of the database is wrong.
        ServiceError: The database does not answer.
    """
    try:
        parsed = database_url(settings().database if url is None else url)
    except ValueError as error:
        raise InputError(f"database: {error}") from None
    with _lock:
        found = _engines.get(parsed)
        if found is None or _was_removed(parsed):
            found = _create(parsed) if found is None else found
            found.dispose()
            try:
                upgrade(found)
            except BaseException:
                found.dispose()
                raise
            _engines[parsed] = found
    return found


def close_connections() -> None:
    """Close what is idle and forget all engines; one that is still in use opens new connections."""
    with _lock:
        for found in _engines.values():
            found.dispose()
        _engines.clear()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection on which everything is seen at one moment; what is written is lost."""
    with one_line_errors(engine.url), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction, committed when the block ends well; on SQLite the only writer from its start.

    A transaction that began by reading would be refused when another process has written since.
    """
    with (
        one_line_errors(engine.url),
        engine.connect().execution_options(seqloom_writes=True) as connection,
        connection.begin(),
    ):
        yield connection


def insert_new(connection: Connection, table: sa.Table, row: Mapping[str, object]) -> bool:
    """Add a row unless there is one with its key; whether it was added."""
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    added = connection.execute(dialect.insert(table).values(row).on_conflict_do_nothing())
    return bool(added.rowcount == 1)


def upgrade(engine: Engine) -> None:
    """Bring the tables to the version of this code; several processes may do so at once.

    Raises:
        InputError: The database was made by a newer version of the code.
    """
    if engine.dialect.name == "sqlite":
        _prepare_file(Path(str(engine.url.database)))
    with reading(engine) as connection:
        if _version(connection) == SCHEMA:
            return
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        _migrate(connection)


def _migrate(connection: Connection) -> None:
    # Alembic takes a while to import, and is needed only where a database is made or changed.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    folder = str(Path(__file__).parent / "migrations")
    found = _version(connection)
    known = {version.revision for version in ScriptDirectory(folder).walk_revisions()}
    if found is not None and found not in known:
        raise InputError(
            f"database {shown(connection.engine.url)}: its tables have version {found}, newer than "
            f"{SCHEMA}, the last one known here; expected a newer Seqloom or another database"
        )
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", folder.replace("%", "%%"))
    command.upgrade(config, "head")


def _version(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    table = sa.table(VERSION_TABLE, sa.column("version_num"))
    return connection.execute(sa.select(table.c.version_num)).scalar()


def _create(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        created = sa.create_engine(url, connect_args={"timeout": BUSY_S})
        event.listen(created, "connect", _configure_sqlite)
        event.listen(created, "begin", _begin_sqlite)
        return created
    ssl = _SSL.get(str(url.query.get("sslmode"))) if url.query else None
    if url.query and (ssl is None or len(url.query) > 1):
        raise InputError(
            f"database {shown(url)}: unknown options {sorted(url.query)}; "
            "expected none, sslmode=disable or sslmode=require"
        )
    created = sa.create_engine(
        url.set(query={}),
        pool_pre_ping=True,
        pool_size=2,
        connect_args={"ssl_context": ssl, "timeout": CONNECT_S},
    )
    event.listen(created, "connect", _unlimit_statements)
    event.listen(created, "begin", _begin_postgresql)
    return created


def _configure_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver opens no transactions; `_begin_sqlite` does
    cursor = connection.cursor()
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON", "cache_size=-65536"):  # 64 MiB
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("seqloom_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _begin_postgresql(connection: Connection) -> None:
    if not connection.get_execution_options().get("seqloom_writes", False):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def _unlimit_statements(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # The driver keeps its limit for connecting as one for every answer, however long it takes.
    opened = getattr(connection, "_usock", None)
    if isinstance(opened, socket.socket):
        opened.settimeout(None)


def _prepare_file(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _switch_to_wal(path)
    except (OSError, sqlite3.DatabaseError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(
            f"database {path}: {reason}; expected an SQLite file, or a folder to make it in"
        ) from None


def _switch_to_wal(path: Path) -> None:
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            with closing(sqlite3.connect(path, timeout=BUSY_S)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            # SQLite does not wait for the others itself while it changes the mode.
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _was_removed(url: URL) -> bool:
    return url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists()


def _before_fork() -> None:
    # An SQLite connection must not live on in a child, not even to be closed there: the locks of
    # a file belong to a process. Idle ones can go; a new one is opened in a millisecond.
    _lock.acquire()
    for found in _engines.values():
        if found.dialect.name == "sqlite":
            found.dispose()


def _after_fork_in_parent() -> None:
    _lock.release()


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 -- the old one is held by a thread that does not exist here
    _lock = threading.RLock()
    for found in _engines.values():
        found.dispose(close=False)  # the parent goes on talking through its sockets


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
