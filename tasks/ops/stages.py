"""The report on Prefect: the ledger asked, a page written, an event for each band left."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
from prefect.events import emit_event

from blocks import ledger, run_statistics
from blocks.masking import mask
from blocks.run_statistics import Window, last_days, zone_of
from blocks.settings import settings
from tasks.ops.bands import bands_left
from tasks.ops.model import BandLeft, OpsParams, OpsResult
from tasks.ops.page import SHOWN_ERRORS, Shown, ops_page
from tasks.policies import current_run, delivery, run_logger
from tasks.results import run_folder

BAND_LEFT = "seqloom.band.left"


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the ledger tells about the runs of a time."""

    window: Window
    runs: pd.DataFrame
    outcomes: pd.DataFrame
    trend: pd.DataFrame
    steps: pd.DataFrame
    errors: pd.DataFrame
    left: tuple[BandLeft, ...]


def gather(params: OpsParams, now: datetime) -> Gathered:
    """Ask the ledger; rows whose process is gone are closed first."""
    ledger.reconcile()
    window = last_days(params.days, zone_of(params.zone), now)
    only = params.pipeline or None
    runs = run_statistics.runs_of(window, only)
    today = window.period(now, "day")
    return Gathered(
        window=window,
        runs=runs,
        outcomes=run_statistics.outcomes(runs),
        trend=run_statistics.trend(runs, params.by),
        steps=run_statistics.slowest(run_statistics.steps_of(window, only), top=100),
        errors=_errors(window, only),
        left=bands_left(runs, params.bands, today, params.recent_days),
    )


def report_page(params: OpsParams, gathered: Gathered) -> str:
    """The HTML page."""
    window = gathered.window
    shown = Shown(
        first=window.period(window.since, "day"), last=window.period(window.until, "day"),
        by=params.by, zone=params.zone, outcomes=gathered.outcomes, trend=gathered.trend,
        steps=gathered.steps, errors=gathered.errors, left=gathered.left,
    )  # fmt: skip
    return ops_page(shown)


@delivery
def write_report(params: OpsParams, started: datetime) -> tuple[OpsResult, pd.DataFrame]:
    """The folder of the report, and the table of pipelines."""
    return deliver_report(params, started, current_run(started).id)


def deliver_report(params: OpsParams, now: datetime, name: str) -> tuple[OpsResult, pd.DataFrame]:
    """The same without Prefect."""
    gathered = gather(params, now)
    with run_folder(settings().results, "ops", name) as (folder, final):
        folder.text("report.html", report_page(params, gathered))
        folder.csv("tables/pipelines.csv", gathered.outcomes)
        folder.csv("tables/trend.csv", gathered.trend)
        folder.csv("tables/steps.csv", gathered.steps)
        folder.json("pipeline_info/params.json", params.model_dump(mode="json"))
        folder.json("bands.json", [one.model_dump(mode="json") for one in gathered.left])
        result = OpsResult(
            folder=final, page=f"{final}/report.html", runs=len(gathered.runs),
            pipelines=len(gathered.outcomes), left=gathered.left,
            digests=folder.checksums("tables/*"),
        )  # fmt: skip
        folder.json("RUN.json", {"pipeline": "ops", "run": name, **result.model_dump(mode="json")})
    return result, gathered.outcomes


def tell_bands(left: Sequence[BandLeft]) -> None:
    """An event for each band that was left; automations react to it."""
    for one in left:
        run_logger().warning("%s", one.told)
        emit_event(
            BAND_LEFT,
            resource={
                "prefect.resource.id": f"seqloom.pipeline.{one.pipeline}",
                "prefect.resource.name": one.pipeline,
                "seqloom.measure": one.measure,
            },
            payload=mask(one),
        )


def _errors(window: Window, pipeline: str | None) -> pd.DataFrame:
    """The last runs that failed or crashed, newest first."""
    found = [
        run
        for status in ("failed", "crashed")
        for run in ledger.runs(pipeline, status, limit=SHOWN_ERRORS)
        if run.started_at >= window.since
    ]
    found.sort(key=lambda run: run.started_at, reverse=True)
    return pd.DataFrame(
        {
            "run": [run.execution_id[:8] for run in found],
            "pipeline": [run.pipeline_type for run in found],
            "started": [
                f"{run.started_at.astimezone(window.zone):%Y-%m-%d %H:%M}" for run in found
            ],
            "status": [run.status for run in found],
            "error": [run.error or "" for run in found],
        }
    ).head(SHOWN_ERRORS)
