"""The run ledger: one row per flow run, many metrics per row.

A row is written when a run starts and closed once; a closed row is never changed again. Data and
messages are masked before they are written: values under keys that name a secret, logins in URLs.

Clocks are set now and then, so nothing hangs on one alone: how long a run took is measured by a
clock that nobody sets, processes are known by their start since boot, and where several machines
share a database, its clock tells how old a heartbeat is.
"""

import math
import os
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from blocks import database
from blocks.comparison import Comparison, differences
from blocks.database import JSON, insert_new, reading, writing
from blocks.errors import InputError
from blocks.executions import (
    EXECUTIONS,
    FINAL,
    METRICS,
    Metric,
    Run,
    RunDetails,
    Status,
    metric_row,
)
from blocks.masking import mask, one_line
from blocks.processes import process_is_alive, since_boot

HEARTBEAT_LIMIT = timedelta(minutes=10)
DEAD = "ended without finishing the run"
"""How the error ends of a row whose process was found gone."""
LISTED = 5
"""Runs named in the message about an ambiguous name."""
LOG_ENTRIES = 5_000
"""Entries in the log of one run; what comes after them is left out, its metrics are not."""

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_began: dict[str, float] = {}
"""Runs of this process -> when they began, by a clock that nobody sets and that never sleeps."""


def start(
    pipeline_type: str,
    *,
    input_data: object = None,
    execution_id: str | None = None,
    flow_run_id: str | None = None,
    run_name: str | None = None,
    parent_execution_id: str | None = None,
    created_by: str | None = None,
    code_version: str | None = None,
    versions: Mapping[str, object] | None = None,
    input_digests: Mapping[str, object] | None = None,
    started_at: datetime | None = None,
    engine: Engine | None = None,
) -> str:
    """The id of a new row for a run of this process; a row with this id stays as it is."""
    row = {
        "execution_id": execution_id or str(uuid.uuid4()),
        "pipeline_type": pipeline_type,
        "status": "running",
        "input_data": mask(input_data),
        "execution_log": [],
        "started_at": started_at or datetime.now(UTC),
        "created_by": created_by,
        "degraded": False,
        "parent_execution_id": parent_execution_id,
        "flow_run_id": flow_run_id,
        "run_name": run_name,
        "code_version": code_version,
        "versions": mask(versions or {}),
        "input_digests": mask(input_digests or {}),
        "output_digests": {},
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "process_started": since_boot(psutil.Process()),
    }
    with writing(_engine(engine)) as connection:
        new = insert_new(connection, EXECUTIONS, {**row, "heartbeat_at": _now(connection)})
    if new and started_at is None:
        _began[str(row["execution_id"])] = time.clock_gettime(_CLOCK)
    return str(row["execution_id"])


def finish(
    execution_id: str,
    status: Status,
    output_data: object = None,
    error: str | BaseException | None = None,
    *,
    degraded: bool = False,
    versions: Mapping[str, object] | None = None,
    input_digests: Mapping[str, object] | None = None,
    output_digests: Mapping[str, object] | None = None,
    engine: Engine | None = None,
) -> bool:
    """Close a running row; whether it was running.

    Prefect tells of a cancellation some time after it has ended the process: a row that `reconcile`
    has closed meanwhile becomes cancelled, too.

    Args:
        versions: Added to what `start` was told, like the digests.
    """
    if status not in FINAL:
        raise InputError(f"status of a finished run: {status!r}; expected one of {FINAL}")
    added = {
        "versions": versions,
        "input_digests": input_digests,
        "output_digests": output_digests,
    }
    is_open = _open(execution_id, status)
    with writing(_engine(engine)) as connection:
        query = sa.select(EXECUTIONS).where(is_open).with_for_update()
        row = connection.execute(query).mappings().one_or_none()
        if row is None:
            return False
        values: dict[str, Any] = {
            "status": status,
            "output_data": mask(output_data),
            "error": None if error is None else one_line(error),
            "degraded": degraded,
            "completed_at": row["completed_at"] or _ended_at(execution_id, row["started_at"]),
        }
        values |= {name: {**row[name], **mask(new)} for name, new in added.items() if new}
        connection.execute(sa.update(EXECUTIONS).where(is_open).values(values))
    _began.pop(execution_id, None)
    return True


