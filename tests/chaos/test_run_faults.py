"""Runs whose server dies and comes back, and whose database does; a worker's death stands in
`tests/flows/test_design_ended.py`.
"""

import glob
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks import database, ledger
from blocks.errors import ServiceError
from blocks.settings import database_url
from deployments.local import LocalPrefect, free_port, server
from tasks import recording
from tasks.items import Counts, StageResult
from tasks.policies import compute, finished, pipeline, start
from tests.chaos.conftest import Told
from tests.flows.conftest import answer_of
from tests.waiting import until

pytestmark = pytest.mark.engine
FAULTS: list = []
"""What the stage in the middle of a run does, so that it happens in the run."""


def stage_result(name: str, counted: int) -> StageResult:
    return StageResult(stage=name, counts=Counts(items_in=counted, items_out=counted))


@compute("tasks.dag")
def before(seed: int) -> StageResult:
    return stage_result("before", 3)


@compute("tasks.dag")
def faulty(need: StageResult, seed: int) -> StageResult:
    for fault in FAULTS:
        fault()
    return stage_result("faulty", 3)


@compute("tasks.dag")
def after(need: StageResult, seed: int) -> StageResult:
    return stage_result("after", 3)


@pipeline("chaos")
def chaos(seed: int) -> StageResult:
    first = start(before, "before", {"seed": seed}, refresh=False)
    second = start(faulty, "faulty", {"need": first, "seed": seed}, refresh=False)
    third = start(after, "after", {"need": second, "seed": seed}, refresh=False)
    return finished({"before": first, "faulty": second, "after": third})["after"].result


def run_with(*faults) -> ledger.RunDetails:
    """The record of a run in the middle of which these things happen."""
    FAULTS[:] = faults
    assert chaos(time.time_ns() % 2**31).stage == "after"
    (row,) = ledger.runs(pipeline="chaos", limit=1)
    return ledger.run(row.execution_id)


def all_is_recorded(found: ledger.RunDetails) -> None:
    """One row that completed; each step once, with its figures and its end in the log."""
    assert found.run.status == "completed"
    walls = sorted(one.step_name for one in found.metrics if one.metric_name == "wall_s")
    assert walls == ["after", "before", "faulty"]
    done = [one["step"] for one in found.run.execution_log if one["state"] == "COMPLETED"]
    assert done == ["before", "faulty", "after"]


def kill_server(port: int) -> None:
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if "--port" in line and str(port) in line and "start" in line:
            os.killpg(os.getpgid(process.pid), signal.SIGKILL)
            process.wait(20)
            return
    raise AssertionError("no server to kill")


def test_a_server_that_is_killed_in_a_run_and_comes_back(
    server_folder: Callable[[], Path], told: Told
):
    folder, port = server_folder(), free_port()
    with ExitStack() as stack:
        first = stack.enter_context(server(folder, port))

        def fault() -> None:
            kill_server(port)
            again = stack.enter_context(server(folder, port))
            assert again.url == first.url

        with temporary_settings({PREFECT_API_URL: first.api}):
            found = run_with(fault)
            APILogHandler().flush()

        all_is_recorded(found)
        row = found.run.flow_run_id
        assert answer_of("GET", f"{first.api}/flow_runs/{row}")["state"]["type"] == "COMPLETED"
    # Prefect gives up the events that it has not sent when its connection for them breaks: tasks
    # may look unfinished in its UI. What they did is stored, and stands in the ledger.
    told(
        "Prefect server killed in a run, back later",
        "the run waits, ends, is Completed there",
        "states of some tasks in Prefect's UI",
    )


@pytest.mark.tool
def test_a_database_that_is_lost_in_a_run_and_comes_back(
    prefect_server: LocalPrefect, postgresql_url: str, monkeypatch: pytest.MonkeyPatch, told: Told
):
    monkeypatch.setenv("SEQLOOM_DATABASE", postgresql_url)
    down = threading.Event()

    def cut_connections() -> None:
        ours = sa.create_engine(database_url(postgresql_url), poolclass=sa.NullPool)
        with ours.begin() as connection:
            killed = connection.execute(
                sa.text(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )
            ).scalar_one()
        assert killed > 0

    def restart_server() -> None:
        engine = database.engine()
        with database.reading(engine) as connection:
            folder = connection.execute(sa.text("SHOW data_directory")).scalar_one()
        postgresql(folder, "stop", "-m", "immediate")
        down.set()
        threading.Timer(4, postgresql, (folder, "start", "-l", f"{folder}/../log")).start()

    all_is_recorded(run_with(cut_connections))
    all_is_recorded(run_with(restart_server))
    assert down.is_set()
    told("PostgreSQL ends all connections in a run", "records are written over new ones")
    told("PostgreSQL killed in a run, back after 4 s", "records wait and are written")


def postgresql(folder: str, action: str, *options: str) -> None:
    """Stop or start a server; it starts with the options of its first start."""
    program = max(glob.glob("/usr/lib/postgresql/*/bin/pg_ctl"))  # noqa: PTH207 -- one place
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if action == "start":
        first = shlex.split(Path(folder, "postmaster.opts").read_text())
        options = (*options, "-o", shlex.join(first[3:]))  # after the program, -D and the folder
    subprocess.run(
        [*as_user, program, action, "-D", folder, "-w", *options],
        check=True, cwd=folder, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def test_heartbeats_go_on_when_the_database_was_away(
    prefect_server: LocalPrefect, monkeypatch: pytest.MonkeyPatch, told: Told
):
    beats: list[str] = []

    def beat(row: str) -> bool:
        beats.append(row)
        if len(beats) == 1:
            raise ServiceError("database", "away")
        return True

    monkeypatch.setattr(recording, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(recording.ledger, "heartbeat", beat)

    run_with(lambda: until(lambda: len(beats) > 2, 30))

    told("database away at a heartbeat", "the next ones are sent")
