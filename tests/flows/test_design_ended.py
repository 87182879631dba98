"""Design runs that a worker started and that ended before their time."""

import json
import os
import signal

import httpx
import psutil
import pytest

from blocks import ledger
from deployments.local import deploy, worker
from tests.flows.design_cases import PARENT, mutants
from tests.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("prefect_server")]


def test_a_killed_run_is_recorded_and_the_next_one_goes_on(prefect_server, tmp_path):
    """Worker and run die in the middle of a prediction; finished stages are not repeated."""
    stages = [
        mutants(20_000),
        {"name": "same", "uses": "predict", "needs": ["variants"], "with": {"kind": "identity"}},
        {"name": "pp", "uses": "predict", "needs": ["same"], "with": {"kind": "protparam"}},
        {"name": "motif", "uses": "predict", "needs": ["pp"], "with": {"kind": "motifs"}},
    ]
    wanted = {"params": {"stages": stages, "parent": {"sequence": PARENT}, "seed": 31}}
    run = ["deployment", "run", "design/quickstart", "--params", json.dumps(wanted)]

    with worker(prefect_server) as process:
        deploy(prefect_server, "design/quickstart")
        prefect_server.run(*run)
        wait_for_stage("same")
        for member in [*psutil.Process(process.pid).children(recursive=True), process]:
            os.kill(member.pid, signal.SIGKILL)
    with worker(prefect_server):
        prefect_server.run(*run, "--watch")

    again, killed = ledger.runs(pipeline="design", limit=2)
    assert (again.status, killed.status) == ("completed", "crashed")
    assert "ended without finishing" in str(killed.error)
    values = {
        (m.step_name, m.metric_name): m.metric_value for m in ledger.run(again.execution_id).metrics
    }
    assert values["variants", "cache_hit"] == values["same", "cache_hit"] == 1
    done = values["motif", "items_computed"]
    assert done == 20_000


def test_a_cancelled_run_is_recorded(prefect_server):
    stages = [
        mutants(80_000),
        {"name": "pp", "uses": "predict", "needs": ["variants"], "with": {"kind": "protparam"}},
    ]
    wanted = {"params": {"stages": stages, "parent": {"sequence": PARENT}, "seed": 32}}

    with worker(prefect_server):
        deploy(prefect_server, "design/quickstart")
        prefect_server.run("deployment", "run", "design/quickstart", "--params", json.dumps(wanted))
        wait_for_stage("variants")
        (running,) = ledger.runs(pipeline="design", limit=1)
        state = {"state": {"type": "CANCELLING"}}  # what the UI's button sends
        answer = httpx.post(
            f"{prefect_server.api}/flow_runs/{running.flow_run_id}/set_state", json=state
        )
        assert answer.json()["status"] == "ACCEPT"
        until(lambda: ledger.run(running.execution_id).run.status != "running", 60)

    assert ledger.run(running.execution_id).run.status == "cancelled"


def wait_for_stage(name: str) -> None:
    """Until the newest run's ledger has the stage; Prefect itself tells some seconds later."""

    def is_there() -> bool:
        (newest,) = ledger.runs(pipeline="design", limit=1) or [None]
        if newest is None or newest.status != "running":
            return False
        return name in {one.step_name for one in ledger.run(newest.execution_id).metrics}

    until(is_there, pause=0.05)
