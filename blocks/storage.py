"""Files as values: what stages hand to each other is a URI with the digest of its content.

Objects lie under one root, a local folder or `s3://bucket/prefix`, each under the digest of what
it holds (`objects/ab/abcdef….parquet`). Writing the same content twice is therefore harmless, two
machines agree on the name, and the digest can stand in a cache key. A file is written beside its
place and renamed when it is whole; the digest is taken from the bytes on their way to the disk.
"""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from blocks.errors import InputError, SeqloomError
from blocks.settings import settings

BLOCK_BYTES = 1 << 20
REFUSED = {
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR,
}  # fmt: skip
"""What a place answers that is full, read-only, not ours, or no folder."""
PARQUET: dict[str, Any] = {"compression": "zstd", "compression_level": 1}
BATCH_ROWS = 32_768
"""Rows of a row group, and of a batch when a table is streamed."""
VECTOR = pa.list_(pa.float32())
GONE = (
    "a stored result is gone; expected it because a finished stage refers to "
    "it: run again with `refresh: true`, and remove a storage root only as a whole"
)


def filesystem_of(uri: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of a local path or URI, and the path in it."""
    # Not every S3 server knows the checksum of a part of an object.
    s3 = {"config_kwargs": {"response_checksum_validation": "when_required"}}
    filesystem, path = fsspec.core.url_to_fs(uri, **(s3 if uri.startswith("s3://") else {}))
    return filesystem, path


@contextmanager
def writable(place: str) -> Iterator[None]:
    """Tell in one line that a place cannot be written: full, read-only, not allowed, no folder.

    Raises:
        SeqloomError: With the place and the reason.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSED:
            raise
        reason = error.strerror or str(error)
        expected = "a place that can be written and has room"
        raise SeqloomError(f"{place}: cannot be written ({reason}); expected {expected}") from error


class FileRef(BaseModel):
    """A file and its content; equal content has an equal digest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str
    digest: str
    """SHA-256 of the content, hexadecimal."""
    bytes: int


class Table(FileRef):
    """A Parquet file with its shape."""

    rows: int
    columns: tuple[str, ...]


class _HashingFile:
    """A file open for writing that digests what passes through; enough of one for pyarrow."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._sha256 = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> int:
        self._sha256.update(data)
        written = self._raw.write(data)
        self.bytes += written
        return written

    def tell(self) -> int:
        return self.bytes

    def flush(self) -> None:
        self._raw.flush()

    def close(self) -> None:
        self._raw.flush()

    @property
    def closed(self) -> bool:
        return self._raw.closed

    @property
    def digest(self) -> str:
        return self._sha256.hexdigest()


class TableWriter:
    """Takes a table in parts, so that it never has to be in memory as a whole.

    All parts must have the columns and types of the first one. Columns named in `vectors` hold
    float32 vectors, even where the first part has none.
    """

    def __init__(self, file: "_HashingFile | Path", vectors: Iterable[str] = ()) -> None:
        self._file = file
        self._vectors = frozenset(vectors)
        self._writer: pq.ParquetWriter | None = None
        self.rows = 0
        self.columns: tuple[str, ...] = ()

    def write(self, frame: pd.DataFrame) -> None:
        """Append the rows of `frame`."""
        part = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
        if self._writer is None:
            schema = pa.schema(
                field.with_type(VECTOR) if field.name in self._vectors else field
                for field in part.schema
            )
            self._writer = pq.ParquetWriter(self._file, schema, **PARQUET)
            self.columns = tuple(part.column_names)
        self._writer.write_table(part.cast(self._writer.schema), row_group_size=BATCH_ROWS)
        self.rows += part.num_rows

    def close(self) -> None:
        """Write the footer."""
        if self._writer is not None:
            self._writer.close()


class Storage:
    """The objects under one root."""

    def __init__(self, root: str | Path) -> None:
        self.root = str(root).rstrip("/")
        self.remote = "://" in self.root and not self.root.startswith("file://")
        if not self.remote:
            self.root = str(Path(self.root.removeprefix("file://")).absolute())

    def put_bytes(self, content: bytes, suffix: str) -> FileRef:
        """Store `content`; `suffix` such as `.json` ends the name."""
        with self._writing(suffix) as (file, done):
            file.write(content)
        return FileRef(**done)

    def put_file(self, path: Path) -> FileRef:
        """Store a copy of a local file."""
        with self._writing("".join(path.suffixes[-2:])) as (file, done), path.open("rb") as source:
            shutil.copyfileobj(source, file, BLOCK_BYTES)
        return FileRef(**done)

    def write_table(self, frame: pd.DataFrame) -> Table:
        """Store a whole frame; its index is not kept."""
        with self.table_writer() as (writer, done):
            writer.write(frame)
        return done[0]

    @contextmanager
    def table_writer(
        self, vectors: Iterable[str] = ()
    ) -> Iterator[tuple[TableWriter, list[Table]]]:
        """Store a table in parts; the list holds the `Table` once the block has ended."""
        result: list[Table] = []
        with self._writing(".parquet") as (file, done):
            writer = TableWriter(file, vectors)
            try:
                yield writer, result
            finally:
                writer.close()
        result.append(Table(**done, rows=writer.rows, columns=writer.columns))

    @contextmanager
    def _writing(self, suffix: str) -> Iterator[tuple[_HashingFile, dict[str, Any]]]:
        """A temporary file that takes its place under the root when the block ends well."""
        done: dict[str, Any] = {}
        folder = None if self.remote else Path(self.root) / "partial"
        with writable(self.root):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=folder, suffix=".partial")
        try:
            with writable(self.root), os.fdopen(handle, "wb") as raw:
                file = _HashingFile(raw)
                yield file, done
            key = f"objects/{file.digest[:2]}/{file.digest}{suffix}"
            self._place(Path(name), key, file.bytes)
            done.update(uri=f"{self.root}/{key}", digest=file.digest, bytes=file.bytes)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(name)  # noqa: PTH108 -- the name mkstemp gave

    def _place(self, written: Path, key: str, size: int) -> None:
        uri = f"{self.root}/{key}"
        if not self.remote:
            target = Path(uri)
            target.parent.mkdir(parents=True, exist_ok=True)
            written.replace(target)
            return
        filesystem, path = filesystem_of(uri)
        if not (filesystem.exists(path) and filesystem.size(path) == size):
            filesystem.put_file(str(written), path)  # an S3 object appears whole or not at all

    def forget(self, suffix: str, older_than_s: float) -> tuple[int, int]:
        """Remove the objects whose names end so and that are older than that; number and bytes."""
        filesystem, path = filesystem_of(f"{self.root}/objects")
        if not filesystem.exists(path):
            return 0, 0
        before = datetime.now(UTC).timestamp() - older_than_s
        old = {
            name: int(about["size"])
            for name, about in filesystem.find(path, detail=True).items()
            if name.endswith(suffix) and _stored_at(about) < before
        }
        for name in old:
            with suppress(FileNotFoundError):  # somebody else forgets them, too
                filesystem.rm_file(name)
        return len(old), sum(old.values())

    def delete(self, ref: FileRef) -> None:
        """Remove an object; used for probes, not for results."""
        filesystem, path = filesystem_of(ref.uri)
        filesystem.rm_file(path)


