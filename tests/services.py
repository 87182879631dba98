"""What to test against: an SQLite file, or servers of our own: PostgreSQL and S3."""

import glob
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from blocks import database
from blocks.settings import database_url
from deployments.local import free_port

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
    port = free_port()
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


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real S3 server on loopback (rclone), with one bucket; yields the bucket's URI."""
    folder = tmp_path_factory.mktemp("s3")
    (folder / "bucket").mkdir()
    program = shutil.which("rclone", path=str(Path(sys.executable).parent)) or "rclone"
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [program, "serve", "s3", "--addr", address, "--auth-key", "key,secret", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(f"http://{address}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", f"http://{address}")
            patch.setenv("AWS_ACCESS_KEY_ID", "key")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
            patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            yield "s3://bucket"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            httpx.get(url)
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Gives a file system of its own a size, such as 1m; the place on it is returned."""
    place = tmp_path / "disk"
    place.mkdir()

    def sized(size: str) -> Path:
        options = f"size={size},remount" if os.path.ismount(place) else f"size={size}"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        return place

    yield sized
    if os.path.ismount(place):
        subprocess.run(["umount", "--lazy", str(place)], check=True)  # the error holds files
