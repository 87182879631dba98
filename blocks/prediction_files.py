"""What is too large for the prediction tables: arrays and texts in compressed files.

Many arrays share a Parquet file, each text has a file of its own. The tables keep a place for
each: the file, relative to the root, so that storage and database can move together, and the row.
"""

import gzip
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from blocks.errors import InputError
from blocks.prediction_codec import is_missing
from blocks.storage import Storage, open_object

VECTOR_ROWS = 512
"""Vectors of a row group, the least that is read to get at one."""
VECTOR_FILE_BYTES = 128 << 20
GONE = (
    "a stored prediction is gone; expected the storage root that belongs to this "
    "database: remove or move both together"
)
_THREADS = 8

Place = tuple[str, int]
"""File, relative to the root, and row in it."""


class PredictionFiles:
    """The files under one root (a folder or `s3://…`)."""

    def __init__(self, root: str) -> None:
        self.storage = Storage(root)

    def write_vectors(self, name: str, column: pd.Series) -> list[Place | None]:
        """Store the arrays of a column; the place of each, None where there is none."""
        arrays = [None if is_missing(cell) else np.asarray(cell) for cell in column]
        present = [array for array in arrays if array is not None]
        if not present:
            return [None] * len(arrays)
        dtype = np.result_type(*{array.dtype for array in present})
        if dtype.kind not in "fiub":
            raise InputError(f"column {name}: arrays of {dtype}; expected arrays of numbers")
        begins = np.cumsum([0, *(array.size for array in present[:-1])]) * dtype.itemsize
        files = begins // VECTOR_FILE_BYTES
        places: list[Place] = []
        for file in np.unique(files):
            part = [present[place].astype(dtype) for place in np.flatnonzero(files == file)]
            written = self._put(_vector_file(part), ".parquet")
            places += [(written, row) for row in range(len(part))]
        following = iter(places)
        return [None if array is None else next(following) for array in arrays]

    def read_vectors(self, places: Sequence[Place | None]) -> list[NDArray[Any] | None]:
        """The array at each place."""
        rows_by_file: dict[str, set[int]] = {}
        for file, row in (place for place in places if place is not None):
            rows_by_file.setdefault(file, set()).add(row)
        found = {
            (file, row): array
            for file, rows in rows_by_file.items()
            for row, array in _vectors(self._absolute(file), sorted(rows))
        }
        return [None if place is None else found[place] for place in places]

    def write_texts(self, texts: Sequence[str | None]) -> list[Place | None]:
        """Store each text in a compressed file of its own; their places."""

        def written(text: str | None) -> Place | None:
            if text is None:
                return None
            return self._put(gzip.compress(text.encode(), 6, mtime=0), f"{_suffix(text)}.gz"), 0

        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(written, texts))

    def read_texts(self, places: Sequence[Place | None]) -> list[str | None]:
        """The text at each place; files on S3 are fetched side by side."""

        def text(place: Place) -> str:
            with open_object(self._absolute(place[0]), GONE) as file:
                return gzip.decompress(file.read()).decode()

        unique = list({place: None for place in places if place is not None})
        with ThreadPoolExecutor(_THREADS) as pool:
            found = dict(zip(unique, pool.map(text, unique), strict=True))
        return [None if place is None else found[place] for place in places]

    def _put(self, content: bytes, suffix: str) -> str:
        return self.storage.put_bytes(content, suffix).uri.removeprefix(f"{self.storage.root}/")

    def _absolute(self, file: str) -> str:
        return f"{self.storage.root}/{file}"


def _suffix(text: str) -> str:
    """Suffix of a file with this text: that of a structure, where it is one."""
    if text.lstrip().startswith("data_"):
        return ".cif"
    return ".pdb" if re.search(r"^(ATOM  |HETATM)", text, re.MULTILINE) else ".txt"


def _vector_file(arrays: list[NDArray[Any]]) -> bytes:
    """A Parquet file of arrays of one dtype and any shape."""
    offsets = np.cumsum([0, *(array.size for array in arrays)])
    flat = np.concatenate([array.ravel() for array in arrays])
    table = pa.table(
        {
            "vector": pa.LargeListArray.from_arrays(offsets, pa.array(flat)),
            "shape": pa.array([list(array.shape) for array in arrays], pa.list_(pa.int64())),
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", row_group_size=VECTOR_ROWS)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _vectors(uri: str, rows: list[int]) -> Iterator[tuple[int, NDArray[Any]]]:
    """The arrays in these rows of a file; only the row groups that hold them are read."""
    with open_object(uri, GONE) as file:
        stored = pq.ParquetFile(file)
        for group in sorted({row // VECTOR_ROWS for row in rows}):
            table = stored.read_row_group(group).combine_chunks()
            vectors, shapes = table["vector"].chunk(0), table["shape"].to_pylist()
            flat = vectors.flatten().to_numpy(zero_copy_only=False)
            offsets = vectors.offsets.to_numpy()
            for row in (row for row in rows if row // VECTOR_ROWS == group):
                place = row % VECTOR_ROWS
                array = flat[offsets[place] : offsets[place + 1]]
                yield row, array.reshape(shapes[place]).copy()  # the buffer need not live on
