"""How commands end: by signals, with closed streams, and where nothing can be told."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

DONE, FAILED, WRONG = 0, 1, 2
READS = "@a\nACGT\n+\nIIII\n"
TO_STDOUT = "[input]\nread1 = 'in.fq'\n[output]\nprefix = 'out'\nstdout = true\n"
FROM_STDIN = "[input]\nread1 = '--stdin--'\n[output]\nprefix = 'out'\n"
TO_FILE = FROM_STDIN.replace("--stdin--", "in.fq")
SEQLOOM = f"{sys.executable} -m deployments.cli"
INTERRUPTED = """
import sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == "deployments.commands":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from deployments.cli import main
sys.exit(main([]))
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with reads and configurations."""
    (tmp_path / "in.fq").write_text(READS)
    (tmp_path / "out.toml").write_text(TO_STDOUT)
    (tmp_path / "in.toml").write_text(FROM_STDIN)
    (tmp_path / "file.toml").write_text(TO_FILE)
    return tmp_path


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}


def shell(place: Path, command: str) -> tuple[int, str]:
    """Exit status and standard error."""
    done = subprocess.run(
        ["sh", "-c", f"exec {SEQLOOM} {command}"],
        cwd=place, env=environment(), stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("reads process out.toml >&-", "standard output: is closed; expected it to be open"),
        ("reads process in.toml <&-", "standard input: is closed; expected it to be open"),
        ("reads list-steps >&-", "standard output: is closed; expected it to be open"),
        ("plan reads - <&-", "standard input: is closed; expected YAML or JSON"),
    ],
)
def test_a_closed_stream_that_is_needed_is_one_line(place, command, message):
    status, error = shell(place, command)

    assert (status, error.count("\n")) == (WRONG, 1)
    assert error.startswith(message)
    assert not list(place.glob("out_*"))


@pytest.mark.parametrize("streams", ["<&- >&- 2>&-", "2>/dev/full", ">/dev/full"])
def test_streams_that_are_not_needed_do_not_change_the_exit_status(place, streams):
    status, _ = shell(place, f"reads process file.toml {streams}")

    assert status == DONE
    assert (place / "out_read1.fq").read_text() == READS


def closed_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize("command", [["reads", "list-steps"], ["reads", "template"]])
def test_a_reader_that_has_had_enough_is_no_failure(place: Path, command: Sequence[str]) -> None:
    pipe = closed_pipe()
    done = subprocess.run(
        [*SEQLOOM.split(), *command],
        cwd=place, env=environment(), stdout=pipe, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    os.close(pipe)

    assert (done.returncode, done.stderr) == (DONE, b"")


@pytest.mark.parametrize("command", ["reads list-steps", "--help"])
def test_results_that_cannot_be_printed_are_a_failure(place, command):
    status, error = shell(place, f"{command} >/dev/full")

    assert (status, error.count("\n")) == (FAILED, 1)
    assert "No space left on device" in error


def test_an_interrupt_while_modules_are_imported_is_quiet(place):
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        cwd=place, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["INT", "TERM", "HUP"],
)
def test_a_signal_ends_a_run_and_leaves_nothing_unfinished(place, number, status):
    command = [*SEQLOOM.split(), "reads", "process", "in.toml", "--block-size", "100"]
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=place, env=environment(), **pipes) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(READS.encode() * 20_000)
        process.stdin.flush()  # and it stays open: the run waits for more
        while process.poll() is None and not list(place.glob("*.incomplete")):
            time.sleep(0.01)
        process.send_signal(number)

        assert process.wait(60) == status
        assert b"Traceback" not in process.stderr.read()
    assert not list(place.glob("out_*"))
