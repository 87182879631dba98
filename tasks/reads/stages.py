"""Reads on Prefect: one task for each sample, and those that write the run's results.

A block of reads is never a task. Outputs of a sample lie in a folder that is named for all that
decides them, so a sample that is done is not done again; the runs' folders link to them.
"""

import shutil
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, cast
from uuid import UUID

from prefect import Task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import FlowRunContext, TaskRunContext
from prefect.futures import PrefectFuture, wait
from prefect.settings import PREFECT_LOCAL_STORAGE_PATH

import tasks.reads
from blocks.cancellation import cancellation_of_run, run_is_cancelled
from blocks.errors import InputError, SeqloomError
from blocks.settings import settings
from blocks.storage import refer
from blocks.work_folder import work_folder
from tasks.fingerprint import cache_key
from tasks.items import StageResult
from tasks.policies import Ended, WaitedFor, compute, delivery, is_cached, run_logger, start
from tasks.progress import EVERY_S
from tasks.reads.jobs import SampleJob, shared_workers
from tasks.reads.outcome import MANIFEST, SampleResult, result_of
from tasks.reads.processing import Choices, process
from tasks.reads.results import Progress
from tasks.reads.verification import differences

AROUND = (
    "delivery", "jobs", "model", "recipes", "report_page", "run_page", "samplesheet", "sharding",
    "stages", "template", "verification",
)  # fmt: skip
"""Modules of `tasks.reads` that decide no sample's reads."""
MODULES = tuple(
    sorted(
        module.name
        for module in walk_packages(tasks.reads.__path__, "tasks.reads.")
        if not module.ispkg and module.name.removeprefix("tasks.reads.") not in AROUND
    )
)
COMPILING = "Compiling for this installation, some 20 s; only the first time"
KEY_LETTERS = 24
GUESSED_BYTES = 1 << 20
RECORD_LINES = 4
GZIP = 31
"""What zlib calls a gzip file with any window."""
_stopped: set[UUID] = set()
"""Flow runs whose samples are to end."""


class StoppedError(SeqloomError):
    """The run was cancelled; a sample that was not finished leaves no files."""


@compute(*MODULES)
def process_sample(job: SampleJob) -> SampleResult:
    """Run the configuration over one sample; its files get their names when all are whole."""
    from tasks.reads.kernels.jit import is_warm

    folder = Path(job.folder)
    shutil.rmtree(folder, ignore_errors=True)  # what a run that was killed left
    folder.mkdir(parents=True)
    if not is_warm():
        run_logger().info(COMPILING)
    choices = Choices(workers=job.workers, allow_overwrite=True, progress=Teller(job).told)
    try:
        done = process(job.configured(folder), choices)
        result = result_of(job.sample, done, folder)
        (folder / MANIFEST).write_text(result.model_dump_json(), encoding="utf-8")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    for line in done.notes:
        run_logger().info("%s: %s", job.sample, line)
    run_logger().info(
        "%s: %d molecules in, %d out, %.1f s",
        job.sample, done.molecules_in, done.molecules_out, done.seconds,
    )  # fmt: skip
    return result


class Teller:
    """Says how far a sample is, at most every `EVERY_S`; ends the engine of a cancelled run."""

    def __init__(self, job: SampleJob) -> None:
        self._job = job
        self._said = time.monotonic()
        self._artifact: UUID | None = None
        self._total: int | None = None
        context = TaskRunContext.get()
        self._flow_run = context.task_run.flow_run_id if context is not None else None
        self._is_cancelled = cancellation_of_run()

    def told(self, progress: Progress) -> None:
        """What the engine calls now and then."""
        if self._flow_run in _stopped or self._is_cancelled():
            raise StoppedError(f"{self._job.sample}: cancelled")
        now = time.monotonic()
        if now - self._said < EVERY_S:
            return
        self._said = now
        rate = progress.molecules / max(progress.seconds, 1e-3)
        run_logger().info(
            "%s: %d molecules read, %.0f per second", self._job.sample, progress.molecules, rate
        )
        if self._flow_run is not None:
            self._show(progress.molecules)

    def _show(self, molecules: int) -> None:
        if self._total is None:
            self._total = _guessed_molecules(self._job)
        if not self._total:
            return
        percent = min(99.0, 100 * molecules / self._total)
        if self._artifact is None:
            key = "reads-" + "".join(
                letter if letter.isalnum() else "-" for letter in self._job.sample.lower()
            )
            made = create_progress_artifact(percent, key=key, description=self._job.sample)
            self._artifact = made if isinstance(made, UUID) else None
        else:
            update_progress_artifact(self._artifact, percent)


