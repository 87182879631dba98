"""What is known before a run: input, parent, order of the stages, and what they will do."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches

from blocks.biolm import connection_of
from blocks.errors import InputError, InputProblems, Problem
from blocks.program_places import find_program
from blocks.programs import program_version
from blocks.settings import settings
from blocks.storage import FileRef, refer
from tasks import dag
from tasks.design import graph, local_predictor, remote_stages, stages
from tasks.design.biolm_predict import BiolmPredict
from tasks.design.cluster_params import IdentityParams
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
    SequenceInput,
    StageParams,
)
from tasks.design.remote_asking import service_name
from tasks.design.remote_costs import settings_of
from tasks.design.remote_generation import BiolmGenerate
from tasks.design.remote_generators import check_structure
from tasks.design.remote_model import RemoteSettings
from tasks.design.remote_saturation import BiolmSaturate
from tasks.items import StageResult, column_names, load
from tasks.policies import call

MMSEQS = "mmseqs"

FEWEST_HOMOLOGS = 2
ID_EXAMPLES = 5
"""Ids of the input that a message names."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that may start: everything about it has been checked."""

    params: DesignParams
    ordered: tuple[StageParams, ...]
    parent: str
    """Sequence of the parent, "" if there is none."""
    inputs: Mapping[str, StageResult]
    """The loaded sequences of each stage that reads a file, by the stage's name."""
    services: Mapping[str, str]
    """Name of the service that each remote stage asks, by the stage's name."""
    structures: Mapping[str, FileRef]
    """The structure file of each generator that sends one, by the stage's name."""
    digests: Mapping[str, str]
    """URI and digest of each file that was read."""


def prepare(params: DesignParams) -> Prepared:
    """Read the input and check everything that can be checked before work begins.

    Raises:
        InputProblems: All that is wrong, with the place and what was expected.
    """
    _stop_if(graph.faults(params, None))
    taken = sorted(graph.own_columns(params.stages))
    found: list[InputError] = []
    library: StageResult | None = None
    parent = ""
    digests: dict[str, str] = {}
    with _collected(found):
        library = (
            _loaded(params.input, taken, digests, refresh=params.refresh)
            if params.input.given
            else None
        )
        parent = _parent(params, library)
    inputs = {}
    for stage in params.stages:
        match stage:
            case InputStage() if library:
                inputs[stage.name] = library
            case ProfileStage() if stage.with_.homologs:
                homologs = SequenceInput(source=stage.with_.homologs)
                with _collected(found):
                    inputs[stage.name] = _loaded(
                        homologs, taken, digests, refresh=params.refresh, gaps=True
                    )
            case ProfileStage() if library:
                inputs[stage.name] = library
            case _:
                pass
    if library is not None or not params.input.given:
        columns = column_names(library.items) if library else []
        with _collected(found):
            _stop_if([*graph.faults(params, columns), *graph.parent_faults(params.stages, parent)])
    if not found:
        _stop_if(_too_few_homologs(params.stages, inputs, parent))
    services = _services(params.stages, found)
    structures = _structures(params.stages, found, digests)
    if found:
        raise found[0] if len(found) == 1 else InputError("\n".join(map(str, found)))
    by_name = {stage.name: stage for stage in params.stages}
    ordered = tuple(by_name[name] for name in dag.order(graph.graph_of(params.stages)))
    return Prepared(params, ordered, parent, inputs, services, structures, digests)


def _services(declared: Sequence[StageParams], found: list[InputError]) -> dict[str, str]:
    """The service that each remote stage asks, by the stage's name; a wrong one is told once."""
    names: dict[str, str] = {}
    services = {}
    for stage in declared:
        remote = settings_of(stage)
        if remote is None:
            continue
        if remote.connection not in names:
            names[remote.connection] = ""
            with _collected(found), at_stage(stage):
                names[remote.connection] = service_name(connection_of(remote.connection))
        services[stage.name] = names[remote.connection]
    return services


def _structures(
    declared: Sequence[StageParams], found: list[InputError], digests: dict[str, str]
) -> dict[str, FileRef]:
    """The structure file of each generator that sends one, by the stage's name, looked at."""
    structures = {}
    for stage in declared:
        remote = settings_of(stage)
        if isinstance(remote, BiolmGenerate | BiolmSaturate) and remote.structure:
            with _collected(found), at_stage(stage):
                check_structure(remote)
                structures[stage.name] = _referred(remote.structure)
                digests[structures[stage.name].uri] = structures[stage.name].digest
    return structures


def _too_few_homologs(
    declared: Sequence[StageParams], inputs: Mapping[str, StageResult], parent: str
) -> list[Problem]:
    found = []
    for stage in declared:
        if isinstance(stage, ProfileStage):
            sequences = load(inputs[stage.name].items, ["sequence"])["sequence"]
            without = stage.with_.exclude_parent
            count = int((sequences != parent).sum()) if without else len(sequences)
            if count < FEWEST_HOMOLOGS:
                what = f"{count} sequence(s)" + (" besides the parent" if without else "")
                expected = f"at least {FEWEST_HOMOLOGS} homologs for a profile"
                found.append(Problem(f"stage {stage.name!r}", what, expected))
    return found


