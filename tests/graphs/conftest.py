"""Functions that note their calls, for tests of whole runs."""

import pytest

from tasks.graphs.functions import FUNCTIONS
from tests.graphs import small_runs


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, list]:
    """Items that the functions `one` and `two` were called with."""
    for function in (small_runs.one, small_runs.two):
        monkeypatch.setitem(FUNCTIONS, function.__name__, function)
        small_runs.calls[function.__name__].clear()
    return small_runs.calls
