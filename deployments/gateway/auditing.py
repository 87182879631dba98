"""The line of the audit around each request, and an answer in one form whatever happens."""

from collections.abc import Awaitable, Callable

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from blocks.errors import SeqloomError
from blocks.masking import one_line
from deployments.gateway.answers import Refusal, RefusedError
from deployments.gateway.bodies import brief
from deployments.gateway.state import Gateway, Note
from deployments.telling import tell

UNAUDITED = {"/health", "/ready", "/openapi.json"}
REFUSING: tuple[type[Exception], ...] = (RefusedError, RequestValidationError, HTTPException)
"""What `refused` answers."""


async def audited(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Each request with its line in the audit, and an answer whatever happens."""
    note = request.state.note = Note()
    try:
        response = await call_next(request)
    except Exception as error:  # noqa: BLE001 -- the last resort: told to the operator, not the caller
        tell(f"request {note.request}: {type(error).__name__}: {one_line(error)}")
        note.errors = (type(error).__name__,)
        response = _refusal(note, RefusedError(500, "something failed here; expected to work"))
    if note.kept and request.url.path not in UNAUDITED:
        gateway: Gateway = request.app.state.gateway
        try:
            await run_in_threadpool(
                gateway.audit.append, note.record(request, response.status_code)
            )
        except (OSError, SeqloomError) as error:
            tell(f"audit: {one_line(error)}")
            response = _refusal(note, unaudited())
    response.headers["X-Request-ID"] = note.request
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def unaudited() -> RefusedError:
    """The answer where the audit cannot be written."""
    return RefusedError(503, "the audit cannot be written; expected later", retry_after_s=60)


def _refusal(note: Note, error: RefusedError) -> JSONResponse:
    content = Refusal(errors=list(error.lines), request=note.request)
    return JSONResponse(content.model_dump(), error.status, error.headers)


def refused(request: Request, error: Exception) -> Response:
    """Every refusal in the same form, ours and the framework's."""
    match error:
        case RefusedError():
            told = error
        case RequestValidationError():
            lines = [
                f"{'.'.join(map(str, one['loc']))}: {brief(one['input'])}; expected {one['msg']}"
                for one in error.errors()
            ]
            told = RefusedError(422, *lines)
        case HTTPException(status_code=status, detail=detail):
            told = RefusedError(status, f"{detail}; expected a route of /openapi.json")
        case _:
            raise error
    note: Note = request.state.note
    note.errors = told.lines
    answer = _refusal(note, told)
    if isinstance(error, HTTPException):
        answer.headers.update(error.headers or {})
    return answer
