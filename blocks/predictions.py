"""The prediction store: what a model said about a sequence is asked for once.

Numbers and texts lie in the database, one JSON array per sequence and model; arrays (embeddings)
and structures lie in compressed files under the storage root. Everything goes in and out in bulk,
in the order of the digests: that is how the tables are sorted, and it keeps two writers on
PostgreSQL from waiting for each other in a circle. The first value stored for a sequence stays.
"""

import gzip
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import fsspec
import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine
from sqlalchemy.dialects import postgresql, sqlite

from blocks.database import JSON, METADATA, UTCDateTime, reading, writing
from blocks.errors import InputError
from blocks.storage import Storage

DIGEST_LENGTH = 32
CHUNK = 50_000
"""Sequences per statement: bounds the texts that the database puts together."""
VECTOR_ROWS = 512
"""Vectors of a row group, the least that is read to get at one."""
VECTOR_FILE_BYTES = 128 << 20
STRUCTURE = "structure"
FOUND = "found"
FORMATS = ("pdb", "cif")
_WRITERS = 8
_INFINITE = {np.inf: "Infinity", -np.inf: "-Infinity"}

_DIGEST = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MODELS = sa.Table(
    "prediction_models",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("params_digest", sa.Text, nullable=False),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("params", sa.Text, nullable=False),
    sa.Column("columns", JSON, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.UniqueConstraint("model", "action", "params_digest", "model_version"),
)
PREDICTIONS = sa.Table(
    "predictions",
    METADATA,
    sa.Column("model_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sequence", _DIGEST, primary_key=True),
    sa.Column("values", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)
FILES = sa.Table(
    "prediction_files",
    METADATA,
    sa.Column("model_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sequence", _DIGEST, primary_key=True),
    sa.Column("column", sa.Text, primary_key=True),
    sa.Column("uri", sa.Text, nullable=False),
    sa.Column("row", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)

# The digests asked for, numbered from 0, as a table; they come as one parameter.
_WANTED = {
    "sqlite": "(SELECT key AS n, value AS digest FROM json_each(:digests))",
    "postgresql": "(SELECT ordinality - 1 AS n, digest FROM "
    "unnest(string_to_array(:digests, ',')) WITH ORDINALITY AS u (digest, ordinality))",
}
_JOINED = {"sqlite": "group_concat", "postgresql": "string_agg"}

_NOWHERE: NDArray[np.int64] = np.array([], dtype=np.int64)

Kinds = dict[str, str]
"""Stored columns, in order: name -> dtype, or `null`, `vector`, `structure`."""


def sequence_digest(sequence: str) -> str:
    """The first 32 hexadecimal digits of the SHA-256 of a sequence.

    >>> sequence_digest("")
    'e3b0c44298fc1c149afbf4c8996fb924'
    """
    return hashlib.sha256(sequence.encode()).hexdigest()[:DIGEST_LENGTH]


def sequence_digests(sequences: Iterable[str]) -> list[str]:
    """The digest of each sequence, in order."""
    return [sequence_digest(sequence) for sequence in sequences]


@dataclass(frozen=True, slots=True)
class ModelKey:
    """What values depend on besides the sequence."""

    model: str
    action: str
    params: str
    """Canonical JSON: sorted keys, no blanks."""
    version: str

    def __post_init__(self) -> None:
        try:
            canonical = canonical_json(json.loads(self.params))
        except ValueError:
            canonical = None
        if canonical != self.params:
            raise InputError(
                f"parameters of {self.model}: {self.params!r}; expected canonical JSON, "
                "as ModelKey.of writes it"
            )

    @classmethod
    def of(cls, model: str, action: str, params: Mapping[str, object], version: str) -> "ModelKey":
        """The key with the parameters as canonical JSON."""
        return cls(model, action, canonical_json(params), version)


def canonical_json(data: object) -> str:
    """The one JSON text of `data`.

    >>> canonical_json({"b": 1.0, "a": [None, "ä"]})
    '{"a":[null,"ä"],"b":1.0}'
    """
    return json.dumps(
        data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


class PredictionStore:
    """The predictions of one database, with their files under one root (a folder or `s3://…`)."""

    def __init__(self, engine: Engine, root: str) -> None:
        self.engine = engine
        self.storage = Storage(root)

    def missing(self, key: ModelKey, digests: Iterable[str]) -> NDArray[np.bool_]:
        """True for each digest of which nothing is stored, shape (n,)."""
        wanted = _checked(digests)
        absent = np.ones(len(wanted), dtype=bool)
        with reading(self.engine) as connection:
            model = _model(connection, key)
            if model is not None:
                for positions, _ in _lookup(connection, model[0], wanted, with_values=False):
                    absent[positions] = False
        return absent

    def get(
        self, key: ModelKey, digests: Iterable[str], columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """What is stored, one row per digest in the order asked for, which is the index.

        Args:
            columns: None for all; structures are left to `get_structures`.

        Returns:
            Columns as they were put, and `found`. A row that was not found holds what
            `DataFrame.reindex` would put there: NaN, None; whole numbers become float then.
        """
        wanted = _checked(digests)
        parts: list[tuple[NDArray[np.int64], pd.DataFrame]] = []
        kinds: Kinds = {}
        files: dict[str, NDArray[np.object_]] = {}
        with reading(self.engine) as connection:
            model = _model(connection, key)
            if model is not None:
                model_id, kinds = model
                _check_asked(key, kinds, columns)
                for positions, text in _lookup(connection, model_id, wanted):
                    parts.append((positions, _decode(text, kinds, columns)))
                asked = [name for name, kind in kinds.items() if kind == "vector"]
                files = {
                    name: self._places(connection, model_id, name, wanted)
                    for name in asked
                    if columns is None or name in columns
                }
        frame = _assembled(parts or [(_NOWHERE, _decode("", kinds, columns))], len(wanted))
        for name, places in files.items():
            frame[name] = pd.Series(self._read_vectors(name, places), dtype=object)
        names = [name for name in kinds if name in frame] if columns is None else columns
        frame = frame.reindex(columns=[*names, FOUND])
        frame.index = pd.Index(wanted, name="sequence", dtype="str")
        return frame

    def put(self, key: ModelKey, digests: Iterable[str], frame: pd.DataFrame) -> None:
        """Store the rows of `frame`, one per digest; what is there already stays.

        Columns hold numbers, texts, booleans, arrays (of any shape), or objects that JSON knows.
        Columns not seen before are added to the model; rows stored earlier have none.

        Raises:
            InputError: The frame does not fit the digests, or the columns stored before.
        """
        wanted = _checked(digests)
        kinds = {str(name): _kind(str(name), frame[name]) for name in frame.columns}
        vectors = [name for name, kind in kinds.items() if kind == "vector"]
        if len(wanted) != len(frame) or {FOUND, STRUCTURE} & set(kinds):
            raise InputError(
                f"predictions of {key.model}: {len(frame)} rows with columns {list(kinds)} for "
                f"{len(wanted)} digests; expected as many, and no column called found or structure"
            )
        if vectors:  # files are worth looking first
            absent = self.missing(key, wanted)
            wanted, frame = np.array(wanted, dtype=object)[absent].tolist(), frame[absent]
        if not wanted:
            return
        order = sorted(range(len(wanted)), key=wanted.__getitem__)
        wanted, frame = [wanted[place] for place in order], frame.iloc[order]
        places = {name: self._write_vectors(name, frame[name]) for name in vectors}
        self._insert(key, wanted, kinds, frame, places)

    def put_structures(
        self,
        key: ModelKey,
        digests: Iterable[str],
        texts: Sequence[str],
        form: Literal["pdb", "cif"] = "pdb",
        plddt: Sequence[float | NDArray[np.floating[Any]]] | None = None,
    ) -> None:
        """Store a structure per digest, compressed; what is there already stays.

        Args:
            plddt: Confidence of each structure: its mean, or one value per residue.
        """
        wanted = _checked(digests)
        if len(wanted) != len(texts) or form not in FORMATS or len(plddt or wanted) != len(wanted):
            raise InputError(
                f"structures of {key.model}: {len(texts)} texts in format {form!r} for "
                f"{len(wanted)} digests; expected as many of everything, and one of {FORMATS}"
            )
        frame = pd.DataFrame(index=range(len(wanted)))
        if plddt is not None:
            frame["plddt"] = pd.Series(list(plddt), dtype=None if _is_flat(plddt) else object)
        absent = self.missing(key, wanted)
        # The first of equal digests counts, as in the tables.
        first = ~pd.Series(wanted, dtype=object).duplicated().to_numpy()
        order = sorted(np.flatnonzero(absent & first).tolist(), key=wanted.__getitem__)
        if not order:
            return
        wanted, frame = [wanted[place] for place in order], frame.iloc[order]
        kinds = {str(name): _kind(str(name), frame[name]) for name in frame.columns}
        places = {
            name: self._write_vectors(name, frame[name])
            for name, kind in kinds.items()
            if kind == "vector"
        }

        def written(place: int) -> tuple[str, int]:
            content = gzip.compress(texts[place].encode(), 6, mtime=0)
            return self._relative(self.storage.put_bytes(content, f".{form}.gz").uri), 0

        with ThreadPoolExecutor(_WRITERS) as pool:
            places[STRUCTURE] = list(pool.map(written, order))
        self._insert(key, wanted, {**kinds, STRUCTURE: "structure"}, frame, places)

    def get_structures(self, key: ModelKey, digests: Iterable[str]) -> pd.DataFrame:
        """Per digest, which is the index: `structure` and `format` (None where there is none).

        Also what was stored with it (`plddt`), and `found`: whether there is a structure.
        """
        wanted = _checked(digests)
        frame = self.get(key, wanted)
        with reading(self.engine) as connection:
            model = _model(connection, key)
            places: NDArray[np.object_] = np.full(len(wanted), None, dtype=object)
            if model is not None:
                places = self._places(connection, model[0], STRUCTURE, wanted)
        uris = [None if place is None else self._absolute(place[0]) for place in places]
        texts = _read_texts([uri for uri in uris if uri is not None])
        formats = [None if uri is None else uri.split(".")[-2] for uri in uris]
        structures = [None if uri is None else texts[uri] for uri in uris]
        for place, (name, cells) in enumerate(((STRUCTURE, structures), ("format", formats))):
            frame.insert(place, name, pd.Series(cells, frame.index, dtype=object))
        frame[FOUND] = [uri is not None for uri in uris]
        return frame

    def export(self, key: ModelKey) -> pd.DataFrame:
        """All that is stored of one model, by digest, without structures."""
        with reading(self.engine) as connection:
            model = _model(connection, key)
            query = sa.select(PREDICTIONS.c.sequence).order_by(PREDICTIONS.c.sequence)
            query = query.where(PREDICTIONS.c.model_id == (model[0] if model else None))
            digests = list(connection.execute(query).scalars())
        return self.get(key, digests)

    def figures(self) -> pd.DataFrame:
        """Per model: its key, `sequences`, `value_bytes`, `files` and `created_at`, by name."""
        values = sa.func.coalesce(sa.func.sum(sa.func.length(PREDICTIONS.c["values"])), 0)
        counted = sa.select(
            PREDICTIONS.c.model_id, sa.func.count().label("sequences"), values.label("value_bytes")
        ).group_by(PREDICTIONS.c.model_id)
        placed = sa.select(
            FILES.c.model_id, sa.func.count(sa.distinct(FILES.c.uri)).label("files")
        ).group_by(FILES.c.model_id)
        a, b, m = counted.subquery(), placed.subquery(), MODELS.c
        names = (m.model, m.action, m.params, m.model_version)
        amounts = [
            sa.func.coalesce(column, 0).label(column.name)
            for column in (a.c.sequences, a.c.value_bytes, b.c.files)
        ]
        joined = MODELS.outerjoin(a, a.c.model_id == m.id).outerjoin(b, b.c.model_id == m.id)
        query = sa.select(*names, *amounts, m.created_at).select_from(joined).order_by(*names)
        with reading(self.engine) as connection:
            found = connection.execute(query)
            return pd.DataFrame(found.fetchall(), columns=list(found.keys()))

    def _insert(
        self,
        key: ModelKey,
        digests: list[str],
        kinds: Kinds,
        frame: pd.DataFrame,
        places: Mapping[str, list[tuple[str, int] | None]],
    ) -> None:
        """Add the rows of `frame`, sorted by digest, with the places of what lies in files."""
        model_id, stored = self._register(key, kinds)
        texts = _encode(frame, [name for name, kind in stored.items() if _in_table(kind)])
        with writing(self.engine) as connection:
            for start in range(0, len(digests), CHUNK):
                part = slice(start, start + CHUNK)
                _insert_rows(connection, PREDICTIONS, model_id, (digests[part], texts[part]))
            for name, column in places.items():
                rows = [(d, name, *p) for d, p in zip(digests, column, strict=True) if p]
                for start in range(0, len(rows), CHUNK):
                    columns = tuple(zip(*rows[start : start + CHUNK], strict=True))
                    _insert_rows(connection, FILES, model_id, columns)

    def _register(self, key: ModelKey, kinds: Kinds) -> tuple[int, Kinds]:
        """The number of the model, and its columns once those of `kinds` are among them."""
        with reading(self.engine) as connection:
            found = _model(connection, key)
        if found is not None and _merged(key, found[1], kinds) == found[1]:
            return found
        with writing(self.engine) as connection:
            dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
            row = _key_columns(key) | {
                "params": key.params,
                "columns": [],
                "created_at": datetime.now(UTC),
            }
            connection.execute(dialect.insert(MODELS).values(row).on_conflict_do_nothing())
            found = _model(connection, key, lock=True)
            if found is None:
                raise AssertionError("a row just inserted is there")
            merged = _merged(key, found[1], kinds)
            change = sa.update(MODELS).where(MODELS.c.id == found[0])
            connection.execute(change.values(columns=[list(item) for item in merged.items()]))
        return found[0], merged

    def _places(
        self, connection: Connection, model_id: int, column: str, digests: list[str]
    ) -> NDArray[np.object_]:
        """Where each digest's array or structure lies: (uri, row), or None."""
        places = np.full(len(digests), None, dtype=object)
        statement = sa.text(
            f"SELECT n, uri, row FROM {_WANTED[connection.dialect.name]} AS wanted "  # noqa: S608 -- constants
            'CROSS JOIN prediction_files AS f WHERE f.model_id = :model AND f."column" = :column '
            "AND f.sequence = wanted.digest"
        )
        for start, order, text in _in_chunks(connection, digests):
            values = {"digests": text, "model": model_id, "column": column}
            for n, uri, row in connection.execute(statement, values):
                places[start + order[n]] = (uri, row)
        return places

    def _write_vectors(self, name: str, column: pd.Series) -> list[tuple[str, int] | None]:
        """Store the arrays of a column in files; the place of each, None where there is none."""
        arrays = [None if _is_missing(cell) else np.asarray(cell) for cell in column]
        present = [array for array in arrays if array is not None]
        if not present:
            return [None] * len(arrays)
        dtype = np.result_type(*{array.dtype for array in present})
        if dtype.kind not in "fiub":
            raise InputError(f"column {name}: arrays of {dtype}; expected arrays of numbers")
        begins = np.cumsum([0, *(array.size for array in present[:-1])]) * dtype.itemsize
        files = begins // VECTOR_FILE_BYTES
        places: list[tuple[str, int]] = []
        for file in np.unique(files):
            part = [present[place].astype(dtype) for place in np.flatnonzero(files == file)]
            uri = self._relative(self.storage.put_bytes(_vector_file(part), ".parquet").uri)
            places += [(uri, row) for row in range(len(part))]
        following = iter(places)
        return [None if array is None else next(following) for array in arrays]

    def _read_vectors(self, name: str, places: NDArray[np.object_]) -> list[NDArray[Any] | None]:
        rows_by_uri: dict[str, set[int]] = {}
        for uri, row in (place for place in places if place is not None):
            rows_by_uri.setdefault(uri, set()).add(row)
        found: dict[tuple[str, int], NDArray[Any]] = {}
        for uri, rows in rows_by_uri.items():
            for row, array in _vectors(self._absolute(uri), sorted(rows)):
                found[uri, row] = array
        return [None if place is None else found[place] for place in places]

    # Places are kept relative to the root, so that storage and database can move together.
    def _relative(self, uri: str) -> str:
        return uri.removeprefix(f"{self.storage.root}/")

    def _absolute(self, uri: str) -> str:
        return f"{self.storage.root}/{uri}"


def _checked(digests: Iterable[str]) -> list[str]:
    listed = list(map(str, digests))
    if set(map(len, listed)) - {DIGEST_LENGTH} or not "".join(listed or ["0"]).isalnum():
        wrong = next(d for d in listed if len(d) != DIGEST_LENGTH or not d.isalnum())
        raise InputError(f"digest {wrong[:50]!r}; expected 32 hexadecimal digits")
    return listed


def _key_columns(key: ModelKey) -> dict[str, Any]:
    return {
        "model": key.model,
        "action": key.action,
        "params_digest": sequence_digest(key.params),
        "model_version": key.version,
    }


def _model(connection: Connection, key: ModelKey, lock: bool = False) -> tuple[int, Kinds] | None:
    query = sa.select(MODELS.c.id, MODELS.c["columns"])
    for name, value in _key_columns(key).items():
        query = query.where(MODELS.c[name] == value)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else (row[0], dict(row[1]))


def _check_asked(key: ModelKey, kinds: Kinds, columns: Sequence[str] | None) -> None:
    known = [name for name, kind in kinds.items() if kind != "structure"]
    unknown = [name for name in columns or () if name not in known]
    if unknown:
        raise InputError(f"columns {unknown} of {key.model}: not stored; expected some of {known}")


def _in_chunks(
    connection: Connection, digests: list[str]
) -> Iterator[tuple[int, NDArray[np.int64], str]]:
    """Begin of each chunk, the order that sorts its digests, and these as one parameter."""
    for start in range(0, len(digests), CHUNK):
        part = digests[start : start + CHUNK]
        order = np.array(sorted(range(len(part)), key=part.__getitem__))
        listed = [part[place] for place in order]
        as_json = connection.dialect.name == "sqlite"
        yield start, order, '["' + '","'.join(listed) + '"]' if as_json else ",".join(listed)


def _lookup(
    connection: Connection, model_id: int, digests: list[str], with_values: bool = True
) -> Iterator[tuple[NDArray[np.int64], str]]:
    """Places of the digests that are stored, and their values: JSON arrays between commas."""
    joined = _JOINED[connection.dialect.name]
    values = f", {joined}(p.\"values\", ',')" if with_values else ""
    statement = sa.text(
        f"SELECT {joined}(CAST(n AS TEXT), ','){values} "  # noqa: S608 -- constants
        f"FROM {_WANTED[connection.dialect.name]} AS wanted "
        "CROSS JOIN predictions AS p WHERE p.model_id = :model AND p.sequence = wanted.digest"
    )
    for start, order, text in _in_chunks(connection, digests):
        row = connection.execute(statement, {"digests": text, "model": model_id}).one()
        if row[0] is not None:
            yield start + order[orjson.loads(f"[{row[0]}]")], row[1] if with_values else ""


def _insert_rows(
    connection: Connection, table: sa.Table, model_id: int, columns: Sequence[Sequence[Any]]
) -> None:
    """Add rows given by columns, without `model_id`; those that are there already stay."""
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" for _ in columns)
        connection.exec_driver_sql(
            f"INSERT INTO {table.name} ({names}) VALUES ({int(model_id)}, {marks}) "  # noqa: S608 -- no values of the caller
            "ON CONFLICT DO NOTHING",
            list(zip(*columns, strict=True)),
        )
        return
    # No digest, JSON text or name holds a line end as such: JSON escapes it.
    types = [str(column.type.compile(connection.dialect)) for column in table.columns][1:]
    parts = [
        f"CAST(string_to_array(:c{place}, E'\\n') AS {kind.split()[0]}[])"
        for place, kind in enumerate(types)
    ]
    statement = sa.text(
        f"INSERT INTO {table.name} ({names}) SELECT CAST(:model AS integer), rows.* "  # noqa: S608 -- constants
        f"FROM unnest({', '.join(parts)}) AS rows ON CONFLICT DO NOTHING"
    )
    texts = {f"c{place}": "\n".join(map(str, column)) for place, column in enumerate(columns)}
    connection.execute(statement, {"model": model_id, **texts})


def _kind(name: str, column: pd.Series) -> str:
    """How the values of a column are stored: a dtype, `null`, or `vector`."""
    dtype: Any = column.dtype
    if not name.isprintable():
        raise InputError(f"column {name!r}; expected a name without line ends")
    if isinstance(dtype, pd.StringDtype):
        return "str"
    kind = str(getattr(dtype, "kind", "O"))
    if kind == "f":
        return "float64" if dtype.itemsize > 4 else "float32"  # noqa: PLR2004 -- bytes
    if kind in "iub":
        return "bool" if kind == "b" else "int64"
    if kind != "O" or str(dtype) != "object":
        raise InputError(f"column {name}: {dtype}; expected numbers, texts, booleans or arrays")
    cells = [cell for cell in column if not _is_missing(cell)]
    if any(isinstance(cell, float) and math.isinf(cell) for cell in cells):
        raise InputError(f"column {name}: infinities among objects; expected a column of floats")
    arrays = sum(isinstance(cell, np.ndarray) for cell in cells)
    if 0 < arrays < len(cells):
        raise InputError(f"column {name}: some cells are arrays; expected all or none")
    return "null" if not cells else "vector" if arrays else "object"


def _merged(key: ModelKey, stored: Kinds, new: Kinds) -> Kinds:
    """Stored columns and new ones behind them, each of a type that holds both."""
    merged = dict(stored)
    for name, kind in new.items():
        before = merged.get(name, "null")
        pair = {before, kind} - {"null"}
        if len(pair) > 1 and pair & {"vector", "structure"}:
            raise InputError(
                f"column {name} of {key.model}: {kind} values; expected {before}, as stored before"
            )
        if len(pair) > 1:
            numbers = pair <= {"float64", "float32", "int64"}
            merged[name] = "float64" if numbers else "object"
        else:
            merged[name] = pair.pop() if pair else "null"
    return merged


def _in_table(kind: str) -> bool:
    return kind not in {"vector", "structure"}


def _encode(frame: pd.DataFrame, names: list[str]) -> list[str]:
    """One JSON array per row, with the columns in the order of `names`; null where there is none.

    JSON has no infinities: they are stored as texts, in columns that are known to hold numbers.
    """
    dtypes = {str(frame[name].dtype) if name in frame else "" for name in names}
    if names and dtypes <= {"float64", "float32"}:
        matrix = np.ascontiguousarray(frame[names].to_numpy(dtype=np.float64))
        if not np.isinf(matrix).any():
            text = orjson.dumps(matrix, option=orjson.OPT_SERIALIZE_NUMPY).decode()
            return [f"[{row}]" for row in text[2:-2].split("],[")]
    columns = [_cells(frame[name]) if name in frame else [None] * len(frame) for name in names]
    rows = zip(*columns, strict=True) if columns else [()] * len(frame)
    try:
        return [orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY).decode() for row in rows]
    except TypeError as error:
        raise InputError(f"columns {names}: {error}; expected values that JSON knows") from None


def _cells(column: pd.Series) -> list[Any]:
    if getattr(column.dtype, "kind", "O") == "f":
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        listed: list[Any] = values.tolist()
        for place in np.flatnonzero(np.isinf(values)):
            listed[place] = _INFINITE[listed[place]]
        return listed
    missing = column.isna().to_numpy()
    cells = column.astype(object).tolist()
    return [None if gone else cell for cell, gone in zip(cells, missing, strict=True)]


def _decode(text: str, kinds: Kinds, columns: Sequence[str] | None) -> pd.DataFrame:
    """Rows from JSON arrays between commas; arrays stored before a column was added are shorter."""
    names = [name for name, kind in kinds.items() if _in_table(kind)]
    asked = [name for name in names if columns is None or name in columns]
    if names and {kinds[name] for name in names} == {"float64"}:
        # One flat list is read three times as fast as many small ones.
        flat = orjson.loads(f"[{text.replace('[', '').replace(']', '')}]")
        rows = text.count("]")
        if len(flat) == rows * len(names):
            matrix = np.array(flat, dtype=np.float64).reshape(rows, len(names))
            return pd.DataFrame(matrix, columns=names)[asked]
    listed = orjson.loads(f"[{text}]")
    width = len(names)
    full = [row if len(row) == width else row + [None] * (width - len(row)) for row in listed]
    cells = dict(zip(names, zip(*full, strict=True) if full else [()] * width, strict=True))
    return pd.DataFrame(
        {name: _series(cells[name], kinds[name]) for name in asked}, index=range(len(full))
    )


def _series(cells: Sequence[Any], kind: str) -> pd.Series:
    if kind in {"float64", "float32"}:
        return pd.Series(np.array(cells, dtype=np.float64).astype(kind))
    if kind in {"int64", "bool"} and None in cells:
        kind = "float64" if kind == "int64" else "object"
    if kind in {"object", "null"}:
        return pd.Series(list(cells), dtype=object)
    return pd.Series(list(cells), dtype=kind)


def _assembled(parts: list[tuple[NDArray[np.int64], pd.DataFrame]], length: int) -> pd.DataFrame:
    """The rows at their places, `found` where there is one."""
    found = np.zeros(length, dtype=bool)
    places = np.concatenate([positions for positions, _ in parts])
    found[places] = True
    source = np.full(length, -1)  # a label that no row has
    source[places] = np.arange(len(places))
    frame = pd.concat([part for _, part in parts], ignore_index=True)
    frame = frame.take(source) if found.all() else frame.reindex(source)
    frame = frame.reset_index(drop=True)
    frame[FOUND] = found
    return frame


def _is_missing(cell: object) -> bool:
    return cell is None or cell is pd.NA or (isinstance(cell, float) and cell != cell)  # noqa: PLR0124 -- NaN


def _is_flat(values: Sequence[object]) -> bool:
    return not any(isinstance(value, np.ndarray) for value in values)


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
    with _opened(uri) as file:
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


def _read_texts(uris: list[str]) -> dict[str, str]:
    """The text of each file; files on S3 are fetched side by side."""

    def text(uri: str) -> str:
        with _opened(uri) as file:
            return gzip.decompress(file.read()).decode()

    unique = list(dict.fromkeys(uris))
    with ThreadPoolExecutor(_WRITERS) as pool:
        return dict(zip(unique, pool.map(text, unique), strict=True))


def _opened(uri: str) -> Any:  # noqa: ANN401 -- a file of fsspec
    filesystem, path = fsspec.core.url_to_fs(uri)
    try:
        return filesystem.open(path, "rb")
    except FileNotFoundError:
        raise InputError(
            f"{uri}: a stored prediction is gone; expected the storage root that belongs to this "
            "database: remove or move both together"
        ) from None
