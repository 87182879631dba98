"""A watcher as a process of its own, which tests kill; runs are started at a local recorder.

The recorder is a folder with a file per key, which is what Prefect promises of idempotency keys:
the first start with a key makes the run, another one gets the same id. CRASH names a moment at
which the process ends as by `kill -9`: claimed, started.
"""

import logging
import os
import time
from collections import Counter
from pathlib import Path

from blocks.arrival_tables import ArrivalRun
from blocks.arrivals import Arrivals
from blocks.database import engine
from tasks.arrivals.looking import Look
from tasks.arrivals.model import WatchParams
from tasks.arrivals.templates import filled

TEMPLATE = {"input": {"source": "{file}"}}


class Recorder:
    """Starts runs: a file per key."""

    def __init__(self, folder: Path, crash: str = "", after: int = 3) -> None:
        self.folder = folder
        self.crash = crash
        self.after = after
        folder.mkdir(exist_ok=True)

    def __call__(self, run: ArrivalRun) -> str:
        self.after -= 1
        if self.crash == "claimed" and self.after == 0:
            os._exit(137)
        content = run.model_dump_json()
        whole = self.folder / f".{run.key}.{os.getpid()}"  # a kill leaves no half of a run
        whole.write_text(content)
        try:
            (self.folder / f"{run.key}.json").hardlink_to(whole)
        except FileExistsError:
            with (self.folder / "again").open("a") as file:
                file.write(f"{run.key}\n")
        whole.unlink()
        if self.crash == "started" and self.after == 0:
            os._exit(137)
        return run.key[:8]


def handled(folder: Path) -> Counter[str]:
    """How often each file was handed to a run."""
    runs = [ArrivalRun.model_validate_json(path.read_text()) for path in folder.glob("*.json")]
    return Counter(str(run.parameters["params"]["input"]["source"]) for run in runs)


def look_at(folder: Path, recorder: Recorder) -> tuple[Look, WatchParams]:
    """What looks at a folder; every file starts a run as soon as it is seen."""
    params = WatchParams(
        place=str(folder), patterns=("*.fa",), settle_s=0, params=TEMPLATE, most_runs=1_000
    )
    look = Look(
        place=str(folder),
        arrivals=Arrivals(engine(), f"test: {folder}"),
        deployment="graphs/text",
        fill=lambda files: filled(TEMPLATE, files),
        start=recorder,
        log=logging.getLogger("watcher"),
    )
    return look, params


def watch(folder: Path, runs: Path, crash: str = "") -> None:
    """Look until killed."""
    look, params = look_at(folder, Recorder(runs, crash))
    while True:
        look.once(params)
        time.sleep(0.02)
