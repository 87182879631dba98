import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from prefect import flow, task

from blocks import processes
from blocks.errors import InputError, ToolError
from blocks.programs import find_program, program_version, run_program
from tests.waiting import until


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Puts a small program first on PATH: fake("name", "shell script")."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def write(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return write


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def wait_for(path: Path, seconds: float = 10) -> int:
    return int(until(lambda: path.exists() and path.read_text().strip(), seconds, 0.01))


def test_output_comes_back_unchanged_and_apart(fake):
    fake("table", r"printf 'a\t\t\n\n b\n'; echo warning >&2; printf 'no newline'")
    run = run_program(["table"], timeout_s=10)
    assert (run.stdout, run.stderr) == ("a\t\t\n\n b\nno newline", "warning\n")
    assert (run.status, run.truncated, run.argv) == (0, False, ("table",))


def test_arguments_reach_the_program_as_they_are(fake):
    fake("show", 'for word in "$@"; do printf "<%s>" "$word"; done')
    words = ["a b", "$HOME", "`id`", "'; echo x", '"', "*", "", "two\nlines", "-n", "ü"]
    run = run_program(["show", *words], timeout_s=10)
    assert run.stdout == "".join(f"<{word}>" for word in words)


def test_no_shell_stays_beside_the_program(fake):
    fake("me", "echo $$ $PPID")
    own, parent = map(int, run_program(["me"], timeout_s=10).stdout.split())
    assert parent == os.getpid() != own


def test_standard_input_is_empty():
    assert run_program(["cat"], timeout_s=10).stdout == ""


def test_environment_is_this_ones_and_what_is_added(fake, monkeypatch):
    monkeypatch.setenv("OUTER", "1")
    fake("show", 'echo "$OUTER $INNER"')
    assert run_program(["show"], timeout_s=10, env={"INNER": "2"}).stdout == "1 2\n"


def test_it_runs_in_the_given_folder(tmp_path):
    assert run_program(["pwd"], timeout_s=10, cwd=tmp_path).stdout == f"{tmp_path}\n"


def test_undecodable_output_is_replaced(fake):
    fake("latin", r"printf 'caf\351\n'")
    assert run_program(["latin"], timeout_s=10).stdout == "caf\ufffd\n"


def test_lines_are_logged_up_to_the_limit_and_the_rest_counted(fake):
    fake("count", "seq 1 10; echo")
    logged = []
    run_program(["count"], timeout_s=10, log=logged.append, max_log_lines=3)
    assert logged == ["1", "2", "3", "... and 7 more lines, not logged"]


def test_lines_are_logged_while_the_program_runs(fake):
    fake("slow", "echo early; sleep 0.5; echo late")
    seen = {}
    run_program(["slow"], timeout_s=10, log=lambda line: seen.update({line: time.monotonic()}))
    assert seen["late"] - seen["early"] > 0.3


def test_output_beyond_the_limit_is_dropped_and_said_so(fake):
    fake("much", "head -c 300000 /dev/zero | tr '\\0' x; echo; echo the end >&2; exit 3")
    with pytest.raises(ToolError, match=r"it wrote: the end$"):
        run_program(["much"], timeout_s=10, max_output_bytes=1000)
    fake("much", "head -c 300000 /dev/zero | tr '\\0' x")
    run = run_program(["much"], timeout_s=10, max_output_bytes=1000, max_log_lines=0)
    assert (run.stdout, run.truncated) == ("x" * 1000, True)


def test_output_of_exactly_the_limit_is_whole(fake):
    fake("five", "printf 12345")
    run = run_program(["five"], timeout_s=10, max_output_bytes=5)
    assert (run.stdout, run.truncated) == ("12345", False)


@pytest.mark.parametrize(
    ("script", "status", "told"),
    [
        ("echo broken >&2; exit 1", 1, "it wrote: broken"),
        ("exit 2", 2, "it wrote: nothing"),
        ("exit 124", 124, "time limit of its own"),
        ("no-such-thing-at-all", 127, "not found"),
        ("kill -KILL $$", 137, "memory"),
        ("kill -SEGV $$", 139, "segmentation"),
    ],
)
def test_a_status_other_than_0_is_an_error_that_explains_itself(fake, script, status, told):
    fake("bad", script)
    with pytest.raises(ToolError, match=told) as caught:
        run_program(["bad"], timeout_s=10)
    assert (caught.value.tool, caught.value.status) == ("bad", status)
    assert "\n" not in str(caught.value)


