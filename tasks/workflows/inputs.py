"""What is known of the files that inputs name, for conditions: their sizes and rows."""

from collections.abc import Mapping

from pydantic import JsonValue

from blocks.errors import InputError
from blocks.storage import filesystem_of, in_data, open_uri

MOST_COUNTED = 100_000_000
"""Bytes of a file whose rows are counted."""
TABLES = (".csv", ".tsv", ".tab")
FASTA = (".fasta", ".fa", ".faa", ".fna")


def about_inputs(inputs: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """`name.bytes` of each input that names a file, and `name.rows` of tables and FASTA."""
    found: dict[str, JsonValue] = {}
    for name, value in inputs.items():
        if isinstance(value, str) and value:
            found |= {f"{name}.{what}": number for what, number in _about(value).items()}
    return found


def _about(value: str) -> dict[str, int]:
    try:
        filesystem, path = filesystem_of(in_data(value))
        if not filesystem.isfile(path):
            return {}
        size = int(filesystem.size(path) or 0)
        about = {"bytes": size}
        if size <= MOST_COUNTED and value.lower().endswith(TABLES + FASTA):
            about["rows"] = _rows(value)
    except (OSError, ValueError, ImportError, InputError):  # a text that is no place
        return {}
    return about


def _rows(value: str) -> int:
    with open_uri(in_data(value)) as file:
        if value.lower().endswith(FASTA):
            return sum(line.startswith(b">") for line in file)
        return max(0, sum(bool(line.strip()) for line in file) - 1)