def heartbeat(execution_id: str, *, engine: Engine | None = None) -> bool:
    """Tell other machines that the run is alive; whether its row is still open."""
    change = sa.update(EXECUTIONS).where(_running(execution_id))
    with writing(_engine(engine)) as connection:
        return connection.execute(change.values(heartbeat_at=_now(connection))).rowcount == 1


def add_metrics(
    execution_id: str,
    step_name: str,
    metrics: Mapping[str, float | None],
    *,
    entry: Mapping[str, object] | None = None,
    key: str | None = None,
    engine: Engine | None = None,
) -> None:
    """Record the numbers of one step, at once; type and unit follow from each name.

    Args:
        metrics: `wall_s`, `cpu_s`, `peak_memory_bytes`, `items_in`, `items_per_s`, `attempts`, …;
            None and NaN are left out.
        entry: What the run's log says about it, written with the numbers or not at all.
        key: Of what was measured; told twice, it is recorded once.

    Raises:
        InputError: There is no such run.
    """
    now = datetime.now(UTC)
    rows = [
        metric_row(execution_id, step_name, name, float(value), now=now, key=key)
        for name, value in metrics.items()
        if value is not None and math.isfinite(value)
    ]
    if not rows and entry is None:
        return
    with writing(_engine(engine)) as connection:
        known = sa.select(EXECUTIONS.c.pid).where(EXECUTIONS.c.execution_id == execution_id)
        if connection.execute(known).first() is None:
            raise InputError(f"run {execution_id}: not in the ledger; expected one that began")
        if rows:
            ids = [row["metric_id"] for row in rows]
            there = sa.select(METRICS.c.metric_id).where(METRICS.c.metric_id.in_(ids))
            if connection.execute(there).first() is not None:
                return
            connection.execute(sa.insert(METRICS), rows)
        if entry is not None:
            _append(connection, execution_id, entry)


def log_event(
    execution_id: str, record: Mapping[str, object], *, engine: Engine | None = None
) -> bool:
    """Append to the log of a running row; `at` is set to now. Whether the row is running."""
    with writing(_engine(engine)) as connection:
        return _append(connection, execution_id, record)


def _append(connection: Connection, execution_id: str, record: Mapping[str, object]) -> bool:
    entry = sa.type_coerce({"at": datetime.now(UTC).isoformat(), **mask(record)}, JSON)
    old = EXECUTIONS.c.execution_log
    longer: sa.ColumnElement[Any]
    if connection.dialect.name == "postgresql":
        longer = old.op("||")(sa.func.jsonb_build_array(entry))
        length: sa.ColumnElement[Any] = sa.func.jsonb_array_length(old)
    else:
        longer = sa.func.json_insert(old, "$[#]", sa.func.json(entry))
        length = sa.func.json_array_length(old)
    bounded = sa.case((length < LOG_ENTRIES, longer), else_=old)
    change = sa.update(EXECUTIONS).where(_running(execution_id)).values(execution_log=bounded)
    return connection.execute(change).rowcount == 1


def reconcile(
    now: datetime | None = None,
    is_alive: Callable[[int, float], bool] = process_is_alive,
    *,
    engine: Engine | None = None,
) -> list[str]:
    """Close the rows whose process is gone as crashed; their ids, oldest first.

    On this machine the process is looked for; on others its heartbeat must be 10 minutes old.
    """
    with reading(_engine(engine)) as connection:
        now = _now(connection) if now is None else now
        query = sa.select(EXECUTIONS).where(EXECUTIONS.c.status == "running")
        rows = connection.execute(query.order_by(EXECUTIONS.c.started_at)).mappings().all()
    reasons = {row["execution_id"]: _death(Run(**row), now, is_alive) for row in rows}
    return [
        execution_id
        for execution_id, reason in reasons.items()
        if reason is not None and finish(execution_id, "crashed", error=reason, engine=engine)
    ]