def test_errors_show_standard_error_rather_than_the_table(fake):
    fake("bad", "echo row; echo first >&2; echo second >&2; exit 1")
    with pytest.raises(ToolError, match=r"it wrote: first \| second$"):
        run_program(["bad"], timeout_s=10)


def test_a_missing_program_names_the_package_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"^mmseqs: .*sudo apt-get install mmseqs2$"):
        run_program(["mmseqs", "version"], timeout_s=10)
    assert find_program("mmseqs") is None


@pytest.mark.parametrize(
    ("argv", "options", "told"),
    [
        ([], {}, "expected a list"),
        ("ls -l", {}, "expected a list"),
        (["ls", "a\0b"], {}, "NUL"),
        (["ls"], {"timeout_s": 0}, "above 0"),
        (["ls"], {"cwd": Path("no/such/folder")}, "expected a folder"),
    ],
)
def test_a_wrong_call_is_refused_in_one_line(argv, options, told):
    with pytest.raises(InputError, match=told) as caught:
        run_program(argv, **{"timeout_s": 10, **options})
    assert "\n" not in str(caught.value)


def test_secrets_are_neither_logged_nor_in_errors(fake):
    fake("leak", 'echo "token=$API_TOKEN" >&2; exit 1')
    logged = []
    with pytest.raises(ToolError) as caught:
        run_program(["leak"], timeout_s=10, env={"API_TOKEN": "hush"}, log=logged.append)
    assert logged == ["token=***"]
    assert "hush" not in str(caught.value)


STUBBORN = """
trap '' TERM
sh -c 'echo $$ > "$0/group"; exec sleep 60' "$1" &
setsid sh -c 'echo $$ > "$0/session"; exec sleep 60' "$1" &
trap - TERM  # the program itself goes at once, its children not
echo started
exec sleep 60
"""


@pytest.fixture
def stubborn(fake, tmp_path, monkeypatch):
    """A program with two children that ignore SIGTERM, one of them in a session of its own."""
    monkeypatch.setattr(processes, "GRACE_S", 0.5)
    fake("stubborn", STUBBORN)
    (tmp_path / "pids").mkdir()
    return ["stubborn", str(tmp_path / "pids")]


def test_at_the_limit_nothing_is_left(stubborn):
    with pytest.raises(ToolError, match=r"time limit of 1 s; it wrote: started") as caught:
        run_program(stubborn, timeout_s=1)
    pids = [wait_for(Path(stubborn[1]) / name) for name in ("group", "session")]
    assert caught.value.status == 124
    assert not any(map(alive, pids))


def test_when_anything_is_raised_nothing_is_left(stubborn):
    def interrupt(_line: str) -> None:
        for name in ("group", "session"):
            wait_for(Path(stubborn[1]) / name)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_program(stubborn, timeout_s=30, log=interrupt)
    pids = [wait_for(Path(stubborn[1]) / name) for name in ("group", "session")]
    assert not any(map(alive, pids))


def test_a_signal_to_this_process_ends_the_program(fake, tmp_path):
    fake("sleeper", f"echo $$ > {tmp_path}/pid; exec sleep 60")

    def interrupt() -> None:
        wait_for(tmp_path / "pid")
        time.sleep(0.3)  # by then the process is being followed
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run_program(["sleeper"], timeout_s=30)
    assert not alive(wait_for(tmp_path / "pid"))


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="only Linux kills with the parent")
def test_a_killed_process_takes_its_program_along(fake, tmp_path):
    fake("slow", f"echo $$ > {tmp_path}/pid; exec sleep 60")
    called = "from blocks.programs import run_program; run_program(['slow'], timeout_s=60)"
    caller = subprocess.Popen([sys.executable, "-c", called])
    pid = wait_for(tmp_path / "pid", 60)  # it imports Prefect first
    caller.kill()
    caller.wait()
    until(lambda: not alive(pid), 10)


def test_an_interrupt_before_the_process_is_handed_over_leaves_nothing(fake, tmp_path, monkeypatch):
    fake("sleeper", f"echo $$ > {tmp_path}/pid; exec sleep 60")
    popen = []

    def trigger(self, **options):
        arguments = self._compile_kwargs_sync(stdin=options["stdin"])
        popen.append(subprocess.Popen(**arguments))  # not registered for Prefect's own cleaning
        wait_for(tmp_path / "pid")
        raise KeyboardInterrupt

    monkeypatch.setattr("prefect_shell.ShellOperation.trigger", trigger)
    with pytest.raises(KeyboardInterrupt):
        run_program(["sleeper"], timeout_s=30)
    assert not alive(wait_for(tmp_path / "pid"))
    popen[0].communicate()


