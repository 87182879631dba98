"""External programs: an argument list in, a record out, killed with its children at the limit.

What happens between the two:

* `prefect_shell.ShellOperation` starts the program. It runs a script through bash, so the script
  is one line, `exec` and the quoted arguments: no shell stays in between, and nothing in an
  argument is interpreted. The program leads a process group and a session of its own.
* Standard output and standard error are read here, apart from each other and byte by byte:
  prefect-shell drops empty lines and trailing tabs, which are cells of a table.
* At the time limit, when Prefect gives the run up, and on any exception the program and all it
  started are ended (`blocks.processes`).
* What a program leaves running in its group when it ends by itself is ended too.
* Where this process is killed, Linux kills the program (util-linux's `setpriv` asks it to): what
  is resumed does not run beside what it resumes.
"""

import functools
import logging
import math
import os
import re
import selectors
import shlex
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from blocks import processes
from blocks.cancellation import stop_if_cancelled
from blocks.errors import InputError, ToolError
from blocks.program_output import Output
from blocks.program_places import find_program, not_found

VERSION_ARGV: dict[str, tuple[str, ...]] = {
    "mmseqs": ("version",),
    "blastp": ("-version",),
    "makeblastdb": ("-version",),
    "hhsearch": ("-h",),
    "hhblits": ("-h",),
    "hhmake": ("-h",),
    "ffindex_build": ("-v",),
}
"""How programs are asked for their version where it is not `--version`."""

VERSION = r"\d+(?:[.-]\w+)+[\w.+-]*|\b[0-9a-f]{40}\b"
"""What versions look like: `15-6f452+ds`, `2.16.0+`, or the commit that some builds tell."""

POLL_S = 0.2
"""How often the limit and a cancellation are looked at."""
CHUNK_BYTES = 1 << 16
VERSION_TIMEOUT_S = 30.0
SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)

KILLED_AT_LIMIT = 124  # as timeout(1) has it
REASONS = {
    124: "ran into a time limit of its own",
    126: "cannot be executed",
    127: "the program, or one that it calls, was not found",
    130: "interrupted",
    134: "aborted",
    137: "killed, perhaps because memory ran out",
    139: "crashed with a segmentation fault",
    143: "terminated from outside",
}
"""What an exit status tells besides "failed"."""


@dataclass(frozen=True, slots=True)
class ProgramRun:
    """A program that ended well."""

    argv: tuple[str, ...]
    stdout: str
    """Undecodable bytes are replaced; cut when `truncated`."""
    stderr: str
    seconds: float
    status: int
    """Exit status; 128 + n when signal n ended the program."""
    truncated: bool
    """True where a stream was longer than `max_output_bytes`; its beginning was kept."""


def run_program(
    argv: Sequence[str | Path],
    *,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    log: Callable[[str], None] | None = None,
    max_log_lines: int = 200,
    max_output_bytes: int = 50_000_000,
) -> ProgramRun:
    """Output, duration and status 0 of a program that was run to its end.

    Args:
        argv: Program and arguments; no shell sees them. Standard input is empty.
        timeout_s: Longest duration [s]; then the program and its children are killed.
        cwd: Working directory; None for this process's.
        env: Variables besides those of this process. Values of those named like a secret are
            replaced in logged lines and in errors.
        log: Gets each line of both streams; None for the run's log, which the UI shows.
        max_log_lines: Lines logged; of the rest only the number is.
        max_output_bytes: Kept of each stream [bytes].

    Raises:
        InputError: The program is not installed, or the call itself is wrong.
        ToolError: Status other than 0, or the limit was reached (status 124).
        asyncio.CancelledError: Prefect gave the run up.
    """
    call = _Call.checked(argv, timeout_s, cwd, env)
    output = Output(log or _run_log(), max_log_lines, max_output_bytes, call.secrets)
    run = _execute(call, output)
    if run.status:
        raise ToolError(call.tool, run.status, output.explained(REASONS.get(run.status, "")))
    return run


def program_version(name: str, argv: Sequence[str] | None = None, pattern: str = VERSION) -> str:
    """Version that a program tells about itself; asked once per file on disk.

    Args:
        name: Program on PATH, or a path.
        argv: Arguments that make it tell; None for those in `VERSION_ARGV`, else `--version`.
        pattern: Regular expression of the version; its first group where it has one.

    Raises:
        InputError: The program is not installed.
        ToolError: Nothing in its answer looks like a version.
    """
    path = find_program(name)
    if path is None:
        raise not_found(name)
    asked = tuple(argv) if argv is not None else VERSION_ARGV.get(path.name, ("--version",))
    return _version_of(path, path.stat().st_mtime_ns, asked, pattern)


@functools.lru_cache(maxsize=64)
def _version_of(path: Path, _mtime_ns: int, argv: tuple[str, ...], pattern: str) -> str:
    call = _Call.checked([path, *argv], VERSION_TIMEOUT_S, None, None)
    output = Output(lambda _line: None, 0, CHUNK_BYTES, ())
    run = _execute(call, output)
    match = re.search(pattern, f"{run.stdout}\n{run.stderr}")
    if match is None:  # the status says nothing: some programs show their help with status 1
        reason = f"tells no version when called with {shlex.join(argv)}"
        raise ToolError(call.tool, run.status, output.explained(reason))
    return match.group(1) if match.re.groups else match.group()


