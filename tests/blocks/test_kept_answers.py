"""Answers that are kept between runs."""

import time

import pytest

from blocks import database
from blocks.kept_answers import Forgetful, KeptAnswers


@pytest.fixture
def kept(tmp_path):
    yield KeptAnswers(database.engine(f"sqlite:///{tmp_path}/answers.db"))
    database.close_connections()


def test_answers_come_back_as_json(kept):
    kept.put({"a": {"text": "é", "score": 1.0}, "b": None, "c": [1, True]})

    assert kept.get(["c", "a", "b", "unknown"]) == {
        "a": {"text": "é", "score": 1.0}, "b": None, "c": [1, True],
    }  # fmt: skip


def test_an_answer_made_again_takes_the_place_of_the_older_one(kept):
    kept.put({"a": 1})
    kept.put({"a": 2})

    assert kept.get(["a"]) == {"a": 2}


def test_older_answers_count_only_up_to_the_age_asked_for(kept):
    kept.put({"a": 1})
    time.sleep(0.01)

    assert kept.get(["a"], ttl_s=0.005) == {}
    assert kept.get(["a"], ttl_s=3_600) == {"a": 1}
    assert kept.forget(3_600) == 0
    assert kept.forget(0.005) == 1
    assert kept.get(["a"]) == {}


def test_more_keys_than_one_statement_takes(kept):
    many = {f"key-{n}": n for n in range(2_500)}
    kept.put(many)

    assert kept.get(list(many)) == many


def test_a_run_that_asks_anew_keeps_what_it_gets(kept):
    kept.put({"a": 1})
    anew = Forgetful(kept)
    anew.put({"a": 2})

    assert anew.get(["a"]) == {}
    assert kept.get(["a"]) == {"a": 2}
