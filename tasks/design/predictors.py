"""Columns from sequences: every predictor, and those that run on this machine under one interface.

The numbers of a sequence depend on nothing but itself, the settings, the parent and the profile,
so that they can be kept for it and asked for again.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from blocks.errors import InputError
from tasks.design import (
    additive,
    embedding,
    extraction,
    motifs,
    profile_score,
    properties,
    similarity,
)
from tasks.design.additive import Additive
from tasks.design.biolm_predict import BiolmPredict
from tasks.design.embedding import Embedding
from tasks.design.method import Method
from tasks.design.motifs import Motifs
from tasks.design.profile import Profile
from tasks.design.profile_score import ProfileBits
from tasks.design.properties import ProtParam
from tasks.design.residues import sequence_fault
from tasks.design.similarity import Identity, Substitution

__all__ = ["METHODS", "Method", "PredictorParams", "method_of", "output_columns", "predict"]

PredictorParams = Annotated[
    ProfileBits
    | ProtParam
    | Substitution
    | Identity
    | Motifs
    | Embedding
    | Additive
    | BiolmPredict,
    Field(discriminator="kind"),
]
METHODS: dict[str, Method] = {
    "profile": profile_score.METHOD,
    "protparam": properties.METHOD,
    "substitution": similarity.SUBSTITUTION,
    "identity": similarity.IDENTITY,
    "motifs": motifs.METHOD,
    "embedding": embedding.METHOD,
    "additive": additive.METHOD,
}
BATCH = 4_096
"""Sequences handled together; bounds memory."""


def method_of(params: PredictorParams) -> Method:
    """What a predictor with these settings says of itself."""
    if not isinstance(params, BiolmPredict):
        return METHODS[params.kind]
    kinds = extraction.kinds(params.columns)
    return Method(
        name=f"{params.model} ({params.action})",
        version=params.version,
        columns={
            name: f"{kind} from the answers of {params.model}" for name, kind in kinds.items()
        },
        description=f"{params.model} ({params.action})",
        source="BioLM, https://biolm.ai",
        letters="",
        text_columns=frozenset(n for n, kind in kinds.items() if kind in {"text", "structures"}),
        vector_sizes={name: 0 for name, kind in kinds.items() if kind == "vectors"},
    )


def output_columns(params: PredictorParams) -> tuple[str, ...]:
    """Names of the columns that `predict` gives besides `error`, known before it runs.

    >>> output_columns(Embedding(prefix="aa_"))
    ('aa_embedding',)
    """
    return tuple(params.prefix + name for name in method_of(params).columns)


def predict(
    params: PredictorParams,
    sequences: Sequence[str],
    *,
    parent: str | None = None,
    profile: Profile | None = None,
) -> pd.DataFrame:
    """The predictor's columns and `error`, one row per sequence in the same order.

    Args:
        params: Which predictor, and its settings.
        sequences: One chain each, upper case.
        parent: Where `METHODS[params.kind].needs_parent`.
        profile: Where `METHODS[params.kind].needs_profile`.

    Returns:
        `output_columns(params)`: float64, text, or float32 vectors as `METHODS` says; and `error`,
        "" or why the sequence could not be predicted, with NaN and "" in all other columns.

    Raises:
        InputError: Parent or profile is missing, or the parent is no sequence for this predictor.
    """
    method = method_of(params)
    _check_needs(method, parent, profile)
    errors = [sequence_fault(text, method.letters, method.max_length) for text in sequences]
    good = np.array([i for i, error in enumerate(errors) if not error], dtype=np.int64)
    columns = {name: _missing(method, name, len(sequences)) for name in method.columns}
    for start in range(0, len(good), BATCH):
        rows = good[start : start + BATCH]
        found = _computed(params, [sequences[i] for i in rows], parent or "", profile)
        for name, values in found.items():
            columns[name][rows] = values
    table = {
        params.prefix + name: _series(method, name, values) for name, values in columns.items()
    }
    return pd.DataFrame(table | {"error": pd.Series(errors, dtype=str)})


def _computed(
    params: PredictorParams, sequences: Sequence[str], parent: str, profile: Profile | None
) -> dict[str, Any]:
    """The columns of sequences without fault, as arrays."""
    match params:
        case ProfileBits():
            assert profile is not None  # noqa: S101 -- _check_needs has seen to it
            return dict(profile_score.profile_score(sequences, profile))
        case ProtParam():
            return dict(properties.protparam(params, sequences))
        case Substitution():
            return dict(similarity.substitution(params, sequences, parent))
        case Identity():
            return similarity.identity(sequences, parent)
        case Motifs():
            return dict(motifs.motifs(params, sequences))
        case Embedding():
            return dict(embedding.embedding(sequences))
        case Additive():
            return dict(additive.additive(params, sequences, parent))
        case BiolmPredict():
            raise InputError(f"{params.model}: a remote model; expected one of this machine")


def _check_needs(method: Method, parent: str | None, profile: Profile | None) -> None:
    if method.needs_profile and profile is None:
        raise InputError(f"predictor {method.name!r}: no profile; expected one")
    if method.needs_parent:
        if not parent:
            raise InputError(f"predictor {method.name!r}: no parent sequence; expected one")
        fault = sequence_fault(parent, method.letters, method.max_length)
        if fault:
            raise InputError(f"predictor {method.name!r}, parent sequence: {fault}")


def _missing(method: Method, name: str, count: int) -> NDArray[Any]:
    """What stands in a column where nothing could be predicted."""
    if name in method.text_columns:
        return np.full(count, "", dtype=object)
    if name in method.vector_sizes:
        return np.full((count, method.vector_sizes[name]), np.nan, dtype=np.float32)
    return np.full(count, np.nan)


def _series(method: Method, name: str, values: NDArray[Any]) -> pd.Series:
    if name in method.text_columns:
        return pd.Series(values, dtype=str)
    if name in method.vector_sizes:
        return pd.Series(list(values), dtype=object)
    return pd.Series(values)
