"""What is asked of a remote model is written down in time."""

import numpy as np
import pytest

from blocks.biolm_calls import Answered
from tasks.design import remote_asking
from tasks.design.remote_asking import Gathered


def gathered_after_a_write():
    """Nothing is held, and the last write was just now."""
    gathered = Gathered("model", lambda _: None)
    gathered.part()
    return gathered


def add(gathered, *answers):
    gathered.add(np.arange(len(answers)), Answered(list(answers), {}))


@pytest.mark.parametrize(
    "large",
    [
        {"embedding": [0.5] * 300},  # 4 bytes each
        {"pdb": "ATOM  " + "x" * 1_000},
        {"table": [{"a": "x" * 600, "b": None}] * 2},
        {"many": {str(n): {"n": n} for n in range(300)}},
    ],
)
def test_large_answers_are_written_down_before_they_pile_up(monkeypatch, large):
    monkeypatch.setattr(remote_asking, "WRITE_BYTES", 2_000)
    gathered = gathered_after_a_write()
    add(gathered, {"tm": 1.0})
    assert not gathered.is_due()

    add(gathered, large, large)
    assert gathered.is_due()

    assert len(gathered.part().places) == 3
    add(gathered, {"tm": 1.0})
    assert not gathered.is_due()


def test_deeply_nested_answers_are_measured():
    deep: list[object] = []
    for _ in range(900):
        deep = [deep, "x"]
    gathered = gathered_after_a_write()
    add(gathered, {"deep": deep})
    assert not gathered.is_due()


def test_many_small_answers_are_written_down(monkeypatch):
    monkeypatch.setattr(remote_asking, "WRITE_ROWS", 3)
    gathered = gathered_after_a_write()
    add(gathered, {"tm": 1.0}, {"tm": 2.0})
    assert not gathered.is_due()

    add(gathered, {"tm": 3.0})
    assert gathered.is_due()
