"""Builds of references that are killed, and builds on a disk that is full."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from blocks.errors import SeqloomError
from flows.reference import build
from tasks.domains.parts import is_part
from tasks.domains.reference import changed_files, open_reference
from tasks.domains.reference_model import ReferenceParams
from tests.domains.small_reference import EXAMPLE
from tests.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.tool, pytest.mark.usefixtures("prefect_server")]
PARTS = 5


def params(place: Path, **others) -> ReferenceParams:
    named = {"domains": "domains.fasta", "table": "domains.tsv", "chains": "chains.fasta"}
    files = {name: str(EXAMPLE / file) for name, file in named.items()}
    content = {
        "name": "small", "folder": str(place), "source": {"kind": "table", **files},
        "profiles": {"kind": "jackhmmer", "rounds": 1}, "hhsuite": {"hmms": False}, **others,
    }  # fmt: skip
    return ReferenceParams.model_validate(content)


def believed(place: Path) -> list[str]:
    """What a later build or a run would take for whole."""
    named = [path for path in place.glob(".parts/*") if not path.name.startswith(".")]
    parts = [path.name.partition("-")[0] for path in named if is_part(path)]
    return sorted(parts) + sorted(p.name for p in place.glob("*") if not p.name.startswith("."))


HALF = {
    "makeblastdb": (8, 'truncate -s 100 "$(dirname "$out")"/*.psq'),
    "hhsearch": (5, "true"),
}
"""Program -> fewest arguments of a call that works, and what spoils what it wrote."""


def hanging(folder: Path, monkeypatch, name: str) -> Path:
    """A program that once leaves half of its output and hangs; the file that tells its pid."""
    real, (least, spoil) = shutil.which(name), HALF[name]
    script, pid = folder / "bin" / name, folder / "pid"
    script.parent.mkdir()
    script.write_text(
        f'#!/bin/sh\n[ $# -ge {least} ] && mkdir {folder}/once || exec {real} "$@"\n'
        f'{real} "$@" > {folder}/log 2>&1\n'
        f'for one in "$@"; do [ "$before" = -out ] && out="$one"; before="$one"; done\n'
        f"{spoil}\necho $$ > {pid}.new\nmv {pid}.new {pid}\n"
        "exec sleep 600\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    return pid


@pytest.mark.parametrize(
    ("program", "part", "number"), [("makeblastdb", "blast", 2), ("hhsearch", "hhsuite", 1)]
)
def test_after_a_kill_nothing_half_written_is_believed(  # noqa: PLR0917 -- fixtures
    tmp_path, monkeypatch, prefect_server, program, part, number
):
    place = tmp_path / "references"
    with monkeypatch.context() as patch:
        pid = hanging(tmp_path, patch, program)
        running = begun(prefect_server, tmp_path, params(place))
        until(lambda: pid.exists() or running.poll() is not None, 180)
        running.kill()
        running.wait()
    end(pid)
    finished = believed(place)
    left = list(place.glob(".parts/.*"))

    assert running.returncode == -signal.SIGKILL
    assert left  # it was in the middle of a part
    assert "small" not in finished
    assert "tables" in finished
    assert finished.count(part) < number
    result = build(params(place))

    assert result.parts_there == len(finished)
    assert result.parts_made == PARTS - len(finished)
    assert changed_files(open_reference(result.folder)) == []
    assert believed(place) == ["blast", "blast", "hhsuite", "profiles", "tables", "small",
                               f"small-{result.fingerprint}"]  # fmt: skip
    assert not list(place.glob(".parts/.*"))


def begun(prefect_server, tmp_path, content: ReferenceParams) -> subprocess.Popen:
    """A build in a process of its own."""
    path = tmp_path / "params.json"
    path.write_text(content.model_dump_json(exclude_unset=True))
    command = [sys.executable, "-m", "deployments.cli", "run", "reference", str(path)]
    own = {n: v for n, v in os.environ.items() if n.startswith(("SEQLOOM_", "PATH"))}
    home = {"PREFECT_HOME": os.environ["PREFECT_HOME"]}
    return subprocess.Popen(command, env={**prefect_server.environment, **own, **home})


def end(pid: Path) -> None:
    """End the program that hangs, unless it ended with the run."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(pid.read_text()), signal.SIGKILL)


@pytest.mark.parametrize(
    ("size", "message", "whole"),
    [
        ("8k", r"tables-\w+: cannot be written \(.*No space left on device\)", []),
        ("48k", r"blast-\w+: (cannot be written|the disk is full)", ["tables"]),
    ],
    ids=["tables", "blast"],
)
def test_a_full_disk_is_one_line_and_leaves_no_half_reference(small_disk, size, message, whole):
    place = small_disk(size)
    wanted = params(place, profiles={"kind": "none"})

    with pytest.raises(SeqloomError, match=message) as caught:
        build(wanted)

    assert len(str(caught.value).splitlines()) == 1
    assert believed(place) == whole
    assert not list(place.glob(".parts/.*"))
    small_disk("50m")
    result = build(wanted)
    assert result.parts_there == len(whole)
    assert changed_files(open_reference(result.folder)) == []


def test_a_disk_that_fills_up_between_the_parts_leaves_no_half_reference(small_disk):
    place = small_disk("160k")

    with pytest.raises(SeqloomError) as caught:
        build(params(place))

    assert len(str(caught.value).splitlines()) == 1
    assert "small" not in believed(place)
    assert not list(place.glob(".parts/.*"))
    small_disk("50m")
    assert changed_files(open_reference(build(params(place)).folder)) == []
