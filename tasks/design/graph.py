"""What can be known of a design run before it starts: its faults, and which columns stand where."""

from collections.abc import Mapping, Sequence

from blocks.errors import InputError, Problem
from tasks import dag
from tasks.design import filter_params, predictors, ranking
from tasks.design.biolm_predict import BiolmPredict
from tasks.design.column_kinds import KINDS, kinds_given, kinds_needed
from tasks.design.column_names import RANK_COLUMNS, ROW_COLUMNS
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
from tasks.design.profile import ALPHABET
from tasks.design.residues import sequence_fault
from tasks.design.variants import ChangeableParams, changeable

VECTOR_CLUSTERS = {"kmeans", "hierarchical", "dbscan"}


TAKEN_NAMES = {"input", "item", "outcome", "lost_at", *ROW_COLUMNS, *RANK_COLUMNS}
"""Sources and columns of the run's tables; a stage called so would hide them."""


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
            return filter_params.columns_added(stage.with_)
        case ClusterStage():
            return (stage.name, f"{stage.name}_representative")
        case RankStage():
            return RANK_COLUMNS
        case _:
            return ()


def needed_columns(stage: StageParams) -> set[str]:
    """Columns that a stage reads."""
    match stage:
        case PredictStage(with_=BiolmPredict() as remote):
            return set(remote.fields(stage.chain))
        case PredictStage():
            return {stage.chain}
        case FilterStage():
            return filter_params.columns_needed(stage.with_)
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
    found += [
        Problem(f"stage {stage.name!r}", "a name that the run uses itself", "another name")
        for stage in params.stages
        if stage.name in TAKEN_NAMES and not isinstance(stage, InputStage)
    ]
    if found:
        return found
    by_name = {stage.name: stage for stage in params.stages}
    for stage in params.stages:
        found += _wiring(stage, [by_name[name] for name in stage.needs])
    found += _requirements(params, by_name)
    found += _alphabets(params)
    if found or input_columns is None:
        return found
    return _columns(params.stages, by_name, input_columns)


def parent_faults(stages: Sequence[StageParams], parent: str) -> list[Problem]:
    """Whether the parent is a sequence that those stages can work with which need one."""
    if not parent:
        return []  # told already where one is needed
    stages_by_fault: dict[str, list[str]] = {}
    found = []
    for stage in stages:
        fault = ""
        if isinstance(stage, GenerateStage) and isinstance(stage.with_, ChangeableParams):
            fault = sequence_fault(parent, ALPHABET, len(parent))
            if not fault:
                found += _beyond_parent(stage.name, stage.with_, len(parent))
        elif isinstance(stage, PredictStage):
            method = predictors.method_of(stage.with_)
            if method.needs_parent:
                fault = sequence_fault(parent, method.letters, method.max_length)
        if fault:
            stages_by_fault.setdefault(fault, []).append(stage.name)
    for fault, names in stages_by_fault.items():
        what, _, expected = fault.partition("; expected ")
        found.append(Problem("parent", f"{what}, for {_listed(names)}", expected))
    return found


def _beyond_parent(stage: str, params: ChangeableParams, length: int) -> list[Problem]:
    """Whether the parent has the positions that a generator may change, or may not."""
    try:
        changeable(params, length)
    except InputError as error:
        field, _, message = str(error).partition(": ")
        what, _, expected = message.partition("; expected ")
        return [Problem(f"stage {stage!r}, with.{field}", what, expected)]
    return []


def _listed(names: Sequence[str]) -> str:
    """The first of the stages, and how many others there are."""
    others = len(names) - 1
    return f"stage {names[0]!r}" + (f" and {others} more" if others else "")


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
            elif profiles and not isinstance(stage, PredictStage):
                found.append(Problem(where, f"needs {profiles[0]}", "stages with items only"))
    return found