def _guessed_molecules(job: SampleJob) -> int:
    """About how many records the first segment has, by the beginning of its first file; 0: unknown.

    Only for the bar in the UI.
    """
    refs = next(iter(job.inputs.values()))
    if "://" in refs[0].uri:
        return 0
    with Path(refs[0].uri).open("rb") as file:
        head = file.read(GUESSED_BYTES)
    read, lines = len(head), 0
    if head.startswith(b"\x1f\x8b"):
        try:
            while head:  # member by member
                member = zlib.decompressobj(GZIP)
                lines += member.decompress(head).count(b"\n")
                head = member.unused_data
        except zlib.error:
            return 0
    elif head.startswith(b"@"):
        lines = head.count(b"\n")
    return round(sum(ref.bytes for ref in refs) / max(read, 1) * lines / RECORD_LINES)


def placed(job: SampleJob) -> SampleJob:
    """The job with the folder of its outputs, which is named for what decides them."""
    root = settings().results
    local = PREFECT_LOCAL_STORAGE_PATH.value() / "reads" if "://" in root else Path(root, "reads")
    key = cache_key(process_sample.fn, MODULES, {"job": job})[:KEY_LETTERS]
    return job.model_copy(update={"folder": str(local / ".samples" / f"{job.sample}-{key}")})


def is_done(job: SampleJob) -> bool:
    """Whether a sample's stored result is there, with all its files."""
    return are_there(job) and (bool(job.parts) or is_cached(process_sample, {"job": job}))


def are_there(job: SampleJob) -> bool:
    """Whether the files of a sample that was done still are where they were put."""
    manifest = Path(job.folder) / MANIFEST
    if not manifest.is_file():
        return False
    return SampleResult.model_validate_json(manifest.read_text(encoding="utf-8")).is_there()


def started(job: SampleJob, *, refresh: bool) -> tuple[WaitedFor]:
    """Submit the task of a sample; it is computed anew where its files are gone."""
    anew = refresh or not are_there(job)
    task = cast("Task[..., StageResult]", process_sample)
    return (start(task, job.sample, {"job": job}, anew),)


@dataclass(frozen=True, slots=True)
class Settled:
    """How the samples of a run ended."""

    done: dict[str, Ended]
    failed: dict[str, BaseException]
    """Why a sample has no results."""


def settled(samples: Mapping[str, Sequence[WaitedFor]]) -> Settled:
    """The end of all samples; one that fails leaves the others alone.

    Args:
        samples: Name -> tasks, of which the last one gives the result, and the first one that
            failed by itself the reason why there is none.
    """
    _wait([one for tasks in samples.values() for one in tasks if isinstance(one, PrefectFuture)])
    done: dict[str, Ended] = {}
    failed: dict[str, BaseException] = {}
    for name, tasks_of in samples.items():
        ended = [_ended(one) for one in tasks_of]
        if isinstance(ended[-1], Ended):
            done[name] = ended[-1]
        else:
            failed[name] = next(one for one in ended if isinstance(one, BaseException))
    return Settled(done, failed)


def _ended(task: WaitedFor) -> Ended | BaseException:
    if not isinstance(task, PrefectFuture):
        return Ended(task, cached=True)
    if not task.state.is_final():  # what it waited for failed
        return SeqloomError(f"ended as {task.state.name}")
    result: object = task.result(raise_on_failure=False)
    if isinstance(result, StageResult):
        return Ended(result, cached=task.state.name == "Cached")
    if isinstance(result, BaseException):
        return result
    return SeqloomError(f"ended as {task.state.name}")


@delivery
def verify_sample(job: SampleJob, folder: str) -> tuple[str, ...]:
    """How a new run of a sample differs from the files in a folder; one line for each file."""
    _check_inputs(job)
    with work_folder() as new:
        process(job.configured(new), Choices(workers=job.workers, progress=Teller(job).told))
        return tuple(differences(Path(folder), new, job.sample))


def compared(
    jobs: Sequence[SampleJob], folder: Path, workers: int | None
) -> dict[str, tuple[str, ...]]:
    """Differences of each sample; one that cannot be processed any more differs by that."""
    chosen = workers or shared_workers(len(jobs))
    futures = {
        job.sample: verify_sample.with_options(task_run_name=job.sample).submit(
            job.model_copy(update={"workers": chosen}), str(folder / job.sample)
        )
        for job in jobs
    }
    _wait(list(futures.values()))
    found = {}
    for name, future in futures.items():
        result: object = future.result(raise_on_failure=False)
        lines = result if isinstance(result, tuple | list) else (" ".join(str(result).split()),)
        found[name] = tuple(str(line) for line in lines)
    return found


def _wait(futures: list[PrefectFuture[Any]]) -> None:
    """Until all have ended; a run that is cancelled takes its engines with it."""
    try:
        wait(futures)
    except BaseException:
        context = FlowRunContext.get()
        if context is not None and context.flow_run is not None:
            _stopped.add(context.flow_run.id)
        raise
    if run_is_cancelled():  # in a thread of the run around, where no signal comes
        raise StoppedError("the run around this one was cancelled")


def _check_inputs(job: SampleJob) -> None:
    """Whether the inputs still are what they were."""
    for ref in [ref for refs in (*job.inputs.values(), job.others) for ref in refs]:
        if refer(ref.uri).digest != ref.digest:
            raise InputError(f"{ref.uri}: changed since that run; expected the same content")
