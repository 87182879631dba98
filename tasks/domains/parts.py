"""Parts of a reference: folders named for all that decides their content, so made only once.

    tables      the domains, the chains, their sequences
    blast       a BLAST database of the domains or of the chains
    profiles    an alignment (a3m) of each domain
    hhsuite     the HH-suite database

A part is filled under another name and renamed when it is whole. `PART.json` in it tells what it
was made of, so that a later part can take over entries that are the same.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from blocks.errors import InputError, SeqloomError, ToolError
from tasks.parameters import Record

PART = "PART.json"
FULL = 1 << 20
"""A disk with less room than this [bytes] is why a program failed: some say so, others crash."""


class PartContent(Record):
    """What is in a part."""

    settings: str = ""
    """Digest of what decides an entry besides its own input: entries of parts that agree in it
    can be taken over."""
    counts: dict[str, float] = {}  # noqa: RUF012 -- pydantic copies it
    notes: tuple[str, ...] = ()
    digests: dict[str, str] = {}  # noqa: RUF012
    """Of what decides what a search finds; by name."""


@contextmanager
def part_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill, which gets its name when the block ends well.

    One build at a time fills a part: the lock of the cached task sees to it.

    Raises:
        SeqloomError: A program failed, and the disk is full.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f".{folder.name}.*"):  # by a build that was killed
        shutil.rmtree(left, ignore_errors=True)
    partial = Path(mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield partial
        if folder.exists():  # not whole, or to be made anew
            shutil.rmtree(folder)
        partial.chmod(0o755)
        partial.rename(folder)
    except ToolError as error:
        if (free := shutil.disk_usage(partial).free) >= FULL:
            raise
        told = f"the disk is full ({free} bytes left); expected room for what {error.tool}"
        raise SeqloomError(f"{folder}: {told} writes") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def finish_part(folder: Path, content: PartContent) -> None:
    """Write what is in a part; the last file of it."""
    (folder / PART).write_text(content.model_dump_json(indent=2) + "\n", encoding="utf-8")


def is_part(folder: Path) -> bool:
    """Whether a part is there."""
    return (folder / PART).is_file()


def read_part(folder: Path) -> PartContent:
    """What is in a part.

    Raises:
        InputError: It is not there.
    """
    try:
        return PartContent.model_validate(json.loads((folder / PART).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        expected = "a part that was made: run again with `refresh: true`"
        raise InputError(f"{folder}: has no {PART}; expected {expected}") from None


def similar_parts(folder: Path, settings: str) -> list[Path]:
    """Other parts of the same kind and settings, the newest first."""
    kind = folder.name.partition("-")[0]
    others = [
        path
        for path in folder.parent.glob(f"{kind}-*")
        if path != folder and is_part(path) and read_part(path).settings == settings
    ]
    return sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)


def link_or_copy(source: Path, target: Path) -> None:
    """The file under a second name; a copy where the file system knows no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
