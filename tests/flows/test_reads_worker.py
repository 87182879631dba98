"""Deployments of reads on a real server and a process worker: done, and cancelled from outside."""

import json
import re
from pathlib import Path

import pytest

from blocks.settings import settings
from deployments.local import LocalPrefect
from tests.flows.conftest import ended
from tests.flows.slow_reads import done_small, slow, under_way
from tests.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.tool]
DEPLOYMENTS = ("reads/process", "reads/verify")


def begun(prefect: LocalPrefect, deployment: str, params: dict) -> str:
    """Id of a run of a deployment, which waits for the worker."""
    given = json.dumps({"params": params})
    told = prefect.run("deployment", "run", deployment, "--params", given)
    found = re.search(r"UUID:\s*([0-9a-f-]{36})", told)
    assert found is not None, told
    return found[1]


def test_a_worker_runs_and_verifies_the_deployments(deployed: LocalPrefect) -> None:
    example = {"input": {"samplesheet": "deployments/example/samplesheet.csv"}, "preset": "fastp"}

    assert ended(deployed, begun(deployed, "reads/process", example)) == "COMPLETED"

    folder = Path(settings().results, "reads", "latest")
    told = json.loads((folder / "RUN.json").read_text())
    assert (told["samples"], told["failed"]) == (2, 0)
    assert told["molecules_in"] == told["molecules_out"] + sum(told["lost"].values())
    assert ended(deployed, begun(deployed, "reads/verify", {"run": str(folder)})) == "COMPLETED"


def test_a_cancelled_run_ends_and_leaves_nothing_unfinished(
    deployed: LocalPrefect, tmp_path: Path
) -> None:
    run = begun(deployed, "reads/process", slow(tmp_path))
    until(lambda: under_way() and done_small())
    (folder,) = {path.parent for path in under_way()}

    deployed.run("flow-run", "cancel", run)

    assert ended(deployed, run) == "CANCELLED"
    until(lambda: not folder.exists(), 60)
    assert not under_way()
    assert done_small()
