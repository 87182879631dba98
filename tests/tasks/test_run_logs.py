"""Logs of runs say what the work does, not that it is recorded."""

import logging
import time

import pytest
from prefect import task

from deployments.local import LocalPrefect
from tasks.items import Counts, StageResult
from tasks.policies import compute, pipeline
from tasks.run_logs import LOGGERS, TASK_LOGGER, HookFilter


class Lines(logging.Handler):
    """Keeps what loggers hand on."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@pytest.fixture
def lines():
    handler = Lines()
    for name in LOGGERS:
        logging.getLogger(name).addHandler(handler)
    yield handler.texts
    for name in LOGGERS:
        logging.getLogger(name).removeHandler(handler)


def test_hooks_of_records_are_not_in_the_log_and_those_of_others_are(
    prefect_server: LocalPrefect, lines
):
    def of_mine(_task, _run, _state):
        pass

    @compute("tasks.dag")
    def stage(seed: float) -> StageResult:
        return StageResult(stage="stage", counts=Counts(items_in=1, items_out=1))

    @task(on_completion=[of_mine])
    def other():
        return 1

    @pipeline("quiet")
    def quiet(seed: float) -> None:
        stage(seed)
        other()

    quiet(time.time())

    assert [one for one in lines if "hook" in one.lower()] == [
        "Running hook 'of_mine' in response to entering state 'Completed'",
        "Hook 'of_mine' finished running successfully",
    ]
    assert any("Finished in state Completed" in one for one in lines)


def test_a_hook_that_fails_is_told():
    text = "An error was encountered while running hook 'record_stage'"
    told = logging.LogRecord(TASK_LOGGER, logging.ERROR, "", 0, text, None, None)

    assert HookFilter().filter(told)
