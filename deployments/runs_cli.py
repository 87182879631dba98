"""`seqloom runs`: what ran, how it went, what failed, and how all of it goes over time.

seqloom runs                  list runs, the newest first
seqloom runs show RUN         parameters, counts, timing of each stage
seqloom runs log RUN          each attempt of each step: when, how it ended, why it failed
seqloom runs compare RUN RUN  what differs
seqloom runs failed RUN       what failed in it and why; `--parameters` to run only that again
seqloom runs stats            success, times, trends, slowest steps
seqloom runs report           the same as a page
"""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from deployments.surroundings import prepare_environment
from deployments.telling import AsJson, put, tell

if TYPE_CHECKING:
    from blocks.run_statistics import Window

runs_app = App(name="runs", help="Runs of all pipelines, from the ledger.")

RunKey = Annotated[str, Parameter(help="id of a run, the beginning of one, or its name")]
State = Literal["running", "completed", "failed", "cancelled", "crashed"]
Limit = Annotated[int, Parameter(validator=Number(gte=1), help="most runs listed")]
Only = Annotated[str | None, Parameter(help="only runs of this one")]
Days = Annotated[int, Parameter(validator=Number(gte=1, lte=730), help="to look back, with today")]
Zone = Annotated[str, Parameter(help="time zone of days and weeks, such as Europe/Berlin")]
By = Annotated[Literal["day", "week"], Parameter(help="what the trend is by")]


@runs_app.default
def runs(
    *,
    pipeline: Only = None,
    status: Annotated[State | None, Parameter(help="only runs in this state")] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> int:
    """List runs, the newest first."""
    from blocks import ledger
    from deployments.listing import runs_text

    prepare_environment()
    ledger.reconcile()
    found = ledger.runs(pipeline=pipeline, status=status, limit=limit)
    put(_json([one.model_dump(mode="json") for one in found]) if as_json else runs_text(found))
    return 0


@runs_app.command
def show(run: RunKey, /, *, as_json: AsJson = False) -> int:
    """Show one run: parameters, counts, timing of each stage."""
    from blocks import ledger
    from deployments.listing import run_text

    prepare_environment()
    ledger.reconcile()
    found = ledger.run(run)
    put(_json(found.model_dump(mode="json")) if as_json else run_text(found))
    return 0


@runs_app.command
def log(run: RunKey, /, *, as_json: AsJson = False) -> int:
    """Show each attempt of each step: when it began, how it ended, why it failed."""
    from blocks import ledger
    from deployments.listing import log_text

    prepare_environment()
    ledger.reconcile()
    found = ledger.run(run).run
    put(_json(found.execution_log) if as_json else log_text(found))
    return 0


@runs_app.command
def compare(old: RunKey, new: RunKey, /, *, as_json: AsJson = False) -> int:
    """Show what differs between two runs: parameters, versions, digests, counts, times."""
    from blocks import ledger
    from deployments.listing import compared_text

    prepare_environment()
    found = ledger.compare(old, new)
    put(_json(found.model_dump(mode="json")) if as_json else compared_text(found))
    return 0


@runs_app.command
def failed(
    run: RunKey,
    /,
    *,
    parameters: Annotated[
        bool,
        Parameter(negative="", help="print those of a run of only these", show_default=False),
    ] = False,
    limit: Annotated[int, Parameter(validator=Number(gte=1), help="most items listed")] = 100,
    as_json: AsJson = False,
) -> int:
    """List what failed in a run with the reasons, and how to run only that again."""
    from blocks import ledger
    from deployments.failed_items import again, failed_frame
    from deployments.listing import failed_text

    prepare_environment()
    ledger.reconcile()
    found = ledger.run(run).run
    if parameters:
        put(_json(again(found)))
        return 0
    frame = failed_frame(found)
    if as_json:
        put(_json(frame.to_dict("records")))
    else:
        put(failed_text(found, frame, limit))
    return 0


@runs_app.command
def stats(
    *,
    pipeline: Only = None,
    days: Days = 28,
    zone: Zone = "UTC",
    by: By = "week",
    as_json: AsJson = False,
) -> int:
    """Show success rates, percentiles of times, trends and the slowest steps."""
    from blocks import ledger, run_statistics
    from deployments.listing import statistics_text

    prepare_environment()
    ledger.reconcile()
    window = _window(days, zone)
    found = run_statistics.runs_of(window, pipeline)
    tables = {
        "pipelines": run_statistics.outcomes(found),
        "trend": run_statistics.trend(found, by),
        "steps": run_statistics.slowest(run_statistics.steps_of(window, pipeline)),
    }
    if as_json:
        rows = {name: json.loads(t.to_json(orient="records")) for name, t in tables.items()}
        put(_json({"since": window.since, "until": window.until, "zone": zone, **rows}))
    else:
        put(statistics_text(window, tables))
    return 0


@runs_app.command
def report(*, pipeline: Only = None, days: Days = 56, zone: Zone = "UTC", by: By = "day") -> int:
    """Write the page on all runs, as the deployment `ops/report` does, and say where it lies."""
    prepare_environment()
    from blocks.settings import settings
    from tasks.ops.model import OpsParams
    from tasks.ops.stages import deliver_report
    from tasks.policies import current_run
    from tasks.results import require_writable

    _window(days, zone)
    require_writable(settings().results)
    given: dict[str, Any] = {"pipeline": pipeline or "", "days": days, "zone": zone, "by": by}
    now = datetime.now(UTC)
    result, _ = deliver_report(OpsParams(**given), now, current_run(now).id)
    for one in result.left:
        tell(one.told)
    put(f"{result.runs:,} runs of {result.pipelines:,} pipelines\npage  {result.page}")
    return 0


def _window(days: int, zone: str) -> "Window":
    from blocks.run_statistics import last_days, zone_of

    return last_days(days, zone_of(zone), datetime.now(UTC))


def _json(content: object) -> str:
    return json.dumps(content, indent=2, default=str)
