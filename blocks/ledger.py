"""The run ledger: one row per flow run, many metrics per row.

A row is written when a run starts and closed once; a closed row is never changed again. Data and
messages are masked before they are written: values under keys that name a secret, logins in URLs.
"""

import dataclasses
import math
import os
import re
import socket
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Literal

import numpy as np
import psutil
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, SecretBytes, SecretStr
from sqlalchemy import Connection, Engine
from sqlalchemy.dialects import postgresql, sqlite

from blocks import database
from blocks.database import JSON, METADATA, UTCDateTime, reading, writing
from blocks.errors import InputError

Status = Literal["running", "completed", "failed", "crashed", "cancelled"]
FINAL = ("completed", "failed", "crashed", "cancelled")
MASK = "***"
HEARTBEAT_LIMIT = timedelta(minutes=10)
ERROR_LENGTH = 2_000
LISTED = 5
"""Runs named in the message about an ambiguous name."""

EXECUTIONS = sa.Table(
    "pipeline_executions",
    METADATA,
    sa.Column("execution_id", sa.Text, primary_key=True),
    sa.Column("pipeline_type", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False, index=True),
    sa.Column("input_data", JSON),
    sa.Column("output_data", JSON),
    sa.Column("execution_log", JSON, nullable=False),
    sa.Column("started_at", UTCDateTime, nullable=False, index=True),
    sa.Column("completed_at", UTCDateTime),
    sa.Column("created_by", sa.Text),
    sa.Column("degraded", sa.Boolean, nullable=False),
    sa.Column("parent_execution_id", sa.Text),
    sa.Column("flow_run_id", sa.Text, index=True),
    sa.Column("run_name", sa.Text, index=True),
    sa.Column("error", sa.Text),
    sa.Column("code_version", sa.Text),
    sa.Column("versions", JSON, nullable=False),
    sa.Column("input_digests", JSON, nullable=False),
    sa.Column("output_digests", JSON, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("process_started", sa.Double, nullable=False),
    sa.Column("heartbeat_at", UTCDateTime, nullable=False),
)
METRICS = sa.Table(
    "pipeline_metrics",
    METADATA,
    sa.Column("metric_id", sa.Text, primary_key=True),
    sa.Column(
        "execution_id",
        sa.Text,
        sa.ForeignKey("pipeline_executions.execution_id"),
        nullable=False,
        index=True,
    ),
    sa.Column("step_name", sa.Text, nullable=False),
    sa.Column("metric_type", sa.Text, nullable=False),
    sa.Column("metric_name", sa.Text, nullable=False),
    sa.Column("metric_value", sa.Double, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("recorded_at", UTCDateTime, nullable=False),
)

_SECRET_KEY = re.compile(
    r"token(?!i[sz])|passw(or)?d|passphrase|secret(?!e[ds]?\b|ed|ion|ing|or|ome)|api[_-]?key|authorization"
    r"|private[_-]?key|credential",
    re.IGNORECASE,
)
"""Not what proteins do: `secreted`, `secretion`; not what texts are put through: `tokenizer`."""

_COUNT_KEY = re.compile(r"tokens|token_(count|limit|budget)", re.IGNORECASE)
_URL_LOGIN = re.compile(r"(?<=://)[^\s/?#'\"]+(?=@)")
_SPOKEN_OF = re.compile("token|passw|secret|api|auth|signature|bearer", re.IGNORECASE)
_SPOKEN_SECRET = re.compile(
    r"(?P<name>\b[\w-]{0,40}(?:token|passw(?:or)?d|secret|api[_-]?key|authorization|signature))"
    r"(?P<sign>[\"']?\s*[=:]\s*[\"']?)(?:(?:bearer|token|basic)\s+)?[^\s\"',;&]+",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(bearer)\s+[\w.~+/=-]{8,}", re.IGNORECASE)


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Run(_Row):
    """One run of a pipeline."""

    execution_id: str
    pipeline_type: str
    status: Status
    input_data: Any = None
    output_data: Any = None
    execution_log: list[dict[str, Any]] = []
    started_at: datetime
    completed_at: datetime | None = None
    created_by: str | None = None
    degraded: bool = False
    parent_execution_id: str | None = None
    flow_run_id: str | None = None
    run_name: str | None = None
    error: str | None = None
    code_version: str | None = None
    versions: dict[str, Any] = {}
    input_digests: dict[str, Any] = {}
    output_digests: dict[str, Any] = {}
    host: str
    pid: int
    process_started: float
    heartbeat_at: datetime


class Metric(_Row):
    """One number that a step of a run was measured by."""

    step_name: str
    metric_type: Literal["timing", "resource", "throughput"]
    metric_name: str
    metric_value: float
    unit: str
    recorded_at: datetime


class RunDetails(_Row):
    """A run with its metrics, in the order they were recorded."""

    run: Run
    metrics: tuple[Metric, ...]


class Change(_Row):
    """What differs between two runs; None where one of them has no such value."""

    old: Any = None
    new: Any = None
    ratio: float | None = None
    """new / old; None unless both are numbers and old is not 0."""


class Comparison(_Row):
    """Differences from one run to another, by dotted path; equal values are left out."""

    outcome: dict[str, Change]
    """Pipeline, status, degraded."""
    parameters: dict[str, Change]
    versions: dict[str, Change]
    digests: dict[str, Change]
    counts: dict[str, Change]
    """Numbers that depend on what was done: items, attempts, the numbers of the output."""
    metrics: dict[str, Change]
    """Numbers that depend on the machine and the moment: seconds, bytes, rates."""

    @property
    def same(self) -> bool:
        """The runs did the same; they may have taken different times."""
        return not (self.outcome or self.parameters or self.versions or self.digests or self.counts)


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
    engine: Engine | None = None,
) -> str:
    """The id of a new row for a run of this process; a row with this id stays as it is."""
    now = datetime.now(UTC)
    row = {
        "execution_id": execution_id or str(uuid.uuid4()),
        "pipeline_type": pipeline_type,
        "status": "running",
        "input_data": mask(input_data),
        "execution_log": [],
        "started_at": now,
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
        "process_started": psutil.Process().create_time(),
        "heartbeat_at": now,
    }
    with writing(_engine(engine)) as connection:
        connection.execute(_insert_new(connection, row))
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
    with writing(_engine(engine)) as connection:
        query = sa.select(EXECUTIONS).where(_running(execution_id)).with_for_update()
        row = connection.execute(query).mappings().one_or_none()
        if row is None:
            return False
        values: dict[str, Any] = {
            "status": status,
            "output_data": mask(output_data),
            "error": None if error is None else one_line(error),
            "degraded": degraded,
            "completed_at": datetime.now(UTC),
        }
        values |= {name: {**row[name], **mask(new)} for name, new in added.items() if new}
        connection.execute(sa.update(EXECUTIONS).where(_running(execution_id)).values(values))
    return True


def heartbeat(execution_id: str, *, engine: Engine | None = None) -> bool:
    """Tell other machines that the run is alive; whether its row is still open."""
    change = sa.update(EXECUTIONS).where(_running(execution_id))
    with writing(_engine(engine)) as connection:
        return connection.execute(change.values(heartbeat_at=datetime.now(UTC))).rowcount == 1


def add_metrics(
    execution_id: str,
    step_name: str,
    metrics: Mapping[str, float | None],
    *,
    engine: Engine | None = None,
) -> None:
    """Record the numbers of one step, at once; type and unit follow from each name.

    Args:
        metrics: `wall_s`, `cpu_s`, `peak_memory_bytes`, `items_in`, `items_per_s`, `attempts`, …;
            None and NaN are left out.

    Raises:
        InputError: There is no such run.
    """
    now = datetime.now(UTC)
    rows = [
        {
            "metric_id": str(uuid.uuid4()),
            "execution_id": execution_id,
            "step_name": step_name,
            "metric_type": _metric_type(name),
            "metric_name": name,
            "metric_value": float(value),
            "unit": _unit(name),
            "recorded_at": now,
        }
        for name, value in metrics.items()
        if value is not None and math.isfinite(value)
    ]
    if not rows:
        return
    with writing(_engine(engine)) as connection:
        known = sa.select(EXECUTIONS.c.pid).where(EXECUTIONS.c.execution_id == execution_id)
        if connection.execute(known).first() is None:
            raise InputError(f"run {execution_id}: not in the ledger; expected one that began")
        connection.execute(sa.insert(METRICS), rows)


def log_event(
    execution_id: str, record: Mapping[str, object], *, engine: Engine | None = None
) -> bool:
    """Append to the log of a running row; `at` is set to now. Whether the row is running."""
    entry = sa.type_coerce({"at": datetime.now(UTC).isoformat(), **mask(record)}, JSON)
    with writing(_engine(engine)) as connection:
        old = EXECUTIONS.c.execution_log
        longer: sa.ColumnElement[Any]
        if connection.dialect.name == "postgresql":
            longer = old.op("||")(sa.func.jsonb_build_array(entry))
        else:
            longer = sa.func.json_insert(old, "$[#]", sa.func.json(entry))
        change = sa.update(EXECUTIONS).where(_running(execution_id)).values(execution_log=longer)
        return connection.execute(change).rowcount == 1


def process_is_alive(pid: int, started: float) -> bool:
    """Whether the process that had this id and start time [s since 1970] is running."""
    try:
        process = psutil.Process(pid)
        # The start is derived from the clock, which may have been set a little since then.
        same = abs(process.create_time() - started) < 5.0  # noqa: PLR2004 -- seconds
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def reconcile(
    now: datetime | None = None,
    is_alive: Callable[[int, float], bool] = process_is_alive,
    *,
    engine: Engine | None = None,
) -> list[str]:
    """Close the rows whose process is gone as crashed; their ids, oldest first.

    On this machine the process is looked for; on others its heartbeat must be 10 minutes old.
    """
    now = datetime.now(UTC) if now is None else now
    with reading(_engine(engine)) as connection:
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


def differences(a: RunDetails, b: RunDetails) -> Comparison:
    """What differs from `a` to `b`; times of day, names and messages are not compared."""
    return Comparison(
        outcome=_changes(_outcome(a.run), _outcome(b.run)),
        parameters=_changes(flat(a.run.input_data), flat(b.run.input_data)),
        versions=_changes(_versions(a.run), _versions(b.run)),
        digests=_changes(_digests(a.run), _digests(b.run)),
        counts=_changes(_counts(a), _counts(b)),
        metrics=_changes(_totals(a, measured=True), _totals(b, measured=True)),
    )


def mask(data: object) -> Any:  # noqa: ANN401 -- JSON of any shape
    """A copy of `data` as plain JSON without secrets.

    Values under keys that name a secret become `***`, whatever they are; counts of tokens stay.
    What JSON does not know becomes text, NaN and infinities become None.
    """
    plain = _plain(data)
    if isinstance(plain, Mapping):
        return {str(key): _mask_field(str(key), value) for key, value in plain.items()}
    if isinstance(plain, list | tuple):
        return [mask(value) for value in plain]
    if isinstance(plain, set | frozenset):
        return sorted((mask(value) for value in plain), key=str)
    return _mask_leaf(plain)


def one_line(error: str | BaseException) -> str:
    """The message of an error on one line, masked, at most 2,000 characters."""
    said = str(error) if isinstance(error, str) else str(error) or type(error).__name__
    return str(mask(" ".join(said.split())))[:ERROR_LENGTH]


def flat(data: object, prefix: str = "") -> dict[str, Any]:
    """The leaves of nested JSON by dotted path; places in lists count from 0."""
    if isinstance(data, Mapping) and data:
        items = list(data.items())
    elif isinstance(data, Sequence) and not isinstance(data, str) and data:
        items = list(enumerate(data))
    else:
        return {prefix: data} if prefix else {}
    leaves: dict[str, Any] = {}
    for key, value in items:
        leaves |= flat(value, f"{prefix}.{key}" if prefix else str(key))
    return leaves


def _plain(data: object) -> object:
    """The mapping, list or value that stands for an object, one level deep."""
    if isinstance(data, BaseModel):
        return {name: getattr(data, name) for name in type(data).model_fields}
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        return {field.name: getattr(data, field.name) for field in dataclasses.fields(data)}
    if isinstance(data, Enum):
        return data.value
    return data.tolist() if isinstance(data, np.ndarray | np.generic) else data


def _mask_field(key: str, value: object) -> Any:  # noqa: ANN401 -- JSON of any shape
    if value is None or isinstance(value, bool) or not _SECRET_KEY.search(key):
        return mask(value)
    if isinstance(value, int | float) and _COUNT_KEY.search(key):
        return mask(value)
    return MASK


def _mask_leaf(value: object) -> str | float | None:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, SecretStr | SecretBytes):
        return MASK
    if isinstance(value, datetime):
        return value.isoformat()
    # PostgreSQL has no NUL in text, and no database half of a surrogate pair.
    text = str(value).replace("\0", "").encode("utf-8", "replace").decode()
    text = _URL_LOGIN.sub(MASK, text)
    if not _SPOKEN_OF.search(text):  # ten times as fast, and sequences are long
        return text
    return _BEARER.sub(rf"\1 {MASK}", _SPOKEN_SECRET.sub(rf"\g<name>\g<sign>{MASK}", text))


def _engine(engine: Engine | None) -> Engine:
    return database.engine() if engine is None else engine


def _running(execution_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(EXECUTIONS.c.execution_id == execution_id, EXECUTIONS.c.status == "running")


def _insert_new(connection: Connection, row: dict[str, Any]) -> sa.Executable:
    if connection.dialect.name == "postgresql":
        return postgresql.insert(EXECUTIONS).values(row).on_conflict_do_nothing()
    return sqlite.insert(EXECUTIONS).values(row).on_conflict_do_nothing()


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
        return f"process {run.pid} on {run.host} ended without finishing the run"
    if now - run.heartbeat_at <= HEARTBEAT_LIMIT:
        return None
    return f"no sign of life from {run.host} since {run.heartbeat_at:%Y-%m-%d %H:%M:%S} UTC"


def _metric_type(name: str) -> str:
    if name.endswith("_per_s") or name.startswith("items_"):
        return "throughput"
    return "timing" if name.endswith("_s") and not name.startswith("cpu_") else "resource"


def _unit(name: str) -> str:
    if name.endswith("_per_s"):
        return "1/s"
    if name.endswith("_s"):
        return "s"
    return "bytes" if name.endswith("_bytes") else "1"


def _measured(metric: Metric) -> bool:
    return metric.unit != "1"


def _totals(details: RunDetails, measured: bool) -> dict[str, float]:
    """Metrics by `step.name`: repeated ones are added, of peaks and rates the highest stays."""
    totals: dict[str, float] = {}
    for metric in details.metrics:
        if _measured(metric) != measured:
            continue
        key = f"{metric.step_name}.{metric.metric_name}"
        highest = metric.metric_name.startswith("peak_") or metric.unit == "1/s"
        if key not in totals:
            totals[key] = metric.metric_value
        elif highest:
            totals[key] = max(totals[key], metric.metric_value)
        else:
            totals[key] += metric.metric_value
    return totals


def _counts(details: RunDetails) -> dict[str, Any]:
    output = {
        f"output.{path}": value
        for path, value in flat(details.run.output_data).items()
        if isinstance(value, int | float)
        and not path.endswith("_s")
        and not isinstance(value, bool)
    }
    return {**_totals(details, measured=False), **output}


def _outcome(run: Run) -> dict[str, Any]:
    return {"pipeline": run.pipeline_type, "status": run.status, "degraded": run.degraded}


def _versions(run: Run) -> dict[str, Any]:
    return {**flat(run.versions), "code": run.code_version}


def _digests(run: Run) -> dict[str, Any]:
    digests = {"input": run.input_digests, "output": run.output_digests}
    return flat({side: named for side, named in digests.items() if named})


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Change]:
    return {
        path: Change(
            old=old.get(path), new=new.get(path), ratio=_ratio(old.get(path), new.get(path))
        )
        for path in [*old, *(path for path in new if path not in old)]
        if old.get(path) != new.get(path)
    }


def _ratio(old: object, new: object) -> float | None:
    if isinstance(old, bool) or isinstance(new, bool):
        return None
    if isinstance(old, int | float) and isinstance(new, int | float) and old != 0:
        return new / old
    return None
