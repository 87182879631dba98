"""Batches in a database of each kind."""

import pytest

from blocks.batch_items import Batch, find_batch, open_batch
from blocks.errors import InputError

STAGES = ("search", "partition")


@pytest.fixture
def batch(engine) -> Batch:
    made = open_batch(engine, "mine", "domains", STAGES, "run-1")
    made.add([("a", "d1"), ("b", "d2"), ("c", "d3")])
    return made


def test_states_of_each_stage_add_up(batch):
    batch.begin(["a", "b", "c"])
    batch.record("search", "running", ["a", "b", "c"])
    batch.record("search", "done", ["a", "b"], {"b": "blastp crashed"})
    batch.finish("partition", {"a": "classified"})

    status = batch.status()

    assert status.items == {"pending": 0, "running": 1, "done": 1, "skipped": 0, "failed": 1}
    assert status.stages["search"] == {
        "pending": 0, "running": 1, "done": 1, "skipped": 0, "failed": 1,
    }  # fmt: skip
    assert status.stages["partition"]["pending"] == 3
    assert status.outcomes == {"classified": 1}
    assert [(one.item, one.stage, one.error) for one in batch.items(failed=True)] == [
        ("b", "search", "blastp crashed")
    ]


def test_a_failed_item_is_not_taken_for_running_again(batch):
    batch.record("search", "done", ["a"], {"a": "no"})
    batch.record("partition", "running", ["a", "b"])

    assert [one.state for one in batch.items()] == ["failed", "running", "pending"]


@pytest.mark.parametrize(
    ("which", "expected"),
    [("all", {"a", "b", "c"}), ("new", {"b", "c"}), ("failed", {"b"})],
)
def test_items_are_chosen_by_how_they_ended(batch, which, expected):
    batch.finish("partition", {"a": "classified"})
    batch.record("search", "done", ["b"], {"b": "no"})

    assert batch.chosen(["a", "b", "c"], which) == expected


def test_added_again_an_item_keeps_its_state_unless_its_sequence_changed(batch):
    batch.finish("partition", {"a": "classified", "b": "classified"})

    batch.add([("a", "d1"), ("b", "other"), ("z", "d9")])

    assert {one.item: one.state for one in batch.items()} == {
        "a": "done", "b": "pending", "c": "pending", "z": "pending",
    }  # fmt: skip


def test_a_run_that_begins_forgets_the_stages_of_its_items(batch):
    batch.record("search", "done", ["a"], {"a": "no"})

    batch.begin(["a"])

    (first, *_) = batch.items()
    assert (first.state, first.error, first.attempts) == ("pending", "", 1)
    assert batch.stages_of(["a"]) == {"a": {}}


def test_a_batch_outlives_a_run(batch, engine):
    again = open_batch(engine, "mine", "domains", (*STAGES, "more"), "run-2")

    status = find_batch(engine, "mine").status()
    assert (again.id, status.total, status.execution_id) == (batch.id, 3, "run-2")
    assert list(status.stages) == ["search", "partition", "more"]


def test_many_items_are_listed_in_portions(engine):
    batch = open_batch(engine, "many", "domains", STAGES, None)
    batch.add([(f"p{n:05}", f"d{n}") for n in range(1_234)])

    assert [one.item for one in batch.items()] == [f"p{n:05}" for n in range(1_234)]


def test_a_name_of_another_pipeline_is_refused(batch, engine):
    with pytest.raises(InputError, match="'mine': belongs to domains"):
        open_batch(engine, "mine", "reads", STAGES, None)


def test_a_name_that_is_not_known_is_told_with_those_that_are(batch, engine):
    with pytest.raises(InputError, match="'mien': not known; expected one of mine"):
        find_batch(engine, "mien")
