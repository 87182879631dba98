"""Check a summary again, as it stands in its file, against the tables beside it.

Nothing of the run is believed but the tables: each sentence of `summary.md` is read, each place
that it cites is looked up, and each number, date and name that it says is looked for there.
"""

import gzip
import json
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from blocks.errors import InputError
from blocks.storage import filesystem_of
from tasks.agents.checking import Summary
from tasks.agents.evidence import resolve
from tasks.agents.table_data import TableData, flat_rows, records_of
from tasks.parameters import Record
from tasks.text.number_support import citations, said, unsupported

SUMMARY = "summary.json"
_HEADING = re.compile(r"#+ ")
_ESCAPED = re.compile(r"\\([\\`*\[\]<>#|])")


class Rechecked(Record):
    """What a check of a summary's file found."""

    sentences: int
    numbers: int
    """Numbers, dates and names that were looked for."""
    missing: tuple[str, ...] = ()
    """What was not found, with its sentence."""


def source_file(number: int, name: str) -> str:
    """Name of the file with a table's records.

    >>> source_file(2, "design run")
    '02-design-run'
    """
    return f"{number:02}-{re.sub('[^A-Za-z0-9]+', '-', name).strip('-').lower()}"


def recheck(folder: str) -> Rechecked:
    """Check the summary of a finished review.

    Args:
        folder: Of the run; a path or URI.

    Raises:
        InputError: It is none of a review.
    """
    content: Any = json.loads(_read(folder, SUMMARY))
    tables = _tables(folder, content["sources"])
    summary = Summary.model_validate(content["summary"])
    places = {one.number: one.place for one in summary.citations}
    sentences = _sentences(_read(folder, "summary.md").decode())
    numbers, missing = 0, []
    for sentence in sentences:
        cited = citations(sentence)
        if not cited:
            missing.append(f"{sentence}: cites nothing")
            continue
        unknown = [number for number in cited if number not in places]
        found = [resolve(places[one], tables).support for one in cited if one in places]
        plain = _ESCAPED.sub(r"\1", sentence)
        numbers += len(said(plain, found))
        wrong = [f"[{number}]" for number in unknown]
        wrong += [one.text for one in unsupported(plain, found)]
        if wrong:
            missing.append(f"{plain}: {', '.join(wrong)} not found")
    return Rechecked(sentences=len(sentences), numbers=numbers, missing=tuple(missing))


def _sentences(text: str) -> list[str]:
    """The lines between the title and what was left out."""
    body = re.split(r"^## (?:Left out|Sources)$", text, maxsplit=1, flags=re.MULTILINE)[0]
    lines = (line.strip() for line in body.splitlines())
    return [line for line in lines if line and not _HEADING.match(line)]


def _tables(folder: str, sources: Mapping[str, Mapping[str, Any]]) -> dict[str, TableData]:
    tables = {}
    for name, told in sources.items():
        rows = flat_rows(records_of(gzip.decompress(_read(folder, told["file"]))))
        keys = ("pipeline", "id", "best", "goal", "about")
        tables[name] = TableData(name, rows, **{key: told[key] for key in keys})
    filesystem, path = filesystem_of(folder)
    for place in filesystem.glob(f"{path}/tables/*.parquet"):
        name = str(place).rsplit("/", 1)[-1].removesuffix(".parquet")
        with filesystem.open(place, "rb") as file:
            frame = pd.read_parquet(file)
        rows = [{str(key): cell for key, cell in row.items()} for row in frame.to_dict("records")]
        tables[name] = TableData(name, rows)
    return tables


def _read(folder: str, name: str) -> bytes:
    filesystem, path = filesystem_of(folder)
    try:
        content: bytes = filesystem.cat_file(f"{path}/{name}")
    except FileNotFoundError:
        expected = "the folder of a finished review"
        raise InputError(f"{folder}: there is no {name} in it; expected {expected}") from None
    return content
