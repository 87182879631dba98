"""A remote model as the prediction store is filled by it, and the columns made of its answers.

Columns are made from what is stored, so that renaming one, or asking for another reduction, costs
no request.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blocks.biolm_calls import Connection, Item
from blocks.biolm_sessions import Session
from blocks.prediction_key import ModelKey, canonical_json, sequence_digests
from blocks.predictions import FOUND
from tasks.design import answers, extraction
from tasks.design.biolm_predict import STORED_STRUCTURE, BiolmPredict
from tasks.design.budget import Allowance
from tasks.design.model import PredictStage
from tasks.design.remote_asking import Asker, Slots, service_name
from tasks.design.scoring import Columns, Part, Pieces, prediction_store


def model_key(params: BiolmPredict, connection: Connection) -> ModelKey:
    """What decides an answer besides the item."""
    version = service_name(connection) + (f" {params.version}" if params.version else "")
    return ModelKey.of(params.model, params.action, params.request(), version)


class RemoteAnswers:
    """What a remote model answered, in the store; see `tasks.design.scoring.Keyed`."""

    def __init__(self, stage: PredictStage, connection: Connection) -> None:
        assert isinstance(stage.with_, BiolmPredict)  # noqa: S101 -- the caller has looked
        self._stage, self._params, self._connection = stage, stage.with_, connection
        self.key = model_key(self._params, connection)
        self.fields = self._params.fields(stage.chain)

    def digests(self, frame: pd.DataFrame) -> Sequence[str]:
        """Those of the sequences, or of the items as JSON where they have other fields."""
        if not self._params.item_fields:
            return sequence_digests(frame[self.fields[0]].fillna("").tolist())
        items = self._params.items(frame, self._stage.chain)
        return sequence_digests(map(canonical_json, items))


class RemotePredictor(RemoteAnswers):
    """A remote model with its settings; see `tasks.design.scoring.Predictor`."""

    def __init__(
        self, stage: PredictStage, session: Session, allowance: Allowance, slots: Slots
    ) -> None:
        super().__init__(stage, session.client.connection)
        self.asker = Asker(stage.name, self._params, session, allowance, slots)
        self.vector_columns = frozenset(
            self._params.prefix + name
            for name, kind in extraction.kinds(self._params.columns).items()
            if kind == "vectors"
        )
        self._dimensions: dict[str, int] = {}
        """Lengths of the vectors that came first; later ones must have the same."""

    def compute(self, pieces: Pieces) -> Generator[Part]:
        """What the service answers, as it comes in."""
        self.reads(prediction_store().columns(self.key))

        def check(leaves: Mapping[str, answers.Leaf]) -> None:
            extraction.check_keys(self._params.columns, leaves, self._params.model)

        yield from self.asker.parts(self._asked(pieces), check)

    def _asked(self, pieces: Pieces) -> Iterator[tuple[int, Item]]:
        for places, frame in pieces:
            yield from zip(places.tolist(), self._items(frame), strict=True)

    def _items(self, frame: pd.DataFrame) -> list[dict[str, Any]]:
        """The items of some rows, with the texts of structures instead of their names."""
        for column in self.fields:
            files = [cell if _is_structure(cell) else None for cell in frame[column]]
            if any(files):
                texts = pd.Series(prediction_store().texts(files), frame.index, dtype=object)
                frame = frame.assign(**{column: texts})
        return self._params.items(frame, self._stage.chain)

    def reads(self, known: Sequence[str]) -> Sequence[str]:
        """The leaves that the columns are made of.

        Raises:
            InputError: There are answers, but without a key that is asked for.
        """
        if known:
            extraction.check_keys(self._params.columns, known, self._params.model)
        return extraction.leaves_needed(self._params.columns, known)

    def columns(self, stored: pd.DataFrame) -> Columns:
        """The columns asked for, from the stored leaves; a structure is the name of its file."""
        found = stored[FOUND].to_numpy()
        rows = np.flatnonzero(found)
        leaves = stored.drop(columns=FOUND).loc[found].reset_index(drop=True)
        for name in [name for name in map(str, leaves) if name.endswith(answers.LONG)]:
            leaves[name] = leaves[name].map(answers.LongText, na_action="ignore")
        made = extraction.extract(
            self._params.columns, leaves, texts=prediction_store().texts, expected=self._dimensions
        )
        self._dimensions = self._dimensions or extraction.dimensions(
            self._params.columns, made.frame
        )
        frame = made.frame.copy()
        for name, files in made.structures.items():
            frame[name] = pd.Series(files, dtype="str")
        errors = np.full(len(stored), "", dtype=object)
        errors[rows] = made.errors
        further = made.mutations
        if further is not None:
            further = further.assign(row=rows[further["row"].to_numpy()])
        return Columns(self._on_all_rows(frame, rows, len(stored)), errors.tolist(), further)

    def _on_all_rows(
        self, frame: pd.DataFrame, rows: NDArray[np.int64], count: int
    ) -> pd.DataFrame:
        """The frame with rows for what was not found, and the names of the run's columns."""
        texts = [name for name in frame if frame[name].dtype == "str"]
        full = frame.set_axis(pd.Index(rows)).reindex(range(count))
        return full.fillna(dict.fromkeys(texts, "")).add_prefix(self._params.prefix)


def _is_structure(cell: object) -> bool:
    return isinstance(cell, str) and STORED_STRUCTURE.fullmatch(cell) is not None
