"""Whether a process still runs, and the end of one with all that it started.

Descendants are known by their group, by their parents and by a mark in their environment, so that
one that left the group is found as well.
"""

import os
import resource
import signal
import subprocess
import time
from contextlib import suppress

import psutil

KIB = 1024
GRACE_S = 5.0
"""Time between SIGTERM and SIGKILL."""
MARK = "SEQLOOM_PROGRAM"
"""Environment variable by which a program's descendants are recognised."""


def group_exists(pid: int) -> bool:
    """Whether a process is left in the group that `pid` leads."""
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def peak_memory_bytes() -> float:
    """The most that this process, or one of the programs it ran, has held so far."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return float(max(resource.getrusage(kind).ru_maxrss for kind in kinds) * KIB)


def since_boot(process: psutil.Process) -> float:
    """When a process began [s since boot]; setting the clock moves both times by the same."""
    return process.create_time() - psutil.boot_time()


def process_is_alive(pid: int, started: float) -> bool:
    """Whether the process that had this id and start [s since boot] is running."""
    try:
        process = psutil.Process(pid)
        same = abs(since_boot(process) - started) < 0.05  # noqa: PLR2004 -- some ticks of 10 ms
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def end(process: "subprocess.Popen[bytes] | None", mark: str) -> None:
    """End a program and all its descendants: SIGTERM, and after `GRACE_S` SIGKILL.

    `process` is None where an interrupt came between its start and its being handed over.
    """
    for signum in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
        family = _family(process, mark)
        if not family:
            break
        if process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signum)  # reaches those forked since the list was made, too
        for member in family:
            with suppress(psutil.Error, ProcessLookupError):
                if process is None or os.getpgid(member.pid) != process.pid:
                    member.send_signal(signum)
        give_up = time.monotonic() + GRACE_S
        while any(map(_is_alive, family)) and time.monotonic() < give_up:
            time.sleep(0.02)
    if process is not None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)


def _family(process: "subprocess.Popen[bytes] | None", mark: str) -> list[psutil.Process]:
    """Living processes that belong to a program: by group, by parents, or by their mark."""
    members: set[psutil.Process] = set()
    if process is not None and process.poll() is None:
        with suppress(psutil.Error):
            members.update(psutil.Process(process.pid).children(recursive=True))
    group = None if process is None else process.pid
    for candidate in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getpgid(candidate.pid) == group or candidate.environ().get(MARK) == mark:
                members.add(candidate)
    return [member for member in members if _is_alive(member)]


def _is_alive(member: psutil.Process) -> bool:
    try:
        return member.is_running() and member.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
