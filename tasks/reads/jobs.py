"""What a run over reads has to do: one job for each sample, checked before work begins."""

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from blocks.errors import InputError, InputProblems, Problem
from blocks.settings import settings
from blocks.storage import FileRef, open_uri, placed, refer
from tasks.parameters import Record
from tasks.reads.aliases import plain
from tasks.reads.configuration import OTHER_NAMES, Configuration, checked
from tasks.reads.model import ReadsOutput, ReadsParams
from tasks.reads.parts import unsplittable
from tasks.reads.recipes import preset_recipe, read_recipe
from tasks.reads.report_files import program_version
from tasks.reads.run_files import is_taken
from tasks.reads.samplesheet import Sample, read_samplesheet

MEGABYTE = 1_000_000
OWN_OUTPUT = {"prefix", "stdout", "reportjson", "reporthtml", "reporttiming"}
"""Settings of `[output]` that a run decides."""


class SampleJob(Record):
    """All that decides the results of one sample."""

    sample: str
    inputs: dict[str, tuple[FileRef, ...]]
    """Segment -> its files."""
    others: tuple[FileRef, ...]
    """Files that steps read."""
    settings: dict[str, Any]
    """The configuration without files of reads."""
    source: str
    """The configuration's name."""
    text: str
    """The configuration as it was written."""
    data: str
    """Folder of files that steps name."""
    workers: int = 1
    folder: str = ""
    """Where the outputs are kept."""
    parts: tuple[tuple[int, int], ...] = ()
    """Lanes of each part, from and up to; empty: the sample is one task."""

    def identity(self) -> dict[str, object]:
        """What the results depend on: contents, not places."""
        return {
            "sample": self.sample,
            "inputs": {name: [one.digest for one in refs] for name, refs in self.inputs.items()},
            "others": [one.digest for one in self.others],
            "settings": self.settings,
            "engine": program_version(),
        }

    @property
    def bytes(self) -> int:
        """Size of all files of reads."""
        return sum(ref.bytes for refs in self.inputs.values() for ref in refs)

    def configured(self, folder: Path) -> Configuration:
        """The configuration of this sample, with outputs in a folder."""
        files = {name: [ref.uri for ref in refs] for name, refs in self.inputs.items()}
        given = _with_files(self.settings, files)
        folders = (Path(self.data), folder)
        return checked(given, {}, file=self.source, folders=folders, text=self.text)


def jobs_of(params: ReadsParams) -> tuple[SampleJob, ...]:
    """The jobs of a run, without the folders of their outputs.

    Raises:
        InputError: A file cannot be read.
        InputProblems: All that is wrong with the sheet, the files and the configuration.
    """
    root = settings().data
    common = None if params.preset else read_recipe(params, root)
    samples = _samples(params, {} if common is None else common.content, root)
    recipes = {one.name: common or preset_recipe(params.preset or "fastp", one) for one in samples}
    given = {one.name: _merged(recipes[one.name].content, one, params.output) for one in samples}
    found: dict[Problem, None] = {}
    steps_files: dict[str, list[str]] = {}
    unsplit: dict[str, str] = {}
    for one in samples:
        merged, recipe = _with_files(given[one.name], one.files), recipes[one.name]
        folders = (Path(root), Path(root))
        try:
            made = checked(
                merged, recipe.places, file=recipe.source, folders=folders, text=recipe.text
            )
            steps_files[one.name] = _files_of_steps(made)
            unsplit[one.name] = unsplittable(made) if params.shard_mb else ""
        except InputProblems as error:
            found.update(dict.fromkeys(error.problems))
    if found:
        raise InputProblems(list(found))
    files = [file for one in samples for names in one.files.values() for file in names]
    refs = _referred([*files, *(file for names in steps_files.values() for file in names)], root)
    parts = {one.name: _parts(one, refs, params.shard_mb) for one in samples}
    _check_parts(parts, unsplit)
    workers = params.workers or shared_workers(sum(max(1, len(each)) for each in parts.values()))
    return tuple(
        SampleJob(
            sample=one.name,
            inputs={name: tuple(refs[file] for file in names) for name, names in one.files.items()},
            others=tuple(refs[file] for file in steps_files[one.name]),
            settings=given[one.name],
            source=recipes[one.name].source,
            text=recipes[one.name].text,
            data=root,
            workers=workers,
            parts=parts[one.name],
        )
        for one in samples
    )


def _parts(
    sample: Sample, refs: Mapping[str, FileRef], shard_mb: float | None
) -> tuple[tuple[int, int], ...]:
    """Lanes that follow each other, put together up to about so many MB; empty: a single part."""
    if shard_mb is None:
        return ()
    lanes = list(zip(*sample.files.values(), strict=True))
    parts: list[tuple[int, int]] = []
    begin = size = 0
    for number, files in enumerate(lanes):
        more = sum(refs[file].bytes for file in files)
        if size and size + more > shard_mb * MEGABYTE:
            parts.append((begin, number))
            begin, size = number, 0
        size += more
    return (*parts, (begin, len(lanes))) if parts else ()


