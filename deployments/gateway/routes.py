"""What callers may ask for; each asks with a key, and sees its own runs only.

A start is audited twice: before Prefect is asked, so that nothing starts unseen, and with what came
of it. Where the audit cannot be written, nothing is started.
"""

import json
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from blocks import ledger
from blocks.access_keys import Key
from blocks.errors import InputError, SeqloomError
from blocks.masking import mask, one_line
from deployments.gateway import answers
from deployments.gateway.admission import allowed, caller
from deployments.gateway.answers import RefusedError
from deployments.gateway.auditing import unaudited
from deployments.gateway.bodies import read_body, read_json
from deployments.gateway.inputs import checked_inputs
from deployments.gateway.prefect_runs import PIPELINE, FlowRun
from deployments.gateway.state import Gateway, Note
from deployments.telling import tell
from flows.registry import PIPELINES

AUDITED_LETTERS = 2_000
"""Of parameters."""


def health() -> answers.Health:
    """Whether the gateway itself answers."""
    return answers.Health(ready=True)


def ready(request: Request) -> Response:
    """Whether runs can be started: Prefect, the ledger and the keys answer."""
    gateway: Gateway = request.app.state.gateway
    told = [fault] if (fault := gateway.prefect.ready()) else []
    for look in (lambda: ledger.runs(limit=1), gateway.keys.all):
        try:
            look()
        except SeqloomError as error:
            told.append(one_line(error))
    content = answers.Health(ready=not told, told=told)
    return JSONResponse(content.model_dump(), 503 if told else 200)


Asking = Annotated[Key, Depends(caller)]


def pipelines(key: Asking) -> list[answers.Offered]:
    """The pipelines that this key may start."""
    return [
        answers.Offered(pipeline=name, description=one.description, rate=key.rates[name])
        for name, one in PIPELINES.items()
        if name in key.rates
    ]


def schema(pipeline: str, key: Asking) -> dict[str, Any]:
    """The JSON schema of a pipeline's parameters."""
    return allowed(key, pipeline).parameters.model_json_schema()


async def _content(request: Request, _: Asking) -> bytes:
    return await read_body(request)


def start(  # noqa: PLR0917 -- FastAPI names them
    pipeline: str,
    request: Request,
    response: Response,
    key: Asking,
    body: Annotated[bytes, Depends(_content)],
    idempotency: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            pattern=r"^[!-~]{1,128}$",
            description="asked again with the same one, the same run is returned",
        ),
    ] = None,
) -> answers.Started:
    """Start a run; only `params` goes on to Prefect, once the pipeline's model took it."""
    gateway: Gateway = request.app.state.gateway
    note: Note = request.state.note
    asked = allowed(key, pipeline)
    note.pipeline = asked.name
    if len(request.headers.getlist("idempotency-key")) > 1:
        raise RefusedError(422, "Idempotency-Key: stands twice; expected it once")
    content = read_json(body)
    note.parameters = json.dumps(mask(content))[:AUDITED_LETTERS]
    inputs = checked_inputs(asked, key, content, lambda run: _is_own(gateway, run, key.caller))
    gateway.rates.take(key.rates[asked.name], asked.name, key.caller)
    try:
        gateway.audit.append(note.record(request, "admitted"))
    except (OSError, SeqloomError) as error:
        tell(f"audit: {one_line(error)}")
        note.kept = False
        raise unaudited() from None
    note.parameters = None  # once is enough
    run, replayed = gateway.prefect.start(asked, inputs, key.caller, note.request, idempotency)
    note.run = str(run.id)
    response.status_code = 200 if replayed else 202
    response.headers["Location"] = f"/v1/runs/{run.id}"
    state = run.state.type if run.state else "SCHEDULED"
    return answers.Started(run=str(run.id), name=run.name, state=state, replayed=replayed)


def _is_own(gateway: Gateway, run: str, caller: str) -> bool:
    try:
        return gateway.prefect.run(run, caller).of(caller)
    except RefusedError as error:
        if error.status == 404:  # noqa: PLR2004 -- another's
            return False
        raise


def runs(
    request: Request,
    key: Asking,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> list[answers.Run]:
    """One's own runs, the newest first."""
    gateway: Gateway = request.app.state.gateway
    return [_run(one) for one in gateway.prefect.runs(key.caller, limit, offset)]


def show(run: UUID, request: Request, key: Asking) -> answers.Run:
    """One of one's own runs."""
    return _run(_own(request, run, key))


def result(run: UUID, request: Request, key: Asking) -> answers.Result:
    """What came of one of one's own runs."""
    found = _own(request, run, key)
    try:
        row = ledger.run(str(found.id)).run
    except InputError:
        told = "run: has no result yet; expected one that has begun"
        raise RefusedError(404, told) from None
    return answers.Result(
        run=str(found.id),
        pipeline=str(found.labels.get(PIPELINE, "")),
        status=row.status,
        result=row.output_data,
        error=row.error,
        degraded=row.degraded,
        started=row.started_at,
        ended=row.completed_at,
    )


def cancel(run: UUID, request: Request, key: Asking) -> answers.Run:
    """Cancel one of one's own runs; one that has ended stays as it is."""
    found = _own(request, run, key)
    gateway: Gateway = request.app.state.gateway
    return _run(gateway.prefect.cancel(found))


def _own(request: Request, run: UUID, key: Key) -> FlowRun:
    request.state.note.run = str(run)
    gateway: Gateway = request.app.state.gateway
    return gateway.prefect.run(run, key.caller)


def _run(found: FlowRun) -> answers.Run:
    state = found.state
    return answers.Run(
        run=str(found.id),
        pipeline=str(found.labels.get(PIPELINE, "")),
        name=found.name,
        state=state.type if state else "SCHEDULED",
        told=one_line(state.message or state.name) if state else "",
        created=found.created,
        started=found.start_time,
        ended=found.end_time,
    )
