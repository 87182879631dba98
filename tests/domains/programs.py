"""Programs that stand first on PATH: they note each call, may misbehave, and run the real one."""

import os
import shutil
from pathlib import Path

MARK = "in-place-of-the-real-ones"
QUERY = {"blastp": "-query", "hhsearch": "-i"}
"""First argument of a search; other calls ask for the version."""


def put_first(folder: Path, monkeypatch, name: str, before: str = "", after: str = "") -> Path:
    """A shell script in place of `name`; the file with a line for each search is returned.

    `$2` is the file of the query; `$out` the output that the real program has written.
    """
    real, log = shutil.which(name, path=_others()), folder / f"{name}.calls"
    assert real is not None
    log.unlink(missing_ok=True)
    log.touch()
    script = folder / "bin" / name
    script.parent.mkdir(exist_ok=True)
    (script.parent / MARK).touch()
    script.write_text(
        f'#!/bin/sh\nif [ "$1" != "{QUERY[name]}" ]; then exec {real} "$@"; fi\n'
        f"echo begun >> {log}\n{before}\n"
        f'{real} "$@" || exit $?\n'
        'out=""; last=""\n'
        'for one in "$@"; do [ "$last" = "-out" ] && out="$one"; [ "$last" = "-o" ] && out="$one"; '
        'last="$one"; done\n'
        f"{after}\necho done >> {log}\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{_others()}")
    return log


def _others() -> str:
    """PATH without the folders of scripts."""
    parts = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(one for one in parts if not Path(one, MARK).exists())


def calls(log: Path, what: str = "begun") -> int:
    """How many searches were begun, or done."""
    return log.read_text().split().count(what)
