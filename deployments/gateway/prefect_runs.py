"""Prefect's API as the gateway uses it: start, list, look at and cancel the runs of one caller.

Whose run it is stands in a tag (`caller:alice`), by which Prefect can list; what it was started
with, in labels. An Idempotency-Key becomes Prefect's own, under which its database takes one run,
whoever asks at the same time; the digest of the parameters among the labels tells whether the same
was asked. So the gateway keeps nothing, and any number of them may run.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
from pydantic import BaseModel

from blocks.masking import one_line
from blocks.service_pace import RetryRule
from deployments.gateway.answers import RefusedError
from deployments.gateway.inputs import Inputs
from deployments.telling import tell
from flows.registry import Pipeline

STARTS_AT_ONCE = 1
"""Prefect on SQLite refuses (503) a start that finds the database changed since it began, so that
several at once keep each other from starting."""
TURN_S = 20.0
"""Longest that a start waits for its turn."""
PATIENCE = RetryRule(attempts=7, first_wait_s=0.05, longest_wait_s=1.0, statuses=frozenset({503}))
"""Prefect's database was busy; everything that is asked here may be asked twice."""
BUSY_S = 2
"""After which a caller may ask again while Prefect is busy."""
TAG = "caller:"
PIPELINE, DIGEST, REQUEST = "seqloom.pipeline", "seqloom.params", "seqloom.request"


class State(BaseModel):
    """Of a run, as Prefect has it."""

    type: str
    name: str
    message: str | None = None


class FlowRun(BaseModel):
    """A run, as Prefect has it; what the gateway does not need is left out."""

    id: UUID
    name: str
    created: datetime
    start_time: datetime | None = None
    end_time: datetime | None = None
    state: State | None = None
    tags: list[str] = []
    labels: dict[str, Any] = {}

    def of(self, caller: str) -> bool:
        """Whether a caller started it."""
        return f"{TAG}{caller}" in self.tags


@dataclass(frozen=True)
class PrefectRuns:
    """Prefect's API; `http` carries its address and login."""

    http: httpx.Client
    _starts: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(STARTS_AT_ONCE)
    )
    _deployments: dict[str, str] = field(default_factory=dict)
    """Ids by name, of those that were asked for."""

    def ready(self) -> str | None:
        """What is wrong with Prefect's server; None where it works."""
        try:
            self._ask("POST", "flow_runs/count", {})
        except RefusedError as error:
            return error.lines[0]
        return None

    def start(
        self, asked: Pipeline, inputs: Inputs, caller: str, request: str, idempotency: str | None
    ) -> tuple[FlowRun, bool]:
        """The run of a request, and whether an earlier request started it.

        Raises:
            RefusedError: 409 where the same key was sent with other parameters; 503 where Prefect
                does not answer, or lacks the deployment.
        """
        content = {
            "parameters": {"params": inputs.params},
            # The pipeline's model took them, and asks more; the schema of the form also wants what
            # has a default.
            "enforce_parameter_schema": False,
            "tags": ["gateway", f"{TAG}{caller}"],
            "labels": {PIPELINE: asked.name, DIGEST: inputs.digest, REQUEST: request},
            "idempotency_key": f"{caller}:{asked.name}:{idempotency or uuid4().hex}",
        }
        run = FlowRun.model_validate(self._made(asked, content))
        if run.labels.get(DIGEST) != inputs.digest:
            told = "Idempotency-Key: was sent with other parameters; expected a new one"
            raise RefusedError(409, told)
        return run, run.labels.get(REQUEST) != request

    def _made(self, asked: Pipeline, content: Mapping[str, Any]) -> object:
        """What Prefect says of a run that it made of the pipeline's deployment.

        A deployment that is deleted and made again has another id, so one that is not found is
        looked for again.
        """
        name = asked.deployments[0]
        known = self._deployments.get(name)
        made = self._created(known, content) if known is not None else None
        if made is None and (found := self._ask("GET", f"deployments/name/{name}")) is not None:
            self._deployments[name] = found["id"]
            made = self._created(found["id"], content)
        if made is None:
            told = f"pipeline {asked.name}: its deployment is not there; expected `make deploy`"
            raise RefusedError(503, told, retry_after_s=60)
        return made

    def _created(self, deployment: str, content: Mapping[str, Any]) -> Any:  # noqa: ANN401 -- JSON
        with self._turn():
            return self._ask("POST", f"deployments/{deployment}/create_flow_run", content)

    def run(self, run: UUID | str, caller: str) -> FlowRun:
        """A run of a caller.

        Raises:
            RefusedError: 404, also where it is another's.
        """
        found = self._ask("GET", f"flow_runs/{UUID(str(run))}")
        known = None if found is None else FlowRun.model_validate(found)
        if known is None or not known.of(caller):
            raise RefusedError(404, "run: not one of yours; expected an id that a start returned")
        return known

    def runs(self, caller: str, limit: int, offset: int) -> list[FlowRun]:
        """Runs of a caller, the newest first."""
        asked = {
            "flow_runs": {"tags": {"all_": [f"{TAG}{caller}"]}},
            "sort": "EXPECTED_START_TIME_DESC",
            "limit": limit,
            "offset": offset,
        }
        return [FlowRun.model_validate(one) for one in self._ask("POST", "flow_runs/filter", asked)]

    def cancel(self, run: FlowRun) -> FlowRun:
        """Ask Prefect to cancel a run; one that has ended stays as it is."""
        state = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
        self._ask("POST", f"flow_runs/{run.id}/set_state", state)
        return FlowRun.model_validate(self._ask("GET", f"flow_runs/{run.id}"))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._starts.acquire(timeout=TURN_S):
            raise RefusedError(503, "too many starts at once; expected later", retry_after_s=BUSY_S)
        try:
            yield
        finally:
            self._starts.release()

    def _ask(self, method: str, path: str, content: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 -- JSON of any shape
        """What Prefect answers; None for 404."""
        with _told_as_ours():
            answer = self._answer(method, path, content)
            if answer.status_code == httpx.codes.NOT_FOUND:
                return None
            if answer.status_code in {409, 422}:
                raise RefusedError(422, f"Prefect refused the parameters: {_detail(answer)}")
            return answer.raise_for_status().json()

    def _answer(self, method: str, path: str, content: Mapping[str, Any] | None) -> httpx.Response:
        failures = 0
        while True:
            answer = self.http.request(method, path, json=content)
            failures += 1
            if answer.status_code not in PATIENCE.statuses or failures == PATIENCE.attempts:
                return answer
            time.sleep(PATIENCE.wait_s(failures))


@contextmanager
def _told_as_ours() -> Iterator[None]:
    """Failures of Prefect as answers of ours; what a caller need not know goes to the log."""
    try:
        yield
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        tell(f"Prefect answered {status}: {_detail(error.response)}")
        told = "Prefect refuses the gateway" if status < 500 else "Prefect is busy"  # noqa: PLR2004
        raise RefusedError(503, f"{told}; expected later", retry_after_s=BUSY_S) from None
    except (httpx.HTTPError, ValueError) as error:
        tell(f"Prefect: {one_line(error)}")
        raise RefusedError(
            503, "Prefect does not answer; expected later", retry_after_s=BUSY_S
        ) from None


def _detail(answer: httpx.Response) -> str:
    try:
        return one_line(str(answer.json()["detail"]))[:300]
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"
