"""Folders for what programs read and write while they run."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from socket import gethostname
from tempfile import TemporaryDirectory, gettempdir

PREFIX = f"seqloom-work-{gethostname()}-"
"""With the machine's name, as locks on a file system that several share may be known to one."""
YOUNG_S = 60
"""A folder of this age may be about to be locked by the process that made it."""


@contextmanager
def work_folder() -> Iterator[Path]:
    """An empty folder in the temporary folder, removed at the end.

    A process that is killed removes nothing: the first folder of a later process removes what is
    left. Which are in use, flock(2) on the folders tells; it ends with its process, however that
    ends.
    """
    _sweep(gettempdir())
    with TemporaryDirectory(prefix=PREFIX) as name:
        handle = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with suppress(OSError):  # a file system without locks: nothing is ever swept there
                fcntl.flock(handle, fcntl.LOCK_SH)
            yield Path(name)
        finally:
            os.close(handle)


@cache
def _sweep(place: str) -> None:
    """Remove this user's folders that no living process has, once in a process."""
    for folder in Path(place).glob(f"{PREFIX}*"):
        with suppress(OSError):  # somebody else's, or just removed
            about = folder.stat()
            if about.st_uid == os.getuid() and time.time() - about.st_mtime > YOUNG_S:
                _remove_unused(folder)


def _remove_unused(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # OSError: in use, or no locks
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)
