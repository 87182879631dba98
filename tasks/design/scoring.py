"""Predictions through the store: what it lacks is computed or asked for, then all is read back.

Sequences and values pass through in pieces; memory holds a number and a digest of each item, and
the reasons of those that failed. A run that was killed goes on with what is stored.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blocks.cancellation import stop_if_cancelled
from blocks.database import engine
from blocks.errors import InputError, SeqloomError
from blocks.prediction_key import ModelKey
from blocks.predictions import FOUND, PredictionStore
from blocks.settings import settings
from blocks.storage import BATCH_ROWS, Storage, Table, TableWriter
from tasks import attrition
from tasks.items import Items, iter_load, load
from tasks.progress import Progress

VECTOR_ROWS = 4_096
"""Items in memory at once where they have vectors."""

Pieces = Iterator[tuple[NDArray[np.int64], pd.DataFrame]]
"""Places of distinct inputs, and the rows of the items that hold them."""


@dataclass(frozen=True, slots=True)
class Part:
    """Answers for some of the distinct inputs."""

    places: NDArray[np.int64]
    frame: pd.DataFrame
    """As they are stored, one row for each place."""
    errors: Sequence[str]
    """"" or why there is no value, one for each place."""
    texts: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    """Further columns, of texts too long for a table."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What a stage adds to some items, made from what is stored of them."""

    frame: pd.DataFrame
    errors: Sequence[str]
    """"" or why the answer is of no use, one for each row."""
    further: pd.DataFrame | None = None
    """A table beside the items; its column `row` counts the rows of `frame`."""


class Keyed(Protocol):
    """What can be looked up in the store."""

    key: ModelKey
    fields: tuple[str, ...]
    """Columns of the items that it reads."""

    def digests(self, frame: pd.DataFrame) -> Sequence[str]:
        """What tells equal inputs, one for each row of `fields`."""
        ...


class Predictor(Keyed, Protocol):
    """What gives values for inputs, on this machine or far away."""

    vector_columns: frozenset[str]

    def compute(self, pieces: Pieces) -> Generator[Part]:
        """Answers for all pieces: places of inputs, and the rows of `fields` that hold them."""
        ...

    def reads(self, known: Sequence[str]) -> Sequence[str] | None:
        """Which of the stored columns `columns` needs; None: all."""
        ...

    def columns(self, stored: pd.DataFrame) -> Columns:
        """The columns of items, from rows of the store; where `found` is False they are missing."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """The distinct inputs of some items, in order of appearance."""

    items: NDArray[np.int64]
    digests: list[str]
    inverse: NDArray[np.int64]
    """Where each item's input stands among the distinct ones."""
    first: NDArray[np.int64]
    """Row of the first item with each distinct input; increasing."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What a predict stage adds to its items."""

    count: int
    cached: int
    computed: int
    columns: Table
    losses: pd.DataFrame
    further: Table | None


def asked_of(predictor: Keyed, items: Items) -> Asked:
    """The distinct inputs of the items that are alive."""
    # the digests of sequences are there already
    known = predictor.fields == ("sequence",)
    numbers, parts = [], []
    places: dict[str, int] = {}
    for frame in iter_load(items, ["digest"] if known else predictor.fields):
        digests = frame["digest"].tolist() if known else predictor.digests(frame)
        found = (places.setdefault(digest, len(places)) for digest in digests)
        numbers.append(frame["item"].to_numpy())
        parts.append(np.fromiter(found, np.int64, len(frame)))
    inverse = np.concatenate(parts)
    first = np.flatnonzero(np.diff(np.maximum.accumulate(inverse), prepend=-1))
    return Asked(np.concatenate(numbers), list(places), inverse, first)


def prediction_store() -> PredictionStore:
    """The store of this installation."""
    given = settings()  # reading the environment takes a millisecond
    return PredictionStore(engine(given.database), given.storage)


def stored(predictor: Keyed, items: Items) -> tuple[int, int, int]:
    """Items that a stage gets; their distinct inputs in the store, and those it lacks."""
    asked = asked_of(predictor, items)
    missing = prediction_store().missing(predictor.key, asked.digests)
    return len(asked.items), int((~missing).sum()), int(missing.sum())


