"""Whether a run was given up, for what waits in its threads."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_GIVEN_UP: ContextVar[Callable[[], bool] | None] = ContextVar("given_up", default=None)


@contextmanager
def given_up_by(told: Callable[[], bool]) -> Iterator[None]:
    """Let `told` say, too, whether what runs in the block or a copy of its context was given up."""
    around = _GIVEN_UP.get()
    token = _GIVEN_UP.set(lambda: told() or (around is not None and around()))
    try:
        yield
    finally:
        _GIVEN_UP.reset(token)


def run_is_cancelled() -> bool:
    """Whether the caller's work was given up: by what called it, or by Prefect with its flow run.

    A task in a thread is not interrupted by a cancellation; its runner sets an event and waits.
    """
    return cancellation_of_run()()


def stop_if_cancelled(told: str) -> None:
    """End what runs in a thread of a run that was given up.

    Raises:
        asyncio.CancelledError: It was; `told` says what ended for it.
    """
    if run_is_cancelled():
        import asyncio  # not at the top: `seqloom reads` begins sooner without it

        raise asyncio.CancelledError(told)


def cancellation_of_run() -> Callable[[], bool]:
    """`run_is_cancelled` of here and now, to be asked elsewhere.

    A sub-flow in a thread has a runner of its own, of which Prefect cancels nothing with the run
    around: `given_up_by` with this lets it know.
    """
    told = _GIVEN_UP.get()
    prefect_context = sys.modules.get("prefect.context")  # not imported: no run either
    context = prefect_context.FlowRunContext.get() if prefect_context is not None else None
    runner = getattr(context, "task_runner", None)

    def cancelled() -> bool:
        if told is not None and told():
            return True
        events = getattr(runner, "_cancel_events", {})
        return any(
            isinstance(event, threading.Event) and event.is_set() for event in [*events.values()]
        )

    return cancelled
