"""What came of one sample, small enough to travel between stages."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from pydantic import Field

from tasks.items import Counts, StageResult
from tasks.parameters import Record
from tasks.reads.processing import Processed

MANIFEST = "SAMPLE.json"
"""Written last: where it is, all files of the sample are."""


class OutputFile(Record):
    """A file that was written."""

    name: str
    """Relative to the sample's folder."""
    bytes: int
    sha256: str
    molecules: int | None = None
    """None: no file of reads."""


class SampleResult(StageResult):
    """Manifest of one sample; `counts` are molecules."""

    folder: str = ""
    """Where the files are kept."""
    files: tuple[OutputFile, ...] = ()
    dropped: dict[str, int] = Field({})
    """Step -> molecules that it removed."""
    ended_early: bool = False
    quality: dict[str, tuple[float | None, ...]] = Field({})
    """Report and segment -> mean quality [Phred] of each cycle."""
    times: dict[str, tuple[float, float]] = Field({})
    """Step -> seconds by the clock and of the processors, summed over threads."""

    def is_there(self) -> bool:
        """Whether all files still are as they were written, by their sizes."""
        paths = {one.name: Path(self.folder) / one.name for one in self.files}
        return all(
            paths[one.name].is_file() and paths[one.name].stat().st_size == one.bytes
            for one in self.files
        )


def result_of(sample: str, done: Processed, folder: Path) -> SampleResult:
    """The manifest of a sample whose files have just been written."""
    by_path = {one.path: one.molecules for one in done.reads}
    files = tuple(
        OutputFile(
            name=str(path.relative_to(folder)),
            bytes=path.stat().st_size,
            sha256=file_digest(path),
            molecules=by_path.get(path),
        )
        for path in done.files
    )
    dropped = sum(done.dropped.values())
    counts = Counts(
        items_in=done.molecules_in,
        items_out=done.molecules_in - dropped,
        items_dropped=dropped,
        computed=done.molecules_in,
    )
    written = folder / f"{sample}.json"
    report = orjson.loads(written.read_bytes()) if written.exists() else {}
    return SampleResult(
        stage=sample,
        counts=counts,
        folder=str(folder),
        files=files,
        dropped=done.dropped,
        ended_early=done.ended_early,
        quality=dict(cycle_qualities(report)),
        times={stage.name: (stage.wall, stage.cpu) for stage in done.result.stages},
    )


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cycle_qualities(
    report: Mapping[str, Any], place: str = ""
) -> Iterator[tuple[str, tuple[float | None, ...]]]:
    """Mean quality [Phred] by cycle of each report and segment that counted bases.

    The mean is that of the error probabilities; of `Statistics` that of the scores, as fastp has
    it, and so it is named. None where there are no reads.
    """
    for name, value in report.items():
        below = f"{place} {name}".strip()
        if name == "base_statistics" and isinstance(value, Mapping):
            errors = np.array(value["expected_errors_from_quality_curve"], float)
            columns = list(value["per_position_counts"].values())
            reads = np.sum(np.array(columns, float), axis=0)
            means = -10 * np.log10(np.maximum(errors / np.maximum(reads, 1), 1e-10))
            pairs = zip(np.round(means, 2).tolist(), reads > 0, strict=True)
            yield place, tuple(mean if there else None for mean, there in pairs)
        elif name == "mean_quality":
            yield f"{place} (mean of scores)", tuple(value)
        elif isinstance(value, Mapping) and name not in ("__", "run_info", "accounting"):
            yield from cycle_qualities(value, below)
