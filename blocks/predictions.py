"""The prediction store: what a model said about a sequence is asked for once.

Numbers and texts lie in the database, one JSON array per sequence and model; arrays (embeddings)
and structures lie in compressed files under the storage root. Everything goes in and out in bulk,
written in the order of the digests. The first value stored for a sequence stays.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Engine

from blocks import prediction_tables as tables
from blocks.database import reading, writing
from blocks.errors import InputError
from blocks.prediction_codec import Kinds, column_kinds, decode, encode, in_table
from blocks.prediction_files import Place, PredictionFiles
from blocks.prediction_key import ModelKey, checked_digests

FOUND = "found"
STRUCTURE = "structure"
FORMATS = ("pdb", "cif")


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
            columns: None for all; structures are left to `get_structures`.

        Returns:
            Columns as they were put, and `found`. A row that was not found holds what
            `DataFrame.reindex` would put there: NaN, None; whole numbers become float then.
        """
        wanted = checked_digests(digests)
        parts: list[tuple[NDArray[np.int64], pd.DataFrame]] = []
        kinds: Kinds = {}
        files: dict[str, list[Place | None]] = {}
        with reading(self.engine) as connection:
            model = tables.find_model(connection, key)
            if model is not None:
                model_id, kinds = model
                _check_asked(key, kinds, columns)
                for positions, text in tables.stored_values(connection, model_id, wanted):
                    parts.append((positions, decode(text, kinds, columns)))
                files = {
                    name: tables.file_places(connection, model_id, name, wanted)
                    for name, kind in kinds.items()
                    if kind == "vector" and (columns is None or name in columns)
                }
        nothing = (np.array([], dtype=np.int64), decode("", kinds, columns))
        frame = _assembled(parts or [nothing], len(wanted))
        for name, places in files.items():
            frame[name] = pd.Series(self.files.read_vectors(places), dtype=object)
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
        wanted = checked_digests(digests)
        kinds = column_kinds(frame)
        if len(wanted) != len(frame) or {FOUND, STRUCTURE} & set(kinds):
            raise InputError(
                f"predictions of {key.model}: {len(frame)} rows with columns {list(kinds)} for "
                f"{len(wanted)} digests; expected as many, and no column called found or structure"
            )
        self._add(key, wanted, kinds, frame)

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
        wanted = checked_digests(digests)
        as_many = {len(texts), len(wanted if plddt is None else plddt)} == {len(wanted)}
        if not as_many or form not in FORMATS:
            raise InputError(
                f"structures of {key.model}: {len(texts)} texts in format {form!r} for "
                f"{len(wanted)} digests; expected as many of everything, and one of {FORMATS}"
            )
        frame = pd.DataFrame(index=range(len(wanted)))
        if plddt is not None:
            arrays = any(isinstance(value, np.ndarray) for value in plddt)
            frame["plddt"] = pd.Series(list(plddt), dtype=object if arrays else None)
        kinds = {**column_kinds(frame), STRUCTURE: "structure"}
        self._add(key, wanted, kinds, frame, texts=texts, suffix=f".{form}")

    def get_structures(self, key: ModelKey, digests: Iterable[str]) -> pd.DataFrame:
        """Per digest, which is the index: `structure` and `format` (None where there is none).

        Also what was stored with it (`plddt`), and `found`: whether there is a structure.
        """
        wanted = checked_digests(digests)
        frame = self.get(key, wanted)
        places: list[Place | None] = [None] * len(wanted)
        with reading(self.engine) as connection:
            model = tables.find_model(connection, key)
            if model is not None:
                places = tables.file_places(connection, model[0], STRUCTURE, wanted)
        formats = [None if place is None else place[0].split(".")[-2] for place in places]
        structures = self.files.read_texts(places)
        frame.insert(0, STRUCTURE, pd.Series(structures, frame.index, dtype=object))
        frame.insert(1, "format", pd.Series(formats, frame.index, dtype=object))
        frame[FOUND] = [place is not None for place in places]
        return frame

    def export(self, key: ModelKey) -> pd.DataFrame:
        """All that is stored of one model, by digest, without structures."""
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
        *,
        texts: Sequence[str] = (),
        suffix: str = "",
    ) -> None:
        """Add the rows of `frame` by digest, with their arrays and structures in files."""
        vectors = [name for name, kind in kinds.items() if kind == "vector"]
        new = np.ones(len(digests), dtype=bool)
        if vectors or suffix:  # files are worth looking first; of equal digests the first counts
            new = self.missing(key, digests) & ~pd.Index(digests, dtype=object).duplicated()
        order = sorted(np.flatnonzero(new).tolist(), key=digests.__getitem__)
        if not order:
            return
        digests, frame = [digests[place] for place in order], frame.iloc[order]
        places = {name: self.files.write_vectors(name, frame[name]) for name in vectors}
        if suffix:
            sorted_texts = [texts[place] for place in order]
            places[STRUCTURE] = self.files.write_texts(sorted_texts, suffix)
        model_id, stored = tables.register_model(self.engine, key, kinds)
        rows = encode(frame, in_table(stored))
        with writing(self.engine) as connection:
            tables.insert_rows(connection, tables.PREDICTIONS, model_id, [digests, rows])
            for name, column in places.items():
                files = [(d, name, *p) for d, p in zip(digests, column, strict=True) if p]
                tables.insert_rows(connection, tables.FILES, model_id, [*zip(*files, strict=True)])


def _check_asked(key: ModelKey, kinds: Kinds, columns: Sequence[str] | None) -> None:
    known = [name for name, kind in kinds.items() if kind != "structure"]
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
