"""What is remembered of files that arrived."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from blocks.arrival_tables import ArrivalRun
from blocks.arrivals import Arrivals, arrivals, counts
from blocks.file_versions import FileVersion


def version(name, content="1"):
    return FileVersion(f"/in/{name}", content, 3, 0.0)


@pytest.fixture
def store(engine):
    return Arrivals(engine, "graphs: /in")


def run_of(store, *files, **more):
    key = store.run_key(files)
    return ArrivalRun(
        key=key, watch=store.watch, deployment="graphs/text", parameters={"params": {}}, **more
    )


def test_a_version_is_new_once_and_another_one_of_the_file_again(store):
    assert store.see([version("a"), version("b")]) == 2
    assert store.see([version("a"), version("b")]) == 0
    assert store.see([version("a", "2"), version("b")]) == 1
    assert [(one.uri, one.version) for one in store.settled(0)] == [("/in/b", "1"), ("/in/a", "2")]


def test_a_file_settles_when_it_was_seen_unchanged_for_long_enough(store):
    store.see([version("a")])

    assert store.settled(3_600) == []
    assert [one.uri for one in store.settled(0)] == ["/in/a"]


def test_a_claimed_run_is_pending_until_it_has_started(store):
    files = [version("a"), version("b")]
    store.see(files)
    run = run_of(store, *files)

    assert store.claim(run, files)
    assert store.waiting() == 0
    assert store.pending() == [run]
    store.not_yet(run.key, "no answer")
    assert [(one.error, one.attempts) for one in store.pending()] == [("no answer", 1)]
    store.started(run.key, "id")
    store.started(run.key, "other")  # by a second watcher, late

    assert store.pending() == []
    assert [(one.state, one.flow_run_id) for one in arrivals(store.engine)] == [
        ("started", "id")
    ] * 2
    assert store.see(files) == 0


def test_a_run_takes_all_of_its_files_or_none(store):
    one, other = version("a"), version("b")
    store.see([one, other])

    assert store.claim(run_of(store, one), [one])
    assert not store.claim(run_of(store, one, other), [one, other])
    assert [found.uri for found in store.settled(0)] == ["/in/b"]
    assert len(store.pending()) == 1


def test_several_watchers_at_once_claim_each_file_once(store):
    files = [version(f"{number:03d}") for number in range(40)]

    def watch(_):
        store.see(files)
        return sum(store.claim(run_of(store, one), [one]) for one in files)

    with ThreadPoolExecutor(4) as pool:
        claimed = list(pool.map(watch, range(4)))

    assert sum(claimed) == 40
    assert len(store.pending()) == 40


def test_files_of_failed_runs_arrive_anew_when_they_are_forgotten(store):
    good, bad = version("a"), version("b")
    store.see([good, bad])
    store.claim(run_of(store, good), [good])
    store.claim(run_of(store, bad, state="failed", error="b: wrong"), [bad])

    assert counts(store.engine) == {
        "graphs: /in": {"waiting": 0, "claimed": 1, "started": 0, "failed": 1}
    }
    assert [one.error for one in arrivals(store.engine, state="failed")] == ["b: wrong"]
    assert store.forget_failed() == 1
    assert store.see([good, bad]) == 1


def test_watches_do_not_see_each_others_files(store):
    other = Arrivals(store.engine, "graphs: /elsewhere")
    store.see([version("a")])

    assert other.see([version("a")]) == 1
    assert other.see([]) == 0
    assert store.waiting() == 1
    assert store.run_key([version("a")]) != other.run_key([version("a")])
