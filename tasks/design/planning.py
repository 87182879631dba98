"""What is known before a run: input, parent, order of the stages, and what they will do."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches

import pandas as pd

from blocks.errors import InputError, InputProblems, Problem
from blocks.programs import find_program, program_version
from blocks.settings import settings
from blocks.storage import FileRef, refer
from tasks import dag
from tasks.design import graph, local_predictor, scoring, stages
from tasks.design.cluster_params import IdentityParams
from tasks.design.delivery import StageRow
from tasks.design.local_predictor import LocalPredictor
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
from tasks.design.timing import expected_seconds, known_pace
from tasks.items import StageResult, column_names, load, union
from tasks.policies import call, is_cached

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
    if found:
        raise found[0] if len(found) == 1 else InputError("\n".join(map(str, found)))
    by_name = {stage.name: stage for stage in params.stages}
    ordered = tuple(by_name[name] for name in dag.order(graph.graph_of(params.stages)))
    return Prepared(params, ordered, parent, inputs, digests)


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
            makers = [one.name for one in run.params.stages if isinstance(one, GenerateStage)]
            ordinal = 1 + makers.index(stage.name)
            arguments = {"parent": parent, "seed": seed, "ordinal": ordinal}
            return Call(stages.generate, {"stage": stage, "needs": needs, **arguments})
        case PredictStage():
            arguments = {
                "parent": parent,
                "version": local_predictor.model_version(stage.with_.kind),
                "stop_on_error": run.params.stop_on_error,
            }
            return Call(stages.predict, {"stage": stage, "needs": needs, **arguments})
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


def preview(run: Prepared) -> list[StageRow]:
    """What a run of these parameters would do now: items, from the store, to compute.

    Stages that cost nothing (generators, filters, ranking) are carried out to know their counts.
    Behind a prediction that is not stored yet the counts are upper bounds, and marked so.
    """
    results: dict[str, StageResult | None] = {}
    bounds: dict[str, int] = {}
    rows = []
    for stage in run.ordered:
        if any(results[name] is None for name in stage.needs):
            bound = _bound(stage, run, results, bounds)
            row, results[stage.name] = _row(stage, bound, 0, bound, exact=False), None
        else:
            needs = [_there(results[name]) for name in stage.needs]
            try:
                row, results[stage.name] = _previewed(stage, run, needs)
            except InputError as error:
                raise InputError(f"stage {stage.name!r}, {error}") from error
        bounds[stage.name] = row.items
        rows.append(row)
    return rows


def _there(result: StageResult | None) -> StageResult:
    assert result is not None  # noqa: S101 -- the caller has looked
    return result


def _row(
    stage: StageParams, items: int, cached: int, computed: int, *, exact: bool = True
) -> StageRow:
    needs = ", ".join(stage.needs)
    return StageRow(stage.name, stage.uses, needs, items, cached, computed, exact=exact)


def _bound(
    stage: StageParams,
    run: Prepared,
    results: Mapping[str, StageResult | None],
    bounds: Mapping[str, int],
) -> int:
    """Most items that can reach a stage: branches of one origin share items, others add up."""
    graph_ = graph.graph_of(run.params.stages)
    sources = {one.name for one in run.ordered if isinstance(one, InputStage | GenerateStage)}
    by_origin: dict[frozenset[str], int] = {}
    for name in stage.needs:
        result = results[name]
        if result is not None and not result.items.rows:
            continue  # a profile: no items
        origin = frozenset(sources & {name, *dag.ancestors(graph_, name)})
        by_origin[origin] = min(bounds[name], by_origin.get(origin, bounds[name]))
    return sum(by_origin.values())


def _previewed(
    stage: StageParams, run: Prepared, needs: list[StageResult]
) -> tuple[StageRow, StageResult | None]:
    """The plan of a stage whose needs are known, and its result where that costs nothing."""
    planned = call_of(stage, needs, run)
    if planned is None:
        result = run.inputs[stage.name]
        count = result.counts.items_out
        return _row(stage, count, count, 0), result
    cached = not run.params.refresh and is_cached(planned.task, planned.arguments)
    if isinstance(stage, PredictStage) and not cached:
        model = LocalPredictor(stage, run.parent, local_predictor.profile_of(needs))
        received = union(need.items for need in needs)
        items, stored, missing = scoring.stored(model, received)
        known = (
            call(planned.task, stage.name, planned.arguments, run.params.refresh)
            if missing == 0
            else None
        )
        return _row(stage, items, stored, missing), known
    result = call(planned.task, stage.name, planned.arguments, run.params.refresh)
    counts = result.counts
    done = counts.items_in if cached else counts.cached
    return _row(stage, counts.items_in, done, 0 if cached else counts.computed), result


def plan_frame(rows: Sequence[StageRow], stages_: Sequence[StageParams]) -> pd.DataFrame:
    """The plan as people read it; bounds are marked with ≤, what nobody knows with ?."""
    mark = {True: "", False: "≤ "}
    pace, by_name = known_pace(), {stage.name: stage for stage in stages_}
    seconds = [expected_seconds(by_name[row.stage], row.computed, pace) for row in rows]
    return pd.DataFrame(
        {
            "stage": [row.stage for row in rows],
            "uses": [row.uses for row in rows],
            "needs": [row.needs for row in rows],
            "items": [f"{mark[row.exact]}{row.items:,}" for row in rows],
            "cached": [f"{row.cached:,}" for row in rows],
            "to compute": [f"{mark[row.exact]}{row.computed:,}" for row in rows],
            "expected s": [
                "?" if s is None else f"{mark[row.exact]}{s:.1f}"
                for row, s in zip(rows, seconds, strict=True)
            ],
        }
    )
