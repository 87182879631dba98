"""What a run would do, counted without doing it: items, what is stored, what is to compute."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from blocks.biolm import connection_of
from blocks.biolm_sessions import kept_open
from tasks import dag
from tasks.design import graph, local_predictor, remote_generators, scoring
from tasks.design.biolm_predict import BiolmPredict
from tasks.design.delivery import StageRow
from tasks.design.local_predictor import LocalPredictor
from tasks.design.model import GenerateStage, InputStage, PredictStage, StageParams
from tasks.design.planning import Prepared, at_stage, call_of
from tasks.design.remote_costs import cost_of, settings_of
from tasks.design.remote_predictor import RemoteAnswers
from tasks.design.timing import Pace, expected_seconds, known_pace
from tasks.items import StageResult, union
from tasks.policies import call, is_cached


@dataclass(frozen=True, slots=True)
class PlanRow(StageRow):
    """One line of a plan."""

    least_s: float = 0.0
    """Time that the rate limit of a remote model takes."""


@kept_open()
def preview(run: Prepared) -> list[PlanRow]:
    """What a run of these parameters would do now: items, from the store, to compute.

    Stages that cost nothing (generators, filters, ranking) are carried out to know their counts.
    Behind a prediction or a remote generator that is not stored yet the counts are upper bounds,
    and marked so. Remote models are asked for their limits, and for nothing else.
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
            with at_stage(stage):
                row, results[stage.name] = _previewed(stage, run, needs)
        bounds[stage.name] = row.items
        rows.append(row)
    return rows


def _there(result: StageResult | None) -> StageResult:
    assert result is not None  # noqa: S101 -- the caller has looked
    return result


def _row(
    stage: StageParams,
    items: int,
    cached: int,
    computed: int,
    *,
    exact: bool = True,
    asked: Sequence[int] | None = None,
) -> PlanRow:
    needs, cost = ", ".join(stage.needs), cost_of(stage, asked or [computed])
    return PlanRow(
        stage.name,
        stage.uses,
        needs,
        items,
        cached,
        computed,
        exact=exact,
        requests=cost.requests,
        least_s=cost.least_s,
    )


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
) -> tuple[PlanRow, StageResult | None]:
    """The plan of a stage whose needs are known, and its result where that costs nothing."""
    planned = call_of(stage, needs, run)
    if planned is None:
        result = run.inputs[stage.name]
        count = result.counts.items_out
        return _row(stage, count, count, 0), result
    cached = not run.params.refresh and is_cached(planned.task, planned.arguments)
    if isinstance(stage, PredictStage) and not cached:
        received = union(need.items for need in needs)
        items, stored, missing = scoring.stored(_keyed(stage, run, needs), received)
        known = (
            call(planned.task, stage.name, planned.arguments, run.params.refresh)
            if missing == 0
            else None
        )
        return _row(stage, items, stored, missing), known
    remote = settings_of(stage)
    if isinstance(remote, remote_generators.RemoteGeneratorParams) and not cached:
        items, asked = remote_generators.expected(remote, run.parent)
        return _row(stage, items, 0, sum(asked), exact=False, asked=asked), None
    result = call(planned.task, stage.name, planned.arguments, run.params.refresh)
    counts = result.counts
    done = counts.items_in if cached else counts.cached
    return _row(stage, counts.items_in, done, 0 if cached else counts.computed), result


def _keyed(stage: PredictStage, run: Prepared, needs: list[StageResult]) -> scoring.Keyed:
    """Under what the predictions of a stage are stored."""
    if isinstance(stage.with_, BiolmPredict):
        return RemoteAnswers(stage, connection_of(stage.with_.connection))
    return LocalPredictor(stage, run.parent, local_predictor.profile_of(needs))


def plan_frame(rows: Sequence[PlanRow], stages_: Sequence[StageParams]) -> pd.DataFrame:
    """The plan as people read it: ≤ marks bounds, ~ what depends on chance, ? what nobody knows."""
    pace, by_name = known_pace(), {stage.name: stage for stage in stages_}
    bounds = ["" if row.exact else "≤ " for row in rows]
    marks = [_mark(row) for row in rows]
    seconds = [_seconds(by_name[row.stage], row, pace) for row in rows]
    columns = {
        "stage": [row.stage for row in rows],
        "uses": [row.uses for row in rows],
        "needs": [row.needs for row in rows],
        "items": [f"{mark}{row.items:,}" for mark, row in zip(bounds, rows, strict=True)],
        "cached": [f"{row.cached:,}" for row in rows],
        "to compute": [f"{mark}{row.computed:,}" for mark, row in zip(marks, rows, strict=True)],
    }
    if any(settings_of(stage) for stage in stages_):
        columns["requests"] = [
            f"{mark}{row.requests:,}" if settings_of(by_name[row.stage]) else ""
            for mark, row in zip(marks, rows, strict=True)
        ]
    columns["expected s"] = [
        "?" if s is None else f"{mark}{s:.1f}" for mark, s in zip(marks, seconds, strict=True)
    ]
    return pd.DataFrame(columns)


def _mark(row: PlanRow) -> str:
    if row.exact:
        return ""
    return "~ " if row.uses == "generate" else "≤ "


def _seconds(stage: StageParams, row: PlanRow, pace: Pace) -> float | None:
    """By the pace of earlier runs, and no less than the rate limit of a service takes."""
    usual = expected_seconds(stage, row.computed, pace)
    return max(usual or 0.0, row.least_s) or usual
