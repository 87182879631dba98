"""What a run keeps of its nodes, and what later runs take over from it."""

import logging
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from blocks.database import engine, writing
from blocks.kept_answers import ANSWERS
from blocks.settings import settings
from tasks.graphs.functions import FUNCTIONS
from tasks.graphs.rerunning import stored_lines
from tests.graphs import small_runs
from tests.graphs.small_runs import PAIR, lines, numbered, output, params, python, run

pytestmark = pytest.mark.usefixtures("own_place")


@pytest.fixture
def source(tmp_path):
    return lines(tmp_path / "items.jsonl", numbered(10))


def test_a_second_run_calls_nothing_and_gives_the_same(source, tmp_path, calls):
    first = run(params(source), tmp_path / "runs")
    second = run(params(source), tmp_path / "runs")

    assert calls == {"one": list(range(10)), "two": list(range(10))}
    assert output(second) == output(first) == [
        {"id": n, "one": n + 1, "two": 2 * n + 2} for n in range(10)
    ]  # fmt: skip
    assert second.states == {"first": "CACHED", "second": "CACHED"}
    assert first.states == {"first": "COMPLETED", "second": "COMPLETED"}


def test_after_a_change_only_what_comes_after_it_is_made_again(source, tmp_path, calls):
    run(params(source), tmp_path / "runs")
    other = python("second", "two", "first", when="id > 4")
    second = run(params(source, (PAIR[0], other)), tmp_path / "runs")

    assert sorted(calls["one"]) == list(range(10))
    assert sorted(calls["two"][:10]) == list(range(10))
    assert sorted(calls["two"][10:]) == list(range(5, 10))
    assert second.tallies["second"].skipped == {"condition": 5}


def test_names_of_nodes_do_not_matter_and_new_items_are_made(source, tmp_path, calls):
    run(params(source), tmp_path / "runs")
    lines(source, numbered(14))
    renamed = (python("a", "one"), python("b", "two", "a"))
    second = run(params(source, renamed), tmp_path / "runs")

    assert calls["one"] == [*range(10), *range(8, 14)]  # the chunk that was short, and new ones
    assert len(output(second, "b")) == 14


def test_only_the_chunk_with_a_bad_item_is_made_again(tmp_path, calls):
    source = lines(tmp_path / "items.jsonl", numbered(12, 5))
    first = run(params(source), tmp_path / "runs")
    run(params(source), tmp_path / "runs")

    assert first.gathered.errors == [
        {"node": "first", "item": "6", "error": "ValueError: cannot do 5"}
    ]
    assert calls["one"] == [*range(12), 4, 5, 6, 7]
    assert calls["two"] == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 4, 6, 7]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_run_that_broke_is_gone_on_with(source, tmp_path, calls, error):
    def breaking():
        yield from numbered(10)[:9]
        raise error("the power is gone")

    limits = {"chunk": 2, "chunks_in_flight": 1}
    with pytest.raises(error):
        run(params(source, **limits), tmp_path / "runs", items=breaking())
    done = len(calls["two"])
    second = run(params(source, **limits), tmp_path / "runs")

    assert 6 <= done <= 8
    assert calls["two"] == [*range(done), *range(done, 10)]
    assert [item["two"] for item in output(second)] == [2 * n + 2 for n in range(10)]


def test_replaced_failures_and_refreshed_runs_are_not_taken_over(tmp_path, calls):
    source = lines(tmp_path / "items.jsonl", numbered(4, 1))
    first = python("first", "one", on_error="default", default={"id": 1, "one": 0})
    given = params(source, (first, PAIR[1]))
    run(given, tmp_path / "runs")
    run(given, tmp_path / "runs")

    assert calls == {"one": [0, 1, 2, 3] * 2, "two": [0, 1, 2, 3] * 2}

    lines(source, numbered(4))
    run(params(source), tmp_path / "runs")
    run(params(source, refresh=True), tmp_path / "runs")
    assert calls["one"] == [0, 1, 2, 3] * 4


def test_a_time_to_live_holds_for_stored_chunks(source, tmp_path, calls):
    timed = python("second", "two", "first", cache={"ttl_s": 60})
    given = params(source, (PAIR[0], timed))
    run(given, tmp_path / "runs")
    with writing(engine()) as connection:
        older = datetime.now(UTC) - timedelta(seconds=61)
        connection.execute(sa.update(ANSWERS).values(made_at=older))
    second = run(given, tmp_path / "runs")

    assert (len(calls["one"]), len(calls["two"])) == (10, 20)
    assert second.states == {"first": "CACHED", "second": "COMPLETED"}