def runs(
    pipeline: str | None = None,
    status: Status | None = None,
    limit: int = 50,
    *,
    engine: Engine | None = None,
) -> list[Run]:
    """The last runs, newest first; None for any."""
    query = sa.select(EXECUTIONS).order_by(EXECUTIONS.c.started_at.desc()).limit(limit)
    if pipeline is not None:
        query = query.where(EXECUTIONS.c.pipeline_type == pipeline)
    if status is not None:
        query = query.where(EXECUTIONS.c.status == status)
    with reading(_engine(engine)) as connection:
        return [Run(**row) for row in connection.execute(query).mappings()]


def run(key: str, *, engine: Engine | None = None) -> RunDetails:
    """The run with this id, beginning of an id, id of a flow run, or name.

    Raises:
        InputError: None, or several.
    """
    with reading(_engine(engine)) as connection:
        found = _find(connection, key)
        query = sa.select(METRICS).where(METRICS.c.execution_id == found.execution_id)
        order = (METRICS.c.recorded_at, METRICS.c.step_name, METRICS.c.metric_name)
        rows = connection.execute(query.order_by(*order)).mappings()
        return RunDetails(run=found, metrics=tuple(Metric(**row) for row in rows))


def compare(a: str, b: str, *, engine: Engine | None = None) -> Comparison:
    """What differs from run `a` to run `b`, each named as for `run`."""
    return differences(run(a, engine=engine), run(b, engine=engine))


def _engine(engine: Engine | None) -> Engine:
    return database.engine() if engine is None else engine


def _running(execution_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(EXECUTIONS.c.execution_id == execution_id, EXECUTIONS.c.status == "running")


def _open(execution_id: str, status: Status) -> sa.ColumnElement[bool]:
    """The row, if it may be closed with this status."""
    if status != "cancelled":
        return _running(execution_id)
    found_dead = sa.and_(EXECUTIONS.c.status == "crashed", EXECUTIONS.c.error.endswith(DEAD))
    is_open = sa.or_(EXECUTIONS.c.status == "running", found_dead)
    return sa.and_(EXECUTIONS.c.execution_id == execution_id, is_open)


def _find(connection: Connection, key: str) -> Run:
    columns = EXECUTIONS.c
    for condition in (
        columns.execution_id == key,
        columns.flow_run_id == key,
        columns.run_name == key,
        columns.execution_id.startswith(key.lower(), autoescape=True),
    ):
        query = sa.select(EXECUTIONS).where(condition).order_by(columns.started_at.desc())
        rows = connection.execute(query.limit(LISTED + 1)).mappings().all() if key else []
        if len(rows) == 1:
            return Run(**rows[0])
        if rows:
            ids = ", ".join(row["execution_id"] for row in rows[:LISTED])
            more = ", …" if len(rows) > LISTED else ""
            raise InputError(f"run {key!r}: several are called so; expected one of {ids}{more}")
    raise InputError(
        f"run {key!r}: not in the ledger; expected an id, the beginning of one, or a name"
    )


def _death(run: Run, now: datetime, is_alive: Callable[[int, float], bool]) -> str | None:
    if run.host == socket.gethostname():
        if is_alive(run.pid, run.process_started):
            return None
        return f"process {run.pid} on {run.host} {DEAD}"
    if now - run.heartbeat_at <= HEARTBEAT_LIMIT:
        return None
    return f"no sign of life from {run.host} since {run.heartbeat_at:%Y-%m-%d %H:%M:%S} UTC"


def _now(connection: Connection) -> datetime:
    """The time by the one clock that all who share the database have."""
    if connection.dialect.name != "postgresql":
        return datetime.now(UTC)
    now: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return now


def _ended_at(execution_id: str, started: datetime) -> datetime:
    """Now; for a run of this process, as long after its start as it really took."""
    began = _began.get(execution_id)
    if began is None:
        return max(datetime.now(UTC), started)
    return started + timedelta(seconds=time.clock_gettime(_CLOCK) - began)
