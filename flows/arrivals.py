"""Files that arrive in a folder or an S3 prefix start runs: each version of a file once.

One flow for a schedule, for a run that goes on for hours, and for the command line. What a look
does stands in `tasks.arrivals.looking`, what is remembered in `blocks.arrivals`.
"""

import time
from collections.abc import Sequence
from functools import partial

from pydantic import Field, JsonValue

from blocks.arrival_tables import ArrivalRun
from blocks.arrivals import Arrivals
from blocks.database import engine
from blocks.errors import TransientError
from blocks.file_versions import files_in
from blocks.settings import settings
from blocks.storage import Storage, in_data
from flows.registry import PIPELINES, pipeline
from flows.runner import checked_params, deployment_of
from flows.starting import started
from tasks.arrivals.looking import Look
from tasks.arrivals.model import Seen, WatchParams
from tasks.arrivals.templates import filled, places_in, sheet_text
from tasks.plain_values import refuse_hydrated
from tasks.policies import given_params, run_logger
from tasks.policies import pipeline as recorded

TAG = "arrivals"
"""Of the runs that are started; so is `watch:` with the watch's name."""


class ArrivalParams(WatchParams):
    """Files, and the pipeline that they start."""

    pipeline: str = Field(
        title="Pipeline",
        description="its name, as `seqloom pipelines` lists it",
        json_schema_extra={"enum": list(PIPELINES)},
    )
    deployment: str = Field("", title="Deployment", description="empty: the pipeline's usual one")


def run_name() -> str:
    """Name of a run in the UI: which pipeline files start."""
    given = given_params()
    return f"{given.get('pipeline', 'files')}-of-{str(given.get('place', '')).rstrip('/')[-40:]}"


@recorded("arrivals", flow_run_name=run_name)
def watch(params: ArrivalParams) -> Seen:
    """Start runs for files that arrived.

    Raises:
        InputError: There is no such folder, pipeline or deployment, or the parameters fit no file.
        TransientError: Storage or server did not answer at the last look; the next one goes on.
    """
    place = _placed(params.place)
    look = _look_of(params, place)
    if params.dry_run:
        return _told_only(params, place, look.arrivals.watch)
    until = time.monotonic() + params.for_s
    total = Seen(watch=look.arrivals.watch, files=0, new=0, waiting=0, started=0, failed=0)
    while True:
        last = time.monotonic() + params.every_s > until
        try:
            total = _together(total, look.once(params))
        except TransientError as error:
            if last:
                raise
            run_logger().warning("%s; the next look goes on", error)
        if last:
            break
        time.sleep(params.every_s)
    run_logger().info(
        "%s: %d files, %d new; %d runs started, %d failed, %d files wait",
        total.watch, total.files, total.new, total.started, total.failed, total.waiting,
    )  # fmt: skip
    return total


def _look_of(params: ArrivalParams, place: str) -> Look:
    """All that a look needs, checked with a file that could be there."""
    asked = pipeline(params.pipeline)
    refuse_hydrated(params.params, "params")
    checked_params(asked, filled(params.params, [f"{place}/sample.txt"], f"{place}/sheet.csv"))
    name = f"{params.name or params.pipeline}: {place}"
    tags = (TAG, f"watch:{params.name or params.pipeline}")
    return Look(
        place=place,
        arrivals=Arrivals(engine(), name),
        deployment=deployment_of(asked, params.deployment),
        fill=partial(_fill, params),
        start=partial(_start, tags),
        log=run_logger(),
    )


def _fill(params: ArrivalParams, files: Sequence[str]) -> dict[str, JsonValue]:
    """Parameters of the run of these files."""
    sheet = ""
    if "sheet" in places_in(params.params):
        text = sheet_text(files, params.sheet_column)
        sheet = Storage(settings().storage).put_bytes(text.encode(), ".csv").uri
    content = filled(params.params, files, sheet)
    checked_params(pipeline(params.pipeline), content)
    return content


def _start(tags: Sequence[str], run: ArrivalRun) -> str:
    return started(run.deployment, run.parameters, key=run.key, tags=tags)[0]


def _told_only(params: ArrivalParams, place: str, name: str) -> Seen:
    files = list(files_in(place, params.patterns, recursive=params.recursive))
    run_logger().info("Nothing was started:\n%s", "\n".join(one.uri for one in files) or "no files")
    return Seen(watch=name, files=len(files), new=0, waiting=len(files), started=0, failed=0)


def _together(total: Seen, now: Seen) -> Seen:
    """What several looks come to."""
    added = {
        name: getattr(total, name) + getattr(now, name) for name in ("new", "started", "failed")
    }
    return now.model_copy(update=added)


def _placed(place: str) -> str:
    return in_data(place).rstrip("/") or "/"
