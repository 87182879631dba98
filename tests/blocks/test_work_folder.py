"""Folders of programs: empty, removed at the end, and after processes that were killed."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from blocks import work_folder as module
from blocks.work_folder import PREFIX, YOUNG_S, work_folder

HOLDER = """
import time
from blocks.work_folder import work_folder
with work_folder() as folder:
    (folder / "data").write_text("x")
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    module._sweep.cache_clear()
    yield
    module._sweep.cache_clear()


def aged(folder: Path) -> Path:
    """As if it had been made before."""
    before = folder.stat().st_mtime - 2 * YOUNG_S
    os.utime(folder, (before, before))
    return folder


def test_a_folder_is_empty_and_goes_with_its_block(tmp_path):
    with work_folder() as folder, work_folder() as other:
        (folder / "data").write_text("x")
        assert folder.parent == tmp_path
        assert list(other.iterdir()) == []

    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_has_is_not(tmp_path):
    started = [
        subprocess.Popen(
            [sys.executable, "-c", HOLDER],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        for _ in range(2)
    ]
    try:
        living, killed = (aged(Path(one.stdout.readline().strip())) for one in started)
        started[1].kill()
        started[1].wait()
        with work_folder():
            assert living.joinpath("data").is_file()
            assert not killed.exists()
    finally:
        for one in started:
            one.kill()
            one.communicate()


def test_a_folder_that_was_just_made_stays_and_so_does_what_is_not_ours(tmp_path):
    young = tmp_path / f"{PREFIX}young"
    young.mkdir()
    (tmp_path / "else").mkdir()
    aged(tmp_path / "else")

    with work_folder():
        pass

    assert {one.name for one in tmp_path.iterdir()} == {young.name, "else"}
