"""Databases to test against: a new SQLite file, or a new database on a server of our own."""

import glob
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from blocks import database
from blocks.settings import database_url

PASSWORD = "hunter2"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """URL of a PostgreSQL server that lives as long as the tests; skips where there is none."""
    programs = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))  # noqa: PTH207 -- one place
    initdb = programs[-1] if programs else shutil.which("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="seqloom-postgresql-"))
    pg_ctl, data, password = str(Path(initdb).with_name("pg_ctl")), folder / "data", folder / "pw"
    password.write_text(PASSWORD)
    as_user: list[str] = []
    if os.geteuid() == 0:  # initdb refuses to run as root
        as_user = ["runuser", "-u", "postgres", "--"]
        for path in (folder, password):
            shutil.chown(path, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-h 127.0.0.1 -p {port} -F -c unix_socket_directories=''"
    login = ["-U", "seqloom", "-A", "scram-sha-256", f"--pwfile={password}"]

    def run(*argv: str) -> None:
        subprocess.run([*as_user, *argv], check=True, cwd=folder, stdout=subprocess.DEVNULL)

    run(initdb, "-D", str(data), "-E", "UTF8", "--no-sync", *login)
    run(pg_ctl, "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
    try:
        yield f"postgresql://seqloom:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        database.close_connections()
        run(pg_ctl, "-D", str(data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """URL of an empty database."""
    yield postgresql_server
    database.close_connections()
    server = sa.create_engine(database_url(postgresql_server), poolclass=sa.NullPool)
    with server.begin() as connection:  # ten times as quick as another database
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.tool)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database of each kind."""
    if request.param == "postgresql":
        yield request.getfixturevalue("postgresql_url")
    else:
        yield f"sqlite:///{tmp_path}/seqloom.db"
    database.close_connections()


@pytest.fixture
def engine(url: str) -> sa.Engine:
    """An engine of each kind, with empty tables."""
    return database.engine(url)
