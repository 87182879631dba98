"""Items as a table: CSV and Parquet out of JSON lines, in pieces.

A field is a column; its type is what fits all its values. Lists of numbers stay lists in Parquet
and are left out of CSV; what else is no single value stands there as JSON.
"""

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import JsonValue

Kind = Literal["nothing", "truth", "whole", "number", "text", "vector", "other"]
ROWS = 10_000
MOST_COLUMNS = 2_000
LARGEST = 2**63
TYPES: dict[Kind, pa.DataType] = {
    "nothing": pa.string(), "truth": pa.bool_(), "whole": pa.int64(), "number": pa.float64(),
    "text": pa.string(), "vector": pa.list_(pa.float64()), "other": pa.string(),
}  # fmt: skip


def columns_of(lines: Path) -> dict[str, Kind]:
    """The columns of a file of JSON lines, in the order in which they appear."""
    kinds: dict[str, Kind] = {}
    for row in _rows(lines):
        for name, value in row.items():
            kinds[name] = _wider(kinds.get(name, "nothing"), _kind(value))
    return kinds


def write_tables(lines: Path, parquet: Path | None, text: Path | None) -> bool:
    """Write the tables that are wanted; whether they could be: with too many fields, none is."""
    kinds = columns_of(lines)
    if len(kinds) > MOST_COLUMNS:
        return False
    if parquet is not None:
        schema = pa.schema([(name, TYPES[kind]) for name, kind in kinds.items()])
        with pq.ParquetWriter(parquet, schema, compression="zstd") as writer:
            for rows in _batches(lines):
                columns = [[_cell(row.get(name), kinds[name]) for row in rows] for name in kinds]
                arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    if text is not None:
        flat = [name for name, kind in kinds.items() if kind != "vector"]
        with text.open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow(flat)
            for row in _rows(lines):
                out.writerow([_text(_cell(row.get(name), kinds[name])) for name in flat])
    return True


def _rows(lines: Path) -> Iterator[dict[str, Any]]:
    with lines.open("rb") as file:
        for line in file:
            value = orjson.loads(line)
            yield value if isinstance(value, dict) else {"value": value}


def _batches(lines: Path) -> Iterator[list[dict[str, Any]]]:
    rows = _rows(lines)
    while some := list(islice(rows, ROWS)):
        yield some


def _kind(value: JsonValue) -> Kind:
    match value:
        case None:
            return "nothing"
        case bool():
            return "truth"
        case int():
            return "whole" if -LARGEST <= value < LARGEST else "other"
        case float():
            return "number"
        case str():
            return "text"
        case list() if value and all(type(one) in (int, float) for one in value):
            return "vector"
        case _:
            return "other"


def _wider(one: Kind, other: Kind) -> Kind:
    """The kind that holds both."""
    if other in (one, "nothing"):
        return one
    if one == "nothing":
        return other
    return "number" if {one, other} == {"whole", "number"} else "other"


def _cell(value: JsonValue, kind: Kind) -> Any:  # noqa: ANN401 -- what the column holds
    if value is None or kind not in ("other", "number"):
        return value
    if kind == "number":
        return float(value)  # type: ignore[arg-type]
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
