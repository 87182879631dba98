"""What the routes work with, and what is noted of a request."""

from dataclasses import dataclass, field
from uuid import uuid4

from starlette.requests import Request

from blocks.access_keys import AccessKeys
from blocks.audit import Audit
from deployments.gateway.admission import Rates
from deployments.gateway.prefect_runs import PrefectRuns

PATH_LETTERS = 200


@dataclass(frozen=True)
class Gateway:
    """What all requests share."""

    prefect: PrefectRuns
    keys: AccessKeys
    audit: Audit
    rates: Rates = field(default_factory=Rates)


@dataclass
class Note:
    """What the audit will tell of a request."""

    request: str = field(default_factory=lambda: uuid4().hex)
    caller: str | None = None
    key: str | None = None
    pipeline: str | None = None
    run: str | None = None
    parameters: str | None = None
    errors: tuple[str, ...] = ()
    kept: bool = True
    """Whether it is told at all."""

    def record(self, request: Request, outcome: int | str) -> dict[str, object]:
        """A line of the audit."""
        told = {
            "request": self.request,
            "caller": self.caller,
            "key": self.key,
            "address": request.client.host if request.client else None,
            "asked": f"{request.method} {request.url.path}"[:PATH_LETTERS],
            "outcome": outcome,
            "pipeline": self.pipeline,
            "run": self.run,
            "parameters": self.parameters,
            "errors": [error[:PATH_LETTERS] for error in self.errors[:5]],
        }
        return {name: value for name, value in told.items() if value}
