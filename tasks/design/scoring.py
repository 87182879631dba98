"""Predictions through the store: only what is new is computed, each distinct sequence once."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blocks.database import engine
from blocks.prediction_key import ModelKey, sequence_digests
from blocks.predictions import PredictionStore
from blocks.settings import settings
from blocks.storage import read_table
from tasks.design import predictors
from tasks.design.model import PredictStage
from tasks.design.profile import Profile
from tasks.fingerprint import source_digest
from tasks.items import Items, StageResult, load, union
from tasks.progress import Progress

CHUNK, LARGEST_CHUNK = 2_000, 32_000
"""Distinct sequences predicted between two writes to the store: at first, and at most."""
QUICK_S = 2.0
"""A chunk that took less than half of this is followed by one of twice its size: a crash costs
seconds, and a fast model does not spend its time on writing."""
CODE = {
    "profile": ("profile_score", "profile"),
    "protparam": ("properties",),
    "substitution": ("similarity",),
    "identity": ("similarity",),
    "motifs": ("motifs",),
    "embedding": ("embedding",),
}
"""Modules that compute a prediction; their text is part of the model's version."""
MODULES = tuple(f"tasks.design.{name}" for name in ("scoring", "predictors", "method", "residues"))


def code_of(kind: str) -> tuple[str, ...]:
    """Names of the modules that decide the numbers of a predictor."""
    return tuple(
        f"tasks.design.{name}" for name in ("predictors", "method", "residues", *CODE[kind])
    )


def model_version(kind: str) -> str:
    """Version of a predictor: what it says of itself, and the text of its code."""
    return f"{predictors.METHODS[kind].version}+{source_digest(code_of(kind))[:12]}"


def model_key(stage: PredictStage, parent: str, profile: Profile | None) -> ModelKey:
    """What decides a prediction besides the sequence: the model, its settings, its code."""
    method = predictors.METHODS[stage.with_.kind]
    settings_ = stage.with_.model_dump(mode="json", exclude={"prefix"})
    if method.needs_parent:
        settings_["parent"] = parent
    if method.needs_profile and profile is not None:
        settings_["profile"] = hashlib.sha256(profile.hmm).hexdigest()
    return ModelKey.of(
        model=stage.with_.kind,
        action="predict",
        params=settings_,
        version=model_version(stage.with_.kind),
    )


def stored(stage: PredictStage, needs: list[StageResult], parent: str) -> tuple[int, int, int]:
    """Items that the stage gets; their distinct sequences in the store, and those to compute."""
    items = union(need.items for need in needs)
    asked = distinct(items, stage.chain)
    store = PredictionStore(engine(), settings().storage)
    key = model_key(stage, parent, profile_of(needs))
    missing = store.missing(key, asked.digests)
    return len(asked.items), int((~missing).sum()), int(missing.sum())


def predicted(
    stage: PredictStage, asked: "Distinct", parent: str, profile: Profile | None
) -> tuple[pd.DataFrame, NDArray[np.object_], int]:
    """Values and errors of distinct sequences, and how many of them the store knew."""
    key = model_key(stage, parent, profile)
    store = PredictionStore(engine(), settings().storage)
    known = store.get(key, asked.digests)
    found = known.pop("found").to_numpy()
    missing = np.flatnonzero(~found)
    errors = np.full(len(asked.digests), "", dtype=object)
    parts, places = [known[found]], [np.flatnonzero(found)]
    for rows, frame in _computed(stage, asked, missing, parent, profile):
        errors[rows] = frame.pop("error")
        good = (errors[rows] == "").astype(bool)
        store.put(key, [asked.digests[row] for row in rows[good]], frame[good])
        parts.append(frame)
        places.append(rows)
    columns = list(predictors.METHODS[stage.with_.kind].columns)
    renamed = dict(zip(columns, predictors.output_columns(stage.with_), strict=True))
    filled = [part for part in parts if len(part)]
    if not filled:  # no item at all: the columns with their types
        bare = stage.with_.model_copy(update={"prefix": ""})
        filled = [predictors.predict(bare, [], parent=parent or None, profile=profile)]
        places = [np.empty(0, np.int64)]
    values = pd.concat(filled)[columns]
    values = values.take(np.argsort(np.concatenate(places))).reset_index(drop=True)
    return values.rename(columns=renamed), errors, int(found.sum())


def _computed(
    stage: PredictStage,
    asked: "Distinct",
    missing: NDArray[np.int64],
    parent: str,
    profile: Profile | None,
) -> Iterator[tuple[NDArray[np.int64], pd.DataFrame]]:
    """What the model says about the sequences at the places `missing`, chunk by chunk."""
    bare = stage.with_.model_copy(update={"prefix": ""})
    progress = Progress(stage.name, len(missing))
    start, size = 0, CHUNK
    while start < len(missing):
        began = time.monotonic()
        rows = missing[start : start + size]
        chunk = asked.sequences.take(rows).tolist()
        yield rows, predictors.predict(bare, chunk, parent=parent or None, profile=profile)
        progress.advance(len(rows))
        start += size
        if 2 * (time.monotonic() - began) < QUICK_S:
            size = min(2 * size, LARGEST_CHUNK)


@dataclass(frozen=True, slots=True)
class Distinct:
    """The distinct sequences of some items, in order of appearance."""

    items: NDArray[np.int64]
    sequences: pd.Series
    digests: list[str]
    inverse: NDArray[np.int64]
    """Where each item's sequence stands among the distinct ones."""


def distinct(items: Items, chain: str) -> Distinct:
    """The distinct sequences in the column `chain` of the items that are alive."""
    if chain == "sequence":  # its digests are there already
        table = load(items, [chain, "digest"])
        digests = table["digest"]
    else:
        table = load(items, [chain]).fillna({chain: ""})  # an empty one fails, with the reason
        digests = pd.Series(sequence_digests(table[chain].tolist()), dtype=str)
    inverse, unique = pd.factorize(digests)
    first = np.unique(inverse, return_index=True)[1]
    sequences = table[chain].take(first).reset_index(drop=True)
    return Distinct(table["item"].to_numpy(), sequences, unique.tolist(), inverse.astype(np.int64))


def profile_of(needs: Sequence[StageResult]) -> Profile | None:
    """The profile among the results that a stage needs, if there is one."""
    for need in needs:
        if need.artifact is not None and "hmm" in need.artifact.columns:
            row = read_table(need.artifact).iloc[0]
            hmm = row["hmm"].encode("ascii")
            return Profile(hmm, row["alignment"], float(row["effective_sequences"]))
    return None
