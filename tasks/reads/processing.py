"""Runs a configuration: sources, stages and outputs to the engine, its results to reports.

Whatever goes wrong, no file has its final name before everything is written.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial as partial_of
from pathlib import Path
from typing import Any

from blocks.errors import InputError, InputProblems, Problem
from tasks.reads.block import Block
from tasks.reads.configuration import Configuration
from tasks.reads.engine import run
from tasks.reads.fastp_report import command_of, fastp_json
from tasks.reads.file_names import read_outputs, report_paths
from tasks.reads.heads import sequences_of, source_of
from tasks.reads.outputs import Written
from tasks.reads.reading import BlockReader, Source
from tasks.reads.report_files import notes, report_json, timing_json, written_json
from tasks.reads.results import EngineOptions, EngineResult, Progress
from tasks.reads.step import Stage, partial


@dataclass(frozen=True, slots=True)
class Choices:
    """What whoever starts a run decides; it changes no output."""

    workers: int | None = None
    """None: as the configuration says, or one for each processor."""
    max_blocks: int | None = None
    block_size: int | None = None
    benchmark: bool = False
    """Do everything, and write nothing."""
    allow_overwrite: bool = False
    progress: Callable[[Progress], None] | None = None


@dataclass(frozen=True, slots=True)
class Processed:
    """What a run did: its manifest."""

    molecules_in: int
    molecules_out: int
    dropped: dict[str, int]
    """Step -> molecules that it removed; with those that came out they add up to the input."""
    ended_early: bool
    """A step had enough before the end of the input."""
    seconds: float
    reads: tuple[Written, ...]
    """Files of reads."""
    files: tuple[Path, ...]
    """All files, with those of steps and reports."""
    result: EngineResult
    notes: tuple[str, ...]
    """What whoever started the run should know."""


def process(configuration: Configuration, choices: Choices | None = None) -> Processed:
    """Run a configuration.

    Raises:
        InputError: Input is wrong, a step refuses it, or an output exists already.
    """
    chosen = choices or Choices()
    begin = time.perf_counter()
    measured = chosen.benchmark or _benchmark(configuration)
    plan = Plan(configuration, measured=measured)
    if not measured:
        plan.check(overwrite=chosen.allow_overwrite)
        plan.make_folders()
    own = () if measured else plan.own_files()
    with tidied(plan.own_files()):
        source = source_of(configuration)
        blocks = _repeated(source, configuration) if _benchmark(configuration) else source
        stages = stages_of(configuration, source)
        options = replace(engine_options(configuration, chosen), conclude=plan.write_reports)
        result = run(blocks, stages, plan.outputs, options, own)
    return processed(result, plan, time.perf_counter() - begin)


class Plan:
    """The files of a run, from names to reports."""

    def __init__(self, configuration: Configuration, *, measured: bool) -> None:
        self.configuration = configuration
        self.measured = measured
        given = configuration
        _, folder = given.folders
        self.outputs = (
            [] if measured else read_outputs(given.output, given.segments, given.streams, folder)
        )
        self.reports = {} if measured else report_paths(given.output, folder)
        pairs = zip(given.steps, given.around, strict=True)
        self.of_steps = [path for params, around in pairs for path in params.files(around)]
        self._notes: tuple[str, ...] | None = None

    def own_files(self) -> list[Path]:
        """Files that are not reads: of steps and of reports."""
        return [*self.of_steps, *self.reports.values()]

    def every_file(self) -> Iterator[Path]:
        """All files; of chunks the stems."""
        for output in self.outputs:
            for stem in () if output.stdout else output.stems.values():
                yield stem.with_name(stem.name + ("" if output.chunk else output.suffix))
        yield from self.own_files()

    def check(self, *, overwrite: bool) -> None:
        """Whether every input file is there, and every file may be written.

        Raises:
            InputProblems: All that are not there, exist already, or are input files.
        """
        folder, _ = self.configuration.folders
        given = self.configuration.input.local_files(folder).values()
        inputs = {os.path.realpath(path) for path in given}
        problems = [
            Problem(str(path), "could not open file: there is no such file", "a file")
            for path in given
            if not path.exists()
        ]
        for path in self.every_file():
            if os.path.realpath(path) in inputs:
                problems.append(Problem(str(path), "is an input file", "another prefix"))
            elif path.exists() and not overwrite:
                expected = "no such file, another prefix, or --allow-overwrite"
                problems.append(Problem(str(path), "exists already", expected))
        if problems:
            raise InputProblems(problems)

    def make_folders(self) -> None:
        """Folders of all files."""
        try:
            for path in self.every_file():
                path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            told = f"{error.filename}: cannot be made: {error.strerror}"
            raise InputError(f"{told}; expected a folder for outputs") from None

    def notes(self, result: EngineResult) -> tuple[str, ...]:
        """What people should know; looked for once, as it opens the inputs."""
        if self._notes is None:
            self._notes = tuple(notes(self.configuration, result))
        return self._notes

    def write_reports(self, result: EngineResult) -> None:
        """Reports, under the names that they have until all is well."""
        if not self.reports:
            return
        content = report_json(self.configuration, result)
        texts = {
            "json": lambda: written_json(content),
            "html": lambda: _page(self, result, content),
            "fastp": lambda: written_json(
                fastp_json(self.configuration, result, command_of(self.configuration))
            ),
            "timing": lambda: written_json(timing_json(result)),
        }
        for kind, path in self.reports.items():
            partial(path).write_bytes(texts[kind]())

    def publish(self) -> None:
        """Give the files that are not reads their names."""
        for path in self.own_files():
            if partial(path).exists():
                partial(path).replace(path)


def _page(plan: Plan, result: EngineResult, content: dict[str, Any]) -> bytes:
    from tasks.reads.report_page import report_page  # pandas, for those who want a page

    return report_page(plan.configuration, result, content, plan.notes(result)).encode()


@contextmanager
def tidied(files: Sequence[Path]) -> Iterator[None]:
    """Leave no unfinished file behind, and say whose fault it is that one cannot be written."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise
        told = f"{error.filename}: {error.strerror}"
        raise InputError(f"{told}; expected a file that can be read or written") from error
    finally:
        for path in files:
            with suppress(OSError):  # another error is being reported
                partial(path).unlink(missing_ok=True)


