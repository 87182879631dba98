"""Protein design: make variants, predict, filter, cluster, rank.

The stages are declared in the parameters; each starts as soon as what it needs is there. The run
ends with a folder of results and a page to look at. What a stage does stands in `tasks.design`.
"""

from datetime import UTC, datetime

import pandas as pd

from blocks.settings import settings
from tasks.announcing import announce_link, announce_table, announce_text
from tasks.dag import plan_text
from tasks.design import conclusion, graph
from tasks.design.delivery import DesignResult
from tasks.design.model import DesignParams
from tasks.design.planning import Prepared, call_of, prepare
from tasks.design.previewing import plan_frame, preview
from tasks.design.remote_stages import remote_models
from tasks.policies import WaitedFor, finished, given_params, pipeline, run_logger, start
from tasks.results import require_writable


def run_name() -> str:
    """Name of a run in the UI: what is designed, from which seed."""
    given = given_params()
    subject = given.get("parent", {}).get("id") or "library"
    return f"{subject}-seed{given.get('seed', 1)}" + ("-plan" if given.get("dry_run") else "")


@pipeline("design", flow_run_name=run_name)
def design(params: DesignParams) -> DesignResult:
    """Redesign a protein, or judge a library of sequences; see the README for the stages."""
    started = datetime.now(UTC)
    run = prepare(params)
    text = plan_text(graph.graph_of(params.stages))
    run_logger().info("%s", text)
    if params.dry_run:
        frame = plan_frame(preview(run), params.stages)
        announce_table("design-plan", "What this run would do", frame)
        run_logger().info("Nothing was computed:\n%s", frame.to_string(index=False))
        return DesignResult(plan=tuple(frame.to_dict("records")))
    require_writable(settings().results)
    announce_text("design-plan", "Execution plan", text)
    with remote_models(params.budget):
        ended = finished(_started(run))
    finish = conclusion.deliver.with_options(task_run_name="write results")
    delivered = finish(
        params, run.parent, dict(run.digests), dict(run.services), started=started, ended=ended
    )
    announce_table("design-top", "Top designs", delivered.top)
    announce_table("design-attrition", "Where items were lost", delivered.funnel)
    announce_link("design-page", "The page of this run", delivered.result.page)
    return delivered.result


def _started(run: Prepared) -> dict[str, WaitedFor]:
    """All stages, each waiting for what it needs."""
    futures: dict[str, WaitedFor] = {}
    for stage in run.ordered:
        call = call_of(stage, [futures[name] for name in stage.needs], run)
        if call is None:
            futures[stage.name] = run.inputs[stage.name]
        else:
            futures[stage.name] = start(call.task, stage.name, call.arguments, run.params.refresh)
    return futures


def plan(params: DesignParams) -> tuple[str, pd.DataFrame]:
    """What a run would do, as text and table; without Prefect's engine, and without predicting."""
    run = prepare(params)
    return plan_text(graph.graph_of(params.stages)), plan_frame(preview(run), params.stages)