def _stop_if(found: list[Problem]) -> None:
    if found:
        raise InputProblems(found)


@contextmanager
def _collected(found: list[InputError]) -> Iterator[None]:
    """Keep what the user did wrong for later, so that all of it can be told at once."""
    try:
        yield
    except InputError as error:
        found.append(error)


@contextmanager
def at_stage(stage: StageParams) -> Iterator[None]:
    """Say which stage an error is about."""
    try:
        yield
    except InputError as error:
        raise InputError(f"stage {stage.name!r}, {error}") from error


def _loaded(
    given: SequenceInput,
    taken: list[str],
    digests: dict[str, str],
    *,
    refresh: bool,
    gaps: bool = False,
) -> StageResult:
    source = _referred(given.source) if given.source else None
    if source is not None:
        digests[source.uri] = source.digest
    arguments = {"source": source, "given": given, "taken": taken, "gaps": gaps}
    return call(stages.load_input, "read input", arguments, refresh)


def _referred(uri: str) -> FileRef:
    try:
        return refer(uri, settings().data)
    except InputError:
        raise
    except Exception as error:  # each kind of storage has errors of its own
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        what = f"cannot be read ({reason or type(error).__name__})"
        raise InputError(f"{uri[:200]}: {what}; expected a file that can be read") from error


def _parent(params: DesignParams, library: StageResult | None) -> str:
    """The parent's sequence, "" if there is none; the text of a literal one without blanks."""
    chosen = params.parent
    if not chosen.id or library is None:
        return "".join(chosen.sequence.split()).upper()
    rows = load(library.items, ["id", "sequence"])
    matches = rows.loc[rows["id"] == chosen.id, "sequence"].unique()
    if len(matches) == 1:
        return str(matches[0])
    if len(matches):
        what = f"{chosen.id!r} is the id of {len(matches)} different sequences"
        raise InputError(f"parent.id: {what}; expected an id that stands once, or `sequence`")
    ids = rows["id"].tolist()
    near = get_close_matches(chosen.id, ids, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    some = ", ".join(ids[:ID_EXAMPLES]) + (", …" if len(ids) > ID_EXAMPLES else "")
    raise InputError(f"parent.id: {chosen.id!r} is not in the input; expected one of {some}{hint}")


@dataclass(frozen=True, slots=True)
class Call:
    """A stage's task with its arguments."""

    task: stages.StageTask
    arguments: dict[str, object]


def call_of(stage: StageParams, needs: Sequence[object], run: Prepared) -> Call | None:
    """How to run a stage; None where its result is there already (an input)."""
    seed, parent = run.params.seed, run.parent
    match stage:
        case InputStage():
            return None
        case ProfileStage():
            without = parent if stage.with_.exclude_parent else ""
            arguments = {"homologs": run.inputs[stage.name], "without": without}
            return Call(stages.make_profile, {"stage": stage, **arguments})
        case GenerateStage():
            return _generating(stage, needs, run)
        case PredictStage():
            return _predicting(stage, needs, run)
        case FilterStage():
            arguments = {"parent": parent, "seed": seed}
            return Call(stages.filter_items, {"stage": stage, "needs": needs, **arguments})
        case ClusterStage():
            arguments = {"stage": stage, "needs": needs, "seed": seed}
            may_run = isinstance(stage.with_, IdentityParams) and stage.with_.engine != "builtin"
            if may_run and find_program(MMSEQS) is not None:
                version = program_version(MMSEQS)
                return Call(stages.cluster_by_program, {**arguments, "version": version})
            return Call(stages.cluster, arguments)
        case DiversityStage():
            arguments = {"stage": stage, "needs": needs, "seed": seed}
            return Call(stages.measure_diversity, arguments)
        case RankStage():
            return Call(stages.rank, {"stage": stage, "needs": needs})


def _generating(stage: GenerateStage, needs: Sequence[object], run: Prepared) -> Call:
    makers = [one.name for one in run.params.stages if isinstance(one, GenerateStage)]
    given = {"stage": stage, "parent": run.parent, "seed": run.params.seed}
    arguments = {**given, "ordinal": 1 + makers.index(stage.name)}
    if not isinstance(stage.with_, RemoteSettings):
        return Call(stages.generate, {**arguments, "needs": needs})
    structure, service = run.structures.get(stage.name), run.services[stage.name]
    further = {"structure": structure, "service": service}
    return Call(remote_stages.generate_remotely, {**arguments, **further})


def _predicting(stage: PredictStage, needs: Sequence[object], run: Prepared) -> Call:
    arguments = {"stage": stage, "needs": needs, "stop_on_error": run.params.stop_on_error}
    if isinstance(stage.with_, BiolmPredict):
        return Call(remote_stages.predict_remotely, arguments)
    version = local_predictor.model_version(stage.with_.kind)
    return Call(stages.predict, {**arguments, "parent": run.parent, "version": version})
