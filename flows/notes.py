"""A note about a run that failed, among the artifacts of the Prefect UI.

Started by the automation `note-failed-runs`, or by hand. The note stands under one key, so that
the page of that artifact is a list of what failed.
"""

from uuid import UUID

import httpx
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from pydantic import Field

from blocks.errors import InputError, ServiceError
from blocks.masking import one_line
from tasks.parameters import Params, Record
from tasks.policies import given_params, pipeline, run_logger

KEY = "failed-runs"
"""Of the artifact."""


class NoteParams(Params):
    """Which run."""

    flow_run: UUID = Field(title="Run", description="id of a flow run in Prefect")


class Note(Record):
    """What was written down."""

    run: str
    """Its name."""
    flow: str
    state: str
    reason: str


def run_name() -> str:
    """Name of a run in the UI."""
    given = given_params()
    return f"note-on-{str(given.get('flow_run', ''))[:8]}"


@pipeline("notes", flow_run_name=run_name)
def note(params: NoteParams) -> Note:
    """Write a note about a run.

    Raises:
        InputError: There is no such run.
        ServiceError: The server does not answer.
    """
    try:
        with get_client(sync_client=True) as client:
            run = client.read_flow_run(params.flow_run)
            flow = client.read_flow(run.flow_id).name
    except ObjectNotFound:
        raise InputError(f"run {params.flow_run}: not known; expected the id of a run") from None
    except httpx.HTTPError as error:
        raise ServiceError("Prefect server", one_line(error)) from error
    state = run.state.name if run.state is not None else "without a state"
    reason = one_line((run.state.message if run.state is not None else "") or "no reason given")
    written = Note(run=run.name, flow=flow, state=state, reason=reason)
    create_markdown_artifact(_text(written, params.flow_run), key=KEY, description="Failed runs")
    run_logger().info("%s of %s: %s", written.run, written.flow, written.state)
    return written


def _text(written: Note, flow_run: UUID) -> str:
    """The note; the reason is shown as it is, whatever stands in it."""
    reason = written.reason.replace("```", "'''")
    return (
        f"**{written.run}** of `{written.flow}`: {written.state}\n\n```\n{reason}\n```\n\n"
        f"`seqloom runs show {flow_run}`\n"
    )
