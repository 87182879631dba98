"""Files that are open for writing: no more at once than the system allows."""

import os
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MOST_OPEN = 200
"""Files that are open at once; others are opened again when more is to be written."""


@dataclass(frozen=True, slots=True)
class FailureOnDemand:
    """Makes writing fail as a system would, to try what a run does then."""

    bytes: int
    """That can be written to each file."""
    code: int
    """The system's number of the error."""


class OpenFiles:
    """Files by their paths; the one that was not written to for longest is closed first."""

    def __init__(self, failure: FailureOnDemand | None = None) -> None:
        self._open: OrderedDict[Path, BinaryIO] = OrderedDict()
        self._failure = failure
        self._written: Counter[Path] = Counter()

    def write(self, path: Path, parts: Sequence[bytes | memoryview], begun: bool) -> None:
        """Append to a file; `begun`: it was written to before.

        Raises:
            OSError: It cannot be written to.
        """
        handle = self._open.get(path)
        if handle is None:
            if len(self._open) >= MOST_OPEN:
                self._open.popitem(last=False)[1].close()
            handle = path.open("ab" if begun else "wb")
            self._open[path] = handle
        self._open.move_to_end(path)
        for part in parts:
            if self._failure is not None:
                self._written[path] += len(part)
                if self._written[path] > self._failure.bytes:
                    code = self._failure.code
                    raise OSError(code, os.strerror(code), str(path))
            handle.write(part)

    def close(self, path: Path) -> None:
        """Let go of a file that is whole."""
        handle = self._open.pop(path, None)
        if handle is not None:
            handle.close()

    def drop(self) -> None:
        """Close all, whatever state they are in."""
        while self._open:
            _, handle = self._open.popitem()
            try:
                handle.close()
            except OSError:  # the disk is full: that was told already
                continue
