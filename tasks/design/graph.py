"""What can be known of a design run before it starts: its faults, and which columns stand where."""

from collections.abc import Mapping, Sequence

from blocks.errors import Problem
from tasks import dag
from tasks.design import filters, predictors, ranking
from tasks.design.generators import needs_parent, needs_profile, provenance_columns
from tasks.design.model import (
    ClusterStage,
    DesignParams,
    DiversityStage,
    FilterStage,
    GenerateStage,
    InputStage,
    PredictStage,
    ProfileStage,
    RankStage,
    StageParams,
)

ROW_COLUMNS = ("id", "description", "sequence", "length", "digest", "source")
"""Columns of every source."""
RANK_COLUMNS = ("rank", "rank_score", "pareto_front", "crowding")
VECTOR_CLUSTERS = {"kmeans", "hierarchical", "dbscan"}


def graph_of(stages: Sequence[StageParams]) -> dict[str, tuple[str, ...]]:
    """Name of each stage and what it needs."""
    return {stage.name: stage.needs for stage in stages}


def added_columns(stage: StageParams, input_columns: Sequence[str]) -> tuple[str, ...]:
    """Columns that a stage gives to items."""
    match stage:
        case InputStage():
            return (*ROW_COLUMNS, *(c for c in input_columns if c not in ROW_COLUMNS))
        case GenerateStage():
            return (*ROW_COLUMNS, *provenance_columns(stage.with_))
        case PredictStage():
            return predictors.output_columns(stage.with_)
        case FilterStage():
            return filters.columns_added(stage.with_)
        case ClusterStage():
            return (stage.name, f"{stage.name}_representative")
        case RankStage():
            return RANK_COLUMNS
        case _:
            return ()


def needed_columns(stage: StageParams) -> set[str]:
    """Columns that a stage reads."""
    match stage:
        case PredictStage():
            return {stage.chain}
        case FilterStage():
            return filters.columns_needed(stage.with_)
        case ClusterStage():
            return {stage.vectors if stage.with_.kind in VECTOR_CLUSTERS else "sequence"}
        case RankStage():
            return ranking.columns_needed(stage.with_)
        case DiversityStage():
            return {"sequence"}
        case _:
            return set()


def own_columns(stages: Sequence[StageParams]) -> set[str]:
    """Columns that a run gives itself, whatever its input has."""
    own = {"item", "outcome", "lost_at", *ROW_COLUMNS}
    return own.union(*(added_columns(stage, ()) for stage in stages))


def faults(params: DesignParams, input_columns: Sequence[str] | None) -> list[Problem]:
    """Everything that keeps these stages from running, found before any of them starts.

    Args:
        input_columns: Columns of the input; None as long as nobody has read it.
    """
    if not params.stages:
        return [Problem("stages", "none", "at least one stage")]
    found = dag.faults([(stage.name, stage.needs) for stage in params.stages])
    if found:
        return found
    by_name = {stage.name: stage for stage in params.stages}
    for stage in params.stages:
        found += _wiring(stage, [by_name[name] for name in stage.needs])
        found += _requirements(stage, [by_name[name] for name in stage.needs], params)
    if found or input_columns is None:
        return found
    return _columns(params.stages, by_name, input_columns)


def _wiring(stage: StageParams, needs: list[StageParams]) -> list[Problem]:
    """Whether the stages it needs give what this one takes."""
    where = f"stage {stage.name!r}"
    profiles = [need.name for need in needs if isinstance(need, ProfileStage)]
    makers = [need.name for need in needs if not isinstance(need, ProfileStage)]
    found = []
    if len(profiles) > 1:
        found.append(Problem(where, f"needs the profiles {', '.join(profiles)}", "one profile"))
    match stage:
        case InputStage() | ProfileStage():
            if needs:
                found.append(Problem(where, f"needs {', '.join(stage.needs)}", "no needs"))
        case GenerateStage():
            if makers:
                found.append(Problem(where, f"needs {', '.join(makers)}", "a profile, or nothing"))
        case _:
            if not makers:
                found.append(Problem(where, "gets no items", "a stage with items in `needs`"))
            if profiles and not isinstance(stage, PredictStage):
                found.append(Problem(where, f"needs {profiles[0]}", "stages with items only"))
    return found


def _requirements(
    stage: StageParams, needs: list[StageParams], params: DesignParams
) -> list[Problem]:
    """Whether parent, profile and input are there for a stage that cannot do without."""
    where = f"stage {stage.name!r}"
    wants_profile = wants_parent = wants_input = False
    match stage:
        case GenerateStage():
            wants_profile, wants_parent = needs_profile(stage.with_), needs_parent(stage.with_)
        case PredictStage():
            method = predictors.METHODS[stage.with_.kind]
            wants_profile, wants_parent = method.needs_profile, method.needs_parent
        case FilterStage():
            wants_parent = filters.needs_parent(stage.with_)
        case InputStage():
            wants_input = True
        case ProfileStage():
            wants_input = not stage.with_.homologs
            wants_parent = stage.with_.exclude_parent
        case _:
            pass
    found = []
    if wants_profile and not any(isinstance(need, ProfileStage) for need in needs):
        found.append(Problem(where, "no profile", "a stage that uses `profile` in `needs`"))
    if wants_parent and not (params.parent.id or params.parent.sequence):
        found.append(Problem(where, "no parent", "`parent.id` or `parent.sequence`"))
    if wants_input and not params.input.given:
        found.append(Problem(where, "no input", "`input.source` or `input.sequences`"))
    return found


def _columns(
    stages: Sequence[StageParams], by_name: Mapping[str, StageParams], input_columns: Sequence[str]
) -> list[Problem]:
    """Whether each column that a stage reads is given before it, and given once."""
    graph = graph_of(stages)
    found = []
    for stage in stages:
        before = [by_name[name] for name in dag.ancestors(graph, stage.name)]
        there = list(dict.fromkeys(c for one in before for c in added_columns(one, input_columns)))
        where = f"stage {stage.name!r}"
        for column in sorted(needed_columns(stage) - set(there)):
            expected = dag.closest(column, there)
            found.append(Problem(where, f"no column {column!r} comes before it", expected))
    giver: dict[str, str] = {}
    for stage in stages:
        if isinstance(stage, InputStage | GenerateStage):
            giver.update(dict.fromkeys(added_columns(stage, input_columns), stage.name))
    for stage in stages:
        if isinstance(stage, InputStage | GenerateStage):
            continue
        for column in added_columns(stage, input_columns):
            if column in giver:
                what = f"gives column {column!r}, which {giver[column]!r} gives already"
                found.append(Problem(f"stage {stage.name!r}", what, "another name or a `prefix`"))
            giver[column] = stage.name
    return found