def test_what_a_program_leaves_running_is_ended_and_not_waited_for(fake, monkeypatch):
    fake("leaver", "trap '' TERM; sleep 60 & echo $!")
    monkeypatch.setattr(processes, "GRACE_S", 0.5)
    run = run_program(["leaver"], timeout_s=30)
    assert run.seconds < 5
    assert not alive(int(run.stdout))


def test_a_program_that_closes_its_output_is_still_waited_for(fake):
    fake("quiet", "exec >&- 2>&-; sleep 0.4; exit 5")
    with pytest.raises(ToolError) as caught:
        run_program(["quiet"], timeout_s=10)
    assert caught.value.status == 5


def test_several_threads_run_programs_at_once(fake):
    fake("echoer", 'sleep 0.3; echo "$1"')
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda i: run_program(["echoer", str(i)], timeout_s=10), range(4)))
    assert [run.stdout for run in runs] == ["0\n", "1\n", "2\n", "3\n"]


def test_it_works_where_an_event_loop_runs(fake):
    fake("hello", "echo hello")

    async def main() -> str:
        return run_program(["hello"], timeout_s=10).stdout

    assert asyncio.run(main()) == "hello\n"


def test_nothing_of_prefect_shell_stays_on_disk(fake, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run_program(["true"], timeout_s=10)
    assert not list(tmp_path.glob("prefect-*"))


def test_a_version_is_asked_once_per_file(fake, tmp_path):
    path = fake("mmseqs", f'echo asked >> {tmp_path}/calls; [ "$1" = version ] && echo 13-45111+ds')
    assert [program_version("mmseqs") for _ in range(3)] == ["13-45111+ds"] * 3
    assert (tmp_path / "calls").read_text() == "asked\n"
    fake("mmseqs", "echo 14-7e284")
    os.utime(path, ns=(0, 0))
    assert program_version("mmseqs") == "14-7e284"


def test_a_version_is_found_whatever_the_status_and_the_stream(fake):
    fake("hhsearch", "echo HHsearch 3.3.0 >&2; echo '(c) 2019' >&2; exit 1")
    assert program_version("hhsearch") == "3.3.0"
    fake("mmseqs", "echo 45111b641859ed0ddd875b94d6fd1aef1a675b7e")
    assert program_version("mmseqs") == "45111b641859ed0ddd875b94d6fd1aef1a675b7e"
    fake("odd", "echo release r17")
    assert program_version("odd", ["-v"], r"release (\w+)") == "r17"


def test_a_program_without_version_and_one_that_is_missing_are_told_apart(fake):
    fake("silent", "exit 0")
    with pytest.raises(ToolError, match="tells no version"):
        program_version("silent")
    with pytest.raises(InputError, match="expected it on PATH"):
        program_version("no-such-program")


@task
def echo_task(word: str) -> str:
    return run_program(["echoer", word], timeout_s=10).stdout


@flow
def echo_flow() -> list[str]:
    return [future.result() for future in [echo_task.submit(word) for word in "abc"]]


@task
def sleep_task() -> None:
    run_program(["sleeper"], timeout_s=60)


@flow
def cancelled_flow(pid: Path) -> None:
    sleep_task.submit()
    wait_for(pid)
    raise KeyboardInterrupt


@pytest.mark.engine
def test_in_a_flow_lines_go_to_the_run_log(fake, prefect_server, caplog):
    fake("echoer", 'echo "$1"')
    with caplog.at_level("INFO"):
        assert echo_flow() == ["a\n", "b\n", "c\n"]
    records = [record for record in caplog.records if record.getMessage() == "b"]
    assert [record.name for record in records] == ["prefect.task_runs"]


@pytest.mark.engine
def test_when_prefect_gives_a_run_up_the_programs_of_its_threads_end(
    fake, prefect_server, tmp_path
):
    fake("sleeper", f"echo $$ > {tmp_path}/pid; exec sleep 60")
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        cancelled_flow(tmp_path / "pid")
    assert time.monotonic() - begin < 20
    assert not alive(wait_for(tmp_path / "pid"))
