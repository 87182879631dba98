"""A server with a worker and all deployments, for tests that start them from outside."""

from collections.abc import Iterator

import httpx
import pytest

from deployments.local import LocalPrefect, deploy_all, worker


@pytest.fixture(scope="session")
def deployed(prefect_server: LocalPrefect) -> Iterator[LocalPrefect]:
    """A server with all deployments and a worker."""
    with worker(prefect_server):
        deploy_all(prefect_server)
        yield prefect_server


def state_of(prefect: LocalPrefect, run: str) -> str:
    """The type of state of a flow run, by its id."""
    answer = httpx.get(f"{prefect.api}/flow_runs/{run}", timeout=60)
    return str(answer.raise_for_status().json()["state"]["type"])


def state_named(prefect: LocalPrefect, name: str) -> str:
    """The same, of the newest run of that name."""
    asked = {"flow_runs": {"name": {"any_": [name]}}, "sort": "START_TIME_DESC", "limit": 1}
    answer = httpx.post(f"{prefect.api}/flow_runs/filter", json=asked, timeout=60)
    return str(answer.raise_for_status().json()[0]["state"]["type"])
