"""`make demo`: redesign a myoglobin through a deployment, from an empty machine to a page.

Starts a Prefect server and a process worker of its own on free ports, or uses those of
`make serve`, registers the deployments, runs one through Prefect's command line and shows what came
out. A second demo is answered from the caches, and says so.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pandas as pd
import yaml

from blocks.errors import SeqloomError, ServiceError
from deployments.local import LocalPrefect, deploy_all, prefect_command, server, serving, worker

PARAMETERS = Path("deployments/example/design.yaml")
DEPLOYMENT = "design/quickstart"
SHOWN = 10
COLUMNS = ("rank", "id", "profile_bits", "parent_identity", "instability_index", "mutations")
POLL_S = 0.5
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@contextmanager
def _prefect(folder: Path) -> Iterator[LocalPrefect]:
    """The server of `make serve` if there is one, else one for as long as the block runs."""
    running = serving(folder)
    if running is not None:
        _say(f"Using the Prefect server at {running.url}")
        yield running
        return
    _say("Starting a Prefect server and a process worker ...")
    with server(folder) as prefect, worker(prefect):
        yield prefect


def _run_deployment(prefect: LocalPrefect, parameters: dict[str, Any]) -> dict[str, Any]:
    """The flow run, when it has ended; a line for each stage that ends meanwhile."""
    tag = f"demo-{uuid4().hex[:8]}"  # tells this run from others of the deployment
    command = [*prefect_command(), "deployment", "run", DEPLOYMENT, "--watch", "--tag", tag]
    log = prefect.folder / "demo.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 -- our own interpreter, a list, no shell
            [*command, "--params", json.dumps({"params": parameters})],
            env=dict(prefect.environment),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _say(f"$ prefect deployment run '{DEPLOYMENT}' --watch --params ...")
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
                if task["state_type"] in ENDED and task["id"] not in told:
                    told.add(task["id"])
                    seconds = time.monotonic() - started
                    _say(f"  {seconds:6.1f} s  {task['name']:<22} {task['state_name']}")
        if not going_on:
            return
        time.sleep(POLL_S)


def _tagged_run(api: httpx.Client, tag: str) -> dict[str, Any]:
    query = {"flow_runs": {"tags": {"all_": [tag]}}, "limit": 1}
    found = api.post("/flow_runs/filter", json=query).json()
    return dict(found[0]) if found else {}


def _show(prefect: LocalPrefect, run: dict[str, Any], seconds: float) -> None:
    latest = Path(prefect.environment["SEQLOOM_RESULTS"]) / "design" / "latest"
    manifest = json.loads((latest / "RUN.json").read_text())
    designs = pd.read_csv(latest / "designs.csv", nrows=SHOWN)
    shown = designs[[column for column in COLUMNS if column in designs]]
    _say("\nTop designs\n" + shown.to_string(index=False, max_colwidth=48))
    new, stored = manifest["computed"], manifest["cached"]
    origin = "all from the caches" if new == 0 else f"{stored:,} of them from the caches"
    _say(
        f"\n{manifest['items']:,} variants: {manifest['kept']:,} kept, {manifest['dropped']:,} "
        f"dropped, {manifest['failed']:,} failed; {new + stored:,} predictions, {origin}.\n"
        f"  page     {manifest['page']}\n"
        f"  files    {manifest['folder']}\n"
        f"  run      {run['name']} ({run['id'][:8]}): `make serve` shows it in the Prefect UI,\n"
        f"           now at {prefect.url} for as long as this demo runs\n"
        f"  records  .venv/bin/seqloom runs show {run['id'][:8]}\n"
        f"From the command to the end it took {seconds:.0f} s; most of that is starting Prefect."
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Run the demo; exit status 1 when it failed, with one line that says why."""
    folder = Path(".seqloom").absolute()
    parameters = yaml.safe_load(PARAMETERS.read_text())
    try:
        with _prefect(folder) as prefect:
            deploy_all(prefect)
            started = time.monotonic()
            run = _run_deployment(prefect, parameters)
            _show(prefect, run, time.monotonic() - started)
    except SeqloomError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
