"""Answers that are kept between runs: by step, settings and item with its types, for a time."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from blocks.database import close_connections, engine, writing
from blocks.errors import InputError
from blocks.kept_answers import ANSWERS, KeptAnswers
from tasks.graphs.builder import graph, node
from tasks.graphs.step import Failed, StepContext, Value

calls: list = []


class Kept:
    """A cache in memory that remembers which age it was asked for."""

    def __init__(self) -> None:
        self.answers: dict = {}
        self.asked: list = []

    def get(self, keys: Sequence[str], ttl_s: float | None = None) -> Mapping:
        self.asked.append(ttl_s)
        return {key: self.answers[key] for key in keys if key in self.answers}

    def put(self, answers: Mapping) -> None:
        self.answers.update(answers)


def same(value):
    calls.append(value)
    return value


def shout(value):
    calls.append(value)
    return f"{value}!"


@pytest.fixture(autouse=True)
def no_calls():
    calls.clear()


def run(function, items, kept, **options):
    built = graph(node("a", function, **{"cache": {"enabled": True}, **options}))
    return built.run(items, StepContext(cache=kept))


def test_a_second_run_of_an_unchanged_graph_makes_no_call():
    kept = Kept()
    first = run(shout, ["x", "y"], kept)
    second = run(shout, ["x", "y"], kept)

    assert calls == ["x", "y"]
    assert second.outputs == first.outputs == {"a": ["x!", "y!"]}
    assert second.tallies["a"].state == "CACHED"
    assert (second.tallies["a"].cached, second.tallies["a"].calls) == (2, 0)


def test_one_true_and_one_as_a_float_are_three_items():
    kept = Kept()
    run(same, [1, True, 1.0], kept)
    again = run(same, [1.0, 1, True], kept)

    assert [type(one) for one in calls] == [int, bool, float]
    assert [type(one) for one in again.outputs["a"]] == [float, int, bool]


def test_the_order_of_fields_does_not_matter_and_their_place_does():
    kept = Kept()
    run(same, [{"a": 1, "b": {"c": 2}}], kept)
    run(same, [{"b": {"c": 2}, "a": 1}, {"a": 1, "c": {"b": 2}}], kept)

    assert len(calls) == 2


@pytest.mark.parametrize(
    ("function", "options"),
    [(shout, {}), (same, {"join": "any"})],
    ids=["code", "join"],
)
def test_other_code_or_join_is_another_answer(function, options):
    kept = Kept()
    run(same, ["x"], kept)
    run(function, ["x"], kept, **options)

    assert calls == ["x", "x"]


def test_a_function_s_surroundings_count_as_its_code():
    def suffix(text: str):
        def add(value):
            calls.append(value)
            return value + text

        return add

    kept = Kept()

    assert run(suffix("1"), ["x"], kept).outputs["a"] == ["x1"]
    assert run(suffix("2"), ["x"], kept).outputs["a"] == ["x2"]
    assert run(suffix("1"), ["x"], kept).outputs["a"] == ["x1"]
    assert len(calls) == 2


def test_functions_whose_changes_nobody_would_see_are_refused():
    with pytest.raises(InputError, match="its answers cannot be kept"):
        run(len, ["x"], Kept())


def test_answers_are_asked_for_with_their_time_to_live():
    kept = Kept()
    run(same, ["x"], kept, cache={"ttl_s": 60})

    assert kept.asked == [60]


def test_an_answer_older_than_its_time_to_live_is_made_anew(tmp_path):
    database = engine(f"sqlite:///{tmp_path}/kept.db")
    kept = KeptAnswers(database)
    run(same, ["x"], kept, cache={"ttl_s": 60})
    run(same, ["x"], kept, cache={"ttl_s": 60})
    with writing(database) as connection:
        older = datetime.now(UTC) - timedelta(seconds=61)
        connection.execute(sa.update(ANSWERS).values(made_at=older))

    assert calls == ["x"]
    assert run(same, ["x"], kept).tallies["a"].cached == 1
    assert run(same, ["x"], kept, cache={"ttl_s": 60}).tallies["a"].cached == 0
    assert calls == ["x", "x"]
    close_connections()


def test_neither_failures_nor_answers_that_were_cut_short_are_kept():
    def half(value):
        calls.append(value)
        return Failed("no") if value == "bad" else Value("ha", keep=False)

    kept = Kept()
    run(half, ["bad", "short"], kept)
    run(half, ["bad", "short"], kept)

    assert kept.answers == {}
    assert calls == ["bad", "short"] * 2


def test_a_replaced_failure_is_not_kept():
    def bad(value):
        calls.append(value)
        raise ValueError("no")

    kept = Kept()
    for _ in range(2):
        assert run(bad, ["x"], kept, on_error="default", default="d").outputs["a"] == ["d"]
    assert calls == ["x", "x"]


def test_without_a_cache_nothing_is_kept():
    kept = Kept()
    run(same, ["x"], kept, cache=None)

    assert kept.answers == {}