def _check_parts(parts: Mapping[str, tuple[object, ...]], reasons: Mapping[str, str]) -> None:
    """Whether every sample that is to be split can be."""
    for name in parts:
        if parts[name] and reasons[name]:
            told = f"shard_mb: sample {name}: {reasons[name]}"
            raise InputError(f"{told}; expected no shard_mb, or a configuration without it")


def shared_workers(samples: int) -> int:
    """Threads of each sample when as many run at once as there are cores."""
    cores = os.cpu_count() or 1
    return max(1, cores // max(1, min(samples, cores)))


def _section(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A section by its plain name; empty where it is missing or no table."""
    for written, value in content.items():
        if OTHER_NAMES.get(plain(written), plain(written)) == name and isinstance(value, dict):
            return value
    return {}


def _samples(params: ReadsParams, content: Mapping[str, Any], root: str) -> tuple[Sample, ...]:
    given = params.input
    if given.samplesheet:
        with open_uri(placed(given.samplesheet, root)) as file:
            text = file.read().decode("utf-8", "replace")
        return read_samplesheet(
            text,
            given.samplesheet,
            lambda name: _wrong(name, root),
            lambda name: os.path.realpath(placed(name, root)),
        )
    if given.one_sample is not None:
        return (given.one_sample,)
    named = {
        name: (files,) if isinstance(files, str) else tuple(map(str, files))
        for name, files in _section(content, "input").items()
        if plain(name) not in ("options", "interleaved") and isinstance(files, str | list)
    }
    if not named:
        what = "no samplesheet, no files, and no [input] in the configuration"
        raise InputError(f"input: {what}; expected one of them")
    prefix = str(_section(content, "output").get("prefix", "sample"))
    name = given.sample or Path(prefix).name or "sample"
    if is_taken(name):
        what = f"sample {name!r}, from the prefix, is what a run calls a file of its own"
        raise InputError(f"input: {what}; expected sample: with another name")
    return (Sample(name, named),)


def _wrong(name: str, root: str) -> str:
    """What is wrong with a file; of remote ones nothing is known yet."""
    path = placed(name, root)
    if "://" in path:
        return ""
    if not os.path.exists(path):  # noqa: PTH110 -- pathlib raises where a name is too long
        return "no such file"
    return "" if os.access(path, os.R_OK) and not Path(path).is_dir() else "cannot be read"


def _merged(content: Mapping[str, Any], sample: Sample, output: ReadsOutput) -> dict[str, Any]:
    """The configuration for a sample, still without its files."""
    rest = {
        name: value
        for name, value in content.items()
        if OTHER_NAMES.get(plain(name), plain(name)) not in ("input", "output", "benchmark")
    }
    written = _section(content, "output")
    own = {name: value for name, value in written.items() if plain(name) not in OWN_OUTPUT}
    if output.format != "configured":
        own = {name: value for name, value in own.items() if plain(name) != "format"}
        own["format"] = output.format
    chosen = "" if output.compression == "configured" else output.compression
    if chosen or not written:
        own = {name: value for name, value in own.items() if plain(name) != "compression"}
        bam = str(own.get("format", "")).lower() == "bam"
        own["compression"] = chosen or ("Uncompressed" if bam else "Gzip")
    reports = _has_report(content)
    own |= {"prefix": sample.name, "report_json": reports, "report_html": reports}
    kept = {
        name: value
        for name, value in _section(content, "input").items()
        if plain(name) == "options" or (plain(name) == "interleaved" and len(sample.files) == 1)
    }
    return {**rest, "input": kept, "output": own}


def _has_report(content: Mapping[str, Any]) -> bool:
    """Whether there is anything to report; without it the run's page has the counts."""
    steps = [
        value
        for name, value in content.items()
        if OTHER_NAMES.get(plain(name), plain(name)) == "step"
    ]
    listed = steps[0] if steps and isinstance(steps[0], list) else steps
    actions = (
        value
        for step in listed
        if isinstance(step, dict)
        for name, value in step.items()
        if plain(name) == "action"
    )
    return any(plain(str(action)) in ("report", "statistics") for action in actions)


def _with_files(given: Mapping[str, Any], files: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    listed = {name: list(names) for name, names in files.items()}
    return {**given, "input": {**given["input"], **listed}}


def _files_of_steps(configuration: Configuration) -> list[str]:
    """Files that steps read."""
    found: list[str] = []
    for step in configuration.steps:
        named = getattr(step, "filename", None) or ()
        found += [named] if isinstance(named, str) else [str(one) for one in named]
    return list(dict.fromkeys(found))


def _referred(files: list[str], root: str) -> dict[str, FileRef]:
    """Digests of files, several at once; all that cannot be read are told together."""

    def one(file: str) -> FileRef | InputError:
        try:
            return refer(file, root)
        except InputError as error:
            return error

    unique = list(dict.fromkeys(files))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = dict(zip(unique, pool.map(one, unique), strict=True))
    wrong = [error for error in made.values() if isinstance(error, InputError)]
    if wrong:
        raise wrong[0] if len(wrong) == 1 else InputError("\n".join(map(str, wrong)))
    return {file: ref for file, ref in made.items() if isinstance(ref, FileRef)}
