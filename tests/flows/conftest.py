"""A server with a worker and all deployments, for tests that start them from outside."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from deployments.local import LocalPrefect, deploy, worker
from tests.waiting import until

FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@pytest.fixture(scope="module")
def deployed(
    prefect_server: LocalPrefect, request: pytest.FixtureRequest
) -> Iterator[LocalPrefect]:
    """A server with the deployments that the module names and a worker, until its last test."""
    with worker(prefect_server):
        deploy(prefect_server, *request.module.DEPLOYMENTS)
        yield prefect_server


def answer_of(method: str, url: str, content: object = None) -> Any:
    """What the server says; asked again while its database is busy, as Prefect's client does."""
    for pause in (0.5, 1, 2, 4, 8, 0):
        answer = httpx.request(method, url, json=content, timeout=60)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        time.sleep(pause)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def state_of(prefect: LocalPrefect, run: str) -> str:
    """The type of state of a flow run, by its id."""
    return str(answer_of("GET", f"{prefect.api}/flow_runs/{run}")["state"]["type"])


def state_named(prefect: LocalPrefect, name: str) -> str:
    """The same, of the newest run of that name."""
    asked = {"flow_runs": {"name": {"any_": [name]}}, "sort": "START_TIME_DESC", "limit": 1}
    return str(answer_of("POST", f"{prefect.api}/flow_runs/filter", asked)[0]["state"]["type"])


def ended(prefect: LocalPrefect, run: str, seconds: float = 300) -> str:
    """The type of state in which a flow run ended."""
    until(lambda: state_of(prefect, run) in FINAL, seconds)
    return state_of(prefect, run)
