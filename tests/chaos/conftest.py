"""What each fault did, as a table at the end of the tests."""

from collections.abc import Callable

import pytest

Told = Callable[[str, str, str], None]
_ROWS: list[tuple[str, str, str]] = []
HEAD = ("fault", "what happened", "what was lost")


@pytest.fixture
def told() -> Told:
    """Take a row of the table, when everything about it has been asserted."""

    def add(fault: str, happened: str, lost: str = "nothing") -> None:
        _ROWS.append((fault, happened, lost))

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    if not _ROWS:
        return
    widths = [max(len(row[column]) for row in (HEAD, *_ROWS)) for column in range(3)]
    terminalreporter.section("faults")
    for row in (HEAD, *_ROWS):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        terminalreporter.write_line(line.rstrip())
