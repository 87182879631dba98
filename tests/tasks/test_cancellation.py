"""Whether work was given up, as those that do it are told."""

import pytest

from blocks.cancellation import cancellation_of_run, given_up_by, run_is_cancelled
from tasks.reads.stages import StoppedError, _wait


def test_who_is_inside_of_two_is_told_by_either() -> None:
    told: set[str] = set()
    with given_up_by(lambda: "outer" in told), given_up_by(lambda: "inner" in told):
        assert not run_is_cancelled()
        for one in ("outer", "inner"):
            told = {one}
            assert run_is_cancelled()
    assert not run_is_cancelled()


def test_what_is_taken_along_is_asked_elsewhere() -> None:
    with given_up_by(lambda: True):
        taken = cancellation_of_run()
    assert taken()


def test_reads_whose_workflow_was_cancelled_give_no_result() -> None:
    _wait([])
    with given_up_by(lambda: True), pytest.raises(StoppedError, match="was cancelled"):
        _wait([])
