"""The folder of a run over reads.

results/reads/<run>/
    report.html                open this
    samples.csv                a row for each sample
    <sample>/…                 reads and reports, linked to the sample's own folder
    multiqc/*_mqc.tsv          read by MultiQC
    pipeline_info/             params.json samples.json configuration versions.yml …
    failed.csv                 samples that failed, and why
    checksums.sha256 RUN.json  as of every pipeline
"""

import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import orjson
import pandas as pd
from pydantic import Field

from blocks.errors import InputError
from blocks.masking import mask
from blocks.settings import settings
from tasks.parameters import Record
from tasks.policies import current_run, delivery, run_logger
from tasks.reads.jobs import SampleJob
from tasks.reads.model import ReadsParams
from tasks.reads.outcome import SampleResult
from tasks.reads.run_files import CHECKSUMS, FAILED, INFO, MANIFEST, PAGE, SAMPLES
from tasks.reads.run_page import RunPage, reads_page
from tasks.reads.stages import Settled
from tasks.results import RunFolder, run_folder

JOBS = f"{INFO}/samples.json"
LIBRARIES = ("seqloom", "numba", "numpy", "isal", "prefect")


class ReadsResult(Record):
    """What a run of `reads` returns."""

    folder: str = ""
    """Where the results lie; "" after a dry run."""
    page: str = ""
    samples: int = 0
    failed: int = 0
    """Samples that failed."""
    molecules_in: int = 0
    molecules_out: int = 0
    computed: int = 0
    """Samples processed in this run."""
    cached: int = 0
    """Samples that were done before."""
    lost: dict[str, int] = Field({})
    """Molecules by the step that removed them."""
    failures: dict[str, str] = Field({})
    """Sample -> why it failed."""
    digests: dict[str, str] = Field({})
    inputs: dict[str, str] = Field({})
    versions: dict[str, str] = Field({})
    plan: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Delivered:
    """What the flow shows when the folder is there."""

    result: ReadsResult
    table: pd.DataFrame


