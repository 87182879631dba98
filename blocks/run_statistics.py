"""Success, times and trends of the runs in the ledger.

Days and weeks are those of a time zone; weeks begin on Monday. Percentiles are numpy's usual ones
(linear between the two nearest values). A run that was cancelled did neither succeed nor fail:
it counts as a run, and not in the rate of success. Stages answered from the store took no time
worth telling, and are left out of times.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Engine

from blocks import database
from blocks.database import reading
from blocks.errors import InputError
from blocks.executions import EXECUTIONS, METRICS

Period = Literal["day", "week"]
FAILED = ("failed", "crashed")
STATUSES = ("completed", *FAILED, "cancelled", "running")
PERCENTILES = (50, 95, 99)
STEP_NUMBERS = ("wall_s", "cpu_s", "peak_memory_bytes", "items_in", "attempts", "cache_hit")


@dataclass(frozen=True, slots=True)
class Window:
    """From one moment to another, as a time zone counts days."""

    since: datetime
    until: datetime
    zone: ZoneInfo

    def period(self, moment: datetime, by: Period) -> date:
        """The local day of a moment, or the Monday of its week."""
        day = moment.astimezone(self.zone).date()
        return day if by == "day" else day - timedelta(days=day.weekday())


def zone_of(name: str) -> ZoneInfo:
    """The time zone of that name.

    Raises:
        InputError: There is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(
            f"time zone {name!r}: not known; expected one such as UTC or Europe/Berlin"
        ) from None


def last_days(days: int, zone: ZoneInfo, now: datetime) -> Window:
    """Today and the days before it, `days` in all, whole ones: a day may have 23 hours, or 25."""
    today = now.astimezone(zone).date()
    first = datetime.combine(today - timedelta(days=days - 1), time.min, zone)
    return Window(first, now, zone)


def runs_of(
    window: Window, pipeline: str | None = None, *, engine: Engine | None = None
) -> pd.DataFrame:
    """A row for each run that began in the window, oldest first.

    Columns: `execution_id`, `pipeline`, `status`, `degraded`, `started_at`, `seconds` (NaN while
    it runs), `day` and `week` of the window's zone.
    """
    columns = EXECUTIONS.c
    query = sa.select(
        columns.execution_id,
        columns.pipeline_type.label("pipeline"),
        columns.status,
        columns.degraded,
        columns.started_at,
        columns.completed_at,
    ).where(columns.started_at >= window.since, columns.started_at < window.until)
    if pipeline is not None:
        query = query.where(columns.pipeline_type == pipeline)
    with reading(database.engine() if engine is None else engine) as connection:
        rows = connection.execute(query.order_by(columns.started_at)).mappings().all()
    return pd.DataFrame(
        {
            "execution_id": [row["execution_id"] for row in rows],
            "pipeline": [row["pipeline"] for row in rows],
            "status": [row["status"] for row in rows],
            "degraded": np.array([row["degraded"] for row in rows], bool),
            "started_at": [row["started_at"] for row in rows],
            "seconds": np.array([_seconds(row) for row in rows], float),
            "day": [window.period(row["started_at"], "day") for row in rows],
            "week": [window.period(row["started_at"], "week") for row in rows],
        }
    )


def steps_of(
    window: Window, pipeline: str | None = None, *, engine: Engine | None = None
) -> pd.DataFrame:
    """A row for each step of those runs: `pipeline`, `step`, its numbers (NaN: not measured)."""
    columns = EXECUTIONS.c
    query = (
        sa.select(
            columns.pipeline_type,
            METRICS.c.execution_id,
            METRICS.c.step_name,
            METRICS.c.recorded_at,
            METRICS.c.metric_name,
            METRICS.c.metric_value,
        )
        .join(EXECUTIONS, columns.execution_id == METRICS.c.execution_id)
        .where(columns.started_at >= window.since, columns.started_at < window.until)
        .where(METRICS.c.metric_name.in_(STEP_NUMBERS))
    )
    if pipeline is not None:
        query = query.where(columns.pipeline_type == pipeline)
    told: dict[Hashable, dict[str, object]] = {}
    with reading(database.engine() if engine is None else engine) as connection:
        for kind, run, step, at, name, value in connection.execute(query):
            # What was measured together was recorded at the same moment.
            one = told.setdefault((run, step, at), {"pipeline": kind, "step": step})
            one[name] = value
    return pd.DataFrame(list(told.values()), columns=["pipeline", "step", *STEP_NUMBERS])


