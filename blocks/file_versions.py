"""Files of a folder or an S3 prefix as they are now, each with what tells its versions apart.

Whoever takes up files that others put somewhere asks here: which there are, which are unfinished
by their names, and which may still be written to.
"""

import fnmatch
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError

from blocks.errors import InputError, ServiceError
from blocks.storage import filesystem_of

UNFINISHED = (
    ".*", "*~", "*.part", "*.partial", "*.tmp", "*.temp", "*.incomplete", "*.filepart",
    "*.crdownload", "*.download", "*.swp",
)  # fmt: skip
"""Names under which programs write what they rename when it is whole."""


@dataclass(frozen=True, slots=True)
class FileVersion:
    """One file with one content."""

    uri: str
    """An absolute path, or s3://…"""
    version: str
    """Size and time of the last change [s]; on S3 the size and the ETag, which goes by content."""
    bytes: int
    changed: float
    """The last change that the file's own stamps tell [s since 1970]; 0 where they tell none."""


def files_in(
    place: str, patterns: Sequence[str] = ("*",), *, recursive: bool = False
) -> Iterator[FileVersion]:
    """The files of a folder, sorted by name, without those that are unfinished by their names.

    Args:
        patterns: Of the path below the folder, as `*.fasta` or `run*/samples.csv`; a file that
            fits one of them counts.
        recursive: Look into folders below, too.

    Raises:
        InputError: There is no such folder; an S3 prefix may be empty, its bucket must be there.
        ServiceError: The storage does not answer.
    """
    filesystem, path = filesystem_of(place)
    filesystem.invalidate_cache()  # what this process saw before is of no interest
    remote = "://" in place
    try:
        if not remote and not filesystem.isdir(path):
            raise InputError(f"{place}: no such folder; expected one that is there")
        found: dict[str, dict[str, Any]] = filesystem.find(
            path, maxdepth=None if recursive else 1, detail=True
        )
        if remote and not found:
            filesystem.info(path.partition("/")[0])
    except FileNotFoundError:
        raise InputError(f"{place}: no such bucket; expected one that is there") from None
    except PermissionError:
        raise InputError(f"{place}: cannot be read; expected a folder that may be read") from None
    except BotoCoreError as error:
        raise ServiceError(place, " ".join(str(error).split())) from error
    top = path.rstrip("/") + "/"
    for name, entry in sorted(found.items()):
        below = name.removeprefix(top)
        if entry["type"] == "file" and _is_wanted(below, patterns):
            yield _version(filesystem.unstrip_protocol(name) if remote else name, entry)


def is_unfinished(name: str) -> bool:
    """Whether a file, or a folder above it, is called as what is still being written.

    >>> [is_unfinished(name) for name in ("run7/reads.fq.gz.part", ".rsync/a.fa", "a.fa")]
    [True, True, False]
    """
    return any(
        fnmatch.fnmatchcase(part.lower(), pattern)
        for part in name.split("/")
        for pattern in UNFINISHED
    )


def is_young(file: FileVersion, settle_s: float) -> bool:
    """Whether the file's stamps are so new that it may still be written to.

    It needs no memory, and believes that the clocks of the storage and of this machine agree;
    who remembers what an earlier look saw should go by that.
    """
    return abs(time.time() - file.changed) < settle_s


def _is_wanted(below: str, patterns: Sequence[str]) -> bool:
    return not is_unfinished(below) and any(
        fnmatch.fnmatchcase(below, pattern) for pattern in patterns
    )


def _version(uri: str, entry: dict[str, Any]) -> FileVersion:
    moments = [entry.get("mtime"), entry.get("created"), entry.get("LastModified")]
    changed = max((_seconds(one) for one in moments if one), default=0.0)
    size = int(entry["size"] or 0)
    tag = str(entry.get("ETag", "")).strip('"') or f"{_seconds(entry.get('mtime') or 0):.6f}"
    return FileVersion(uri, f"{size}-{tag}", size, changed)


def _seconds(moment: datetime | float) -> float:
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)