def _requirements(params: DesignParams, by_name: Mapping[str, StageParams]) -> list[Problem]:
    """Whether parent, profiles and input are there for stages that cannot do without."""
    found = []
    without_parent, without_input = [], []
    for stage in params.stages:
        profile, parent, library = _requires(stage)
        needs = [by_name[name] for name in stage.needs]
        if profile and not any(isinstance(need, ProfileStage) for need in needs):
            expected = "a stage that uses `profile` in `needs`"
            found.append(Problem(f"stage {stage.name!r}", "no profile", expected))
        if parent and not (params.parent.id or params.parent.sequence):
            without_parent.append(stage.name)
        if library and not params.input.given:
            without_input.append(stage.name)
    if without_parent:
        what = f"none, for {_listed(without_parent)}"
        found.append(Problem("parent", what, "`parent.id` or `parent.sequence`"))
    if params.parent.id and not params.input.given:
        what = f"{params.parent.id!r}, but there is no input"
        found.append(Problem("parent.id", what, "`input.source`, or `parent.sequence` instead"))
    if without_input:
        what = f"none, for {_listed(without_input)}"
        found.append(Problem("input", what, "`input.source` or `input.sequences`"))
    return found


def _requires(stage: StageParams) -> tuple[bool, bool, bool]:
    """Whether a stage cannot do without a profile, the parent, the input."""
    match stage:
        case GenerateStage():
            return needs_profile(stage.with_), needs_parent(stage.with_), False
        case PredictStage():
            method = predictors.method_of(stage.with_)
            return method.needs_profile, method.needs_parent, False
        case FilterStage():
            return False, filter_params.needs_parent(stage.with_), False
        case InputStage():
            return False, False, True
        case ProfileStage():
            return False, stage.with_.exclude_parent, not stage.with_.homologs
        case _:
            return False, False, False


PROTEIN_MODELS = {"profile", "protparam", "substitution", "motifs", "embedding"}


def _alphabets(params: DesignParams) -> list[Problem]:
    """Models of proteins among the stages of a run on nucleic acids."""
    alphabet = params.input.alphabet
    return [
        Problem(f"stage {stage.name!r}", f"{stage.with_.kind!r} reads {alphabet}", "a protein")
        for stage in params.stages
        if alphabet != "protein"
        and isinstance(stage, PredictStage)
        and stage.with_.kind in PROTEIN_MODELS
    ]


def _columns(
    stages: Sequence[StageParams], by_name: Mapping[str, StageParams], input_columns: Sequence[str]
) -> list[Problem]:
    """Whether each column that a stage reads is given before it, once, and is of the right kind."""
    graph = graph_of(stages)
    own = {c: kind for c, kind in KINDS.items() if c in ROW_COLUMNS or c not in input_columns}
    found = []
    for stage in stages:
        before = [by_name[name] for name in dag.ancestors(graph, stage.name)]
        there = list(dict.fromkeys(c for one in before for c in added_columns(one, input_columns)))
        where = f"stage {stage.name!r}"
        for column in sorted(needed_columns(stage) - set(there)):
            expected = dag.closest(column, there)
            found.append(Problem(where, f"no column {column!r} comes before it", expected))
        kinds = own | {name: kind for one in before for name, kind in kinds_given(one).items()}
        for column, kind in dict.fromkeys(kinds_needed(stage)):
            if column in there and kinds.get(column, kind) != kind:
                found.append(Problem(where, f"column {column!r} holds {kinds[column]}", kind))
    return found + _given_twice(stages, input_columns)


def _given_twice(stages: Sequence[StageParams], input_columns: Sequence[str]) -> list[Problem]:
    """Whether two stages give one column; sources may, as their items are different ones."""
    found = []
    giver: dict[str, str] = {}
    for stage in stages:
        if isinstance(stage, InputStage | GenerateStage):
            giver.update(dict.fromkeys(added_columns(stage, input_columns), stage.name))
    for stage in stages:
        if isinstance(stage, InputStage | GenerateStage):
            continue
        twice: dict[str, list[str]] = {}
        for column in added_columns(stage, input_columns):
            if column in giver:
                twice.setdefault(giver[column], []).append(column)
            giver[column] = stage.name
        for first, columns in twice.items():
            what = f"gives {_some(columns)}, which {first!r} gives already"
            found.append(Problem(f"stage {stage.name!r}", what, "another name or a `prefix`"))
    return found


def _some(columns: Sequence[str]) -> str:
    others = len(columns) - 1
    return f"column {columns[0]!r}" + (f" and {others} more" if others else "")