def _stored_at(about: Mapping[str, Any]) -> float:
    """When an object was stored [s since 1970], by what a file system says of it."""
    at = about.get("LastModified", about.get("mtime"))
    return at.timestamp() if isinstance(at, datetime) else float(at or 0)


def placed(place: str, root: str) -> str:
    """A path or URI; what is relative begins in a folder or URI."""
    return place if "://" in place or Path(place).is_absolute() else f"{root}/{place}"


def in_data(place: str) -> str:
    """A path or URI; what is relative begins in the folder of data."""
    return placed(place, settings().data)


def refer(uri: str, root: str = ".") -> FileRef:
    """Reference a file that lies where the user put it, with the digest of its present content.

    Args:
        root: Folder or URI against which a relative path is resolved.

    Raises:
        InputError: There is no such file, or it cannot be read.
    """
    place = placed(uri, root)
    sha256, size = hashlib.sha256(), 0
    with open_uri(place) as file:
        while block := file.read(BLOCK_BYTES):
            sha256.update(block)
            size += len(block)
    return FileRef(uri=place, digest=sha256.hexdigest(), bytes=size)


def open_uri(uri: str) -> IO[bytes]:
    """Open a local path or an fsspec URI for reading.

    Raises:
        InputError: There is no such file, or it cannot be read.
    """
    try:
        filesystem, path = filesystem_of(uri)
        if filesystem.isdir(path):
            raise InputError(f"{uri}: is a folder; expected a file")
        file: IO[bytes] = filesystem.open(path, "rb")
    except FileNotFoundError:
        raise InputError(f"{uri}: no such file; expected a path or URI that exists") from None
    except (PermissionError, ImportError, ValueError) as error:
        raise InputError(f"{uri}: cannot be read ({error}); expected a readable file") from error
    return file


def read_bytes(ref: FileRef) -> bytes:
    """The whole content of a small file."""
    with open_object(ref.uri) as file:
        return file.read()


def read_table(table: Table, columns: list[str] | None = None) -> pd.DataFrame:
    """A stored table as a frame; `columns` in the order asked for, None for all."""
    with open_object(table.uri) as file:
        frame: pd.DataFrame = pq.ParquetFile(file).read(columns=columns).to_pandas()
    return frame if columns is None else frame[columns]


def without_rows(table: Table) -> pd.DataFrame:
    """The columns of a stored table with their types; only its footer is read."""
    with open_object(table.uri) as file:
        frame: pd.DataFrame = pq.ParquetFile(file).schema_arrow.empty_table().to_pandas()
    return frame


def iter_table(
    table: Table, columns: list[str] | None = None, batch_rows: int = BATCH_ROWS
) -> Iterator[pd.DataFrame]:
    """A stored table in frames of at most `batch_rows`, in order."""
    with open_object(table.uri) as file:
        for batch in pq.ParquetFile(file).iter_batches(batch_rows, columns=columns):
            yield batch.to_pandas()


def fetch(ref: FileRef, folder: Path) -> Path:
    """A local path with the content of `ref`, for programs; remote files are copied to `folder`."""
    if "://" not in ref.uri:
        return Path(ref.uri)
    local = folder / Path(ref.uri).name
    with open_object(ref.uri) as source, local.open("wb") as target:
        shutil.copyfileobj(source, target, BLOCK_BYTES)
    return local


def open_object(uri: str, gone: str = GONE) -> IO[bytes]:
    """Open a stored object for reading.

    Args:
        gone: What to say where it is not there any more.

    Raises:
        InputError: It is not there any more.
    """
    filesystem, path = filesystem_of(uri)
    try:
        file: IO[bytes] = filesystem.open(path, "rb")
    except FileNotFoundError:
        raise InputError(f"{uri}: {gone}") from None
    return file
