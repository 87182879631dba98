"""What Prefect's state hooks write into the ledger: a row per flow run, log and figures per stage.

The row is there from the start, so a run that is killed leaves a trace; whoever looks at the
ledger next finds its process gone and marks it crashed. A database that is away for a while is
waited for: a run's record is not lost because its database was started again.
"""

import functools
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, ParamSpec, TypeVar, cast
from uuid import UUID

from prefect import Flow, Task
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.context import FlowRunContext, TaskRunContext

from blocks import ledger
from blocks.cancellation import run_is_cancelled
from blocks.errors import SeqloomError, TransientError
from blocks.executions import Status
from blocks.masking import mask_error, one_line
from blocks.processes import peak_memory_bytes
from tasks.items import StageResult
from tasks.parameters import Record
from tasks.run_logs import HOOK_PREFIX, TASK_LOGGER
from tasks.run_origin import creator, execution_id, run_around

P = ParamSpec("P")
R = TypeVar("R")

HEARTBEAT_S = 60
PAUSES_S = (0.5, 1, 2, 4, 8, 15, 30, 30, 30)
"""Between tries to write a record; together two minutes."""


@dataclass(slots=True)
class _Work:
    """What the attempts of one task run took, together."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_memory_bytes: float = 0.0
    started: str = ""
    failed: int = 0
    """The attempt whose failure stands in the log."""


_measured: dict[UUID, _Work] = {}
_heartbeats: dict[str, threading.Event] = {}


def measured(stage: Callable[P, R]) -> Callable[P, R]:
    """The stage with each attempt in the run's log, its time, CPU time and peak memory noted.

    CPU time is that of the process and of the programs that ended meanwhile: stages that run side
    by side count each other's. Peak memory is the process's so far, or its largest program's.
    """

    @functools.wraps(stage)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        context = TaskRunContext.get()
        work = _attempt_begins(context.task_run) if context is not None else _Work()
        cpu, wall = _cpu_s(), time.perf_counter()
        try:
            result = stage(*args, **kwargs)
        except BaseException as error:
            work.wall_s += time.perf_counter() - wall
            masked = mask_error(error)
            if context is not None:
                _attempt_failed(context.task_run, work, masked)
            if masked is error:
                raise
            raise masked from None
        seconds = time.perf_counter() - wall
        work.wall_s += seconds
        work.cpu_s += _cpu_s() - cpu
        work.peak_memory_bytes = peak_memory_bytes()
        if isinstance(result, StageResult):
            return cast(R, result.model_copy(update={"seconds": seconds}))
        return result

    return run


def masked_errors(function: Callable[P, R]) -> Callable[P, R]:
    """The function with no secret in what it raises, which Prefect keeps as the run's state."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            masked = mask_error(error)
            if masked is error:
                raise
            raise masked from None

    return run


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _row_around() -> str | None:
    context = FlowRunContext.get()
    around = context.flow_run if context is not None else None
    return execution_id(around) if around is not None else None


def _attempt_begins(run: TaskRun) -> _Work:
    work = _measured.setdefault(run.id, _Work())
    work.started = datetime.now(UTC).isoformat()
    _told(run, {"state": "RUNNING"})
    return work


def _attempt_failed(run: TaskRun, work: _Work, error: BaseException) -> None:
    work.failed = run.run_count
    _told(run, {"state": "FAILED", "error": one_line(error), "started": work.started})


def _told(run: TaskRun, what: dict[str, object]) -> None:
    """Write a line into the run's log, now or not at all: the work does not wait for it."""
    row = _row_around()
    if row is None:
        return
    try:
        ledger.log_event(row, _entry(run) | what)
    except SeqloomError as error:
        logging.getLogger(TASK_LOGGER).warning("not in the run's log: %s", error)


def _entry(run: TaskRun) -> dict[str, object]:
    return {"step": run.name, "task_run": str(run.id), "attempt": run.run_count}


def persistently(write: Callable[..., R], *args: object, **kwargs: object) -> R:
    """What a write gives, tried again for as long as a database takes to come back."""
    for pause in PAUSES_S:
        try:
            return write(*args, **kwargs)
        except TransientError:
            time.sleep(pause)
    return write(*args, **kwargs)


def record_stage(_task: Task[..., Any], run: TaskRun, state: State[Any]) -> None:
    """The log and the figures of a stage that ended."""
    row = _row_around()
    if row is None:
        return
    work = _measured.pop(run.id, None)
    cached = state.name == "Cached"
    result = state.result(raise_on_failure=False) if state.is_completed() else None
    values = _values(run, work, cached=cached)
    counts: dict[str, float] = {}
    if isinstance(result, StageResult):
        counts = _counts(result, cached=cached)
        if values["wall_s"] > 0 and not cached:
            counts["items_per_s"] = counts["items_in"] / values["wall_s"]
    step = result.stage if isinstance(result, StageResult) else run.name
    entry = _end_entry(run, state, work) | {
        name: counts[name] for name in ("items_in", "items_out", "items_failed") if name in counts
    }
    told = work is not None and work.failed == run.run_count and state.is_failed()
    persistently(
        ledger.add_metrics, row, step, values | counts,
        entry=None if told else entry, key=f"{run.id} {run.run_count}",
    )  # fmt: skip


