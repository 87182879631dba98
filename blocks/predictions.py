"""The prediction store: what a model said about a sequence is asked for once.

Numbers and short texts lie in the database, one JSON array per sequence and model; arrays
(embeddings) and long texts (structures) lie in compressed files under the storage root. Everything
goes in and out in bulk, written in the order of the digests. The first value stored for a sequence
stays.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Engine

from blocks import prediction_tables as tables
from blocks.database import reading, writing
from blocks.errors import InputError
from blocks.prediction_codec import IN_FILES, Kinds, column_kinds, decode, encode, in_table
from blocks.prediction_files import Place, PredictionFiles
from blocks.prediction_key import ModelKey, checked_digests

FOUND = "found"


class PredictionStore:
    """The predictions of one database, with their files under one root (a folder or `s3://…`)."""

    def __init__(self, engine: Engine, root: str) -> None:
        self.engine = engine
        self.files = PredictionFiles(root)

    def missing(self, key: ModelKey, digests: Iterable[str]) -> NDArray[np.bool_]:
        """True for each digest of which nothing is stored, shape (n,)."""
        wanted = checked_digests(digests)
        absent = np.ones(len(wanted), dtype=bool)
        with reading(self.engine) as connection:
            model = tables.find_model(connection, key)
            if model is not None:
                for places, _ in tables.stored_values(connection, model[0], wanted, False):
                    absent[places] = False
        return absent

    def get(
        self, key: ModelKey, digests: Iterable[str], columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """What is stored, one row per digest in the order asked for, which is the index.

        Args:
            columns: None for all.

        Returns:
            Columns as they were put, and `found`. Long texts are given by the names of their
            files, for `texts`. A row that was not found holds what
            `DataFrame.reindex` would put there: NaN, None; whole numbers become float then.
        """
        wanted = checked_digests(digests)
        parts: list[tuple[NDArray[np.int64], pd.DataFrame]] = []
        kinds: Kinds = {}
        places: dict[str, list[Place | None]] = {}
        with reading(self.engine) as connection:
            model = tables.find_model(connection, key)
            if model is not None:
                model_id, kinds = model
                _check_asked(key, kinds, columns)
                for positions, text in tables.stored_values(connection, model_id, wanted):
                    parts.append((positions, decode(text, kinds, columns)))
                places = {
                    name: tables.file_places(connection, model_id, name, wanted)
                    for name, kind in kinds.items()
                    if kind in IN_FILES and (columns is None or name in columns)
                }
        nothing = (np.array([], dtype=np.int64), decode("", kinds, columns))
        frame = _assembled(parts or [nothing], len(wanted))
        for name, listed in places.items():
            frame[name] = pd.Series(self._cells(kinds[name], listed), dtype=object)
        names = [name for name in kinds if name in frame] if columns is None else columns
        frame = frame.reindex(columns=[*names, FOUND])
        frame.index = pd.Index(wanted, name="sequence", dtype="str")
        return frame

    def _cells(self, kind: str, places: list[Place | None]) -> Sequence[Any]:
        """What `get` gives for what lies in files."""
        if kind == "vector":
            return self.files.read_vectors(places)
        return [None if place is None else place[0] for place in places]

    def columns(self, key: ModelKey) -> list[str]:
        """Names of all columns that are stored of a model."""
        with reading(self.engine) as connection:
            model = tables.find_model(connection, key)
        return [] if model is None else list(model[1])

    def put(
        self,
        key: ModelKey,
        digests: Iterable[str],
        frame: pd.DataFrame,
        texts: Mapping[str, Sequence[str | None]] | None = None,
    ) -> None:
        """Store the rows of `frame`, one per digest; what is there already stays.

        Columns hold numbers, texts, booleans, arrays (of any shape), or objects that JSON knows.
        Columns not seen before are added to the model; rows stored earlier have none.

        Args:
            texts: Further columns, of texts too long for a table, such as structures.

        Raises:
            InputError: The frame does not fit the digests, or the columns stored before.
        """
        wanted = checked_digests(digests)
        kinds = column_kinds(frame)
        lengths = {len(frame), *(len(column) for column in (texts or {}).values())}
        if lengths != {len(wanted)} or FOUND in kinds or set(kinds) & set(texts or ()):
            raise InputError(
                f"predictions of {key.model}: {len(frame)} rows with columns {list(kinds)} for "
                f"{len(wanted)} digests; expected as many, and no column called found"
            )
        self._add(key, wanted, kinds | dict.fromkeys(texts or (), "text"), frame, texts or {})

    def texts(self, names: Iterable[str | None]) -> list[str | None]:
        """The long texts behind the names that `get` gives for them."""
        return self.files.read_texts([None if name is None else (name, 0) for name in names])

    def export(self, key: ModelKey) -> pd.DataFrame:
        """All that is stored of one model, by digest."""
        with reading(self.engine) as connection:
            digests = tables.stored_digests(connection, key)
        return self.get(key, digests)

    def figures(self) -> pd.DataFrame:
        """Per model: its key, `sequences`, `value_bytes`, `files` and `created_at`, by name."""
        with reading(self.engine) as connection:
            return tables.figures(connection)

    def _add(
        self,
        key: ModelKey,
        digests: list[str],
        kinds: Kinds,
        frame: pd.DataFrame,
        texts: Mapping[str, Sequence[str | None]],
    ) -> None:
        """Add the rows of `frame` by digest, with their arrays and long texts in files."""
        vectors = [name for name, kind in kinds.items() if kind == "vector"]
        new = np.ones(len(digests), dtype=bool)
        if vectors or texts:  # files are worth looking first; of equal digests the first counts
            new = self.missing(key, digests) & ~pd.Index(digests, dtype=object).duplicated()
        order = sorted(np.flatnonzero(new).tolist(), key=digests.__getitem__)
        if not order:
            return
        digests, frame = [digests[place] for place in order], frame.iloc[order]
        places = {name: self.files.write_vectors(name, frame[name]) for name in vectors}
        for name, column in texts.items():
            places[name] = self.files.write_texts([column[place] for place in order])
        model_id, stored = tables.register_model(self.engine, key, kinds)
        rows = encode(frame, in_table(stored))
        with writing(self.engine) as connection:
            tables.insert_rows(connection, tables.PREDICTIONS, model_id, [digests, rows])
            for name, found in places.items():
                files = [(d, name, *p) for d, p in zip(digests, found, strict=True) if p]
                tables.insert_rows(connection, tables.FILES, model_id, [*zip(*files, strict=True)])


def _check_asked(key: ModelKey, kinds: Kinds, columns: Sequence[str] | None) -> None:
    known = list(kinds)
    unknown = [name for name in columns or () if name not in known]
    if unknown:
        raise InputError(f"columns {unknown} of {key.model}: not stored; expected some of {known}")


def _assembled(parts: list[tuple[NDArray[np.int64], pd.DataFrame]], length: int) -> pd.DataFrame:
    """A frame of `length` rows with those of the parts at their places; `found` where there is one.

    Args:
        parts: Places and the rows that belong there; at least one, which gives the columns.
    """
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
