"""Domains of proteins: searched in chunks against a reference, partitioned, classified.

One flow for a file, a sheet or a folder, by hand or on a schedule: with `proteins: new` only what
the batch has not finished is worked on. What a run does stands in `tasks.domains`.
"""

from datetime import UTC, datetime

import pandas as pd
from prefect.context import FlowRunContext

from blocks.batch_items import open_batch
from blocks.database import engine
from blocks.errors import InputError
from blocks.settings import settings
from tasks.announcing import announce_link, announce_table
from tasks.domains import stages
from tasks.domains.batch_page import outcome_frame
from tasks.domains.delivery import DomainsResult, deliver
from tasks.domains.model import DomainsParams
from tasks.domains.outcome import stages_of
from tasks.domains.planning import (
    annotation_key,
    job_of,
    plan_frame,
    prepare,
    read_input,
    require_stored,
    require_unchanged,
)
from tasks.domains.running import Chunks
from tasks.policies import given_params, pipeline, run_logger
from tasks.results import require_writable
from tasks.run_origin import execution_id


def run_name() -> str:
    """Name of a run in the UI: the batch, how, which proteins."""
    given = given_params()
    name = DomainsParams.model_validate(given).batch_name
    parts = [name, str(given.get("mode", "FULL")).lower().replace("_", "-")]
    parts += [which for which in [given.get("proteins", "all")] if which != "all"]
    return "-".join([*parts, *(["plan"] if given.get("dry_run") else [])])


@pipeline("domains", flow_run_name=run_name)
def annotate(params: DomainsParams) -> DomainsResult:
    """Find and classify the domains of proteins; see the README for what comes out."""
    started = datetime.now(UTC)
    run = prepare(params)
    if not run.files.found:
        return _nothing(params, len(run.files.waiting))
    read, job = read_input(run), job_of(run, started)
    frame = plan_frame(run, read, job)
    announce_table("domains-plan", "What this run does", frame)
    if params.dry_run:
        run_logger().info("Nothing was searched:\n%s", frame.to_string(index=False))
        return DomainsResult(batch=params.batch_name, plan=tuple(frame.to_dict("records")))
    require_stored(frame, job)
    require_unchanged(run)
    require_writable(settings().results)
    batch = open_batch(engine(), params.batch_name, "domains", stages_of(params.mode), _execution())
    cut = stages.cut.with_options(task_run_name="cut into chunks")(
        read, params.batch_name, params.proteins, params.search.blast.chunk_size,
        annotation_key(run),
    )  # fmt: skip
    if not cut.chunks:
        return _nothing(params, len(run.files.waiting), cut.left_out)
    done = Chunks(run, job, batch).done(cut.chunks)
    result = deliver.with_options(task_run_name="write results")(
        run, read, cut, done, plan=frame, started=started
    )
    announce_table("domains-outcome", "How the proteins ended", outcome_frame(result.outcomes))
    announce_link("domains-page", "The page of this batch", result.page)
    return result


def plan(params: DomainsParams) -> tuple[str, pd.DataFrame]:
    """What a run would do, as text and table; without Prefect's engine, and without searching."""
    run = prepare(params)
    if not run.files.found:
        raise InputError(
            f"input: {params.input.place}: no files of sequences; expected at least one"
        )
    read, job = read_input(run), job_of(run, datetime.now(UTC))
    manifest = run.reference.manifest
    told = [
        f"batch {params.batch_name}: {params.mode} against {manifest.name}",
        f"{manifest.domains:,} domains, {manifest.chains:,} chains",
        ", ".join(f"{name} {text}" for name, text in run.versions.items()),
    ]
    return "; ".join(told), plan_frame(run, read, job)


def _execution() -> str | None:
    """The run's id in the ledger."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return None
    return execution_id(context.flow_run)


def _nothing(params: DomainsParams, waiting: int, left_out: int = 0) -> DomainsResult:
    """The result of a run without anything to do, which is an error unless new ones were meant."""
    if params.proteins == "all":
        told = "no files of sequences"
        if waiting:
            told += f" that have not just changed ({waiting} have, and wait for settle_s)"
        raise InputError(f"input: {params.input.place}: {told}; expected at least one")
    run_logger().info("Nothing to do: %d proteins done before, %d files wait", left_out, waiting)
    return DomainsResult(batch=params.batch_name, left_out=left_out, waiting=waiting)
