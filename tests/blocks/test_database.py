import errno
import multiprocessing
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from blocks import (
    arrival_tables,
    batch_tables,
    database,
    evidence_store,
    kept_answers,
    ledger,
    prediction_tables,
)
from blocks.database import METADATA, SCHEMA, VERSION_TABLE, reading, writing
from blocks.errors import InputError, ServiceError

PROCESSES = 4
# Quicker than processes that import everything anew, and a harder test of the engines.
FORK = multiprocessing.get_context("fork") if hasattr(os, "fork") else None
needs_fork = pytest.mark.skipif(FORK is None, reason="no fork here")
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    database.close_connections()


def start_run(url: str) -> str:
    return ledger.start("design", engine=database.engine(url))


def test_the_tables_made_are_the_tables_declared(engine: sa.Engine) -> None:
    for table in (
        prediction_tables.PREDICTIONS,
        arrival_tables.RUNS,
        batch_tables.ITEMS,
        evidence_store.SEARCHES,
        kept_answers.ANSWERS,
    ):
        assert table.metadata is METADATA
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, METADATA) == []


def test_the_code_names_the_last_version() -> None:
    folder = Path(database.__file__).parent / "migrations"

    assert ScriptDirectory(str(folder)).get_heads() == [SCHEMA]


def test_there_is_one_engine_per_url(url: str) -> None:
    assert database.engine(url) is database.engine(url)


def test_without_a_url_the_settings_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLOOM_DATABASE", f"sqlite:///{tmp_path}/mine.db")

    assert database.engine().url.database == f"{tmp_path}/mine.db"


def test_sqlite_is_set_up_for_several_processes(tmp_path: Path) -> None:
    with reading(database.engine(f"sqlite:///{tmp_path}/new/folder/x.db")) as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "busy_timeout", "synchronous", "foreign_keys")
        }

    normal = 1
    assert found == {
        "journal_mode": "wal",
        "busy_timeout": 60_000,
        "synchronous": normal,
        "foreign_keys": 1,
    }


@needs_fork
def test_several_processes_may_start_with_an_empty_database(url: str) -> None:
    assert FORK is not None
    with FORK.Pool(PROCESSES) as pool:
        started = pool.map(start_run, [url] * PROCESSES)

    assert {run.execution_id for run in ledger.runs(engine=database.engine(url))} == set(started)


def test_a_removed_sqlite_file_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    start_run(f"sqlite:///{path}")
    for file in tmp_path.glob("x.db*"):
        file.unlink()

    start_run(f"sqlite:///{path}")

    assert len(ledger.runs(engine=database.engine(f"sqlite:///{path}"))) == 1


def test_a_database_of_a_newer_version_is_refused(url: str) -> None:
    with writing(database.engine(url)) as connection:
        connection.execute(sa.text("UPDATE seqloom_version SET version_num = '9999'"))
    database.close_connections()

    with pytest.raises(
        InputError, match=rf"have version 9999, newer than {SCHEMA}.*expected"
    ) as caught:
        database.engine(url)

    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("place", ["file/x.db", "folder"])
def test_a_place_that_cannot_hold_a_database_is_one_line(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "folder").mkdir()

    with pytest.raises(InputError, match=r"expected an SQLite file, or a folder") as caught:
        database.engine(f"sqlite:///{tmp_path}/{place}")

    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("sequence,name\n" * 100)

    with pytest.raises(InputError, match=r"not a database; expected an SQLite file"):
        database.engine(f"sqlite:///{tmp_path}/x.db")


def test_a_database_that_others_hold_too_long_is_a_service_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_S", 0.1)
    engine = database.engine(f"sqlite:///{tmp_path}/x.db")
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(ServiceError, match="database is locked"):
            ledger.start("design", engine=engine)


def test_a_wrong_statement_is_not_blamed_on_the_database(engine: sa.Engine) -> None:
    with pytest.raises(sa.exc.DBAPIError), reading(engine) as connection:
        connection.execute(sa.text("SELECT * FROM no_such_table"))


def test_a_server_that_does_not_answer_is_a_service_error_without_the_password() -> None:
    with pytest.raises(ServiceError, match=r"127.0.0.1:1/x: Can't create a connection") as caught:
        database.engine("postgresql://me:hunter2@127.0.0.1:1/x")

    assert "hunter2" not in str(caught.value)


@pytest.mark.tool
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"password": "hunter3"}, "password authentication failed"),
        ({"database": "nowhere"}, "does not exist"),
    ],
)
def test_a_refused_login_is_one_line_without_the_password(
    postgresql_url: str, change: dict[str, str], said: str
) -> None:
    url = sa.make_url(postgresql_url).set(**change)  # type: ignore[arg-type]

    with pytest.raises(InputError, match=said) as caught:
        database.engine(url.render_as_string(hide_password=False))

    assert "\n" not in str(caught.value)
    assert "hunter" not in str(caught.value)


def test_an_unknown_option_of_the_server_is_refused() -> None:
    with pytest.raises(InputError, match=r"unknown options \['channel'\]; expected none, sslmode"):
        database.engine("postgresql://me@127.0.0.1:1/x?channel=1")


def test_moments_are_utc_on_both_sides(engine: sa.Engine) -> None:
    table = sa.Table("moments", sa.MetaData(), sa.Column("at", database.UTCDateTime))
    noon_in_berlin = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    with writing(engine) as connection:
        table.create(connection)
        connection.execute(sa.insert(table), {"at": noon_in_berlin})

    with reading(engine) as connection:
        found = connection.execute(sa.select(table)).scalar_one()

    assert (found, found.tzinfo) == (datetime(2026, 7, 1, 10, tzinfo=UTC), UTC)


@needs_fork
def test_an_engine_survives_a_fork(url: str) -> None:
    before = start_run(url)

    child = os.fork()
    if child == 0:
        status = 1
        try:
            start_run(url)
            status = 0
        finally:
            os._exit(status)
    status = os.waitpid(child, 0)[1]
    start_run(url)

    assert status == 0
    assert len(ledger.runs(engine=database.engine(url))) == 3
    assert ledger.run(before, engine=database.engine(url)).run.status == "running"


@needs_fork
@pytest.mark.tool
def test_a_child_does_not_talk_through_the_sockets_of_its_parent(postgresql_url: str) -> None:
    assert FORK is not None
    parent = backend(postgresql_url)
    with FORK.Pool(1) as pool:
        child = pool.apply(backend, (postgresql_url,))

    assert child != parent == backend(postgresql_url)


def backend(url: str) -> object:
    with reading(database.engine(url)) as connection:
        return connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()


def test_a_connection_that_breaks_while_it_is_tried_out_is_told_as_a_service_that_may_come_back(
    tmp_path, monkeypatch
):
    found = database.engine(f"sqlite:///{tmp_path / 'one.db'}")

    def reset(*_: object) -> None:
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    monkeypatch.setattr(found, "connect", reset)

    for use in (database.reading, database.writing):
        with pytest.raises(ServiceError, match=r"one\.db.*Connection reset by peer"), use(found):
            pass
