"""What a run leaves in the ledger and in Prefect's server: steps with their times, no secrets."""

import time
from datetime import UTC, datetime

import httpx
import pandas as pd
import pytest

from blocks import ledger
from blocks.errors import ServiceError
from deployments.local import LocalPrefect
from tasks.announcing import announce_link, announce_table, announce_text
from tasks.items import Counts, StageResult
from tasks.policies import compute, delivery, finished, pipeline, run_logger, start

pytestmark = pytest.mark.engine
SECRET = "hunter2-hunter2"


@pytest.fixture(autouse=True)
def _server(prefect_server: LocalPrefect) -> None:
    pass


def result(stage: str, counted: int = 3) -> StageResult:
    return StageResult(stage=stage, counts=Counts(items_in=counted, items_out=counted))


def log_of(name: str) -> list[dict]:
    (found,) = ledger.runs(pipeline=name, limit=1)
    return found.execution_log


def test_each_attempt_of_a_step_stands_in_the_log_with_its_times_and_error():
    calls = []

    @compute("tasks.dag")
    def flaky(seed: float) -> StageResult:
        calls.append(seed)
        if len(calls) == 1:
            raise ServiceError("hub", f"busy; token={SECRET}")
        return result("flaky")

    quick = flaky.with_options(retry_delay_seconds=0)

    @pipeline("logged")
    def logged(seed: float) -> StageResult:
        return finished({"one": start(quick, "flaky", {"seed": seed}, refresh=False)})["one"].result

    before = datetime.now(UTC)
    logged(time.time())

    log = log_of("logged")
    assert [(one["step"], one["attempt"], one["state"]) for one in log] == [
        ("flaky", 1, "RUNNING"),
        ("flaky", 1, "FAILED"),
        ("flaky", 2, "RUNNING"),
        ("flaky", 2, "COMPLETED"),
    ]
    assert log[1]["error"] == "hub: busy; token=***"
    assert (log[3]["items_in"], log[3]["items_failed"]) == (3, 0)
    for one in (log[1], log[3]):
        began, ended = (datetime.fromisoformat(one[name]) for name in ("started", "at"))
        assert before <= began <= ended <= datetime.now(UTC)


def test_a_step_answered_from_the_store_says_so():
    @compute("tasks.dag")
    def stored(seed: float) -> StageResult:
        return result("stored")

    @pipeline("stored-steps")
    def stored_steps(seed: float) -> None:
        finished({"one": start(stored, "stored", {"seed": seed}, refresh=False)})

    now = time.time()
    stored_steps(now)
    stored_steps(now)

    assert [one["state"] for one in log_of("stored-steps")] == ["CACHED"]


def test_every_step_has_time_cpu_memory_items_and_attempts():
    @compute("tasks.dag")
    def busy(seed: float) -> StageResult:
        until = time.process_time() + 0.2
        while time.process_time() < until:
            pass
        return result("busy")

    @delivery
    def write() -> None:
        time.sleep(0.01)

    @pipeline("measured-steps")
    def measured_steps(seed: float) -> None:
        finished({"busy": start(busy, "busy", {"seed": seed}, refresh=False)})
        write()

    measured_steps(time.time())

    (found,) = ledger.runs(pipeline="measured-steps")
    values: dict[str, dict[str, float]] = {}
    for metric in ledger.run(found.execution_id).metrics:
        values.setdefault(metric.step_name.split("-")[0], {})[metric.metric_name] = (
            metric.metric_value
        )
    every = {"wall_s", "cpu_s", "peak_memory_bytes", "attempts", "cache_hit"}
    assert every <= values["busy"].keys()
    assert every <= values["write"].keys()
    assert values["busy"]["cpu_s"] >= 0.17
    assert values["busy"]["items_per_s"] == pytest.approx(3 / values["busy"]["wall_s"])


def stored_by(prefect: LocalPrefect, run: str) -> dict[str, str]:
    """All that the server tells of a flow run: logs, artifacts, states of it and its tasks."""

    def told(what: str, content: dict) -> str:
        answer = httpx.post(f"{prefect.api}/{what}/filter", json=content, timeout=60)
        return answer.raise_for_status().text

    of_run = {"flow_runs": {"id": {"any_": [run]}}}
    return {
        "logs": told("logs", {"logs": {"flow_run_id": {"any_": [run]}}}),
        "artifacts": told("artifacts", of_run),
        "flow run": told("flow_runs", of_run),
        "task runs": told("task_runs", of_run),
        "states": httpx.get(
            f"{prefect.api}/flow_run_states/", params={"flow_run_id": run}, timeout=60
        ).text,
    }


def test_no_secret_reaches_the_server_in_logs_artifacts_or_states(prefect_server: LocalPrefect):
    @compute("tasks.dag")
    def leaking(seed: float) -> StageResult:
        run_logger().info("asking with api_key=%s", SECRET)
        try:
            raise ValueError(f"password={SECRET}")  # noqa: TRY301 -- a chain of two
        except ValueError as error:
            raise KeyError(f"https://me:{SECRET}@host/x") from error

    @pipeline("leaking")
    def leaks(seed: float) -> None:
        run_logger().warning("Authorization: Bearer %s", SECRET)
        announce_text("leaking", "text", f"line\ntoken: {SECRET}")
        announce_table("leaking-table", "table", pd.DataFrame({"secret": [SECRET], "n": [1]}))
        announce_link("leaking-link", "link", f"s3://me:{SECRET}@bucket/x")
        finished({"one": start(leaking, "leaking", {"seed": seed}, refresh=False)})

    with pytest.raises(KeyError):
        leaks(time.time())

    (found,) = ledger.runs(pipeline="leaking")
    # The last line of the flow itself: the task ends in a failed state, too, and sooner.
    wait_for_logs(prefect_server, found.flow_run_id, "Flow run encountered an exception")
    stored = stored_by(prefect_server, found.flow_run_id)
    for what, text in stored.items():
        assert SECRET not in text, what
    assert "api_key=***" in stored["logs"]
    assert "password=***" in stored["logs"], "the traceback is there, masked"
    assert "token: ***" in stored["artifacts"]
    assert "https://***@host/x" in stored["states"]
    assert SECRET not in str(found)


def wait_for_logs(prefect: LocalPrefect, run: str | None, line: str) -> None:
    deadline = time.monotonic() + 60
    while line not in stored_by(prefect, str(run))["logs"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_sub_flow_was_created_by_who_created_the_run_around_it():
    @pipeline("inner")
    def inner() -> None:
        pass

    @pipeline("outer")
    def outer() -> None:
        inner()

    outer()

    (around,), (within,) = ledger.runs(pipeline="outer"), ledger.runs(pipeline="inner")
    assert within.parent_execution_id == around.execution_id
    assert within.created_by == around.created_by
