"""Workflows: pipelines one after the other and side by side, as YAML declares them.

Steps are chained by their results, begin as soon as what they need is there, and may depend on
conditions; a step that fails ends the run, and what was done is undone where the workflow says how.
What a workflow may say stands in `tasks.workflows.model`.
"""

from datetime import UTC, datetime
from typing import cast

import pandas as pd
from prefect.utilities.annotations import quote

from blocks.errors import InputError
from blocks.settings import settings
from flows.registry import pipeline as registered
from flows.runner import RunParams, outcome_of
from tasks.announcing import announce_link, announce_mermaid, announce_table, announce_text
from tasks.policies import given_params, pipeline, run_logger
from tasks.results import require_writable
from tasks.workflows.checking import Known
from tasks.workflows.delivery import Finish, WorkflowResult, deliver
from tasks.workflows.model import Call, Step, WorkflowParams
from tasks.workflows.page import diagram, steps_frame
from tasks.workflows.planning import Prepared, plan_frame, plan_text, prepare
from tasks.workflows.running import Parameters, run_steps
from tasks.workflows.stages import OnPrefect, failure
from tasks.workflows.step_end import Outcome

MOST_STEPS = 100
"""Steps that run at once; each waits in a thread of its own."""
NESTING = {"workflows", "run-pipeline"}
"""Pipelines that a step may not be: a workflow within a workflow is declared as one."""


def run_name() -> str:
    """Name of a run in the UI: which workflow."""
    given = given_params()
    file = str(given.get("workflow") or "").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    name = file or str(given.get("name") or "workflow")
    return name + ("-plan" if given.get("dry_run") else "")


@pipeline("workflows", flow_run_name=run_name, workers=MOST_STEPS)
def workflows(params: WorkflowParams) -> WorkflowResult:
    """Run the steps of a workflow; see the README for what it may say.

    Raises:
        SeqloomError: A step failed; the run's folder says what was done, and what was undone.
    """
    started = datetime.now(UTC)
    run = prepare(params, known_of)
    text, frame = plan_text(run), plan_frame(run)
    run_logger().info("%s", text)
    announce_table("workflow-plan", "What this run does", frame)
    announce_mermaid("workflow-graph", "The workflow", diagram(run.declaration, run.needs))
    if params.dry_run:
        run_logger().info("Nothing was run:\n%s", frame.to_string(index=False))
        plan_ = tuple(frame.to_dict("records"))
        return WorkflowResult(workflow=run.declaration.name, plan=plan_)
    require_writable(settings().results)
    announce_text("workflow-order", "Execution plan", text)
    return _run(run, started)


def _run(run: Prepared, started: datetime) -> WorkflowResult:
    facts = run.facts()
    around = OnPrefect(_carried_out, refresh=run.params.refresh)
    ended = run_steps(run.needs, facts, around)
    around.close()
    write = deliver.with_options(task_run_name="write results")
    finish = Finish(run, ended, facts, started)
    result = write(cast(Finish, quote(finish)))  # Prefect is not to look into it
    announce_table("workflow-steps", "Steps", steps_frame(run.needs, ended))
    told = diagram(run.declaration, run.needs, ended.steps)
    announce_mermaid("workflow-graph", "The workflow", told)
    announce_link("workflow-page", "The page of this run", result.page)
    if ended.error is not None:
        raise failure(ended.error, around.errors)
    return result


def plan(params: WorkflowParams) -> tuple[str, pd.DataFrame]:
    """What a run would do, as text and table; without Prefect's engine, and without a step."""
    run = prepare(params, known_of)
    return plan_text(run), plan_frame(run)


def known_of(name: str) -> Known:
    """What a workflow knows of a pipeline.

    Raises:
        InputError: There is none of that name, or it cannot be a step.
    """
    if name in NESTING:
        raise InputError(f"pipeline {name!r}: runs others itself; expected the others as steps")
    found = registered(name)
    return Known(found.parameters, found.result, dict(found.tables), found.deployments)


def _carried_out(call: Call, params: Parameters) -> Outcome:
    """Run a pipeline as a step or a compensation says; what runs here is a sub-flow."""
    options = call.model_dump(
        include={"where", "deployment", "retries", "retry_delay_s", "time_limit_s", "fallback"}
        if isinstance(call, Step)
        else set()
    )
    found = outcome_of(RunParams(pipeline=call.pipeline, params=params, **options))
    return Outcome(
        result=found.result,
        pipeline=found.pipeline,
        tries=found.tries,
        degraded=found.degraded,
        flow_run=found.flow_run,
    )
