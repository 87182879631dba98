"""Text and language-model steps wired freely: fan-out, joins, filters, batches, sub-graphs.

The graph is declared in the parameters or in a file. Items stream through it; the run ends with a
folder of results and a page on which every node can be looked at. What a node does stands in
`tasks.graphs`.
"""

from datetime import UTC, datetime

import pandas as pd

from blocks.settings import settings
from tasks.announcing import announce_link, announce_table, announce_text
from tasks.graphs.delivery import GraphResult
from tasks.graphs.model import GraphParams
from tasks.graphs.planning import Prepared, plan_frame, plan_told, prepare, told
from tasks.graphs.rerunning import prepare_again
from tasks.graphs.stages import plan_diagram, run_and_deliver
from tasks.policies import given_params, pipeline, run_logger
from tasks.results import require_writable

MOST_NODES = 500
"""Nodes that are shown at once; each waits in a thread of its own."""


def run_name() -> str:
    """Name of a run in the UI: the graph, over which items."""
    given = given_params()
    if given.get("rerun"):
        return f"again-{given['rerun'].replace('/', '-')}"
    graph = str(given.get("graph") or "graph").rsplit("/", 1)[-1].split(".")[0]
    source = str((given.get("input") or {}).get("source") or "").rstrip("/").rsplit("/", 1)[-1]
    return "-".join(filter(None, [graph, source, "plan" if given.get("dry_run") else ""]))


@pipeline("graphs", flow_run_name=run_name, workers=MOST_NODES, told=told)
def graphs(params: GraphParams) -> GraphResult:
    """Put items through a graph; see the README for the steps and how they are wired.

    Raises:
        SeqloomError: What ended the run before its time; its folder holds what was done.
    """
    started = datetime.now(UTC)
    run = _prepared(params)
    text, frame = plan_told(run), plan_frame(run, look=params.dry_run)
    run_logger().info("%s", text)
    announce_table("graphs-plan", "What this run does", frame)
    plan_diagram(run.graph)
    if params.dry_run:
        run_logger().info("No step was called:\n%s", frame.to_string(index=False))
        return GraphResult(graph=run.name, plan=tuple(frame.to_dict("records")))
    require_writable(settings().results)
    announce_text("graphs-order", "Execution plan", text)
    ended, result = run_and_deliver(run, frame, started)
    announce_link("graphs-page", "The page of this run", result.page)
    if ended.error is not None:
        raise ended.error
    return result


def plan(params: GraphParams) -> tuple[str, pd.DataFrame]:
    """What a run would do, as text and table; without Prefect's engine, and without a call."""
    run = _prepared(params)
    return plan_told(run), plan_frame(run)


def _prepared(params: GraphParams) -> Prepared:
    return prepare_again(params) if params.rerun else prepare(params)
