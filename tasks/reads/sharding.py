"""Samples in parts on Prefect: one task for each part, and one that joins them.

Parts that were finished are not done again when a run is repeated; they go when the sample is
whole.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from prefect import Task

from tasks.items import Counts, StageResult
from tasks.parameters import Record
from tasks.policies import WaitedFor, compute, run_logger, start
from tasks.reads.jobs import SampleJob
from tasks.reads.kernels.jit import is_warm
from tasks.reads.outcome import MANIFEST, SampleResult, result_of
from tasks.reads.parts import Part, count_molecules, join, process_part
from tasks.reads.processing import Choices
from tasks.reads.stages import COMPILING, MODULES, Teller, are_there
from tasks.reads.stages import started as started_whole

PART = "PART.json"
"""Written last: where it is, all files of the part are."""


class LaneCounts(StageResult):
    """Molecules in the lanes in front of each part."""

    before: tuple[int, ...] = ()

    def identity(self) -> list[object]:
        """The numbers."""
        return list(self.before)


class PartJob(Record):
    """A part of a sample."""

    job: SampleJob
    number: int

    def identity(self) -> dict[str, object]:
        """What decides its result."""
        return {"job": self.job.identity(), "lanes": list(self.job.parts[self.number])}

    @property
    def folder(self) -> Path:
        """Where its files lie until the sample is whole."""
        begin, end = self.job.parts[self.number]
        return Path(f"{self.job.folder}-parts", f"{begin}-{end}")

    def is_there(self) -> bool:
        """Whether its files lie there."""
        return (self.folder / PART).is_file()


class PartResult(StageResult):
    """What a part gave."""

    part: Part

    def identity(self) -> list[object]:
        """Its counts: the lanes are those of the sample."""
        return [self.part.molecules_in, self.part.molecules_out]


@compute(*MODULES)
def count_lanes(job: SampleJob) -> LaneCounts:
    """Count the molecules in front of each part, which number those in it."""
    configuration = job.configured(Path(job.folder))
    before = [0]
    for begin, end in job.parts[:-1]:
        before.append(before[-1] + count_molecules(configuration, range(begin, end)))
    return LaneCounts(stage=f"{job.sample} count", before=tuple(before))


@compute(*MODULES)
def process_lanes(part: PartJob, counts: LaneCounts) -> PartResult:
    """Run the configuration over one part of a sample."""
    job, folder = part.job, part.folder
    shutil.rmtree(folder, ignore_errors=True)  # what a run that was killed left
    folder.mkdir(parents=True)
    if not is_warm():
        run_logger().info(COMPILING)
    choices = Choices(workers=job.workers, allow_overwrite=True, progress=Teller(job).told)
    lanes, first = range(*job.parts[part.number]), counts.before[part.number]
    try:
        done = process_part(job.configured(folder), lanes, first, choices)
        (folder / PART).write_text(done.model_dump_json(), encoding="utf-8")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    run_logger().info(
        "%s, lanes %d to %d: %d molecules in, %d out",
        job.sample, lanes.start + 1, lanes.stop, done.molecules_in, done.molecules_out,
    )  # fmt: skip
    dropped = sum(one.molecules_in - one.molecules_out for one in done.stages)
    counted = Counts(
        items_in=done.molecules_in, items_out=done.molecules_in - dropped, items_dropped=dropped
    )
    return PartResult(stage=f"{job.sample} {lanes.start + 1}", part=done, counts=counted)


@compute(*MODULES)
def join_sample(job: SampleJob, parts: Sequence[PartResult]) -> SampleResult:
    """Join the parts of a sample; its files get their names when all are whole."""
    folder = Path(job.folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        choices = Choices(allow_overwrite=True)
        done = join(job.configured(folder), [one.part for one in parts], choices)
        result = result_of(job.sample, done, folder)
        (folder / MANIFEST).write_text(result.model_dump_json(), encoding="utf-8")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(f"{job.folder}-parts", ignore_errors=True)
    for line in done.notes:
        run_logger().info("%s: %s", job.sample, line)
    run_logger().info(
        "%s: %d parts, %d molecules in, %d out",
        job.sample, len(parts), done.molecules_in, done.molecules_out,
    )  # fmt: skip
    return result


def started(job: SampleJob, *, refresh: bool) -> tuple[WaitedFor, ...]:
    """Submit the tasks of a sample; of a split one that is done already its result."""
    if not job.parts:
        return started_whole(job, refresh=refresh)
    if not refresh and are_there(job):
        text = (Path(job.folder) / MANIFEST).read_text(encoding="utf-8")
        return (SampleResult.model_validate_json(text),)
    count, process, whole = (
        cast("Task[..., StageResult]", stage) for stage in (count_lanes, process_lanes, join_sample)
    )
    counts = start(count, f"{job.sample} count", {"job": job}, refresh)
    parts = []
    for number in range(len(job.parts)):
        part = PartJob(job=job, number=number)
        name = f"{job.sample} {number + 1} of {len(job.parts)}"
        given = {"part": part, "counts": counts}
        parts.append(start(process, name, given, refresh or not part.is_there()))
    joined = start(whole, job.sample, {"job": job, "parts": parts}, refresh=True)
    return (counts, *parts, joined)