def score(stage: str, items: Items, predictor: Predictor, stop_on_error: bool) -> Scored:
    """The columns of a predict stage for its items.

    Raises:
        InputError: An item failed, and `stop_on_error` is set.
    """
    asked, store = asked_of(predictor, items), prediction_store()
    missing = np.flatnonzero(store.missing(predictor.key, asked.digests))
    failed = _complete(
        stage, items, predictor, asked, store=store, missing=missing, stop_on_error=stop_on_error
    )
    reasons: dict[int, str] = {}
    made: list[Table] = []
    storage = Storage(settings().storage)
    with ExitStack() as stack:
        writer, done = stack.enter_context(storage.table_writer(predictor.vector_columns))
        beside: TableWriter | None = None
        for rows, columns in _read_back(predictor, asked, store, failed):
            numbers = asked.items[rows]
            columns.frame.insert(0, "item", numbers)
            writer.write(columns.frame)
            reasons.update({int(numbers[n]): why for n, why in enumerate(columns.errors) if why})
            if columns.further is not None:
                if beside is None:
                    beside, made = stack.enter_context(storage.table_writer())
                table = columns.further
                table.insert(0, "item", numbers[table.pop("row")])
                beside.write(table)
    if stop_on_error and reasons:
        item, reason = next(iter(reasons.items()))
        _stop(stage, items, int(np.searchsorted(asked.items, item)), reason)
    lost = np.fromiter(reasons, np.int64, len(reasons))
    return Scored(
        count=len(asked.items),
        cached=len(asked.digests) - len(missing),
        computed=len(missing),
        columns=done[0],
        losses=attrition.losses_from_failures(stage, lost, list(reasons.values())),
        further=made[0] if made else None,
    )


def _complete(
    stage: str,
    items: Items,
    predictor: Predictor,
    asked: Asked,
    *,
    store: PredictionStore,
    missing: NDArray[np.int64],
    stop_on_error: bool,
) -> dict[str, str]:
    """Fill the store; digest of each input that failed -> why."""
    failed: dict[str, str] = {}
    if not len(missing):
        return failed
    progress = Progress(stage, len(missing))
    pieces = _pieces(items, predictor.fields, asked, missing)
    with closing(predictor.compute(pieces)) as parts:
        for part in parts:
            reasons = stored_part(store, predictor.key, part, asked.digests)
            failed |= reasons
            progress.advance(len(part.places))
            stop_if_cancelled(f"{stage}: ended because the run was cancelled")  # the stored stays
            if stop_on_error and reasons:
                digest, reason = next(iter(reasons.items()))
                _stop(stage, items, int(asked.first[asked.digests.index(digest)]), reason)
    return failed


def stored_part(
    store: PredictionStore, key: ModelKey, part: Part, digests: Sequence[str]
) -> dict[str, str]:
    """Write the good answers down; digest of each failed input -> why.

    Args:
        digests: Those of all inputs, of which the part has some.
    """
    good = np.array([not error for error in part.errors], dtype=bool)
    texts = {
        name: [text for text, keep in zip(column, good, strict=True) if keep]
        for name, column in part.texts.items()
    }
    store.put(key, [digests[place] for place in part.places[good]], part.frame[good], texts)
    return {
        digests[place]: error
        for place, error in zip(part.places.tolist(), part.errors, strict=True)
        if error
    }


def _pieces(
    items: Items, fields: Sequence[str], asked: Asked, missing: NDArray[np.int64]
) -> Pieces:
    """The inputs at the places `missing`, piece by piece."""
    if not len(missing):
        return
    rows, start = asked.first[missing], 0
    for frame in iter_load(items, fields):
        begin, end = np.searchsorted(rows, [start, start + len(frame)])
        if begin < end:
            yield missing[begin:end], frame.iloc[rows[begin:end] - start]
        start += len(frame)


def _read_back(
    predictor: Predictor, asked: Asked, store: PredictionStore, failed: Mapping[str, str]
) -> Iterator[tuple[slice, Columns]]:
    """The columns of all items, some rows at a time; at least once."""
    size = VECTOR_ROWS if predictor.vector_columns else BATCH_ROWS
    needed = predictor.reads(store.columns(predictor.key))
    for start in range(0, max(len(asked.items), 1), size):
        rows = slice(start, start + size)
        places, inverse = np.unique(asked.inverse[rows], return_inverse=True)
        known = store.get(predictor.key, [asked.digests[place] for place in places], needed)
        known = known.take(inverse).reset_index(drop=True)
        columns = predictor.columns(known)
        reasons = [
            failed.get(asked.digests[place], why)
            for place, why in zip(asked.inverse[rows], columns.errors, strict=True)
        ]
        lost = [why for why, found in zip(reasons, known[FOUND], strict=True) if not (found or why)]
        if lost:
            raise SeqloomError(
                f"{predictor.key.model}: {len(lost)} values are gone from the prediction store; "
                "expected nobody to remove them during a run"
            )
        yield rows, Columns(columns.frame, reasons, columns.further)


def _stop(stage: str, items: Items, row: int, reason: str) -> None:
    identifier = load(items, ["id"])["id"][row]
    raise InputError(f"stage {stage!r}, {identifier}: {reason}")
