"""Pipelines run by name: checked, tried again, replaced by their fallback, cancelled in time."""

import re
from pathlib import Path
from typing import Any

import pytest
from prefect.context import FlowRunContext

from blocks import ledger
from blocks.cancellation import run_is_cancelled
from blocks.errors import InputError, InputProblems, SeqloomError
from deployments.local import LocalPrefect
from flows import registry
from flows.registry import Fallback, Pipeline
from flows.runner import RunParams, outcome_of, run_pipeline
from tasks.parameters import Params, Record
from tasks.policies import pipeline, shown
from tests.flows.conftest import state_named, state_of
from tests.flows.slow_reads import slow, under_way
from tests.waiting import until

pytestmark = pytest.mark.engine
DEPLOYMENTS = ("reads/process",)
CALLS: list[dict[str, Any]] = []


class FlakyParams(Params):
    """How often it fails, and how."""

    failures: int = 0
    wrong: bool = False
    waits: bool = False


class FlakyResult(Record):
    """That it ran."""

    calls: int


@pipeline("flaky")
def flaky(params: FlakyParams) -> FlakyResult:
    """Fails as often as it is told."""
    CALLS.append(params.model_dump())
    if params.wrong:
        raise InputError("input: wrong; expected better")
    if params.waits:
        until(run_is_cancelled, 20)
        raise SeqloomError("stopped")
    if len(CALLS) <= params.failures:
        raise SeqloomError("the machine is on fire")
    return FlakyResult(calls=len(CALLS))


@pytest.fixture(autouse=True)
def flaky_is_registered(monkeypatch: pytest.MonkeyPatch, prefect_server: object) -> None:
    CALLS.clear()
    fallback = Fallback("flaky", (("failures", 0),), "some of the fire")
    one = Pipeline("flaky", f"{__name__}.flaky", "fails", ("flaky/usual",), fallback=fallback)
    monkeypatch.setitem(registry.PIPELINES, "flaky", one)


def run(**given: Any) -> Any:
    return run_pipeline(RunParams(pipeline="flaky", retry_delay_s=0, **given))


def test_a_run_that_fails_is_tried_again():
    outcome = run(params={"failures": 2}, retries=2)
    assert (outcome.pipeline, outcome.tries, outcome.degraded) == ("flaky", 3, "")
    assert outcome.result == {"calls": 3}


def test_wrong_input_is_not_tried_again_and_has_no_fallback():
    with pytest.raises(InputError, match="expected better"):
        run(params={"wrong": True}, retries=3)
    assert len(CALLS) == 1


def test_parameters_are_checked_before_anything_runs():
    with pytest.raises(InputProblems, match="failures"):
        run(params={"failures": "many"})
    assert CALLS == []


def test_where_all_tries_fail_the_fallback_runs_and_the_result_says_so():
    outcome = run(params={"failures": 9}, retries=1)
    assert outcome.degraded == "some of the fire"
    assert [call["failures"] for call in CALLS] == [9, 9, 0]


def test_a_step_in_a_thread_ends_with_the_run_around_and_nothing_takes_its_place():
    @shown
    def step() -> None:
        outcome_of(RunParams(pipeline="flaky", params={"waits": True}, retries=2, retry_delay_s=0))

    @pipeline("around")
    def around() -> None:
        future = step.submit()
        until(lambda: CALLS)
        for event in FlowRunContext.get().task_runner._cancel_events.values():
            event.set()  # as Prefect does when a run is cancelled
        future.wait()

    around()
    assert len(CALLS) == 1
    assert ledger.runs("flaky", limit=1)[0].status == "cancelled"


def test_without_its_fallback_a_run_fails_with_the_reason():
    with pytest.raises(SeqloomError, match="on fire"):
        run(params={"failures": 9}, fallback=False)


def test_a_deployment_of_another_pipeline_is_refused():
    with pytest.raises(InputError, match="expected one of flaky/usual"):
        run(params={}, deployment="design/quickstart")


def test_a_time_limit_needs_a_run_that_can_be_ended():
    with pytest.raises(ValueError, match="where: deployment"):
        RunParams(pipeline="flaky", params={}, time_limit_s=1)


def test_parameters_may_come_as_text():
    assert run(params_json='{"failures": 0}').result == {"calls": 1}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "params_json: not JSON"),
        ("[1]", "params_json: no object"),
        ('{"a": {"__prefect_kind": "json", "value": "1"}}', "params.a.__prefect_kind: not allowed"),
        ('{"failures": "many"}', "failures"),
    ],
)
def test_text_that_is_no_parameters_is_refused_before_anything_runs(text, told):
    with pytest.raises(InputError, match=re.escape(told)):
        run(params_json=text)
    assert CALLS == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"params": {"a": 1}, "params_json": "{}"}, "both params and params_json"),
        ({"params": {}, "key": "k"}, "key: with where: here"),
        ({"params": {}, "where": "submitted", "retries": 1}, "retries: with where: submitted"),
        ({"params": {}, "where": "submitted", "time_limit_s": 1}, "time_limit_s: with where"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(given, told):
    with pytest.raises(ValueError, match=told):
        RunParams(pipeline="flaky", **given)


EXAMPLE = {"input": {"samplesheet": "deployments/example/samplesheet.csv"}, "preset": "fastp"}


@pytest.mark.tool
def test_a_deployment_runs_on_its_work_pool_and_its_result_comes_back(deployed: LocalPrefect):
    outcome = run_pipeline(RunParams(pipeline="reads", params=EXAMPLE, where="deployment"))
    assert outcome.result["samples"] == 2
    assert state_of(deployed, outcome.flow_run) == "COMPLETED"
    (inner,) = (one for one in ledger.runs() if one.flow_run_id == outcome.flow_run)
    (outer,) = ledger.runs(pipeline="run-pipeline", limit=1)
    assert inner.parent_execution_id == outer.execution_id
    assert inner.created_by == outer.created_by


@pytest.mark.tool
def test_a_run_that_takes_too_long_is_cancelled(deployed: LocalPrefect, tmp_path: Path):
    given = RunParams(
        pipeline="reads", params=slow(tmp_path, times=6), where="deployment", time_limit_s=20
    )
    with pytest.raises(SeqloomError, match="not done within 20 s") as raised:
        run_pipeline(given)
    name = re.search(r"; (\S+) is cancelled", str(raised.value))[1]
    until(lambda: state_named(deployed, name) == "CANCELLED", 120)
    until(lambda: not under_way(), 60)
