"""FASTQ processing: many samples, one configuration; and a check of earlier results.

Each sample is one task with an engine of its own. The run ends with a folder of results and a page
to look at. What a sample's run does stands in `tasks.reads`.
"""

from datetime import UTC, datetime

import pandas as pd

from blocks.errors import SeqloomError
from blocks.settings import settings
from tasks.announcing import announce_link, announce_table
from tasks.policies import given_params, pipeline, run_logger
from tasks.reads import delivery, sharding, stages
from tasks.reads.delivery import ReadsResult
from tasks.reads.jobs import SampleJob, jobs_of
from tasks.reads.model import ReadsParams, VerifyParams
from tasks.reads.verified import VerifyResult, verified_frame
from tasks.results import require_writable


def run_name() -> str:
    """Name of a run in the UI: what is processed, how."""
    given = given_params()
    source = given.get("input") or {}
    subject = source.get("samplesheet") or source.get("sample") or given.get("configuration")
    subject = subject or given.get("preset")
    name = str(subject or "reads").rsplit("/", 1)[-1]
    return name + ("-plan" if given.get("dry_run") else "")


def verify_name() -> str:
    """Name of a check in the UI: which run is checked."""
    given = given_params()
    return f"verify-{str(given.get('run', 'latest')).rstrip('/').rsplit('/', 1)[-1]}"


@pipeline("reads", flow_run_name=run_name)
def process(params: ReadsParams) -> ReadsResult:
    """Process the reads of one sample or of many; see the README for the steps."""
    started = datetime.now(UTC)
    jobs = tuple(map(stages.placed, jobs_of(params)))
    frame = _plan_frame(jobs, refresh=params.refresh)
    announce_table("reads-plan", "What this run does", frame)
    if params.dry_run:
        run_logger().info("Nothing was processed:\n%s", frame.to_string(index=False))
        return ReadsResult(plan=tuple(frame.to_dict("records")))
    require_writable(settings().results)
    futures = {job.sample: sharding.started(job, refresh=params.refresh) for job in jobs}
    ended = stages.settled(futures)
    if not ended.done:
        raise next(iter(ended.failed.values()))
    finish = delivery.deliver.with_options(task_run_name="write results")
    delivered = finish(params, jobs, ended, started)
    announce_table("reads-samples", "Samples", delivered.table)
    announce_link("reads-page", "The page of this run", delivered.result.page)
    return delivered.result


@pipeline("reads", flow_run_name=verify_name)
def verify(params: VerifyParams) -> VerifyResult:
    """Process the samples of an earlier run again and compare all files with its results.

    Raises:
        SeqloomError: A file differs; the table in the UI names the first difference of each.
    """
    folder, jobs = delivery.earlier_run(params.run)
    found = stages.compared(jobs, folder, params.workers)
    frame = verified_frame(found)
    announce_table("reads-verify", f"{folder.name} and a new run", frame)
    run_logger().info("%s and a new run:\n%s", folder, frame.to_string(index=False))
    differing = {sample: lines for sample, lines in found.items() if lines}
    if differing:
        sample, lines = next(iter(differing.items()))
        told = f"{len(differing)} of {len(found)} samples differ"
        raise SeqloomError(f"{folder.name}: {told}; first: {sample}, {lines[0]}")
    return VerifyResult(folder=str(folder), samples=len(found))


def plan(params: ReadsParams) -> tuple[str, pd.DataFrame]:
    """What a run would do, as text and table; without Prefect's engine, and without processing."""
    jobs = tuple(map(stages.placed, jobs_of(params)))
    frame = _plan_frame(jobs, refresh=params.refresh)
    return f"{len(jobs)} sample(s), {jobs[0].workers} worker(s) each", frame


def _plan_frame(jobs: tuple[SampleJob, ...], *, refresh: bool) -> pd.DataFrame:
    done = [not refresh and stages.is_done(job) for job in jobs]
    return pd.DataFrame(
        {
            "sample": [job.sample for job in jobs],
            "segments": [", ".join(job.inputs) for job in jobs],
            "files": [str(sum(map(len, job.inputs.values()))) for job in jobs],
            "MB": [f"{job.bytes / 1e6:,.1f}" for job in jobs],
            "tasks": [str(max(1, len(job.parts))) for job in jobs],
            "to do": ["nothing, is there" if there else "process" for there in done],
        }
    )
