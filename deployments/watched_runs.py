"""Deployments run from a command that tells each stage when it has ended.

The server is that of `make serve` if there is one, else one of its own on a free port.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from blocks.errors import SeqloomError, ServiceError
from deployments.local import LocalPrefect, deploy, prefect_command, server, serving, worker

POLL_S = 0.5
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
SUB_FLOW = re.compile(r"-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
"""How Prefect names the task that stands for a sub-flow."""


Show = Callable[[LocalPrefect, dict[str, Any], float], None]
"""Tells what a flow run came to, on which server, and how many seconds it took."""


def watched(deployment: str, parameters: dict[str, Any], show: Show) -> int:
    """Run a deployment in this folder and show the result.

    Returns:
        Exit status: 1 when it failed, with one line that says why.
    """
    try:
        with some_prefect(Path(".seqloom").absolute()) as prefect:
            deploy(prefect, deployment)
            started = time.monotonic()
            run = run_deployment(prefect, deployment, parameters)
            show(prefect, run, time.monotonic() - started)
    except SeqloomError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


@contextmanager
def some_prefect(folder: Path) -> Iterator[LocalPrefect]:
    """The server of `make serve` if there is one, else one for as long as the block runs."""
    running = serving(folder)
    if running is not None:
        say(f"Using the Prefect server at {running.url}")
        yield running
        return
    say("Starting a Prefect server and a process worker ...")
    with server(folder) as prefect, worker(prefect):
        yield prefect


def run_deployment(
    prefect: LocalPrefect, deployment: str, parameters: dict[str, Any]
) -> dict[str, Any]:
    """The flow run, when it has ended; a line for each stage that ends meanwhile."""
    tag = f"watched-{uuid4().hex[:8]}"  # tells this run from others of the deployment
    command = [*prefect_command(), "deployment", "run", deployment, "--watch", "--tag", tag]
    log = prefect.folder / "watched.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 -- our own interpreter, a list, no shell
            [*command, "--params", json.dumps({"params": parameters})],
            env=dict(prefect.environment),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        say(f"$ prefect deployment run '{deployment}' --watch --params ...")
        with httpx.Client(base_url=prefect.api, timeout=30) as api:
            _follow(api, process, tag)
            status = process.wait()
            run = _tagged_run(api, tag)
    if status:
        reason = (run.get("state") or {}).get("message") or f"see {log}"
        raise ServiceError("the run", f"ended as {run.get('state_name', 'unknown')}: {reason}")
    return run


def _follow(api: httpx.Client, process: subprocess.Popen[bytes], tag: str) -> None:
    """Print each stage once, when it has ended."""
    told: set[str] = set()
    started = time.monotonic()
    while True:
        going_on = process.poll() is None
        run = _tagged_run(api, tag)
        if run:
            query = {"task_runs": {"flow_run_id": {"any_": [run["id"]]}}, "sort": "END_TIME_DESC"}
            for task in reversed(api.post("/task_runs/filter", json=query).json()):
                inner = SUB_FLOW.search(task["name"])  # the step around it is told
                if task["state_type"] in ENDED and task["id"] not in told and not inner:
                    told.add(task["id"])
                    seconds = time.monotonic() - started
                    say(f"  {seconds:6.1f} s  {task['name']:<22} {task['state_name']}")
        if not going_on:
            return
        time.sleep(POLL_S)


def _tagged_run(api: httpx.Client, tag: str) -> dict[str, Any]:
    query = {"flow_runs": {"tags": {"all_": [tag]}}, "limit": 1}
    found = api.post("/flow_runs/filter", json=query).json()
    return dict(found[0]) if found else {}


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
