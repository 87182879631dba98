"""A place of its own, and functions that note their calls, for tests of whole runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks import database
from tasks.graphs.functions import FUNCTIONS
from tests.graphs import small_runs


@pytest.fixture
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Storage, results and database of one test."""
    for name in ("storage", "results"):
        monkeypatch.setenv(f"SEQLOOM_{name.upper()}", str(tmp_path / name))
    monkeypatch.setenv("SEQLOOM_DATABASE", f"sqlite:///{tmp_path}/seqloom.db")
    yield tmp_path
    database.close_connections()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, list]:
    """Items that the functions `one` and `two` were called with."""
    for function in (small_runs.one, small_runs.two):
        monkeypatch.setitem(FUNCTIONS, function.__name__, function)
        small_runs.calls[function.__name__].clear()
    return small_runs.calls
