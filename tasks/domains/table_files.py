"""Small tables of text: CSV, TSV or Parquet, all cells as text, with the place of each row."""

import csv
import gzip
import io
from typing import IO

import pandas as pd
import pyarrow as pa

from blocks.errors import InputError

TABS = (".tsv", ".tab", ".txt")
PARQUET = (".parquet", ".pq")
PLACE = "place"


def read_text_table(file: IO[bytes], name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """The columns of a table, stripped, and `place`: its name and the row's number.

    Raises:
        InputError: It is no such table, or lacks a column.
    """
    stem = name.lower().removesuffix(".gz")
    if stem.endswith(PARQUET):
        frame, first = _parquet(file, name), 1
    else:
        frame, first = _delimited(file, name, "\t" if stem.endswith(TABS) else ","), 2
    for column in columns:
        if column not in frame:
            there = ", ".join(frame.columns[:20]) or "none"
            raise InputError(f"{name}, header: no column {column!r} among {there}; expected it")
    numbers = [f"{name}, row {number}" for number in range(first, first + len(frame))]
    chosen = frame[list(columns)].apply(lambda cells: cells.str.strip())
    chosen[PLACE] = pd.Series(numbers, dtype="str", index=frame.index)
    filled = (chosen[list(columns)] != "").any(axis=1)
    if not filled.any():
        raise InputError(f"{name}: no rows; expected at least one")
    kept: pd.DataFrame = chosen[filled].reset_index(drop=True)
    return kept


def _parquet(file: IO[bytes], name: str) -> pd.DataFrame:
    try:
        frame: pd.DataFrame = pd.read_parquet(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{name}: not a Parquet file ({error}); expected a whole one") from None
    texts: pd.DataFrame = frame.astype("str").fillna("")
    return texts


def _delimited(file: IO[bytes], name: str, separator: str) -> pd.DataFrame:
    start = file.read(2)
    file.seek(0)
    binary = gzip.GzipFile(fileobj=file) if start == b"\x1f\x8b" else file
    try:
        with io.TextIOWrapper(binary, encoding="utf-8-sig") as text:
            return pd.read_csv(
                text,
                sep=separator,
                dtype="str",
                keep_default_na=False,
                skip_blank_lines=False,  # so that a row's number is the line's
                quoting=csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL,
                index_col=False,
            ).fillna("")
    except pd.errors.EmptyDataError:
        raise InputError(f"{name}: no rows; expected a header and at least one") from None
    except (pd.errors.ParserError, UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        raise InputError(f"{name}: {reason}; expected a table in UTF-8") from None
