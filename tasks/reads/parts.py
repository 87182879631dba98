"""A sample in parts, each a run of its lanes: parts are processed alone, and joined to the whole.

Files join member by member to the texts of one run over all lanes; numbers of molecules go on where
the part before ended; counts of all parts are added and reported once. That holds for steps that
look at one block at a time; others are refused (`unsplittable`).
"""

import hashlib
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from tasks.parameters import Record
from tasks.reads import accounts
from tasks.reads.block import Block
from tasks.reads.compression import end_mark
from tasks.reads.configuration import Configuration
from tasks.reads.decompression import InputFile
from tasks.reads.engine import run
from tasks.reads.heads import source_of
from tasks.reads.outputs import Output, Written
from tasks.reads.processing import (
    Choices,
    Plan,
    Processed,
    engine_options,
    processed,
    stages_of,
    tidied,
)
from tasks.reads.reading import BlockReader, Source
from tasks.reads.results import EngineResult, StageResult
from tasks.reads.step import SerialStage, Stage, partial

ACCOUNTS = "accounts.npz"
PIECE = 1 << 20


class PartOfStage(Record):
    """What a stage did in a part."""

    molecules_in: int
    molecules_out: int
    wall: float
    cpu: float


class Part(Record):
    """What a part gave."""

    folder: str
    molecules_in: int
    molecules_out: int
    stages: tuple[PartOfStage, ...]
    molecules: dict[str, int]
    """Written to each file."""
    other: dict[str, tuple[float, float]]
    """Wall and CPU seconds of the engine's own work."""


def unsplittable(configuration: Configuration) -> str:
    """Why a sample cannot be processed in parts; empty if it can."""
    output = configuration.output
    if output.chunksize is not None:
        return "chunksize numbers the files of the whole sample"
    if output.format == "Bam":
        return "a BAM file has one header"
    given = zip(configuration.steps, configuration.around, configuration.labels, strict=True)
    writing = [label for params, around, label in given if params.files(around)]
    if writing:  # must not be built: that opens the file
        return f"{writing[0]} writes a file of its own"
    pairs = zip(stages_of(configuration, None), configuration.labels, strict=True)
    serial = [label for stage, label in pairs if isinstance(stage, SerialStage)]
    return f"{serial[0]} needs all reads of the sample in their order" if serial else ""


def count_molecules(configuration: Configuration, lanes: range) -> int:
    """How many molecules some lanes hold, by the first segment."""
    source = source_of(configuration)
    alone = source if source.interleaved else replace(
        source, segments=source.segments[:1], files=source.files[:1]
    )  # fmt: skip
    reader = BlockReader(_lanes_of(alone, lanes), configuration.options.block_size)
    try:
        return sum(len(block) for block in reader)
    finally:
        reader.close()


def process_part(
    configuration: Configuration, lanes: range, first: int, choices: Choices
) -> Part:  # fmt: skip
    """Process some lanes of a sample into a folder, without reports.

    Args:
        configuration: Of the whole sample, with the folder of the part for outputs.
        lanes: Which files of each segment.
        first: Molecules in the lanes before.
        choices: As for a whole run.
    """
    plan = Plan(configuration, measured=False)
    plan.make_folders()
    whole = source_of(configuration)
    stages = [_Kept(stage) for stage in stages_of(configuration, whole)]
    for stage, label in zip(stages, configuration.labels, strict=True):
        stage.name = label
    options = engine_options(configuration, choices)
    reader = _LaterBlocks(_lanes_of(whole, lanes), options.block_size, first)
    outputs = [replace(one, hash_text=False, hash_file=False) for one in plan.outputs]
    with tidied(()):
        result = run(reader, stages, outputs, options)
    _, folder = configuration.folders
    accounts.keep([stage.accounts for stage in stages], folder / ACCOUNTS)
    return Part(
        folder=str(folder),
        molecules_in=result.molecules_in,
        molecules_out=result.molecules_out,
        stages=tuple(
            PartOfStage(
                molecules_in=one.molecules_in, molecules_out=one.molecules_out,
                wall=one.wall, cpu=one.cpu,
            )
            for one in result.stages
        ),
        molecules={one.path.name: one.molecules for one in result.files if one.path},
        other=dict(result.other),
    )  # fmt: skip


