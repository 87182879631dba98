"""Threads of a run that end with the process, whatever hangs in them, and calls that may hang.

A thread cannot be ended from outside. A call that is given up goes on in a thread of its own,
which ends with it or with the process, whichever is first; nobody waits for it.
"""

import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from queue import SimpleQueue
from typing import Generic, TypeVar

from blocks.cancellation import given_up_by

T = TypeVar("T")


class Workers:
    """A fixed number of threads that call; those of the standard library outlive an interrupt."""

    def __init__(self, count: int) -> None:
        self._jobs: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"graph-{n}", daemon=True)
            for n in range(count)
        ]
        for one in self._threads:
            one.start()

    def submit(self, job: Callable[[], object]) -> None:
        """Call soon; a job raises nothing."""
        self._jobs.put(copy_context_of(job))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def dismiss(self) -> None:
        """Let them end when they are done."""
        for _ in self._threads:
            self._jobs.put(None)

    def ended(self, patience_s: float | None) -> bool:
        """Whether all have ended; waits for it, at most `patience_s` (None: for ever)."""
        last = None if patience_s is None else time.monotonic() + patience_s
        for one in self._threads:
            one.join(None if last is None else max(0.0, last - time.monotonic()))
        return not any(one.is_alive() for one in self._threads)


def copy_context_of(job: Callable[[], T]) -> Callable[[], T]:
    """The call in a copy of the caller's context."""
    context = copy_context()
    return lambda: context.run(job)


class LimitedCall(Generic[T]):
    """A call in a thread of its own, which begins at once.

    Args:
        stopped: Whether the run has ended; what the call waits for then ends, too.
    """

    def __init__(self, call: Callable[[], T], stopped: Callable[[], bool]) -> None:
        self._call, self._stopped = call, stopped
        self._over, self._given_up = threading.Event(), threading.Event()
        self._result: list[T] = []
        self._error: BaseException | None = None
        work = copy_context_of(self._work)
        threading.Thread(target=work, name="graph-limited", daemon=True).start()

    def _work(self) -> None:
        try:
            with given_up_by(lambda: self._given_up.is_set() or self._stopped()):
                self._result.append(self._call())
        except BaseException as error:  # noqa: BLE001 -- raised where it is waited for
            self._error = error
        self._over.set()

    def result(self, limit_s: float) -> T:
        """What came of it.

        Raises:
            TimeoutError: It is not over after `limit_s` seconds; or what it raised.
        """
        if not self._over.wait(limit_s):
            self._given_up.set()
            raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._result[0]
