"""Whether a column holds text, numbers or vectors, as far as that is known before a run."""

from typing import Literal

from tasks.design import extraction, predictors
from tasks.design.biolm_predict import BiolmPredict
from tasks.design.filter_params import (
    AllOfFilter,
    AlphabetFilter,
    AnyFilter,
    AnyOfFilter,
    ConservedFilter,
    DistanceFilter,
    IdentityFilter,
    LengthFilter,
    ThresholdFilter,
    TopFilter,
    columns_added,
)
from tasks.design.model import (
    ClusterStage,
    FilterStage,
    GenerateStage,
    PredictStage,
    RankStage,
    StageParams,
)
from tasks.design.remote_generation import BiolmGenerate

Kind = Literal["text", "numbers", "vectors", "structures"]
KINDS: dict[str, Kind] = {
    **dict.fromkeys(("id", "description", "sequence", "digest", "source"), "text"),
    **dict.fromkeys(("method", "mutations", "wild_type", "mutant", "parents"), "text"),
    **dict.fromkeys(("length", "temperature", "generator_score", "confidence"), "numbers"),
    **dict.fromkeys(("rank", "rank_score", "pareto_front", "crowding"), "numbers"),
}
"""Columns of every source, of generators and of ranks."""


def kinds_given(stage: StageParams) -> dict[str, Kind]:
    """Columns that a predictor, a filter or a cluster gives -> what they hold."""
    kinds: dict[str, Kind]
    match stage:
        case PredictStage(with_=BiolmPredict() as remote):
            kinds = dict(extraction.kinds(remote.columns))
            return {remote.prefix + name: kind for name, kind in kinds.items()}
        case PredictStage():
            method = predictors.method_of(stage.with_)
            kinds = dict.fromkeys(method.columns, "numbers")
            kinds |= dict.fromkeys(method.text_columns, "text")
            kinds |= dict.fromkeys(method.vector_sizes, "vectors")
            return {stage.with_.prefix + name: kind for name, kind in kinds.items()}
        case GenerateStage(with_=BiolmGenerate() as remote):
            return {
                **dict.fromkeys(remote.chains, "text"),
                **dict.fromkeys(remote.numbers, "numbers"),
            }
        case FilterStage():
            return dict.fromkeys(columns_added(stage.with_), "numbers")
        case ClusterStage():
            return {stage.name: "numbers"}
        case _:
            return {}


def kinds_needed(stage: StageParams) -> list[tuple[str, Kind]]:
    """Columns that a stage can only use if they hold one kind of value."""
    match stage:
        case PredictStage(with_=BiolmPredict() as remote) if remote.item_fields:
            return []
        case PredictStage():
            return [(stage.chain, "text")]
        case FilterStage():
            return _of_filter(stage.with_)
        case ClusterStage() if stage.with_.kind != "identity":
            return [(stage.vectors, "vectors")]
        case RankStage():
            return [(objective.column, "numbers") for objective in stage.with_.objectives]
        case _:
            return []


def _of_filter(params: AnyFilter) -> list[tuple[str, Kind]]:
    match params:
        case AllOfFilter(filters=filters) | AnyOfFilter(filters=filters):
            return [pair for one in filters for pair in _of_filter(one)]
        case ThresholdFilter(column=column) | TopFilter(column=column):
            return [(column, "numbers")]
        case LengthFilter(column=column) | AlphabetFilter(column=column):
            return [(column, "text")]
        case ConservedFilter(column=column) | DistanceFilter(column=column):
            return [(column, "text")]
        case IdentityFilter(column=column):
            return [(column, "text")]
        case _:
            return []
