import contextvars
import threading
import time

import pytest
from prefect import flow

from blocks import ledger
from blocks.errors import InputError, ServiceError
from tasks import fingerprint
from tasks.items import Counts, StageResult
from tasks.policies import compute, delivery, finished, is_cached, pipeline, remote, start

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("prefect_server")]


def result(stage: str, counted: int = 0) -> StageResult:
    return StageResult(stage=stage, counts=Counts(items_in=counted, items_out=counted))


def test_compute_is_answered_from_the_store_until_its_code_changes(monkeypatch):
    calls = []

    @compute("tasks.dag")
    def square(x: int) -> int:
        calls.append(x)
        return x * x

    @flow
    def twice() -> tuple[int, int]:
        return square(3), square(3)

    assert twice() == (9, 9)
    assert calls == [3]
    assert is_cached(square, {"x": 3})
    assert not is_cached(square, {"x": 4})

    monkeypatch.setattr(fingerprint, "source_digest", lambda _: "changed")
    twice()
    assert calls == [3, 3]


def test_two_stages_with_equal_inputs_do_not_share_a_result():
    @compute("tasks.dag")
    def plus_one(x: int) -> int:
        return x + 1

    @compute("tasks.dag")
    def plus_two(x: int) -> int:
        return x + 2

    @flow
    def both() -> tuple[int, int]:
        return plus_one(40), plus_two(40)

    assert both() == (41, 42)


def test_how_a_result_came_about_does_not_matter_to_the_next_stage():
    calls = []

    @compute("tasks.dag")
    def after(need: StageResult) -> StageResult:
        calls.append(need.seconds)
        return result("after")

    @flow
    def run() -> None:
        after(result("one").model_copy(update={"seconds": 1.0}))
        after(result("one").model_copy(update={"seconds": 2.0}))

    run()
    assert calls == [1.0]


def test_two_runs_that_want_the_same_at_once_compute_it_once():
    calls = []
    both = threading.Barrier(2)

    @compute("tasks.dag")
    def slow(x: int) -> int:
        calls.append(x)
        time.sleep(1)
        return x

    @flow
    def run() -> int:
        both.wait()
        return slow(7)

    contexts = [contextvars.copy_context() for _ in range(2)]  # the settings of this test
    threads = [threading.Thread(target=context.run, args=(run,)) for context in contexts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert calls == [7]


@pytest.mark.parametrize(
    ("error", "calls_made"),
    [(ServiceError("u", "503"), 2), (InputError("no such model"), 1)],
    ids=["busy service", "user's mistake"],
)
def test_only_transient_errors_are_tried_again(error, calls_made):
    calls = []

    @remote()
    def call() -> str:
        calls.append(1)
        if len(calls) == 1:
            raise error
        return "done"

    quick = call.with_options(retry_delay_seconds=0, retry_jitter_factor=0)

    @flow
    def run() -> str:
        return quick()

    if calls_made == 1:
        with pytest.raises(InputError, match="no such model"):
            run()
    else:
        assert run() == "done"
    assert len(calls) == calls_made


def test_delivery_is_done_by_each_run():
    calls = []

    @delivery
    def write() -> None:
        calls.append(1)

    @flow
    def run() -> None:
        write()
        write()

    run()
    assert len(calls) == 2


def test_a_run_and_its_stages_stand_in_the_ledger():
    @compute("tasks.dag")
    def stage(x: int) -> StageResult:
        return result("stage", x)

    @pipeline("recorded")
    def recorded(params: int) -> StageResult:
        ended = finished({"stage": start(stage, "stage", {"x": params}, refresh=False)})
        return ended["stage"].result

    recorded(5)
    recorded(5)

    second, first = ledger.runs(pipeline="recorded")
    assert (first.status, first.input_data) == ("completed", {"params": 5})
    values = {m.metric_name: m.metric_value for m in ledger.run(first.execution_id).metrics}
    assert (values["items_in"], values["cache_hit"], values["attempts"]) == (5, 0, 1)
    assert values["peak_memory_bytes"] > 0
    again = {m.metric_name: m.metric_value for m in ledger.run(second.execution_id).metrics}
    assert (again["cache_hit"], again["items_cached"]) == (1, 5)
    assert ledger.compare(first.execution_id, second.execution_id).parameters == {}


def test_a_failed_run_stands_in_the_ledger_with_its_reason():
    @pipeline("failing")
    def failing() -> None:
        raise InputError("input: no file; expected one")

    with pytest.raises(InputError):
        failing()

    (run,) = ledger.runs(pipeline="failing")
    assert (run.status, run.error) == ("failed", "input: no file; expected one")


def test_the_first_stage_that_failed_by_itself_is_told_and_others_end():
    done = []

    @compute("tasks.dag")
    def broken() -> StageResult:
        raise InputError("stage 'broken': no profile")

    @compute("tasks.dag")
    def after(need: StageResult) -> StageResult:
        return need

    @compute("tasks.dag")
    def beside() -> StageResult:
        done.append(1)
        return result("beside")

    @pipeline("branches")
    def branches() -> None:
        first = start(broken, "broken", {}, refresh=False)
        second = start(after, "after", {"need": first}, refresh=False)
        third = start(beside, "beside", {}, refresh=False)
        finished({"after": second, "broken": first, "beside": third})

    with pytest.raises(InputError, match="no profile"):
        branches()
    assert done == [1]
