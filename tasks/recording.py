"""What Prefect's state hooks write into the ledger: one row per flow run, metrics per stage.

The row is there from the start, so a run that is killed leaves a trace; whoever looks at the
ledger next finds its process gone and marks it crashed.
"""

import functools
import getpass
import resource
import threading
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, ParamSpec, TypeVar, cast
from uuid import UUID, uuid5

from prefect import Flow, Task
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.context import FlowRunContext, TaskRunContext

from blocks import ledger
from blocks.executions import Status
from tasks.items import StageResult
from tasks.parameters import Record

P = ParamSpec("P")
R = TypeVar("R")

HEARTBEAT_S = 60
KIB = 1024
_measured: dict[UUID, dict[str, float]] = {}
_heartbeats: dict[str, threading.Event] = {}


def measured(stage: Callable[P, R]) -> Callable[P, R]:
    """The stage with its CPU time and the process's peak memory noted for the ledger."""

    @functools.wraps(stage)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        context = TaskRunContext.get()
        cpu, wall = time.process_time(), time.perf_counter()
        result = stage(*args, **kwargs)
        if context is not None:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
            cpu = time.process_time() - cpu
            _measured[context.task_run.id] = {"cpu_s": cpu, "peak_memory_bytes": float(peak)}
        if isinstance(result, StageResult):
            seconds = time.perf_counter() - wall
            return cast(R, result.model_copy(update={"seconds": seconds}))
        return result

    return run


def execution_id(run: FlowRun) -> str:
    """The flow run's id; a flow run that is tried again gets a row for each attempt."""
    attempt = run.run_count or 1
    return str(run.id if attempt == 1 else uuid5(run.id, f"attempt {attempt}"))


def _task_finished(_task: Task[..., Any], run: TaskRun, state: State[Any]) -> None:
    values = _measured.pop(run.id, {})
    cached = state.name == "Cached"
    values |= {
        "wall_s": run.total_run_time.total_seconds() if run.total_run_time else 0.0,
        "attempts": float(run.run_count),
        "cache_hit": float(cached),
    }
    if run.start_time and run.end_time and not values["wall_s"]:
        values["wall_s"] = (run.end_time - run.start_time).total_seconds()
    result = state.result(raise_on_failure=False) if state.is_completed() else None
    if isinstance(result, StageResult):
        counts = result.counts
        values |= {
            "items_in": counts.items_in,
            "items_out": counts.items_out,
            "items_failed": counts.items_failed,
            "items_cached": counts.items_in if cached else counts.cached,
            "items_computed": 0 if cached else counts.computed,
        }
        if counts.requests and not cached:
            values["requests"] = counts.requests
        if values["wall_s"] > 0 and not cached:
            values["items_per_s"] = counts.items_in / values["wall_s"]
    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None:
        step = result.stage if isinstance(result, StageResult) else run.name
        ledger.add_metrics(execution_id(context.flow_run), step, values)


Told = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Makes of a run's parameters what the ledger may keep of them."""


def _flow_begins(told: Told) -> Callable[..., None]:
    def begin(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 -- a worker calls it with these names
        _flow_running(flow, flow_run, told(flow_run.parameters))

    begin.__name__ = "record_running"
    return begin


def _flow_running(flow: Flow[..., Any], run: FlowRun, parameters: Mapping[str, Any]) -> None:
    around = FlowRunContext.get()
    parent = around.flow_run if around is not None else None
    if parent is not None and parent.id == run.id:
        parent = None
    row = execution_id(run)
    ledger.reconcile()
    ledger.start(
        flow.name,
        execution_id=row,
        flow_run_id=str(run.id),
        run_name=run.name,
        input_data=parameters,
        created_by=_creator(run),
        code_version=version("seqloom"),
        parent_execution_id=execution_id(parent) if parent is not None else None,
    )
    stop = _heartbeats.setdefault(row, threading.Event())
    threading.Thread(target=_beat, args=(row, stop), name=f"heartbeat {row}", daemon=True).start()


def _beat(row: str, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_S):
        ledger.heartbeat(row)


def _creator(run: FlowRun) -> str:
    """Who started the run: what Prefect knows, else the user of the process."""
    if run.created_by is not None and run.created_by.display_value:
        return str(run.created_by.display_value)
    return getpass.getuser()


def _flow_ended(status: Status) -> Callable[..., None]:
    def end(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 -- a worker calls it with these names
        row = execution_id(flow_run)
        if stop := _heartbeats.pop(row, None):
            stop.set()
        ended = state.is_completed() or state.is_failed()  # others have no result to ask for
        result = state.result(raise_on_failure=False) if ended else None
        ledger.finish(
            row,
            status,
            output_data=result.model_dump(mode="json") if isinstance(result, Record) else None,
            error=_error(status, result, state),
            degraded=bool(getattr(result, "degraded", False)),
            versions=getattr(result, "versions", None),
            input_digests=getattr(result, "inputs", None),
            output_digests=getattr(result, "digests", None),
        )

    end.__name__ = f"record_{status}"
    return end


def _error(status: str, result: object, state: State[Any]) -> BaseException | str | None:
    if status == "completed":
        return None
    return result if isinstance(result, BaseException) else state.message


TASK_HOOKS: dict[str, Any] = {"on_completion": [_task_finished], "on_failure": [_task_finished]}


def flow_hooks(told: Told) -> dict[str, Any]:
    """The hooks of a flow that is to have a row in the ledger."""
    return {
        "on_running": [_flow_begins(told)],
        "on_completion": [_flow_ended("completed")],
        "on_failure": [_flow_ended("failed")],
        "on_crashed": [_flow_ended("crashed")],
        "on_cancellation": [_flow_ended("cancelled")],
    }
