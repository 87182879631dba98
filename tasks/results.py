"""The folder of one run, the same for every pipeline.

    results/<pipeline>/<run id>/
        report.html                open this
        designs.csv, …             what the pipeline is for
        tables/*.parquet           everything, with all columns
        attrition.parquet          each item that was lost: where, by which rule, how narrowly
        failed.csv                 items that failed, as input for another run
        multiqc/*_mqc.tsv          read by MultiQC
        pipeline_info/             params.json plan.json versions.yml execution_trace.tsv
        checksums.sha256           `sha256sum -c checksums.sha256`
        RUN.json                   manifest; written last, so it is there only in a whole folder

A run is never overwritten: the folder is filled under another name and renamed when it is whole; on
object storage, which cannot rename, `RUN.json` is uploaded last. `latest` points to the newest.
"""

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp
from typing import IO

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import yaml

from blocks.errors import InputError
from blocks.storage import filesystem_of, writable

MANIFEST = "RUN.json"


class RunFolder:
    """A run's folder while it is being filled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, name: str) -> Path:
        """Where to write the file `name`; its folder is made."""
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def text(self, name: str, content: str) -> None:
        """Write a text file."""
        self.file(name).write_text(content, encoding="utf-8")

    def json(self, name: str, content: object) -> None:
        """Write a JSON file."""
        self.text(name, json.dumps(content, indent=2, default=str) + "\n")

    def csv(self, name: str, frame: pd.DataFrame, separator: str = ",") -> None:
        """Write a table as text; missing values are empty, vectors are left out."""
        with self.file(name).open("wb") as file:
            append_csv(file, frame, separator=separator)

    def parquet(self, name: str, frame: pd.DataFrame) -> None:
        """Write a table as Parquet."""
        frame.to_parquet(self.file(name), index=False, compression="zstd")

    def multiqc(self, name: str, title: str, frame: pd.DataFrame) -> None:
        """Write a table that MultiQC shows under `title`."""
        head = f"# id: seqloom_{name}\n# section_name: {title}\n# plot_type: table\n"
        self.text(f"multiqc/{name}_mqc.tsv", head + frame.to_csv(sep="\t", index=False))

    def names(self) -> set[str]:
        """Files that are there, relative to the folder."""
        return {str(p.relative_to(self.path)) for p in self.path.rglob("*") if p.is_file()}

    def checksums(self, *told: str, known: Mapping[str, str] | None = None) -> dict[str, str]:
        """Write `checksums.sha256` of all files that are there.

        Args:
            told: Patterns of the files whose digests are returned; `*` stays within a folder.
            known: Digests that need not be computed, by name.
        """
        digests = {}
        for name in sorted(self.names()):
            digests[name] = (known or {}).get(name) or self._digest(name)
        lines = (f"{digest}  {name}\n" for name, digest in digests.items())
        self.text("checksums.sha256", "".join(lines))
        return {
            name: digest
            for name, digest in digests.items()
            if any(fnmatchcase(name, one) and name.count("/") == one.count("/") for one in told)
        }

    def _digest(self, name: str) -> str:
        with (self.path / name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def versions(self, versions: Mapping[str, str]) -> None:
        """Write the versions of everything that computed, as nf-core pipelines do."""
        content = {"SEQLOOM": dict(versions)}
        self.text("pipeline_info/versions.yml", yaml.safe_dump(content, sort_keys=True))
        self.text("multiqc/seqloom_mqc_versions.yml", yaml.safe_dump(content, sort_keys=True))


def append_csv(
    file: IO[bytes], frame: pd.DataFrame, *, separator: str = ",", header: bool = True
) -> None:
    """Append rows to an open binary file; missing values are empty, vectors are left out."""
    flat = flat_columns(frame)
    table = pa.Table.from_pandas(frame[flat], preserve_index=False)
    options = pa_csv.WriteOptions(include_header=False, delimiter=separator)
    if header:
        text = io.StringIO()
        csv.writer(text, delimiter=separator, lineterminator="\n").writerow(flat)
        file.write(text.getvalue().encode())
    pa_csv.write_csv(table, file, options)


def flat_columns(frame: pd.DataFrame) -> list[str]:
    """Columns that hold one value a row, not a vector."""
    return [
        str(name)
        for name in frame.columns
        if frame[name].dtype != object
        or not any(hasattr(cell, "__len__") and not isinstance(cell, str) for cell in frame[name])
    ]


def require_writable(root: str) -> None:
    """Raise before the work, not after it, when results could not be written."""
    if "://" not in root:
        with writable(root):
            Path(root).mkdir(parents=True, exist_ok=True)
            TemporaryFile(dir=root).close()


def run_id(started: datetime, unique: str) -> str:
    """Name of a run's folder: sorts by time, unique by the flow run's id.

    >>> run_id(datetime(2026, 11, 21, 8, 30), "c0ffee11-0000")
    '20261121-083000-c0ffee11'
    """
    return f"{started:%Y%m%d-%H%M%S}-{unique[:8]}"


@contextmanager
def run_folder(
    root: str, pipeline: str, run: str, *, newest: bool = True
) -> Iterator[tuple[RunFolder, str]]:
    """A folder to fill and the URI at which it appears when the block ends well.

    Args:
        newest: Whether `latest` points to it from then on.

    Raises:
        InputError: There is a whole folder of that run already.
    """
    final = f"{root.rstrip('/')}/{pipeline}/{run}"
    filesystem, place = filesystem_of(final)
    if filesystem.exists(f"{place}/{MANIFEST}"):
        raise InputError(f"{final}: is there already; expected a new run (none is overwritten)")
    remote = "://" in root
    with writable(root):
        if not remote:
            Path(place).parent.mkdir(parents=True, exist_ok=True)
        partial = Path(mkdtemp(prefix=f".{run}.", dir=None if remote else Path(place).parent))
    try:
        with writable(root):
            yield RunFolder(partial), final
            if remote:
                _upload(partial, filesystem, place)
            else:
                partial.chmod(0o755)
                partial.rename(place)
                if newest:
                    _point_latest(Path(place))
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _upload(folder: Path, filesystem: fsspec.AbstractFileSystem, place: str) -> None:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in sorted(files, key=lambda path: path.name == MANIFEST):
        filesystem.put_file(str(path), f"{place}/{path.relative_to(folder)}")


def _point_latest(folder: Path) -> None:
    beside = folder.parent / f".latest.{folder.name}"
    beside.unlink(missing_ok=True)
    beside.symlink_to(folder.name)
    beside.replace(folder.parent / "latest")
