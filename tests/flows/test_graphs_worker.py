"""Deployments of graphs on a real server and a process worker: done, and cancelled from outside."""

import json
import time
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.deployments import run_deployment
from prefect.states import Cancelling

from blocks import ledger
from blocks.settings import settings
from deployments.local import LocalPrefect
from tests import waiting
from tests.flows.conftest import FINAL
from tests.graphs.small_runs import lines
from tests.llm_script import SILENT, ScriptedServer, echo

until = partial(waiting.until, seconds=900)
pytestmark = pytest.mark.engine
NAMES = ("text", "llm", "abstracts")
DEPLOYMENTS = tuple(f"graphs/{one}" for one in NAMES)


def begun(deployment: str, **options: Any) -> UUID:
    """Id of a run of a deployment, which waits for the worker."""
    made: Any = run_deployment(f"graphs/{deployment}", timeout=0, **options)
    return UUID(str(made.id))


def ended(run: UUID) -> str:
    """How the run ended."""
    with get_client(sync_client=True) as client:  # tries again where a busy server says 503
        until(lambda: state_of(client, run) in FINAL)
        return state_of(client, run)


def state_of(client: SyncPrefectClient, run: UUID) -> str:
    state = client.read_flow_run(run).state
    return state.type.value if state is not None else ""


def test_a_worker_runs_the_ready_graphs(deployed: LocalPrefect) -> None:
    runs = [begun(name) for name in NAMES]

    assert [ended(run) for run in runs] == ["COMPLETED"] * 3

    told = {}
    for place in Path(settings().results, "graphs").glob("2*/RUN.json"):
        content = json.loads(place.read_text())
        told[content["graph"]] = content
    counts = {name: (told[name]["items"], told[name]["failed"]) for name in NAMES}
    assert counts == {"text": (12, 0), "llm": (8, 0), "abstracts": (8, 0)}
    assert told["llm"]["notes"] == [
        "answer: no language model was given; summarise (offline) does its work."
    ]


def test_a_cancelled_run_ends_its_calls_and_keeps_what_was_done(
    deployed: LocalPrefect, tmp_path: Path
) -> None:
    source = lines(tmp_path / "items.jsonl", [{"id": n, "text": f"text {n}"} for n in range(40)])
    graph = tmp_path / "asking.yaml"
    graph.write_text("nodes: [{name: ask, uses: generate, with: {prompt: '{{ text }}'}}]\n")
    params = {
        "input": {"source": str(source)}, "graph": str(graph), "chunk": 4, "workers": 1,
        "models": [{"connection": "environment"}],
    }  # fmt: skip
    answered: list[str] = []
    most = 10

    def slow(asked):
        if len(answered) >= most:
            return SILENT
        answered.append(asked.body["messages"][-1]["content"])
        return echo(asked)

    with ScriptedServer(slow) as model:
        variables = {"SEQLOOM_LLM_BASE_URL": model.url, "SEQLOOM_LLM_MODEL": "m"}
        options = {"parameters": {"params": params}, "job_variables": {"env": variables}}
        run = begun("llm", **options)
        until(lambda: len(model.seen) > 10)
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run, Cancelling())

        assert ended(run) == "CANCELLED"
        until(lambda: ledger.run(str(run)).run.status == "cancelled")
        asked = len(model.seen)
        time.sleep(1)
        assert len(model.seen) == asked

        first, most = set(answered), 1_000
        assert ended(begun("llm", **options)) == "COMPLETED"
        again = {one.body["messages"][-1]["content"] for one in model.seen[asked:]}

    assert len(first) == 10
    assert again == {f"text {n}" for n in range(40)} - first
