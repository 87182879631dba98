"""Where the tables of a review come from, and how they are read.

records      a file, a folder of texts, or the parameters
runs         the tables of finished runs, and what their manifests count (`design run`)
tables       files of the user's
generated    records that are made up
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from blocks.errors import InputError
from blocks.settings import settings
from blocks.storage import FileRef, filesystem_of, in_data, open_uri, placed, refer
from tasks.agents.generated import generated
from tasks.agents.model import MOST_ROWS, Generated, ReviewParams, TableFile
from tasks.agents.outcome import SourceRef
from tasks.agents.table_data import flat, is_number, lines_of
from tasks.dag import closest
from tasks.item_input import ItemInput, items_of
from tasks.item_reading import Item, file_items, kind_of
from tasks.results import MANIFEST

MADE = (
    "entities", "structure", "text_figures", "telling", "changes", "column_figures", "anomalies",
    "violations", "quality",
)  # fmt: skip
"""Tables that the processors make; no source is called so."""
RUN_TABLES: Mapping[str, tuple[TableFile, ...]] = {
    "design": (
        TableFile(
            name="designs", source="designs.csv", id="id", best="rank", goal="minimise",
            columns=("profile_bits", "parent_identity", "instability_index", "rank_score"),
            about="design",
        ),
        TableFile(name="funnel", source="tables/funnel.parquet", id="stage", about="stage"),
    ),
    "domains": (
        TableFile(
            name="domains", source="domains.tsv", id="protein", best="confidence",
            columns=("range", "classification", "identity"), about="domain",
        ),
        TableFile(name="proteins", source="proteins.tsv", id="protein", about="protein"),
        TableFile(name="counts", source="counts.tsv", id="what", about="count"),
    ),
    "reads": (TableFile(name="samples", source="samples.csv", id="sample", about="sample"),),
    "graphs": (TableFile(name="nodes", source="nodes.csv", id="node", about="node"),),
}  # fmt: skip
"""What is read of a run of each pipeline; the first one tells which pipeline it was."""
_NOT_COUNTED = frozenset({"versions", "digests", "inputs", "plan", "tables", "sources"})


def sources_of(params: ReviewParams) -> list[SourceRef]:
    """All tables of a review, with the digests of their files.

    Raises:
        InputError: A file or a run is not there.
    """
    found: list[SourceRef] = []
    if params.records.given:
        found.append(_records(params.records))
    for run in params.runs:
        found += _run(run)
    for table in params.tables:
        found.append(_file(table, in_data(table.source), ""))
    if params.generated.count:
        made = params.generated
        origin = f"made up: {made.count} {made.complexity} {made.data}, seed {made.seed}"
        found.append(SourceRef(name=made.data.replace("_", " "), origin=origin, about="record"))
    return _distinct(found)


def _distinct(found: Sequence[SourceRef]) -> list[SourceRef]:
    """Each with a name of its own."""
    taken, named = set(MADE), []
    for one in found:
        name, number = one.name, 2
        while name in taken:
            name, number = f"{one.name} {number}", number + 1
        taken.add(name)
        named.append(one.model_copy(update={"name": name}))
    return named


def _records(given: ItemInput) -> SourceRef:
    if not given.source:
        lines = lines_of(list(items_of(given)))
        return SourceRef(name="records", origin=f"parameters, {_digest(lines)}", about="record")
    place = in_data(given.source)
    filesystem, path = filesystem_of(place)
    name = PurePosixPath(given.source.rstrip("/")).name.split(".")[0] or "records"
    if given.format == "folder" or (given.format == "auto" and filesystem.isdir(path)):
        lines = lines_of(list(items_of(given)))
        file = FileRef(uri=place, digest=_digest(lines), bytes=len(lines))
        return SourceRef(name=name, origin=given.source, file=file, kind="folder", about="text")
    kind = kind_of(given.source, given.format)
    return SourceRef(name=name, origin=given.source, file=refer(place), kind=kind, about="record")


def _digest(lines: bytes) -> str:
    return hashlib.sha256(lines).hexdigest()


def run_folder_of(run: str) -> str:
    """The folder of a finished run, by path, URI, or name below the results, `design/latest`.

    Raises:
        InputError: There is none.
    """
    for place in dict.fromkeys([placed(run, settings().results), in_data(run)]):
        filesystem, path = filesystem_of(place.rstrip("/"))
        if filesystem.isfile(f"{path}/{MANIFEST}"):
            return place.rstrip("/")
    expected = f"a folder with {MANIFEST}, such as design/latest or {settings().results}/design/…"
    raise InputError(f"runs: {run!r} holds no finished run; expected {expected}")


def _run(run: str) -> Iterator[SourceRef]:
    folder = run_folder_of(run)
    filesystem, path = filesystem_of(folder)
    pipeline, tables = _tables_of(folder, lambda name: bool(filesystem.isfile(f"{path}/{name}")))
    for table in tables:
        yield _file(table, f"{folder}/{table.source}", pipeline)
    place = f"{folder}/{MANIFEST}"
    yield SourceRef(
        name=f"{pipeline} run", origin=place, file=refer(place), kind="manifest",
        pipeline=pipeline, id="run", about="run",
    )  # fmt: skip


def _tables_of(folder: str, there: Callable[[str], bool]) -> tuple[str, list[TableFile]]:
    for pipeline, tables in RUN_TABLES.items():
        if there(tables[0].source):
            return pipeline, [one for one in tables if there(one.source)]
    filesystem, path = filesystem_of(folder)
    names = sorted(str(name).rsplit("/", 1)[-1] for name in filesystem.ls(path, detail=False))
    tables = tuple(
        TableFile(name=_as_name(name), source=name, about="row")
        for name in names
        if name.endswith((".csv", ".tsv"))
    )
    return PurePosixPath(folder).parent.name or "other", list(tables)


def _as_name(file: str) -> str:
    stem = file.split(".", maxsplit=1)[0]
    kept = "".join(letter if letter.isalnum() or letter in " _-" else " " for letter in stem)
    return f"t{kept}"[:40] if not kept[:1].isalpha() else kept[:40]


def _file(table: TableFile, place: str, pipeline: str) -> SourceRef:
    return SourceRef(
        name=table.name,
        origin=place if pipeline else table.source,
        file=refer(place),
        kind=kind_of(table.source),
        pipeline=pipeline,
        id=table.id,
        best=table.best,
        goal=table.goal,
        columns=table.columns,
        about=table.about or "row",
    )


def read_records(source: SourceRef, records: ItemInput, made_up: Generated) -> list[Item]:
    """The records of one table.

    Raises:
        InputError: It is malformed, holds nothing, or too much.
    """
    found = list(islice(_items(source, records, made_up), MOST_ROWS + 1))
    if len(found) > MOST_ROWS:
        expected = f"at most {MOST_ROWS:,} rows, so a table that is filtered or counted before"
        raise InputError(f"{source.origin}: more than {MOST_ROWS:,} rows; expected {expected}")
    if not found and not source.pipeline:
        raise InputError(f"{source.origin}: no records; expected at least one")
    if not source.pipeline:
        _require_columns(source, found)
    return found


def _require_columns(source: SourceRef, found: Sequence[Item]) -> None:
    there = list(dict.fromkeys(name for one in found for name, _ in flat(one)))
    asked = [("id", source.id), ("best", source.best), *(("columns", c) for c in source.columns)]
    for what, column in asked:
        if column and column not in there:
            told = f"table {source.name!r}: {what}: column {column!r} is not there"
            raise InputError(f"{told}; expected {closest(column, there)}")


def _items(source: SourceRef, records: ItemInput, made_up: Generated) -> Iterator[Item]:
    if source.file is None:
        made = source.origin.startswith("made up")
        return iter(generated(made_up)) if made else items_of(records)
    if source.kind == "folder":
        return items_of(records)
    if source.kind == "manifest":
        return iter([_counted(source.file.uri)])
    kind: Any = source.kind
    return file_items(partial(open_uri, source.file.uri), source.origin, kind)


def _counted(place: str) -> Item:
    """What a manifest counts: its name and all numbers but those about versions and files."""
    with open_uri(place) as file:
        try:
            content = json.load(file)
        except ValueError:
            raise InputError(f"{place}: is no JSON; expected the manifest of a run") from None
    told = {name: value for name, value in content.items() if name not in _NOT_COUNTED}
    numbers = {path: value for path, value in flat(told) if is_number(value)}
    return {"run": str(content.get("run", "run")), **numbers}
