"""Runs over HTTP, through a real Prefect server with a login: what a caller gets, and what not."""

import concurrent.futures
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from deployments.local import prefect_command
from tests.deployments.conftest import TEXTS, Caller, RunningGateway

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[2]


def test_a_run_is_started_with_the_parameters_and_bears_its_callers_name(
    gateway: RunningGateway, alice: Caller
) -> None:
    answer = alice.start()
    assert answer.status_code == 202, answer.text
    run = gateway.run(answer.json()["run"])

    assert answer.json()["state"] == "SCHEDULED"
    assert answer.headers["Location"] == f"/v1/runs/{run['id']}"
    assert run["parameters"] == {"params": TEXTS}
    assert {f"caller:{alice.key.caller}", "gateway"} <= set(run["tags"])


def test_the_same_key_and_body_are_one_run_and_another_body_is_refused(
    gateway: RunningGateway, alice: Caller
) -> None:
    headers = {"Idempotency-Key": "order-66"}
    spelt = json.dumps({"params": dict(reversed(TEXTS.items()))}, indent=3)
    typed = headers | {"Content-Type": "application/json"}

    first = alice.start(headers=headers)
    again = alice.start(headers=typed, json=None, content=spelt)
    other = alice.start(headers=headers, json={"params": TEXTS | {"seed": 7}})

    assert (first.status_code, first.json()["replayed"]) == (202, False)
    assert (again.status_code, again.json()) == (200, first.json() | {"replayed": True})
    assert other.status_code == 409
    assert other.json()["errors"] == [
        "Idempotency-Key: was sent with other parameters; expected a new one"
    ]
    assert len(alice.http.get("/v1/runs").json()) == 1


def test_one_run_comes_of_a_key_that_many_send_at_once(alice: Caller) -> None:
    headers = {"Idempotency-Key": "at-once"}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: alice.start(headers=headers), range(8)))

    assert {answer.status_code for answer in answers} <= {200, 202}
    runs = {answer.json()["run"] for answer in answers}
    assert len(runs) == 1
    assert sum(answer.status_code == 202 for answer in answers) == 1
    assert len(alice.http.get("/v1/runs").json()) == 1


def test_keys_of_two_callers_do_not_meet(new_caller: Callable[..., Caller]) -> None:
    headers = {"Idempotency-Key": "mine"}
    ann, ben = new_caller("ann"), new_caller("ben")

    assert ann.started(headers=headers) != ben.started(headers=headers)


def test_what_is_more_than_the_rate_is_told_when_to_come_again(
    gateway: RunningGateway, new_caller: Callable[..., Caller]
) -> None:
    caller = new_caller("eager", {"graphs": "2/minute"})

    answers = [caller.start() for _ in range(3)]

    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert answers[-1].json()["errors"] == ["too many: 2/minute of graphs; expected fewer"]
    assert len(caller.http.get("/v1/runs").json()) == 2


def test_parameters_that_do_not_fit_are_told_place_by_place_and_start_nothing(
    alice: Caller,
) -> None:
    answer = alice.start(json={"params": {"nodes": [{"name": "a", "uses": "cleen"}], "sed": 1}})

    assert answer.status_code == 422
    assert any("seed" in line for line in answer.json()["errors"])
    assert any("clean" in line for line in answer.json()["errors"])
    assert alice.http.get("/v1/runs").json() == []


def test_own_runs_are_listed_shown_and_cancelled(gateway: RunningGateway, alice: Caller) -> None:
    older, newer = alice.started(), alice.started()

    listed = [one["run"] for one in alice.http.get("/v1/runs").json()]
    page = [one["run"] for one in alice.http.get("/v1/runs?limit=1&offset=1").json()]
    shown = alice.http.get(f"/v1/runs/{older}").json()
    cancelled = alice.http.post(f"/v1/runs/{older}/cancel")
    again = alice.http.post(f"/v1/runs/{older}/cancel")

    assert listed == [newer, older]
    assert page == [older]
    assert (shown["state"], shown["pipeline"]) == ("SCHEDULED", "graphs")
    assert (cancelled.status_code, cancelled.json()["state"]) == (202, "CANCELLED")
    assert again.json()["state"] == "CANCELLED"
    assert gateway.run(older)["state"]["type"] == "CANCELLED"
    assert gateway.run(newer)["state"]["type"] == "SCHEDULED"


def test_the_result_of_an_own_run_is_what_the_ledger_has(alice: Caller) -> None:
    from blocks import ledger

    run = alice.started()
    before = alice.http.get(f"/v1/runs/{run}/result")
    ledger.start("graphs", execution_id=run, flow_run_id=run)
    during = alice.http.get(f"/v1/runs/{run}/result").json()
    ledger.finish(run, "completed", {"kept": 3, "by": "jane@example.org"})
    after = alice.http.get(f"/v1/runs/{run}/result").json()

    assert before.status_code == 404
    assert (during["status"], during["result"]) == ("running", None)
    assert (after["status"], after["result"]) == ("completed", {"kept": 3, "by": "***"})


def test_a_key_sees_its_pipelines_and_their_schemas(new_caller: Callable[..., Caller]) -> None:
    caller = new_caller("looker", {"graphs": "3/minute", "design": "1/hour"})

    offered = caller.http.get("/v1/pipelines").json()
    schema = caller.http.get("/v1/pipelines/graphs").json()

    assert [(one["pipeline"], one["rate"]) for one in offered] == [
        ("design", "1/hour"),
        ("graphs", "3/minute"),
    ]
    assert "nodes" in schema["properties"]


def test_health_and_readiness_need_no_key(gateway: RunningGateway) -> None:
    assert httpx.get(f"{gateway.url}/health").json() == {"ready": True, "told": []}
    assert httpx.get(f"{gateway.url}/ready").json() == {"ready": True, "told": []}
    assert httpx.get(f"{gateway.url}/openapi.json").json()["info"]["title"] == "Seqloom gateway"


def test_the_request_of_the_readme_runs_and_its_result_is_told(
    gateway: RunningGateway, alice: Caller
) -> None:
    """As a worker runs it: in a process of its own, with nothing but the run's id."""
    (body,) = re.findall(r"-d '(.*)' ", (ROOT / "README.md").read_text())
    run = alice.started(json=None, content=body, headers={"Content-Type": "application/json"})

    subprocess.run(
        [*prefect_command(), "flow-run", "execute", run],
        env=dict(gateway.prefect.environment)
        | {"SEQLOOM_DATABASE": os.environ["SEQLOOM_DATABASE"]},
        cwd=ROOT,
        check=True,
        capture_output=True,
    )

    assert alice.http.get(f"/v1/runs/{run}").json()["state"] == "COMPLETED"
    result = alice.http.get(f"/v1/runs/{run}/result").json()
    assert (result["status"], result["pipeline"]) == ("completed", "graphs")
    assert result["result"]["failed"] == 0


def test_the_table_of_attacks_names_tests_that_there_are() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").glob("*/test_*.py"))
    named = re.findall("`(test_[a-z_]+)`", (ROOT / "docs" / "gateway.md").read_text())

    assert len(named) > 20
    assert [name for name in named if f"def {name}(" not in tests] == []