def outcomes(runs: pd.DataFrame) -> pd.DataFrame:
    """A row for each pipeline: runs by status, rate of success, percentiles of the times."""
    return pd.DataFrame(
        [{"pipeline": name, **_outcome(group)} for name, group in runs.groupby("pipeline")],
        columns=["pipeline", "runs", *STATUSES, "degraded", "success_rate", *_names("s")],
    )


def trend(runs: pd.DataFrame, by: Period) -> pd.DataFrame:
    """A row for each pipeline and day or week with runs: as `outcomes`; earliest first."""
    groups = runs.groupby(["pipeline", by])
    columns = ["pipeline", by, "runs", *STATUSES, "degraded", "success_rate", *_names("s")]
    rows = [
        {"pipeline": pipeline, by: period, **_outcome(group)}
        for (pipeline, period), group in groups
    ]
    return pd.DataFrame(rows, columns=columns)


def slowest(steps: pd.DataFrame, top: int = 20) -> pd.DataFrame:
    """The steps in which most time went, with the percentiles of what one of them takes.

    `share` is that of all steps' time of its pipeline; rates are items by seconds of all together.
    """
    done = steps[steps["cache_hit"].fillna(0) == 0]
    total: dict[Hashable, float] = done.groupby("pipeline")["wall_s"].sum().to_dict()
    rows = []
    for (pipeline, step), group in done.groupby(["pipeline", "step"]):
        wall = group["wall_s"].dropna()
        counted = group.dropna(subset=["items_in", "wall_s"])
        seconds = counted["wall_s"].sum()
        rows.append(
            {
                "pipeline": pipeline,
                "step": step,
                "calls": len(group),
                "total_s": wall.sum(),
                "share": wall.sum() / total[pipeline] if total[pipeline] else np.nan,
                **_percentiles(wall.to_numpy(), "s"),
                "cpu_s": group["cpu_s"].sum(),
                "peak_memory_bytes": group["peak_memory_bytes"].max(),
                "items_per_s": counted["items_in"].sum() / seconds if seconds else np.nan,
                "tried_again": int((group["attempts"].fillna(1) > 1).sum()),
            }
        )
    columns = [
        "pipeline", "step", "calls", "total_s", "share", *_names("s"), "cpu_s",
        "peak_memory_bytes", "items_per_s", "tried_again",
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=columns)
    return frame.sort_values("total_s", ascending=False, kind="stable").head(top)


def success_rate(statuses: "pd.Series[Any]") -> float:
    """Completed runs among those that ended by themselves; NaN where there are none.

    >>> success_rate(pd.Series(["completed", "failed", "cancelled", "running"]))
    0.5
    """
    completed = int((statuses == "completed").sum())
    ended = completed + int(statuses.isin(FAILED).sum())
    return completed / ended if ended else float("nan")


def _outcome(runs: pd.DataFrame) -> dict[str, object]:
    counts = {status: int((runs["status"] == status).sum()) for status in STATUSES}
    seconds = runs.loc[runs["status"] == "completed", "seconds"].dropna()
    return {
        "runs": len(runs),
        **counts,
        "degraded": int(runs["degraded"].sum()),
        "success_rate": success_rate(runs["status"]),
        **_percentiles(seconds.to_numpy(), "s"),
    }


def _names(unit: str) -> list[str]:
    return [f"p{one}_{unit}" for one in PERCENTILES]


def _percentiles(values: "np.ndarray[Any, np.dtype[np.float64]]", unit: str) -> dict[str, float]:
    found = np.percentile(values, PERCENTILES) if len(values) else [np.nan] * len(PERCENTILES)
    return dict(zip(_names(unit), map(float, found), strict=True))


def _seconds(row: sa.RowMapping) -> float:
    if row["completed_at"] is None:
        return float("nan")
    took: timedelta = row["completed_at"] - row["started_at"]
    return took.total_seconds()
