"""Where items come from: a file, a folder of texts, or the parameters themselves."""

from collections.abc import Iterator
from fnmatch import fnmatch
from functools import partial
from typing import Literal, Self

from pydantic import Field, JsonValue, model_validator

from blocks.errors import InputError
from blocks.storage import filesystem_of, in_data, open_uri
from tasks.item_reading import Item, file_items, kind_of, text_item
from tasks.parameters import Params

Format = Literal["auto", "jsonl", "csv", "tsv", "parquet", "folder"]
TEXT = "text"
"""Field that holds a text which is given as it is."""


class ItemInput(Params):
    """The items: a file, a folder of texts, or a list."""

    source: str = Field(
        "",
        title="File or folder",
        description="path or URI (s3://…) of JSONL, CSV, TSV or Parquet, or a folder of texts",
    )
    texts: tuple[str, ...] = Field(
        (), title="Texts", description="instead of a file; at most 10,000", max_length=10_000
    )
    items: tuple[dict[str, JsonValue], ...] = Field(
        (),
        title="Items",
        description="instead of a file; JSON objects. Prefect shows texts and items that stand"
        " here as they are, masked fields too: those belong in a file",
        max_length=10_000,
    )
    format: Format = Field("auto", title="Format", description="auto: told by the name")
    pattern: str = Field("*.txt", title="Pattern", description="which files of a folder")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if sum(map(bool, (self.source, self.texts, self.items))) > 1:
            raise ValueError("more than one of source, texts and items; expected one of them")
        return self

    @property
    def given(self) -> bool:
        """Whether there is any input."""
        return bool(self.source or self.texts or self.items)


def items_of(given: ItemInput) -> Iterator[Item]:
    """All items, from the first one.

    Raises:
        InputError: There are none, or one is malformed; with its place.
    """
    if not given.given:
        raise InputError("input: nothing given; expected source, texts or items")
    if given.texts:
        return ({TEXT: text} for text in given.texts)
    if given.items:
        return iter(given.items)
    place = in_data(given.source)
    filesystem, path = filesystem_of(place)
    if given.format == "folder" or (given.format == "auto" and filesystem.isdir(path)):
        return _folder(place, given)
    kind = kind_of(given.source, given.format)
    return file_items(partial(open_uri, place), given.source, kind)


def _fits(name: str, pattern: str) -> bool:
    """Whether a pattern means a file; as in a shell, `*` means none that is hidden."""
    return fnmatch(name, pattern) and (pattern.startswith(".") or not name.startswith("."))


def _folder(place: str, given: ItemInput) -> Iterator[Item]:
    """Texts of a folder, in the order of their names."""
    filesystem, path = filesystem_of(place)
    if not filesystem.isdir(path):
        raise InputError(f"{given.source}: no such folder; expected a folder of texts")
    names = sorted(
        str(entry["name"]) for entry in filesystem.ls(path, detail=True) if entry["type"] == "file"
    )
    wanted = [name for name in names if _fits(name.rsplit("/", 1)[-1], given.pattern)]
    if not wanted:
        raise InputError(f"{given.source}: no file called {given.pattern}; expected at least one")
    for name in wanted:
        uri = filesystem.unstrip_protocol(name) if "://" in place else name
        with open_uri(uri) as file:
            yield text_item(name.rsplit("/", 1)[-1], file.read())
