"""The items of a run, out of a file, a folder of texts, or the parameters.

An input is read twice: once to check it, to count its items and to see which fields they have,
then as a stream. So a bad line is told before any work is done, and memory does not grow.

    JSONL      an object in each line; a text becomes {"text": ...}
    CSV, TSV   a row is an item; columns of numbers only become numbers, empty cells null
    Parquet    a row is an item
    folder     a file is an item: {"id": its name, "text": its content}
"""

import csv
import gzip
import io
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, Literal, TypeAlias

import orjson
import pyarrow.parquet as pq
from pydantic import JsonValue

from blocks.errors import InputError
from tasks.nesting import DEEPEST, nested_deeper

Item: TypeAlias = dict[str, Any]
"""A JSON object: names and JSON values."""
Kind = Literal["jsonl", "csv", "tsv", "parquet"]
Opened = Callable[[], IO[bytes]]
"""Opens the file anew."""
ENDINGS: dict[str, Kind] = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".tsv": "tsv",
    ".tab": "tsv", ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
MOST_FIELDS = 10_000
LONGEST_CELL = 100_000_000
BATCH_ROWS = 1_000
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,15})(\.\d+)?([eE][+-]?\d{1,3})?")
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,15})")


@dataclass(slots=True)
class Survey:
    """What the first reading of an input found."""

    items: int = 0
    fields: dict[str, Any] = field(default_factory=dict)
    """Types; Any where they differ or are no plain ones."""
    seen: dict[str, int] = field(default_factory=dict)
    """Items that have a field."""

    def add(self, item: Item) -> None:
        """One more item."""
        self.items += 1
        for name, value in item.items():
            kind = type(value) if type(value) in (str, int, float, bool, list, dict) else Any
            if name not in self.fields:
                if len(self.fields) < MOST_FIELDS:
                    self.fields[name], self.seen[name] = kind, 1
            else:
                self.seen[name] += 1
                if self.fields[name] is not kind:
                    self.fields[name] = Any

    def known(self) -> dict[str, Any] | None:
        """Fields and types as a graph is checked with; None where they are too many to tell."""
        return self.fields if len(self.fields) < MOST_FIELDS else None


def surveyed(items: Iterable[Item], name: str) -> Survey:
    """Read through an input once.

    Raises:
        InputError: It has no items, or whatever reading it finds.
    """
    found = Survey()
    for item in items:
        found.add(item)
    if not found.items:
        raise InputError(f"{name}: no items; expected at least one")
    return found


def kind_of(name: str, given: str = "auto") -> Kind:
    """The format of a file.

    Raises:
        InputError: Its name does not tell it.
    """
    if given in ("jsonl", "csv", "tsv", "parquet"):
        return given  # type: ignore[return-value]
    lower = name.lower().removesuffix(".gz")
    for ending, kind in ENDINGS.items():
        if lower.endswith(ending):
            return kind
    expected = f"a name that ends in {', '.join(ENDINGS)}, or `format`"
    raise InputError(f"{name}: its name tells no format; expected {expected}")


def file_items(opened: Opened, name: str, kind: Kind) -> Iterator[Item]:
    """The items of a file, one after the other.

    Raises:
        InputError: With the line or row that is wrong.
    """
    match kind:
        case "jsonl":
            yield from _jsonl(opened, name)
        case "csv":
            yield from _rows(opened, name, ",")
        case "tsv":
            yield from _rows(opened, name, "\t")
        case _:
            yield from _parquet(opened, name)


def text_item(name: str, content: bytes) -> Item:
    """A file of a folder as an item.

    Raises:
        InputError: It is no text.
    """
    try:
        return {"id": name.rsplit(".", 1)[0], "text": content.decode("utf-8-sig")}
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: byte {error.start + 1} is no UTF-8; expected text") from None


@contextmanager
def _plain(opened: Opened, name: str) -> Iterator[IO[bytes]]:
    """The file, unpacked."""
    with opened() as file:
        if not name.lower().endswith(".gz"):
            yield file
            return
        try:
            with gzip.open(file) as unpacked:
                yield unpacked  # type: ignore[misc]
        except (gzip.BadGzipFile, EOFError) as error:
            raise InputError(f"{name}: {error}; expected a whole gzip file") from None


