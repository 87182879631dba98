"""What is installed and reachable on this machine: one look each."""

import os
import platform
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from blocks.biolm_credentials import environment_connection
from blocks.errors import SeqloomError
from blocks.masking import one_line
from blocks.program_places import find_program
from blocks.programs import program_version
from blocks.settings import settings

MIN_PYTHON = (3, 11)
MIN_PREFECT = (3, 8, 8)
NEXT_PREFECT = (4,)
MIN_FREE_GB = 2.0
WITHOUT_VERSION = {"cstranslate"}
"""Programs that do not tell it."""
MAX_FOUND = 300
"""Characters of an error that are shown."""


@dataclass(frozen=True, slots=True)
class Check:
    """What one look found."""

    name: str
    ok: bool
    found: str
    needed_for: str
    remedy: str = ""
    """Command that mends it; empty where all is well."""
    optional: bool = False
    """True where Seqloom works without it."""

    @property
    def mark(self) -> str:
        """One word: ok, missing (but optional) or FAILED."""
        if self.ok:
            return "ok"
        return "missing" if self.optional else "FAILED"


Look = Callable[[Check], Check]
"""From what to say if the look itself fails to what it found."""


def fine(failed: Check, found: str) -> Check:
    """The check with nothing to mend."""
    return replace(failed, ok=True, found=found, remedy="")


def told(error: Exception) -> str:
    """An error as one line without logins."""
    kind = "" if isinstance(error, SeqloomError) else f"{type(error).__name__}: "
    return f"{kind}{one_line(error)}"[:MAX_FOUND]


def look_python(failed: Check) -> Check:
    """The interpreter that runs this."""
    found = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info >= MIN_PYTHON:
        return fine(failed, found)
    return replace(failed, found=found)


def look_prefect(failed: Check) -> Check:
    """The installed Prefect; its version is read without importing it."""
    found = version("prefect")
    numbers = tuple(int(part) for part in found.split(".")[:3] if part.isdigit())
    if MIN_PREFECT <= numbers < NEXT_PREFECT:
        return fine(failed, found)
    expected = ".".join(map(str, MIN_PREFECT))
    return replace(failed, found=f"{found}; expected {expected} or later, below {NEXT_PREFECT[0]}")


def look_prefect_home(failed: Check) -> Check:
    """Where Prefect keeps its profile, results and own database."""
    from prefect.settings import get_current_settings

    home = Path(get_current_settings().home).expanduser().absolute()
    inside = home.is_relative_to(Path.cwd())
    found = f"{home.relative_to(Path.cwd())}, in this folder" if inside else str(home)
    if os.access(_existing(home), os.W_OK):
        return fine(failed, found)
    return replace(failed, found=f"{found}: cannot be written to")


def look_program(failed: Check) -> Check:
    """One external program, with its version."""
    path = find_program(failed.name)
    if path is None:
        return replace(failed, found="not on PATH")
    if failed.name in WITHOUT_VERSION:
        return fine(failed, str(path))
    return fine(failed, f"{program_version(failed.name)} at {path}")


def look_storage(failed: Check) -> Check:
    """Write, read back and remove an object that nobody else has."""
    from blocks.storage import Storage, read_bytes

    root, content = settings().storage, uuid.uuid4().bytes
    storage = Storage(root)
    ref = storage.put_bytes(content, ".probe")
    try:
        if read_bytes(ref) != content:
            return replace(failed, found=f"{root}: what was read is not what was written")
    finally:
        storage.delete(ref)
    return fine(failed, root)


def look_database(failed: Check) -> Check:
    """Connect, bring the tables up to date, read."""
    import sqlalchemy as sa

    from blocks.database import SCHEMA, engine, reading
    from blocks.database_errors import shown

    database = engine()
    with reading(database) as connection:
        connection.execute(sa.select(1))
    return fine(failed, f"{shown(database.url)}, tables at version {SCHEMA}")


def look_disk(failed: Check) -> Check:
    """Free space where results and temporary files go."""
    folders = [Path(tempfile.gettempdir())]
    root = settings().storage
    if "://" not in root:
        folders.append(_existing(Path(root)))
    free = {folder: shutil.disk_usage(folder).free / 1e9 for folder in folders}
    folder = min(free, key=lambda folder: free[folder])
    found = f"{free[folder]:.1f} GB free in {folder}"
    return fine(failed, found) if free[folder] >= MIN_FREE_GB else replace(failed, found=found)


def _existing(path: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def look_biolm(failed: Check) -> Check:
    """Where remote models are asked by default, and with what; nobody is asked."""
    connection = environment_connection()
    used = "a token" if connection.token else "a log-in" if connection.cookie else "no token"
    return fine(failed, f"{connection.base_url} with {used}")