def _benchmark(configuration: Configuration) -> bool:
    return configuration.benchmark is not None and configuration.benchmark.enable


def _repeated(source: Source, configuration: Configuration) -> Iterable[Block]:
    """The first block of a source, again and again, up to the benchmark's number of molecules."""
    reader = BlockReader(source, configuration.options.block_size)
    try:
        first = next(iter(reader), None)
    finally:
        reader.close()
    count = configuration.benchmark.molecule_count if configuration.benchmark else 0
    number = done = 0
    while first is not None and len(first) and done < count:
        block = first if count - done >= len(first) else first.take(first.index < count - done)
        yield replace(block, number=number, index=block.index + done)
        number, done = number + 1, done + len(block)


def stages_of(configuration: Configuration, source: Source | None) -> list[Stage]:
    """The stages of all steps; without a source those that need its first reads find nothing."""
    given = configuration
    head = None if source is None else partial_of(sequences_of, source)
    stages = []
    for params, around, label in zip(given.steps, given.around, given.labels, strict=True):
        stage = params.build(replace(around, head=head))
        object.__setattr__(stage, "name", label)  # some are frozen dataclasses
        stages.append(stage)
    return stages


def engine_options(configuration: Configuration, chosen: Choices) -> EngineOptions:
    """How the engine is to go about a run."""
    given = configuration.options
    return EngineOptions(
        workers=chosen.workers or given.threads or os.cpu_count() or 1,
        block_size=chosen.block_size or given.block_size,
        max_blocks=chosen.max_blocks or given.max_blocks_in_flight,
        overwrite=chosen.allow_overwrite,
        progress=chosen.progress,
        failure=given.debug_failures.on_demand(),
    )


def processed(result: EngineResult, plan: Plan, seconds: float) -> Processed:
    """The manifest of a run whose files have their names."""
    dropped = {
        stage.name: stage.molecules_in - stage.molecules_out
        for stage in result.stages
        if stage.molecules_in > stage.molecules_out
    }
    reads = [one.path for one in result.files if one.path is not None]
    own = [] if plan.measured else [path for path in plan.own_files() if path.exists()]
    return Processed(
        result.molecules_in, result.molecules_out, dropped, result.ended_early, seconds,
        result.files, (*reads, *own), result,
        plan.notes(result),
    )  # fmt: skip
