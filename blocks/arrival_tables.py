"""The tables of files that arrived, and their rows as values.

A file waits until a look claims it for a run. The run is written down with all that starts it in
the same transaction, so whoever comes next can start it, with the same key, where the one that
claimed it was killed:

    waiting ─► claimed ─► started
                      └─► failed        its parameters do not fit, or it cannot be started
"""

from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, JsonValue

from blocks.database import JSON, METADATA, UTCDateTime

State = Literal["waiting", "claimed", "started", "failed"]
STATES: tuple[State, ...] = ("waiting", "claimed", "started", "failed")

RUNS = sa.Table(
    "arrival_runs",
    METADATA,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("watch", sa.Text, nullable=False),
    sa.Column("deployment", sa.Text, nullable=False),
    sa.Column("parameters", JSON, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("flow_run_id", sa.Text, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("claimed_at", UTCDateTime, nullable=False),
    sa.Column("updated_at", UTCDateTime, nullable=False),
    sa.Index("ix_arrival_runs_state", "watch", "state"),
)
FILES = sa.Table(
    "arrivals",
    METADATA,
    sa.Column("watch", sa.Text, primary_key=True),
    sa.Column("uri", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("seen_at", UTCDateTime, nullable=False),
    sa.Column("run_key", sa.Text),
    sa.Index("ix_arrivals_run_key", "run_key"),
    sqlite_with_rowid=False,
)


class ArrivalRun(BaseModel):
    """A run that files start."""

    model_config = ConfigDict(frozen=True)

    key: str
    """Digest of the watch and the versions of its files; Prefect starts one run for it."""
    watch: str
    deployment: str
    parameters: dict[str, JsonValue]
    state: State = "claimed"
    flow_run_id: str = ""
    error: str = ""
    attempts: int = 0


class Arrival(BaseModel):
    """A version of a file, and what came of it."""

    model_config = ConfigDict(frozen=True)

    watch: str
    uri: str
    version: str
    bytes: int
    seen_at: datetime
    """When a look saw this version first."""
    state: State
    deployment: str = ""
    flow_run_id: str = ""
    error: str = ""
    updated_at: datetime | None = None
