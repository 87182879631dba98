"""Where the items of a run come from: read once to check and count them, then as a stream."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

from blocks.errors import InputError
from blocks.settings import settings
from blocks.storage import filesystem_of, open_uri
from tasks.graphs.keys import canonical
from tasks.graphs.model import GraphInput
from tasks.graphs.reading import Survey, file_items, kind_of, surveyed, text_item
from tasks.graphs.step import Item

TEXT = "text"
"""Field that holds a text which is given as it is."""


@dataclass(frozen=True, slots=True)
class Source:
    """The items of a run."""

    name: str
    survey: Survey
    digest: str
    """SHA-256 over all items."""
    given: GraphInput

    def items(self) -> Iterator[Item]:
        """All items, from the first one."""
        return _items(self.given)


def opened(given: GraphInput) -> Source:
    """The items that an input gives, read through once.

    Raises:
        InputError: There are none, or one is malformed; with its place.
    """
    name = given.source or ("texts" if given.texts else "items")
    sha256 = hashlib.sha256()

    def counted() -> Iterator[Item]:
        for item in _items(given):
            sha256.update(canonical(item))
            yield item

    survey = surveyed(counted(), name)
    return Source(name, survey, sha256.hexdigest(), given)


def placed(place: str) -> str:
    """A path or URI; relative ones are resolved against the folder of data."""
    absolute = "://" in place or Path(place).is_absolute()
    return place if absolute else f"{settings().data}/{place}"


def _items(given: GraphInput) -> Iterator[Item]:
    if not given.given:
        raise InputError("input: nothing given; expected source, texts or items")
    if given.texts:
        return ({TEXT: text} for text in given.texts)
    if given.items:
        return iter(given.items)
    place = placed(given.source)
    filesystem, path = filesystem_of(place)
    if given.format == "folder" or (given.format == "auto" and filesystem.isdir(path)):
        return _folder(place, given)
    kind = kind_of(given.source, given.format)
    return file_items(partial(open_uri, place), given.source, kind)


def _folder(place: str, given: GraphInput) -> Iterator[Item]:
    """Texts of a folder, in the order of their names."""
    filesystem, path = filesystem_of(place)
    if not filesystem.isdir(path):
        raise InputError(f"{given.source}: no such folder; expected a folder of texts")
    names = sorted(
        str(entry["name"]) for entry in filesystem.ls(path, detail=True) if entry["type"] == "file"
    )
    wanted = [name for name in names if fnmatch(name.rsplit("/", 1)[-1], given.pattern)]
    for name in wanted:
        uri = filesystem.unstrip_protocol(name) if "://" in place else name
        with open_uri(uri) as file:
            yield text_item(name.rsplit("/", 1)[-1], file.read())
