"""Fixtures for all tests; nothing here touches the user's home or reaches past loopback."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from deployments.local import LocalPrefect

# Before anything imports Prefect: its test harness isolates the database, not stored results.
_HOME = tempfile.mkdtemp(prefix="seqloom-tests-")
os.environ["PREFECT_HOME"] = _HOME
os.environ["SEQLOOM_STORAGE"] = f"{_HOME}/storage"
os.environ["SEQLOOM_RESULTS"] = f"{_HOME}/results"
os.environ["DO_NOT_TRACK"] = "1"
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ["SEQLOOM_DATABASE"] = f"sqlite:///{_HOME}/seqloom.db"
os.environ.pop("PREFECT_API_URL", None)

pytest_plugins = ("tests.services", "tests.biolm_server", "tests.llm_servers")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job: tests interrupt
    signal.signal(signal.SIGINT, signal.default_int_handler)

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that reaches past this machine fails, and says so."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in LOOPBACK:
            raise AssertionError(f"a test tried to reach {address[0]}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Storage, results and database of one test."""
    from blocks import database

    for name in ("storage", "results"):
        monkeypatch.setenv(f"SEQLOOM_{name.upper()}", str(tmp_path / name))
    monkeypatch.setenv("SEQLOOM_DATABASE", f"sqlite:///{tmp_path}/seqloom.db")
    yield tmp_path
    database.close_connections()


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Makes folders for Prefect servers with the tables that take a new server ten seconds."""
    from blocks.locks import claimed
    from deployments.local import prefect_command

    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with claimed(shared / "tables.lock", lambda: None):
        if not (shared / "tables").exists():
            new = tmp_path_factory.mktemp("tables")
            command = [*prefect_command(), "server", "database", "upgrade", "-y"]
            told = subprocess.run(
                command,
                env={**os.environ, "PREFECT_HOME": str(new)},
                capture_output=True,
                check=False,
            )
            assert told.returncode == 0, told.stderr
            new.rename(shared / "tables")

    def make() -> Path:
        folder = tmp_path_factory.mktemp("server")
        shutil.copytree(shared / "tables", folder / "prefect")
        return folder

    return make


@pytest.fixture(scope="session")
def prefect_server(server_folder: Callable[[], Path]) -> Iterator["LocalPrefect"]:
    """A real Prefect server on loopback, for tests marked `engine`; it takes seconds to start."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from deployments.local import server

    with (
        server(server_folder()) as prefect,
        temporary_settings(updates={PREFECT_API_URL: prefect.api}),
    ):
        yield prefect