def record_shown_stage(_task: Task[..., Any], run: TaskRun, state: State[Any]) -> None:
    """A stage whose figures its flow records: only what the log says of it."""
    row = _row_around()
    if row is not None:
        persistently(ledger.log_event, row, _end_entry(run, state, None))


def _end_entry(run: TaskRun, state: State[Any], work: _Work | None) -> dict[str, object]:
    began = work.started if work is not None else run.start_time and run.start_time.isoformat()
    entry = _entry(run) | {"state": state.name.upper() if state.name else str(state.type.value)}
    if state.is_failed():
        entry["error"] = one_line(state.message or "failed")
    return entry | {"started": began}


def _values(run: TaskRun, work: _Work | None, *, cached: bool) -> dict[str, float]:
    """Time, memory and attempts; the time of a stage that was stored before is Prefect's."""
    values = {"attempts": float(run.run_count), "cache_hit": float(cached), "cpu_s": 0.0}
    if work is not None:
        values |= {"wall_s": work.wall_s, "cpu_s": work.cpu_s}
        values["peak_memory_bytes"] = work.peak_memory_bytes or peak_memory_bytes()
    else:
        took = run.total_run_time or run.estimated_run_time
        values["wall_s"] = took.total_seconds() if took else 0.0
    return values


def _counts(result: StageResult, *, cached: bool) -> dict[str, float]:
    counts = result.counts
    values: dict[str, float] = {
        "items_in": counts.items_in,
        "items_out": counts.items_out,
        "items_failed": counts.items_failed,
        "items_cached": counts.items_in if cached else counts.cached,
        "items_computed": 0 if cached else counts.computed,
    }
    if counts.requests and not cached:
        values["requests"] = counts.requests
    return values


Told = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Makes of a run's parameters what the ledger may keep of them."""


def _flow_begins(told: Told) -> Callable[..., None]:
    def begin(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 -- a worker calls it with these names
        row = persistently(_start, flow, flow_run, told)
        stop = _heartbeats.setdefault(row, threading.Event())
        beat = threading.Thread(
            target=_beat, args=(row, stop), name=f"heartbeat {row}", daemon=True
        )
        beat.start()
        ledger.reconcile()  # last: where it fails, this run is recorded all the same

    begin.__name__ = f"{HOOK_PREFIX}running"
    return begin


def _start(
    flow: Flow[..., Any], run: FlowRun, told: Told, started_at: datetime | None = None
) -> str:
    parent = run_around(run)
    return ledger.start(
        flow.name,
        execution_id=execution_id(run),
        flow_run_id=str(run.id),
        run_name=run.name,
        input_data=told(run.parameters),
        created_by=creator(parent or run),
        code_version=version("seqloom"),
        parent_execution_id=execution_id(parent) if parent is not None else None,
        started_at=started_at,
    )


def _beat(row: str, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_S):
        try:
            ledger.heartbeat(row)
        except SeqloomError as error:  # the next one tells as much
            logging.getLogger("seqloom").warning("no heartbeat of run %s: %s", row, error)


def _flow_ended(told_status: Status, told: Told) -> Callable[..., None]:
    def end(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
        row = execution_id(flow_run)
        status = told_status
        if status in ("failed", "crashed") and run_is_cancelled():  # with the run around
            status = "cancelled"
        if stop := _heartbeats.pop(row, None):
            stop.set()
        if not persistently(_finish, row, status, state):
            # Its start may have found no database; a row that is closed already stays as it is.
            persistently(_start, flow, flow_run, told, flow_run.start_time or datetime.now(UTC))
            persistently(_finish, row, status, state)

    end.__name__ = f"{HOOK_PREFIX}{told_status}"
    return end


def _finish(row: str, status: Status, state: State[Any]) -> bool:
    ended = state.is_completed() or state.is_failed()  # others have no result to ask for
    result = state.result(raise_on_failure=False) if ended else None
    return ledger.finish(
        row,
        status,
        output_data=result.model_dump(mode="json") if isinstance(result, Record) else None,
        error=_error(status, result, state),
        degraded=bool(getattr(result, "degraded", False)),
        versions=getattr(result, "versions", None),
        input_digests=getattr(result, "inputs", None),
        output_digests=getattr(result, "digests", None),
    )


def _error(status: str, result: object, state: State[Any]) -> BaseException | str | None:
    if status == "completed":
        return None
    return result if isinstance(result, BaseException) else state.message


TASK_HOOKS: dict[str, Any] = {"on_completion": [record_stage], "on_failure": [record_stage]}
SHOWN_HOOKS: dict[str, Any] = {
    "on_completion": [record_shown_stage],
    "on_failure": [record_shown_stage],
}


def flow_hooks(told: Told) -> dict[str, Any]:
    """The hooks of a flow that is to have a row in the ledger."""
    return {
        "on_running": [_flow_begins(told)],
        "on_completion": [_flow_ended("completed", told)],
        "on_failure": [_flow_ended("failed", told)],
        "on_crashed": [_flow_ended("crashed", told)],
        "on_cancellation": [_flow_ended("cancelled", told)],
    }
