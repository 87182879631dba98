"""Where `seqloom` begins: signals and closed streams, before anything that takes time is imported.

Ctrl-C, SIGTERM and SIGHUP end a command in the same way: what is under way is cleaned up, nothing
is printed, and the exit status is 128 + the signal's number (130, 143, 129).
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; what the exit status means stands at the head of `commands`."""
    try:
        with _ended_by_signals():
            _hold_closed_streams()
            from deployments.commands import FAILED, run_command
            from deployments.telling import settle

            status = run_command(arguments)
            return status if settle(told=status != 0) else status or FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let signals that end a process raise SystemExit; those that are ignored (nohup) stay so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = [one for one in ENDING if signal.getsignal(one) is signal.SIG_DFL]
    for one in taken:
        signal.signal(one, _end)
    try:
        yield
    finally:
        for one in taken:
            signal.signal(one, signal.SIG_DFL)


def _end(number: int, _frame: FrameType | None) -> None:
    for one in ENDING:
        signal.signal(one, signal.SIG_IGN)  # a second one must not cut the cleaning short
    raise SystemExit(128 + number)


def _hold_closed_streams() -> None:
    """Keep a file from being opened under the number of a standard stream that is closed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    sys.exit(main())
