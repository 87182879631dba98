"""Series of output files: what they hold, what they are called, what became of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.reads.compression import Compression
from tasks.reads.serialising import Format


@dataclass(frozen=True, slots=True)
class Output:
    """A series of files with the same content: one for each stream, or for each chunk of it."""

    segments: tuple[str, ...]
    """Written in turn; more than one: interleaved."""
    stems: Mapping[int, Path]
    """Name of the file for each stream (0 if there is a single one), up to the number of the chunk;
    molecules of other streams are not written."""
    suffix: str = ".fq"
    """With the dot."""
    format: Format = "fastq"
    compression: Compression = "raw"
    level: int | None = None
    chunk: int | None = None
    """Molecules in each file at most; the files are numbered."""
    hash_text: bool = False
    """Write the SHA-256 of the text to `NAME.uncompressed.sha256`."""
    hash_file: bool = False
    """Write the SHA-256 of the file to `NAME.compressed.sha256`."""
    stdout: bool = False
    """Write everything to standard output instead."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written."""

    path: Path | None
    """None: standard output."""
    segments: tuple[str, ...]
    stream: int
    molecules: int
    size: int
    """Bytes of the file."""
    text_sha256: str | None
    file_sha256: str | None


def path_of(stem: Path, output: Output, number: int, count: int) -> Path:
    """Name of a file; numbers have as many digits as the largest one."""
    if output.chunk is None:
        return stem.with_name(stem.name + output.suffix)
    digits = len(str(count - 1))
    return stem.with_name(f"{stem.name}.{number:0{digits}d}{output.suffix}")


def existing(stem: Path, output: Output) -> list[Path]:
    """Files that stand where new ones will."""
    if output.chunk is None:
        path = path_of(stem, output, 0, 1)
        return [path] if path.exists() else []
    begin, end = stem.name + ".", output.suffix
    if not stem.parent.is_dir():
        return []
    return sorted(
        path
        for path in stem.parent.iterdir()
        if path.name.startswith(begin)
        and path.name.endswith(end)
        and path.name[len(begin) : len(path.name) - len(end)].isdigit()
    )
