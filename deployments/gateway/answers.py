"""What the gateway answers, and how it says no."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field


class RefusedError(Exception):
    """A request is not carried out; `lines` say what is wrong, where, and what was expected."""

    def __init__(self, status: int, *lines: str, retry_after_s: int | None = None) -> None:
        super().__init__(status, lines, retry_after_s)
        self.status = status
        self.lines = lines
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """That go with the answer."""
        if self.status == 401:  # noqa: PLR2004 -- unauthorised
            return {"WWW-Authenticate": "Bearer"}
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}


class Refusal(BaseModel):
    """Why a request was not carried out."""

    errors: list[str] = Field(description="one line each: place, what stands there, what should")
    request: str = Field(description="by which the audit knows the request")


class Offered(BaseModel):
    """A pipeline that the key may start."""

    pipeline: str
    description: str
    rate: str = Field(description="most runs, such as 3/minute")


class Run(BaseModel):
    """A run, as far as it is."""

    run: str = Field(description="its id")
    pipeline: str
    name: str
    state: str = Field(description="SCHEDULED, PENDING, RUNNING, COMPLETED, FAILED, CRASHED, …")
    told: str = Field(description="what Prefect says about the state, on one line")
    created: datetime
    started: datetime | None
    ended: datetime | None


class Started(BaseModel):
    """A run that was accepted."""

    run: str
    name: str
    state: str
    replayed: bool = Field(description="the run of an earlier request with this Idempotency-Key")


class Result(BaseModel):
    """What came of a run, from the ledger; secrets and personal data are `***`."""

    run: str
    pipeline: str
    status: str = Field(description="running, completed, failed, cancelled, crashed")
    result: Any = Field(description="the pipeline's record: counts, places of files; null before")
    error: str | None
    degraded: bool = Field(description="something lesser took the place of what was asked")
    started: datetime
    ended: datetime | None


class Health(BaseModel):
    """Whether something works."""

    ready: bool
    told: list[str] = []
