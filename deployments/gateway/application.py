"""The gateway as an application: its routes, and what each may answer."""

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from deployments.gateway import answers, routes
from deployments.gateway.auditing import REFUSING, audited, refused
from deployments.gateway.bodies import MOST_BYTES
from deployments.gateway.state import Gateway

Told = dict[int | str, dict[str, Any]]
REFUSALS: Told = {
    status: {"model": answers.Refusal, "description": text}
    for status, text in {
        400: "no JSON, or a request that no server understands",
        401: "no valid key",
        403: "not a pipeline of this key",
        404: "not a run of this caller",
        409: "the Idempotency-Key was sent with other parameters",
        408: "the body did not come",
        413: f"more than {MOST_BYTES:,} bytes",
        415: "not application/json",
        422: "parameters that do not fit",
        429: "too many; Retry-After tells when",
        503: "Prefect or the audit does not answer; ask again",
    }.items()
}


_EXAMPLE = {
    "params": {"input": {"texts": ["one", "two"]}, "graph": "deployments/example/graphs/text.yaml"}
}
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["params"],
                "additionalProperties": False,
                "properties": {
                    "params": {"type": "object", "description": "as GET /v1/pipelines/… tells"}
                },
            },
            "example": _EXAMPLE,
        }
    },
}


def application(gateway: Gateway) -> FastAPI:
    """The gateway as an application."""
    app = FastAPI(
        title="Seqloom gateway",
        version=version("seqloom"),
        description="Start runs of pipelines, look at them, cancel them: one's own only.",
        docs_url=None,  # its page would come from somebody else's server
        redoc_url=None,
    )
    app.state.gateway = gateway
    app.middleware("http")(audited)
    for kind in REFUSING:
        app.add_exception_handler(kind, refused)
    app.get("/health", response_model=answers.Health)(routes.health)
    app.get("/ready", response_model=answers.Health, responses=_told(503))(routes.ready)
    app.get("/v1/pipelines", responses=_told(401, 429, 503))(routes.pipelines)
    app.get("/v1/pipelines/{pipeline}", responses=_told(401, 403, 429, 503))(routes.schema)
    app.post(
        "/v1/pipelines/{pipeline}/runs",
        status_code=202,
        responses={200: {"model": answers.Started}, **REFUSALS},
        openapi_extra={"requestBody": _BODY},
    )(routes.start)
    app.get("/v1/runs", responses=_told(401, 422, 429, 503))(routes.runs)
    app.get("/v1/runs/{run}", responses=_told(401, 404, 422, 429, 503))(routes.show)
    app.get("/v1/runs/{run}/result", responses=_told(401, 404, 422, 429, 503))(routes.result)
    app.post("/v1/runs/{run}/cancel", status_code=202, responses=REFUSALS)(routes.cancel)
    return app


def _told(*statuses: int) -> Told:
    return {status: REFUSALS[status] for status in statuses}
