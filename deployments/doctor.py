"""What is installed and reachable here, what is missing, and the command that mends it.

Every check is a function of its own and none believes a setting: the probe object is written, read
and removed, the database asked, the server called. They run side by side, each for `LIMIT_S` at
most, so that one that does not answer cannot hide the others.
"""

import base64
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import httpx

from blocks.errors import SeqloomError
from blocks.programs import PACKAGES, find_program, program_version
from blocks.settings import settings

PROGRAMS = {
    "mmseqs": "fast clustering and search; without it, slower ones in Python",
    "blastp": "domain annotation by sequence",
    "hhsearch": "domain annotation by profile",
}
"""What each program is for; all of them are optional."""

LIMIT_S = 30.0
HTTP_S = 5.0
MIN_PYTHON = (3, 11)
MIN_PREFECT = (3, 8, 8)
NEXT_PREFECT = (4,)
MIN_FREE_GB = 2.0
POOL = "local"
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


def checks() -> list[Check]:
    """The state of this installation; never raises."""
    looks = _looks()
    found: dict[str, Check] = {}
    threads = []
    for failed, look in looks:
        # Prefect keeps the settings in force in the context, which a new thread does not inherit.
        arguments = (_guarded, failed, look, found)
        threads.append(threading.Thread(target=copy_context().run, args=arguments, daemon=True))
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + LIMIT_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    silent = f"no answer within {LIMIT_S:g} s"
    return [found.get(failed.name) or replace(failed, found=silent) for failed, _look in looks]


def healthy(checks: list[Check]) -> bool:
    """Whether all that is not optional is well."""
    return all(check.ok or check.optional for check in checks)


def format_checks(checks: list[Check]) -> str:
    """The checks as an aligned table, the remedy below each that is not well."""
    rows = [("", "CHECK", "FOUND", "NEEDED FOR")]
    rows += [(check.mark, check.name, check.found, check.needed_for) for check in checks]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = []
    for row, check in zip(rows, [None, *checks], strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)]
        lines.append("  ".join([*cells, row[3]]).rstrip())
        if check is not None and not check.ok and check.remedy:
            lines.append(f"{'':{widths[0]}}  -> {check.remedy}")
    return "\n".join(lines)


def checks_json(checks: list[Check]) -> str:
    """The checks for programs: a JSON list of objects with the fields of `Check`."""
    return json.dumps([asdict(check) for check in checks], indent=2)


Look = Callable[[Check], Check]
"""From what to say if the look itself fails to what it found."""


def _looks() -> list[tuple[Check, Look]]:
    """Every check with what it is for and the remedy if it fails."""
    state, server = "state of runs", "UI, schedules, deployments"
    home = 'export PREFECT_HOME="$PWD/.seqloom/prefect"'
    storage, database = _storage_remedy(), _database_remedy()
    disk = "export SEQLOOM_STORAGE=/folder/on/a/larger/disk TMPDIR=/folder/on/a/larger/disk"
    worker = f"{_prefect()} worker start --pool {POOL} --type process"
    return [
        (_failed("Python", "everything", "rm -rf .venv && uv sync --python 3.12"), look_python),
        (_failed("Prefect", "everything", "uv sync"), look_prefect),
        (_failed("Prefect home", state, home), look_prefect_home),
        *((_failed(name, PROGRAMS[name], _install(name), True), look_program) for name in PROGRAMS),
        (_failed("storage", "results of stages", storage), look_storage),
        (_failed("database", "run records, predictions", database), look_database),
        (_failed("disk space", f"{MIN_FREE_GB:g} GB for tables and programs", disk), look_disk),
        (_failed("Prefect server", server, "make serve"), look_server),
        (_failed("workers", "running deployments", worker, True), look_workers),
    ]


def _failed(name: str, needed_for: str, remedy: str, optional: bool = False) -> Check:
    return Check(name, False, "", needed_for, remedy, optional)


def _fine(failed: Check, found: str) -> Check:
    return replace(failed, ok=True, found=found, remedy="")


def look_python(failed: Check) -> Check:
    """The interpreter that runs this."""
    found = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info >= MIN_PYTHON:
        return _fine(failed, found)
    return replace(failed, found=found)


def look_prefect(failed: Check) -> Check:
    """The installed Prefect; its version is read without importing it."""
    found = version("prefect")
    numbers = tuple(int(part) for part in found.split(".")[:3] if part.isdigit())
    if MIN_PREFECT <= numbers < NEXT_PREFECT:
        return _fine(failed, found)
    expected = ".".join(map(str, MIN_PREFECT))
    return replace(failed, found=f"{found}; expected {expected} or later, below {NEXT_PREFECT[0]}")


def look_prefect_home(failed: Check) -> Check:
    """Where Prefect keeps its profile, results and own database."""
    from prefect.settings import get_current_settings

    home = Path(get_current_settings().home).expanduser().absolute()
    inside = home.is_relative_to(Path.cwd())
    found = f"{home.relative_to(Path.cwd())}, in this folder" if inside else str(home)
    if os.access(_existing(home), os.W_OK):
        return _fine(failed, found)
    return replace(failed, found=f"{found}: cannot be written to")


def look_program(failed: Check) -> Check:
    """One external program, with its version."""
    path = find_program(failed.name)
    if path is None:
        return replace(failed, found="not on PATH")
    return _fine(failed, f"{program_version(failed.name)} at {path}")


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
    return _fine(failed, root)


