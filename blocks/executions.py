"""What the run ledger holds: a row per flow run, many metrics per row; as tables and as values."""

import uuid
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import BaseModel

from blocks.database import JSON, METADATA, UTCDateTime

Status = Literal["running", "completed", "failed", "crashed", "cancelled"]
FINAL = ("completed", "failed", "crashed", "cancelled")

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


class Run(BaseModel, frozen=True):
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


class Metric(BaseModel, frozen=True):
    """One number that a step of a run was measured by."""

    step_name: str
    metric_type: Literal["timing", "resource", "throughput"]
    metric_name: str
    metric_value: float
    unit: str
    recorded_at: datetime


class RunDetails(BaseModel, frozen=True):
    """A run with its metrics, in the order they were recorded."""

    run: Run
    metrics: tuple[Metric, ...]


def metric_row(
    execution_id: str,
    step: str,
    name: str,
    value: float,
    *,
    now: datetime,
    key: str | None = None,
) -> dict[str, object]:
    """A row of the metrics; type and unit follow from the name.

    Args:
        key: Of what was measured; with one, the row has the same id however often it is made.
    """
    told = f"{execution_id} {step} {name} {key}"
    return {
        "metric_id": str(uuid.uuid4() if key is None else uuid.uuid5(uuid.NAMESPACE_OID, told)),
        "execution_id": execution_id,
        "step_name": step,
        "metric_type": _metric_type(name),
        "metric_name": name,
        "metric_value": value,
        "unit": _unit(name),
        "recorded_at": now,
    }


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