def _run_log() -> Callable[[str], None]:
    from prefect import get_run_logger
    from prefect.exceptions import MissingContextError

    try:
        logger = get_run_logger()
    except MissingContextError:
        return functools.partial(logging.getLogger("seqloom").info, "%s")
    return functools.partial(logger.info, "%s")


@dataclass(frozen=True, slots=True)
class _Call:
    """A checked request to run a program."""

    argv: tuple[str, ...]
    script: str
    timeout_s: float
    cwd: Path | None
    env: dict[str, str]
    secrets: tuple[str, ...]

    @property
    def tool(self) -> str:
        return Path(self.argv[0]).name

    @classmethod
    def checked(
        cls,
        argv: Sequence[str | Path],
        timeout_s: float,
        cwd: Path | None,
        env: Mapping[str, str] | None,
    ) -> "_Call":
        if isinstance(argv, str) or not argv or not str(argv[0]):
            raise InputError(f"argv: {argv!r}; expected a list of the program and its arguments")
        words = tuple(str(word) for word in argv)
        variables = dict(env or {})
        if any("\0" in word for word in words):
            raise InputError(f"{words[0]}: an argument holds a NUL character; expected text")
        if math.isnan(timeout_s) or timeout_s <= 0:
            raise InputError(f"{words[0]}: time limit {timeout_s}; expected seconds above 0")
        if cwd is not None and not cwd.is_dir():
            raise InputError(f"{words[0]}: working directory {cwd} not found; expected a folder")
        path = shutil.which(words[0], path=variables.get("PATH"))
        if path is None:
            raise not_found(words[0])
        return cls(
            argv=words,
            script="exec " + shlex.join([*_bound(), str(Path(path).absolute()), *words[1:]]),
            timeout_s=timeout_s,
            cwd=cwd,
            env=variables | {processes.MARK: uuid.uuid4().hex},
            secrets=tuple(v for name, v in variables.items() if v and SECRET.search(name)),
        )


@functools.cache
def _bound() -> tuple[str, ...]:
    """The command in front of a program that lets it end with the thread that waits for it."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:  # not Linux
        return ()
    asked = (setpriv, "--pdeathsig", "KILL")
    works = subprocess.run([*asked, "true"], capture_output=True, check=False)  # noqa: S603 -- fixed
    return asked if works.returncode == 0 else ()


def _execute(call: _Call, output: Output) -> ProgramRun:
    """The run of a program, whatever status it ended with."""
    from prefect_shell import ShellOperation

    # Outside of a run it would tell the console that a process began and ended.
    logging.getLogger("prefect.ShellOperation").setLevel(logging.WARNING)
    operation = ShellOperation(
        commands=[call.script], env=call.env, working_dir=call.cwd, stream_output=False
    )
    begin = time.monotonic()
    process: subprocess.Popen[bytes] | None = None
    try:
        # `_sync`: where an event loop runs, Prefect would hand out a coroutine instead
        process = cast(
            "subprocess.Popen[bytes]",
            operation.trigger(_sync=True, stdin=subprocess.DEVNULL)._process,
        )
        _follow(process, output, call, begin + call.timeout_s)
        if processes.group_exists(process.pid):
            processes.end(process, call.env[processes.MARK])
    except BaseException:
        processes.end(process, call.env[processes.MARK])
        raise
    finally:
        for pipe in (process.stdout, process.stderr) if process is not None else ():
            if pipe is not None:
                pipe.close()
        operation.close(_sync=True)
    return ProgramRun(
        argv=call.argv,
        stdout=output.stdout.kept.decode(errors="replace"),
        stderr=output.stderr.kept.decode(errors="replace"),
        seconds=time.monotonic() - begin,
        status=process.returncode if process.returncode >= 0 else 128 - process.returncode,
        truncated=max(output.stdout.total, output.stderr.total) > output.max_bytes,
    )


def _follow(
    process: "subprocess.Popen[bytes]", output: Output, call: _Call, deadline: float
) -> None:
    """Read both pipes until the program has ended.

    All is done in the caller's thread, in short waits, so that whatever is raised in it - by the
    log, by Ctrl-C, by Prefect - ends up in the caller.
    """
    with selectors.DefaultSelector() as selector:
        for pipe, stream in ((process.stdout, output.stdout), (process.stderr, output.stderr)):
            if pipe is not None:
                selector.register(pipe, selectors.EVENT_READ, stream)
        while True:
            ended = process.poll() is not None
            wait_s = 0.0 if ended else max(0.0, min(POLL_S, deadline - time.monotonic()))
            ready = selector.select(wait_s) if selector.get_map() else []
            for key, _events in ready:
                chunk = os.read(key.fd, CHUNK_BYTES)
                output.add(key.data, chunk)
                if not chunk:
                    selector.unregister(key.fileobj)
            if ended and not ready:  # a child may hold the pipes open for ever
                break
            if not ended and not selector.get_map():
                with suppress(subprocess.TimeoutExpired):
                    process.wait(wait_s)
            _raise_if_over(process, output, call, deadline)
    output.close()


def _raise_if_over(
    process: "subprocess.Popen[bytes]", output: Output, call: _Call, deadline: float
) -> None:
    if process.returncode is None and time.monotonic() >= deadline:
        output.close()
        reason = f"killed at its time limit of {call.timeout_s:g} s"
        raise ToolError(call.tool, KILLED_AT_LIMIT, output.explained(reason))
    stop_if_cancelled(f"{call.tool}: killed because the run was cancelled")
