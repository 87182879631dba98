"""Whether Prefect has given a run up, for what waits in its threads."""

import sys
import threading


def run_is_cancelled() -> bool:
    """Whether Prefect has given up the flow run in which the caller's task runs.

    A task in a thread is not interrupted by a cancellation; its runner sets an event and waits.
    """
    prefect_context = sys.modules.get("prefect.context")  # not imported: no run either
    if prefect_context is None:
        return False
    runner = getattr(prefect_context.FlowRunContext.get(), "task_runner", None)
    events = getattr(runner, "_cancel_events", {})
    return any(
        isinstance(event, threading.Event) and event.is_set() for event in [*events.values()]
    )