def _jsonl(opened: Opened, name: str) -> Iterator[Item]:
    with _plain(opened, name) as file:
        for number, line in enumerate(file, start=1):
            text = line.strip()
            if number == 1:
                text = text.removeprefix(b"\xef\xbb\xbf")
            if not text:
                continue
            try:
                yield _object(_flat_enough(orjson.loads(text), text))
            except (orjson.JSONDecodeError, TypeError) as error:
                what, expected = str(error).split(":")[0], "a JSON object in each line"
                if "valid UTF-8" in what:
                    what, expected = "is not UTF-8", "text in UTF-8"
                raise InputError(f"{name}, line {number}: {what}; expected {expected}") from None


JSON_KINDS = {bool: "a truth value", int: "a number", float: "a number", list: "a list"}


def _flat_enough(value: JsonValue, text: bytes) -> JsonValue:
    if text.count(b"[") + text.count(b"{") > DEEPEST and nested_deeper(value):
        raise TypeError(f"nested more than {DEEPEST} deep")
    return value


def _object(value: JsonValue) -> Item:
    if isinstance(value, dict):
        return value
    if isinstance(value, str):
        return {"text": value}
    raise TypeError(f"is {JSON_KINDS.get(type(value), 'null')}")


def _rows(opened: Opened, name: str, separator: str) -> Iterator[Item]:
    numbers: dict[str, type] = {}
    for row in _texts(opened, name, separator):
        for column, cell in row.items():
            numbers[column] = _wider(numbers.get(column), cell)
    for row in _texts(opened, name, separator):
        yield {column: _cell(cell, numbers[column]) for column, cell in row.items()}


def _wider(known: type | None, cell: str) -> type:
    """The type that holds all cells so far; numbers written in another way stay texts (007)."""
    if known is str or cell == "":
        return known or int
    if known in (None, int) and _WHOLE.fullmatch(cell):
        return int
    return float if _NUMBER.fullmatch(cell) else str


def _cell(cell: str, kind: type) -> JsonValue:
    if cell == "":
        return None
    return cell if kind is str else int(cell) if kind is int else float(cell)


def _texts(opened: Opened, name: str, separator: str) -> Iterator[dict[str, str]]:
    csv.field_size_limit(LONGEST_CELL)
    with _plain(opened, name) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        rows = csv.reader(text, delimiter=separator, strict=True)
        try:
            head = next(rows, [])
            if twice := {one for one in head if head.count(one) > 1}:
                expected = "each name once"
                raise InputError(f"{name}: column {min(twice)!r} twice; expected {expected}")
            for cells in rows:
                if not cells:
                    continue
                if len(cells) != len(head):
                    what = f"{name}, line {rows.line_num}: {len(cells)} cells"
                    raise InputError(f"{what}; expected {len(head)}, as in the head")
                yield dict(zip(head, cells, strict=True))
        except csv.Error as error:
            expected = "cells, with quotes closed"
            raise InputError(
                f"{name}, line {rows.line_num}: {error}; expected {expected}"
            ) from None
        except UnicodeDecodeError as error:
            line = rows.line_num + 1 + error.object[: error.start].count(b"\n")
            raise InputError(f"{name}, line {line}: is not UTF-8; expected text in UTF-8") from None


def _parquet(opened: Opened, name: str) -> Iterator[Item]:
    with opened() as file:
        try:
            table = pq.ParquetFile(file)
        except (OSError, ValueError) as error:
            what = " ".join(str(error).split())
            raise InputError(f"{name}: {what}; expected a Parquet file") from None
        for batch in table.iter_batches(BATCH_ROWS):
            for row in batch.to_pylist():
                # dates, decimals and numbers that JSON lacks, as JSON has them
                item: Item = orjson.loads(orjson.dumps(row, default=_as_text))
                yield item


def _as_text(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
