"""Where a flow run comes from: who started it, and the run that it is a step of."""

import getpass
import logging
from uuid import uuid5

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound

ORIGIN_TAGS = ("caller:", "watch:")
"""How tags begin by which a gateway tells whom it starts a run for, and arrivals which watch."""


def execution_id(run: FlowRun) -> str:
    """The flow run's id; a flow run that is tried again gets a row for each attempt."""
    attempt = run.run_count or 1
    return str(run.id if attempt == 1 else uuid5(run.id, f"attempt {attempt}"))


def creator(run: FlowRun) -> str:
    """Who started the run: a caller of the gateway, a watch, an automation, a schedule, a person.

    >>> from uuid import uuid4
    >>> creator(FlowRun(flow_id=uuid4(), tags=["reads", "caller:alice"]))
    'caller:alice'
    >>> creator(FlowRun(flow_id=uuid4(), tags=["arrived", "watch:plates"]))
    'watch:plates'
    >>> creator(FlowRun(flow_id=uuid4(), auto_scheduled=True, created_by={"type": "SCHEDULE"}))
    'schedule'
    >>> made_by = {"type": "AUTOMATION", "display_value": "data arrived"}
    >>> creator(FlowRun(flow_id=uuid4(), created_by=made_by))
    'automation:data arrived'
    """
    tagged = sorted(tag for tag in run.tags if tag.startswith(ORIGIN_TAGS))
    if tagged:
        return tagged[0]
    by = run.created_by
    kind = str(by.type or "").lower() if by is not None else ""
    if run.auto_scheduled or kind == "schedule":
        return "schedule"
    if by is not None and by.display_value:
        return f"automation:{by.display_value}" if kind == "automation" else str(by.display_value)
    return kind or getpass.getuser()


def run_around(run: FlowRun) -> FlowRun | None:
    """The run that this one is a step of, in this process or, of a deployment, in another one.

    None where there is none; and where Prefect's server does not tell, which a run does not fail
    for.
    """
    context = FlowRunContext.get()
    around = context.flow_run if context is not None else None
    if around is not None and around.id != run.id:
        return around
    if run.parent_task_run_id is None:
        return None
    try:
        with get_client(sync_client=True) as client:
            step = client.read_task_run(run.parent_task_run_id)
            return client.read_flow_run(step.flow_run_id) if step.flow_run_id else None
    except (ObjectNotFound, httpx.HTTPError, OSError, RuntimeError) as error:
        told = "run %s: which run it is a step of is not known: %s"
        logging.getLogger("seqloom").warning(told, run.name, error)
        return None
