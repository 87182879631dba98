"""A Prefect server with a login, the gateway before it on uvicorn, and callers with keys."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from blocks.access_keys import AccessKeys, Key
from blocks.audit import Audit
from deployments.local import LocalPrefect, server

if TYPE_CHECKING:
    from deployments.gateway.state import Gateway

LOGIN = "gateway:correct-horse"
DECLARED = ("graphs", "run-pipeline", "reads-verify")


@dataclass(frozen=True)
class Caller:
    """Somebody with a key, and a client that shows it."""

    key: Key
    shown: str
    http: httpx.Client

    def start(self, pipeline: str = "graphs", **options: Any) -> httpx.Response:
        given = {"json": {"params": TEXTS}, **options}
        return self.http.post(f"/v1/pipelines/{pipeline}/runs", **given)

    def started(self, **options: Any) -> str:
        """Id of a run that was accepted."""
        answer = self.start(**options)
        assert answer.status_code == 202, answer.text
        return answer.json()["run"]


TEXTS = {
    "input": {"texts": ["one text", "another text"]},
    "nodes": [{"name": "cleaned", "uses": "clean"}],
}


@dataclass(frozen=True)
class RunningGateway:
    """The gateway, and what it works with."""

    url: str
    keys: AccessKeys
    audit: Audit
    prefect: LocalPrefect
    api: httpx.Client
    """Of Prefect, with its login."""

    def run(self, run: str) -> dict[str, Any]:
        """A run as Prefect has it."""
        return self.api.get(f"flow_runs/{run}").raise_for_status().json()


@pytest.fixture(scope="session")
def guarded_prefect(server_folder: Callable[[], Path]) -> Iterator[LocalPrefect]:
    """A server that lets in only who knows its login; with deployments, without a worker.

    Only it and `with_login` know the login: other tests of this process have servers without one.
    """
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PREFECT_SERVER_API_AUTH_STRING", LOGIN)
            patch.setenv("PREFECT_API_AUTH_STRING", LOGIN)
            prefect = stack.enter_context(server(server_folder()))
        with with_login(prefect) as api:
            declare(api)
        yield prefect


def with_login(prefect: LocalPrefect) -> httpx.Client:
    """A client of Prefect's API that shows the login."""
    from prefect.settings import PREFECT_API_AUTH_STRING, temporary_settings

    from deployments.prefect_http import client

    with temporary_settings(updates={PREFECT_API_AUTH_STRING: LOGIN}):
        return client(prefect.api, 60)


def declare(api: httpx.Client, pipelines: Sequence[str] = DECLARED) -> None:
    """Some deployments of the registry, as `prefect deploy` makes them in seconds for each."""
    from prefect.utilities.callables import parameter_schema

    from flows.registry import PIPELINES

    pool = {"name": "local", "type": "process", "base_job_template": {}}
    assert api.post("work_pools/", json=pool).status_code in {201, 409}
    for one in (PIPELINES[name] for name in pipelines):
        flow = api.post("flows/", json={"name": one.flow.name}).raise_for_status().json()
        content = {
            "name": one.deployments[0].split("/")[1],
            "flow_id": flow["id"],
            "entrypoint": one.entrypoint,
            "parameters": {"params": {"from": "the deployment"}},
            "parameter_openapi_schema": parameter_schema(one.flow).model_dump(mode="json"),
            "work_pool_name": "local",
        }
        api.post("deployments/", json=content).raise_for_status()


@pytest.fixture(scope="session")
def gateway(
    guarded_prefect: LocalPrefect, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    """The gateway on loopback, as `seqloom gateway` runs it."""
    from deployments.gateway.prefect_runs import PrefectRuns
    from deployments.gateway.state import Gateway

    folder = tmp_path_factory.mktemp("gateway")
    keys, audit = AccessKeys(folder), Audit(folder)
    with with_login(guarded_prefect) as http, with_login(guarded_prefect) as api:
        shared = Gateway(PrefectRuns(http), keys, audit)
        with served(shared) as url:
            yield RunningGateway(url, keys, audit, guarded_prefect, api)


@contextmanager
def served(shared: "Gateway") -> Iterator[str]:
    """The gateway in a thread; gives its URL."""
    import uvicorn

    from deployments.gateway.server import configured

    listener = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(configured(shared))
    thread = threading.Thread(target=running.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"  # it waits in the listener's queue
    finally:
        running.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture
def new_caller(gateway: RunningGateway) -> Iterator[Callable[..., Caller]]:
    """Makes callers with keys of their own; each test has its own, so that rates stay apart."""
    clients: list[httpx.Client] = []

    def make(name: str, rates: dict[str, str] | None = None, **options: Any) -> Caller:
        given = {"graphs": "1000/minute"} if rates is None else rates
        key, shown = gateway.keys.make(f"{name}-{uuid4().hex[:8]}", given, **options)
        headers = {"Authorization": f"Bearer {shown}"}
        clients.append(httpx.Client(base_url=gateway.url, headers=headers, timeout=60))
        return Caller(key, shown, clients[-1])

    yield make
    for one in clients:
        one.close()


@pytest.fixture
def alice(new_caller: Callable[..., Caller]) -> Caller:
    """A caller who may start graphs."""
    return new_caller("alice")
