"""The predictors of this machine, as the prediction store is filled by them."""

import hashlib
import time
from collections.abc import Generator, Sequence

import numpy as np
import pandas as pd

from blocks.prediction_key import ModelKey, sequence_digests
from blocks.predictions import FOUND
from blocks.storage import read_table
from tasks.design import predictors
from tasks.design.model import PredictStage
from tasks.design.profile import Profile
from tasks.design.scoring import Columns, Part, Pieces
from tasks.fingerprint import source_digest
from tasks.items import StageResult

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
    "additive": ("additive",),
}
"""Modules that compute a prediction; their text is part of the model's version."""
MODULES = tuple(
    f"tasks.design.{name}"
    for name in ("scoring", "local_predictor", "predictors", "method", "residues")
)


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


class LocalPredictor:
    """A predictor with its settings; see `tasks.design.scoring.Predictor`."""

    def __init__(self, stage: PredictStage, parent: str, profile: Profile | None) -> None:
        self._bare = stage.with_.model_copy(update={"prefix": ""})
        self._parent, self._profile = parent or None, profile
        self._names = dict(
            zip(
                predictors.METHODS[stage.with_.kind].columns,
                predictors.output_columns(stage.with_),
                strict=True,
            )
        )
        self.key = model_key(stage, parent, profile)
        self.fields: tuple[str, ...] = (stage.chain,)
        self.vector_columns = frozenset(
            self._names[name] for name in predictors.METHODS[stage.with_.kind].vector_sizes
        )

    def digests(self, frame: pd.DataFrame) -> Sequence[str]:
        """Those of the sequences; an item without one gets that of the empty sequence."""
        return sequence_digests(frame[self.fields[0]].fillna("").tolist())

    def compute(self, pieces: Pieces) -> Generator[Part]:
        """What the model says, chunk by chunk."""
        size = CHUNK
        for places, frame in pieces:
            sequences = frame[self.fields[0]].fillna("").tolist()
            start = 0
            while start < len(places):
                began = time.monotonic()
                rows = slice(start, start + size)
                values = self._predict(sequences[rows])
                errors = values.pop("error").tolist()
                yield Part(places[rows], values, errors)
                start += size
                if 2 * (time.monotonic() - began) < QUICK_S:
                    size = min(2 * size, LARGEST_CHUNK)

    def reads(self, known: Sequence[str]) -> None:
        """All columns."""
        return

    def columns(self, stored: pd.DataFrame) -> Columns:
        """The stored columns under the names asked for."""
        missing = ~stored[FOUND].to_numpy()
        # a prediction of what is no sequence: what stands where there is no value
        empty = self._predict([""] * int(missing.sum())).drop(columns="error")
        found = stored.loc[~missing, [c for c in self._names if c in stored]]
        parts = [part for part in (found, empty) if len(part)] or [empty]
        values = pd.concat(parts, ignore_index=True)
        if missing.any():
            order = np.concatenate([np.flatnonzero(~missing), np.flatnonzero(missing)])
            values = values.take(np.argsort(order)).reset_index(drop=True)
        return Columns(values[list(self._names)].rename(columns=self._names), [""] * len(values))

    def _predict(self, sequences: Sequence[str]) -> pd.DataFrame:
        return predictors.predict(self._bare, sequences, parent=self._parent, profile=self._profile)


def profile_of(needs: Sequence[StageResult]) -> Profile | None:
    """The profile among the results that a stage needs, if there is one."""
    for need in needs:
        if need.artifact is not None and "hmm" in need.artifact.columns:
            row = read_table(need.artifact).iloc[0]
            hmm = row["hmm"].encode("ascii")
            return Profile(hmm, row["alignment"], float(row["effective_sequences"]))
    return None