def look_database(failed: Check) -> Check:
    """Connect, bring the tables up to date, read."""
    import sqlalchemy as sa

    from blocks.database import SCHEMA, engine, reading, shown

    database = engine()
    with reading(database) as connection:
        connection.execute(sa.select(1))
    return _fine(failed, f"{shown(database.url)}, tables at version {SCHEMA}")


def look_disk(failed: Check) -> Check:
    """Free space where results and temporary files go."""
    folders = [Path(tempfile.gettempdir())]
    root = settings().storage
    if "://" not in root:
        folders.append(_existing(Path(root)))
    free = {folder: shutil.disk_usage(folder).free / 1e9 for folder in folders}
    folder = min(free, key=lambda folder: free[folder])
    found = f"{free[folder]:.1f} GB free in {folder}"
    return _fine(failed, found) if free[folder] >= MIN_FREE_GB else replace(failed, found=found)


def look_server(failed: Check) -> Check:
    """The Prefect server that `PREFECT_API_URL` names."""
    url = _api_url()
    if url is None:
        found = "PREFECT_API_URL is not set; runs start a temporary server"
        return replace(failed, found=found, remedy=_server_remedy(), optional=True)
    shown = _without_login(url)
    try:
        with _client(url) as http:
            http.get("health").raise_for_status()
            return _fine(failed, f"{shown}, version {http.get('admin/version').json()}")
    except (httpx.HTTPError, ValueError) as error:  # ValueError: somebody else answers there
        return replace(failed, found=f"{shown}: {_told(error)}", remedy=_server_remedy())


def look_workers(failed: Check) -> Check:
    """Work pools of the server, and how many of their workers are online."""
    url = _api_url()
    if url is None:
        return replace(failed, found="no server to ask", remedy=_server_remedy())
    with _client(url) as http:
        names = [str(pool["name"]) for pool in _post(http, "work_pools/filter")]
        online = {name: _online(http, name) for name in sorted(names)}
    found = ", ".join(f"{name}: {count} online" for name, count in online.items())
    if any(online.values()):
        return _fine(failed, found)
    if POOL in online:
        return replace(failed, found=found)
    create = f"{_prefect()} work-pool create {POOL} --type process"
    return replace(failed, found=found or "no work pool", remedy=f"{create} && {failed.remedy}")


def _guarded(failed: Check, look: Look, found: dict[str, Check]) -> None:
    """Put what a look found in its place; one that raises has failed, and the error says why."""
    try:
        found[failed.name] = look(failed)
    except Exception as error:  # noqa: BLE001 -- outermost edge: whatever it is, it is reported
        found[failed.name] = replace(failed, found=_told(error))


def _told(error: Exception) -> str:
    """An error as one line without logins."""
    text = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, SeqloomError):
        text = f"{type(error).__name__}: {text}"
    return _without_login(text)[:MAX_FOUND]


def _without_login(text: str) -> str:
    return re.sub(r"://[^/\s@]*@", "://***@", text)


def _existing(path: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _api_url() -> str | None:
    from prefect.settings import get_current_settings

    return get_current_settings().api.url


def _client(url: str) -> httpx.Client:
    """Speaks to a Prefect server, with the login that Prefect itself would use."""
    from prefect.settings import get_current_settings

    api, headers = get_current_settings().api, {}
    if api.auth_string is not None:
        login = base64.b64encode(api.auth_string.get_secret_value().encode()).decode()
        headers["Authorization"] = f"Basic {login}"
    elif api.key is not None:
        headers["Authorization"] = f"Bearer {api.key.get_secret_value()}"
    return httpx.Client(base_url=url, headers=headers, timeout=HTTP_S, follow_redirects=True)


def _post(http: httpx.Client, path: str) -> list[dict[str, object]]:
    response = http.post(path, json={})
    response.raise_for_status()
    found: list[dict[str, object]] = response.json()
    return found


def _online(http: httpx.Client, pool: str) -> int:
    workers = _post(http, f"work_pools/{pool}/workers/filter")
    return sum(worker.get("status") == "ONLINE" for worker in workers)


def _prefect() -> str:
    """How to call Prefect's command line from here."""
    beside = Path(sys.executable).with_name("prefect")
    if not beside.exists():
        return "prefect"
    inside = beside.is_relative_to(Path.cwd())
    return str(beside.relative_to(Path.cwd()) if inside else beside)


def _install(program: str) -> str:
    return f"sudo apt-get install {PACKAGES[program]}"


def _storage_remedy() -> str:
    if os.environ.get("SEQLOOM_STORAGE", "").startswith("s3://"):
        login = "AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=..."
        return f"export {login} AWS_ENDPOINT_URL=... SEQLOOM_STORAGE=s3://bucket/prefix"
    return 'export SEQLOOM_STORAGE="$PWD/.seqloom/storage"'


def _database_remedy() -> str:
    if os.environ.get("SEQLOOM_DATABASE", "").startswith("postgres"):
        return "export SEQLOOM_DATABASE=postgresql://user:password@host:5432/name"
    return 'export SEQLOOM_DATABASE="sqlite:///$PWD/.seqloom/seqloom.db"'


def _server_remedy() -> str:
    """Name the server that `make serve` runs from here, if one does."""
    from deployments.local import serving

    running = serving(Path(".seqloom").absolute())
    return "make serve" if running is None else f"export PREFECT_API_URL={running.api}"
