"""Many small documents in zip files that are written one after the other."""

from collections.abc import Callable
from pathlib import Path
from typing import Self
from zipfile import ZIP_DEFLATED, ZipFile

PER_FILE = 10_000
"""Documents; of each, a record stays in memory until its file is closed (0.7 kB)."""


class Archive:
    """`NAME.zip`, and from the 10,001st document on `NAME-2.zip` and so on.

    Args:
        name: Without the ending.
        place: Where a file of that name is written.
    """

    def __init__(self, name: str, place: Callable[[str], Path]) -> None:
        self._name, self._place = name, place
        self._files = self._documents = 0
        self._open = self._next()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def add(self, name: str, content: bytes) -> None:
        """A document under that name."""
        if self._documents == PER_FILE:
            self._open.close()
            self._open = self._next()
        self._open.writestr(name, content)
        self._documents += 1

    def _next(self) -> ZipFile:
        self._files, self._documents = self._files + 1, 0
        number = f"-{self._files}" if self._files > 1 else ""
        return ZipFile(self._place(f"{self._name}{number}.zip"), "w", ZIP_DEFLATED)