def join(configuration: Configuration, parts: Sequence[Part], choices: Choices) -> Processed:
    """The sample's files from those of its parts, in order, and its reports.

    Args:
        configuration: Of the sample, with the folder where outputs belong.
        parts: All of them; their files stay.
        choices: Whether files may be replaced.
    """
    begin = time.perf_counter()
    plan = Plan(configuration, measured=False)
    plan.check(overwrite=choices.allow_overwrite)
    plan.make_folders()
    paths = [path for output in plan.outputs for path in _paths(output)]
    with tidied([*plan.own_files(), *paths]):
        stages = stages_of(configuration, source_of(configuration))
        counted = [
            accounts.kept(Path(part.folder) / ACCOUNTS, [stage.account() for stage in stages])
            for part in parts
        ]
        written = [one for output in plan.outputs for one in _joined(output, parts)]
        merged = [
            StageResult(
                stage.name, *_sums(part.stages[number] for part in parts),
                stage.finish([account for each in counted for account in each[number]]),
            )
            for number, stage in enumerate(stages)
        ]  # fmt: skip
        result = EngineResult(
            sum(part.molecules_in for part in parts), sum(part.molecules_out for part in parts),
            False, tuple(merged), tuple(written), time.perf_counter() - begin, _times(parts),
        )  # fmt: skip
        plan.write_reports(result)
        for path in paths:
            if partial(path).exists():
                partial(path).replace(path)
        plan.publish()
    return processed(result, plan, time.perf_counter() - begin)


def _lanes_of(source: Source, lanes: range) -> Source:
    return replace(source, files=tuple(each[lanes.start : lanes.stop] for each in source.files))


class _LaterBlocks(BlockReader):
    """Blocks whose molecules are not the first of the sample."""

    def __init__(self, source: Source, block_size: int, first: int) -> None:
        super().__init__(source, block_size)
        self._first = first

    def __iter__(self) -> Iterator[Block]:
        for block in super().__iter__():
            yield replace(block, index=block.index + self._first)

    def place(self, segment: str, index: int) -> str:
        return super().place(segment, index - self._first)


class _Kept(Stage):
    """A stage whose accounts are not reported but kept."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.accounts: Sequence[Any] = ()

    def run(self, block: Block, account: Any) -> Block:  # noqa: ANN401 -- the stage's own
        return self._stage.run(block, account)

    def account(self) -> Any:  # noqa: ANN401 -- the stage's own
        return self._stage.account()

    def finish(self, accounts: Sequence[Any]) -> dict[str, Any]:
        self.accounts = accounts
        return {}


def _sums(stages: Iterator[PartOfStage]) -> tuple[int, int, float, float]:
    listed = list(stages)
    return (
        sum(one.molecules_in for one in listed),
        sum(one.molecules_out for one in listed),
        sum(one.wall for one in listed),
        sum(one.cpu for one in listed),
    )


def _times(parts: Sequence[Part]) -> dict[str, tuple[float, float]]:
    names = sorted({name for part in parts for name in part.other})
    each = {name: [part.other[name] for part in parts if name in part.other] for name in names}
    return {
        name: (sum(wall for wall, _ in times), sum(cpu for _, cpu in times))
        for name, times in each.items()
    }


def _paths(output: Output) -> Iterator[Path]:
    """Files of a series, and those of their digests, which need not be there."""
    for stem in output.stems.values():
        path = stem.with_name(stem.name + output.suffix)
        yield from (path, *(_beside(path, kind) for kind in ("uncompressed", "compressed")))


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(f"{path.name}.{kind}.sha256")


def _joined(output: Output, parts: Sequence[Part]) -> Iterator[Written]:
    """Each file of a series, under the name that it has until all is well."""
    end = len(end_mark(output.compression, False))
    for stream, stem in output.stems.items():
        path = stem.with_name(stem.name + output.suffix)
        sources = [Path(part.folder) / path.name for part in parts]
        with partial(path).open("wb") as file:
            for source in sources:
                _append(source, file, leave=0 if source is sources[-1] else end)
        text = _text_digest(partial(path)) if output.hash_text else None
        packed = _digest(partial(path)) if output.hash_file else None
        for kind, digest in (("uncompressed", text), ("compressed", packed)):
            if digest is not None:
                partial(_beside(path, kind)).write_text(digest)
        molecules = sum(part.molecules[path.name] for part in parts)
        size = partial(path).stat().st_size
        yield Written(path, output.segments, stream, molecules, size, text, packed)


def _append(source: Path, file: BinaryIO, *, leave: int) -> None:
    """Copy a file but for its last bytes."""
    left = source.stat().st_size - leave
    with source.open("rb") as opened:
        if leave == 0:
            shutil.copyfileobj(opened, file, PIECE)
            return
        while left > 0 and (piece := opened.read(min(PIECE, left))):
            file.write(piece)
            left -= len(piece)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _text_digest(path: Path) -> str:
    digest = hashlib.sha256()
    file = InputFile(str(path))
    piece = bytearray(PIECE)
    try:
        while got := file.read_into(memoryview(piece)):
            digest.update(memoryview(piece)[:got])
    finally:
        file.close()
    return digest.hexdigest()
