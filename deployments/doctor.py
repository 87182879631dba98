"""What is installed and reachable here, what is missing, and the command that mends it.

Every check is a function of its own and none believes a setting: the probe object is written, read
and removed, the database asked, the server called. They run side by side, each for `LIMIT_S` at
most, so that one that does not answer cannot hide the others.
"""

import json
import os
import threading
import time
from contextvars import copy_context
from dataclasses import asdict, replace

from blocks.program_places import PACKAGES
from deployments import looks, server_looks
from deployments.local import POOL
from deployments.looks import Check, Look

PROGRAMS = {
    "mmseqs": "clustering of very many sequences, profiles of a reference; else slower, in Python",
    "blastp": "finding domains; without it, slower, by phmmer in Python",
    "makeblastdb": "building a reference of domains with BLAST databases",
    "hhsearch": "finding remote domains, mode FULL",
    "hhmake": "building a reference of domains for HHsearch",
    "ffindex_build": "building a reference of domains for HHsearch",
    "cstranslate": "building a reference of domains for HHblits",
}
"""What each program is for; all of them are optional."""

LIMIT_S = 30.0


def checks() -> list[Check]:
    """The state of this installation; never raises."""
    todo = _looks()
    found: dict[str, Check] = {}
    threads = []
    for failed, look in todo:
        # Prefect keeps the settings in force in the context, which a new thread does not inherit.
        arguments = (_guarded, failed, look, found)
        threads.append(threading.Thread(target=copy_context().run, args=arguments, daemon=True))
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + LIMIT_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    silent = f"no answer within {LIMIT_S:g} s"
    return [found.get(failed.name) or replace(failed, found=silent) for failed, _look in todo]


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


def _looks() -> list[tuple[Check, Look]]:
    """Every check with what it is for and the remedy if it fails."""
    state, server = "state of runs", "UI, schedules, deployments"
    home = 'export PREFECT_HOME="$PWD/.seqloom/prefect"'
    storage, database = _storage_remedy(), _database_remedy()
    disk = "export SEQLOOM_STORAGE=/folder/on/a/larger/disk TMPDIR=/folder/on/a/larger/disk"
    worker = f"{server_looks.prefect_text()} worker start --pool {POOL} --type process"
    return [
        (
            _failed("Python", "everything", "rm -rf .venv && uv sync --python 3.12"),
            looks.look_python,
        ),
        (_failed("Prefect", "everything", "uv sync"), looks.look_prefect),
        (_failed("Prefect home", state, home), looks.look_prefect_home),
        *(
            (_failed(name, PROGRAMS[name], _install(name), True), looks.look_program)
            for name in PROGRAMS
        ),
        (_failed("storage", "results of stages", storage), looks.look_storage),
        (_failed("database", "run records, predictions", database), looks.look_database),
        (
            _failed("disk space", f"{looks.MIN_FREE_GB:g} GB for tables and programs", disk),
            looks.look_disk,
        ),
        (
            _failed("BioLM", "stages with remote models", "export BIOLM_TOKEN=...", True),
            looks.look_biolm,
        ),
        (_failed("Prefect server", server, "make serve"), server_looks.look_server),
        (_failed("workers", "running deployments", worker, True), server_looks.look_workers),
    ]


def _failed(name: str, needed_for: str, remedy: str, optional: bool = False) -> Check:
    return Check(name, False, "", needed_for, remedy, optional)


def _guarded(failed: Check, look: Look, found: dict[str, Check]) -> None:
    """Put what a look found in its place; one that raises has failed, and the error says why."""
    try:
        found[failed.name] = look(failed)
    except Exception as error:  # noqa: BLE001 -- outermost edge: whatever it is, it is reported
        found[failed.name] = replace(failed, found=looks.told(error))


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