@delivery
def deliver(
    params: ReadsParams, jobs: Sequence[SampleJob], ended: Settled, started: datetime
) -> Delivered:
    """The folder of the run: outputs of all samples, tables, page, manifest."""
    results = {name: one.result for name, one in ended.done.items()}
    done = {name: one for name, one in results.items() if isinstance(one, SampleResult)}
    failures = {name: " ".join(str(error).split()) for name, error in ended.failed.items()}
    table = samples_table(jobs, done, failures)
    run = current_run(started)
    versions = {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
    seconds = (datetime.now(UTC) - started).total_seconds()
    began = f"{started:%Y-%m-%d %H:%M:%S} UTC"
    with run_folder(settings().results, "reads", run.id) as (folder, uri):
        digests = _linked(folder, done)
        _write_tables(folder, params, jobs, table, ended)
        folder.versions(versions)
        files = sorted(folder.names() | {CHECKSUMS, MANIFEST})
        page = RunPage(run.name, began, seconds, jobs[0].text, table, done, failures, files)
        folder.text(PAGE, reads_page(page))
        folder.checksums(known=digests)
        result = ReadsResult(
            folder=uri,
            page=f"{uri}/{PAGE}",
            samples=len(jobs),
            failed=len(failures),
            molecules_in=sum(one.counts.items_in for one in done.values()),
            molecules_out=sum(one.counts.items_out for one in done.values()),
            cached=sum(one.cached for one in ended.done.values()),
            computed=sum(not one.cached for one in ended.done.values()),
            lost=_lost(done),
            failures=mask(failures),
            digests=digests,
            inputs=mask({ref.uri: ref.digest for job in jobs for ref in _refs(job)}),
            versions=versions,
        )
        folder.json(MANIFEST, {"run": run.name, "started": began, **result.model_dump(mode="json")})
    run_logger().info("%d of %d samples done; page: %s", len(done), len(jobs), result.page)
    return Delivered(result, table)


def samples_table(
    jobs: Sequence[SampleJob], done: Mapping[str, SampleResult], failures: Mapping[str, str]
) -> pd.DataFrame:
    """A row for each sample; molecules out and lost by step add up to molecules in."""
    steps = list(dict.fromkeys(step for one in done.values() for step in one.dropped))
    rows = []
    for job in jobs:
        one = done.get(job.sample)
        row: dict[str, object] = {
            "sample": job.sample,
            "status": "failed" if one is None else "done",
            "molecules in": one.counts.items_in if one else None,
            "molecules out": one.counts.items_out if one else None,
            "kept [%]": _percent(one) if one else None,
        }
        row |= {f"lost at {step}": one.dropped.get(step, 0) if one else None for step in steps}
        row |= {"seconds": round(one.seconds, 2) if one else None}
        rows.append(row | ({"reason": failures.get(job.sample, "")} if failures else {}))
    frame = pd.DataFrame(rows)
    counts = [name for name in frame.columns if name.startswith(("molecules", "lost at "))]
    return frame.astype(dict.fromkeys(counts, "Int64"))


def _percent(one: SampleResult) -> float:
    return round(100 * one.counts.items_out / max(one.counts.items_in, 1), 2)


def _lost(done: Mapping[str, SampleResult]) -> dict[str, int]:
    lost: dict[str, int] = {}
    for one in done.values():
        for step, count in one.dropped.items():
            lost[step] = lost.get(step, 0) + count
    return lost


def _refs(job: SampleJob) -> list:  # type: ignore[type-arg]
    return [*(ref for refs in job.inputs.values() for ref in refs), *job.others]


def _linked(folder: RunFolder, done: Mapping[str, SampleResult]) -> dict[str, str]:
    """Put the samples' files into the folder; their digests, by name in the folder."""
    digests = {}
    for name, one in done.items():
        for file in one.files:
            target = folder.file(f"{name}/{file.name}")
            source = Path(one.folder) / file.name
            try:
                os.link(source, target)
            except OSError:  # another file system
                shutil.copyfile(source, target)
            digests[f"{name}/{file.name}"] = file.sha256
    return digests


def _write_tables(
    folder: RunFolder,
    params: ReadsParams,
    jobs: Sequence[SampleJob],
    table: pd.DataFrame,
    ended: Settled,
) -> None:
    folder.csv(SAMPLES, table)
    if ended.failed:
        folder.csv(FAILED, table.loc[table["status"] == "failed", ["sample", "reason"]])
    shown = table.rename(columns={"sample": "Sample"})
    folder.multiqc("reads", "Reads", shown)
    folder.json(f"{INFO}/params.json", mask(params.model_dump(mode="json")))
    folder.json(JOBS, mask([job.model_dump(mode="json") for job in jobs]))
    folder.text(f"{INFO}/configuration.txt", jobs[0].text)
    trace = [
        {"sample": name, "step": step, "wall_s": wall, "cpu_s": cpu, "cached": one.cached}
        for name, one in ended.done.items()
        if isinstance(one.result, SampleResult)
        for step, (wall, cpu) in one.result.times.items()
    ]
    columns = ["sample", "step", "wall_s", "cpu_s", "cached"]
    frame = pd.DataFrame(trace, columns=columns)
    folder.csv(f"{INFO}/execution_trace.tsv", frame, separator="\t")


def earlier_run(run: str) -> tuple[Path, tuple[SampleJob, ...]]:
    """Folder and jobs of an earlier run, by its name or path.

    Raises:
        InputError: There is no such run, or none of its samples was done.
    """
    root = settings().results
    given = Path(run)
    folder = given if given.is_absolute() or len(given.parts) > 1 else Path(root, "reads", run)
    try:
        content = orjson.loads((folder / JOBS).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        known = f"a folder of results, such as {Path(root, 'reads', 'latest')}"
        raise InputError(f"run: {run!r} holds no finished run of reads; expected {known}") from None
    jobs = tuple(SampleJob.model_validate(job) for job in content)
    done = tuple(job for job in jobs if (folder / job.sample).is_dir())
    if not done:
        raise InputError(f"{folder}: no outputs of samples; expected at least one")
    return folder.resolve(), done
