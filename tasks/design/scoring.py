"""Predictions through the store: only what is new is computed, each distinct sequence once."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from blocks.predictions import ModelKey, PredictionStore, sequence_digests
from numpy.typing import NDArray

from blocks.database import engine
from blocks.settings import settings
from blocks.storage import read_table
from tasks.design import predictors
from tasks.design.model import PredictStage
from tasks.design.profile import Profile
from tasks.fingerprint import source_digest
from tasks.items import StageResult, load, union
from tasks.progress import Progress

CHUNK = 2_000
"""Distinct sequences predicted between two writes to the store: what a crash can cost."""
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
    return tuple(f"tasks.design.{name}" for name in ("predictors", "method", "residues", *CODE[kind]))


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
        version=f"{method.version}+{source_digest(code_of(stage.with_.kind))[:12]}",
    )


def stored(stage: PredictStage, needs: list[StageResult], parent: str) -> tuple[int, int, int]:
    """Items that the stage gets; their distinct sequences in the store, and those to compute."""
    items = union(need.items for need in needs)
    table = load(items, [stage.chain])
    sequences, _ = distinct(table[stage.chain])
    store = PredictionStore(engine(), settings().storage)
    key = model_key(stage, parent, profile_of(needs))
    missing = store.missing(key, sequence_digests(sequences))
    return len(table), int((~missing).sum()), int(missing.sum())


def predicted(
    stage: PredictStage, sequences: Sequence[str], parent: str, profile: Profile | None
) -> tuple[pd.DataFrame, NDArray[np.object_], int]:
    """Values and errors of distinct sequences, and how many of them the store knew."""
    key, digests = model_key(stage, parent, profile), np.array(sequence_digests(sequences))
    store = PredictionStore(engine(), settings().storage)
    known = store.get(key, digests.tolist())
    missing = np.flatnonzero(~known["found"].to_numpy())
    bare = stage.with_.model_copy(update={"prefix": ""})
    errors = np.full(len(sequences), "", dtype=object)
    parts = [known[known["found"]].drop(columns="found")]
    progress = Progress(stage.name, len(missing))
    for start in range(0, len(missing), CHUNK):
        rows = missing[start : start + CHUNK]
        chunk = [sequences[row] for row in rows]
        frame = predictors.predict(bare, chunk, parent=parent or None, profile=profile)
        errors[rows] = frame.pop("error")
        good = (errors[rows] == "").astype(bool)
        store.put(key, digests[rows][good].tolist(), frame[good])
        parts.append(frame.set_index(digests[rows]))
        progress.advance(len(rows))
    values = pd.concat([part for part in parts if len(part)] or parts).loc[digests]
    columns = list(predictors.METHODS[stage.with_.kind].columns)
    renamed = dict(zip(columns, predictors.output_columns(stage.with_), strict=True))
    values = values[columns].rename(columns=renamed).reset_index(drop=True)
    return values, errors, len(sequences) - len(missing)


def distinct(sequences: pd.Series) -> tuple[list[str], NDArray[np.int64]]:
    """The distinct sequences in order of appearance, and where each row's stands among them."""
    codes, distinct = pd.factorize(sequences)
    return list(distinct), codes.astype(np.int64)


def profile_of(needs: Sequence[StageResult]) -> Profile | None:
    """The profile among the results that a stage needs, if there is one."""
    for need in needs:
        if need.artifact is not None and "hmm" in need.artifact.columns:
            row = read_table(need.artifact).iloc[0]
            hmm = row["hmm"].encode("ascii")
            return Profile(hmm, row["alignment"], float(row["effective_sequences"]))
    return None