def test_nodes_that_remember_are_made_again_from_what_is_stored(source, tmp_path, calls):
    nodes = (*PAIR, {"name": "sums", "uses": "aggregate", "needs": ["second"],
                     "with": {"mean": ["two"]}})  # fmt: skip
    first = run(params(source, nodes), tmp_path / "runs")
    second = run(params(source, nodes), tmp_path / "runs")

    assert output(second, "sums") == output(first, "sums")
    assert output(second, "sums")[0]["mean_two"] == 11.0
    assert len(calls["two"]) == 10


def test_answers_that_are_not_to_be_kept_are_not(source, tmp_path, calls):
    nodes = (python("first", "one", cache={"enabled": False}), PAIR[1])
    for _ in range(2):
        run(params(source, nodes), tmp_path / "runs")

    assert (len(calls["one"]), len(calls["two"])) == (20, 20)


def test_a_storage_that_was_emptied_is_filled_again(source, tmp_path, calls):
    run(params(source), tmp_path / "runs")
    shutil.rmtree(settings().storage)
    second = run(params(source), tmp_path / "runs")

    assert len(calls["one"]) == 20
    assert len(output(second)) == 10


def test_without_records_nothing_is_stored(source, tmp_path, calls):
    for _ in range(2):
        ended = run(params(source, keep=False), tmp_path / "runs")

    assert len(calls["one"]) == 20
    assert (ended.folder / "records.jsonl").read_text() == ""


def test_masked_fields_are_stored_nowhere(tmp_path, calls, monkeypatch):
    source = lines(tmp_path / "items.jsonl", [
        {"id": 1, "name": "Erika Muster"},
        {"id": 2, "name": "Erika Muster", "bad": True},
    ])  # fmt: skip
    nodes = (python("first", "one", mask=["name"]), PAIR[1])
    ended = run(params(source, nodes), tmp_path / "runs")

    assert output(ended) == [{"id": 1, "name": "***", "one": 2, "two": 4}]
    assert not any(b"Muster" in path.read_bytes() for path in ended.folder.iterdir())
    shown = ended.gathered.shown["second"].passed[0]
    assert shown.given == {"id": 1, "name": "***", "one": 2}
    from tasks.graphs.frames import unpacked

    kept = [
        unpacked(path.read_bytes())
        for path in (tmp_path / "storage").rglob("*.zst")
    ]  # fmt: skip
    assert kept
    assert not any(b"Muster" in content for content in kept)
    assert b"Muster" not in (tmp_path / "seqloom.db").read_bytes()


def test_other_code_of_a_function_is_another_answer(source, tmp_path, calls, monkeypatch):
    run(params(source), tmp_path / "runs")
    monkeypatch.setitem(FUNCTIONS, "one", lambda item: {**item, "one": -1})
    second = run(params(source), tmp_path / "runs")

    assert {item["two"] for item in output(second)} == {-2}


def test_there_is_no_run_to_look_at(own_place):
    from blocks.errors import InputError

    with pytest.raises(InputError, match="run 'latest': holds no run of graphs"):
        list(stored_lines("latest", "first", given=False))


BEGUN, WAITED = threading.Event(), threading.Event()


def held(item):
    """Ends once another run waits; what it takes from around it would be part of its name."""
    small_runs.calls["one"].append(item["id"])
    BEGUN.set()
    assert WAITED.wait(60)
    return {**item, "one": 1}


class Waited(logging.Handler):
    """Notes that a run waits."""

    def emit(self, record):
        if "waiting for what it stores" in record.getMessage():
            WAITED.set()


def test_two_equal_runs_at_once_make_everything_once(source, tmp_path, calls, monkeypatch):
    monkeypatch.setitem(FUNCTIONS, "held", held)
    log = logging.getLogger("two runs")
    log.setLevel("INFO")
    log.addHandler(Waited())
    given = params(source, (python("first", "held"),))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(run, given, tmp_path / "a")
        assert BEGUN.wait(60)
        second = pool.submit(run, given, tmp_path / "b", log=log)
        both = [one.result() for one in (first, second)]

    assert sorted(calls["one"]) == list(range(10))
    assert [one.states for one in both] == [{"first": "COMPLETED"}, {"first": "CACHED"}]
    assert output(both[0], "first") == output(both[1], "first")
