"""Looks at folders: each version of a file starts one run, whatever happens to the watcher."""

import multiprocessing
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from blocks.arrivals import Arrivals, arrivals, counts
from blocks.database import close_connections, engine
from blocks.errors import InputError, ServiceError
from tasks.arrivals.templates import filled
from tests.arrivals.watcher import TEMPLATE, Recorder, handled, look_at, watch


@pytest.fixture
def inbox(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQLOOM_DATABASE", f"sqlite:///{tmp_path}/arrivals.db")
    (tmp_path / "inbox").mkdir()
    yield tmp_path / "inbox"
    close_connections()


def put(folder, *names):
    for name in names:
        (folder / name).write_text(f">{name}\nMKV\n")


def test_each_version_of_a_file_starts_one_run(inbox, tmp_path):
    look, params = look_at(inbox, Recorder(tmp_path / "runs"))
    put(inbox, "a.fa", "b.fa", "notes.txt")
    first, second = look.once(params), look.once(params)
    (inbox / "a.fa").write_text(">a\nMKVLLL\n")
    third = look.once(params)

    assert (first.files, first.new, first.started, first.waiting) == (2, 2, 2, 0)
    assert (second.new, second.started) == (0, 0)
    assert (third.new, third.started) == (1, 1)
    assert handled(tmp_path / "runs") == {f"{inbox}/a.fa": 2, f"{inbox}/b.fa": 1}


def test_a_file_that_grows_waits_until_it_has_settled(inbox, tmp_path):
    look, params = look_at(inbox, Recorder(tmp_path / "runs"))
    slow = params.model_copy(update={"settle_s": 0.5})
    with (inbox / "a.fa").open("w") as file:
        for _ in range(3):
            file.write(">a\nMKV\n")
            file.flush()
            assert look.once(slow).started == 0
            time.sleep(0.3)
        file.write("END\n")
    assert look.once(slow).waiting == 1
    time.sleep(0.6)

    assert look.once(slow).started == 1
    assert (inbox / "a.fa").stat().st_size == arrivals(engine())[0].bytes == 25


def test_a_burst_is_started_in_parts(inbox, tmp_path):
    look, params = look_at(inbox, Recorder(tmp_path / "runs"))
    put(inbox, *(f"{number:02d}.fa" for number in range(25)))
    few = params.model_copy(update={"most_runs": 10})

    seen = [look.once(few) for _ in range(4)]

    assert [one.started for one in seen] == [10, 10, 5, 0]
    assert [one.waiting for one in seen] == [15, 5, 0, 0]


def test_files_together_start_a_run_for_many(inbox, tmp_path):
    look, params = look_at(inbox, Recorder(tmp_path / "runs"))
    put(inbox, *(f"{number:02d}.fa" for number in range(25)))
    many = params.model_copy(
        update={"files": "together", "batch": 10, "params": {"input": {"source": "{files}"}}}
    )
    told = []
    together = look.__class__(
        look.place, look.arrivals, look.deployment,
        lambda files: filled(many.params, files), lambda run: told.append(run) or "id", look.log,
    )  # fmt: skip

    assert together.once(many).started == 3
    files = [run.parameters["params"]["input"]["source"] for run in told]
    assert [len(some) for some in files] == [10, 10, 5]
    assert sorted(file for some in files for file in some) == sorted(map(str, inbox.iterdir()))


def test_a_file_that_fits_no_parameters_fails_alone_and_can_be_tried_again(inbox, tmp_path):
    look, params = look_at(inbox, Recorder(tmp_path / "runs"))
    put(inbox, "a.fa", "bad.fa")

    def fill(files):
        if "bad" in files[0]:
            raise InputError("params.batch: 'bad'; expected better")
        return filled(TEMPLATE, files)

    picky = look.__class__(look.place, look.arrivals, look.deployment, fill, look.start, look.log)
    seen = picky.once(params)

    assert (seen.started, seen.failed) == (1, 1)
    (failed,) = arrivals(engine(), state="failed")
    assert (failed.uri, failed.error) == (f"{inbox}/bad.fa", "params.batch: 'bad'; expected better")
    assert look.once(params).started == 0
    assert look.arrivals.forget_failed() == 1
    assert look.once(params).started == 1


def test_without_an_answer_a_run_is_started_by_the_next_look(inbox, tmp_path):
    look, params = look_at(inbox, Recorder(tmp_path / "runs"))
    put(inbox, "a.fa", "b.fa")

    def silent(run):
        raise ServiceError("Prefect server", "no answer")

    broken = look.__class__(look.place, look.arrivals, look.deployment, look.fill, silent, look.log)
    with pytest.raises(ServiceError):
        broken.once(params)
    assert [one.error for one in look.arrivals.pending()] == ["Prefect server: no answer"]

    assert look.once(params).started == 2
    assert set(handled(tmp_path / "runs").values()) == {1}


def test_a_name_that_is_no_text_is_left_alone(inbox, tmp_path):
    look, params = look_at(inbox, Recorder(tmp_path / "runs"))
    put(inbox, "a.fa")
    Path(os.fsdecode(os.fsencode(inbox) + b"/\xff.fa")).write_text(">x\n")

    assert look.once(params).files == 1


def watcher(inbox, runs, crash=""):
    """A process that watches; a fork, which has imported everything already."""
    started = multiprocessing.get_context("fork").Process(target=watch, args=(inbox, runs, crash))
    started.start()
    return started


forking = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


@forking
@pytest.mark.parametrize("crash", ["claimed", "started"])
def test_a_watcher_that_dies_between_two_steps_loses_and_doubles_nothing(inbox, tmp_path, crash):
    runs = tmp_path / "runs"
    put(inbox, *(f"{number}.fa" for number in range(5)))
    dying = watcher(inbox, runs, crash)
    dying.join(60)
    assert dying.exitcode == 137
    assert len(Arrivals(engine(), f"test: {inbox}").pending()) == 1

    look, params = look_at(inbox, Recorder(runs))
    look.once(params)

    assert handled(runs) == {str(path): 1 for path in inbox.iterdir()}
    again = runs / "again"
    assert again.exists() == (crash == "started"), "only a start that was not noted is done again"


@forking
def test_a_thousand_files_in_bursts_while_watchers_are_killed_are_each_handled_once(
    inbox, tmp_path
):
    runs, draw = tmp_path / "runs", random.Random(1)
    names = [f"{number:04d}.fa" for number in range(1_000)]
    running, killed = [watcher(inbox, runs), watcher(inbox, runs)], 0
    deadline = time.monotonic() + 120
    while len(list(runs.glob("*.json"))) < 1_000:
        assert time.monotonic() < deadline
        for name in names[:125]:
            (inbox / f"{name}.part").write_text(f">{name}\nMKV\n")
            (inbox / f"{name}.part").rename(inbox / name)
        names = names[125:]
        time.sleep(draw.uniform(0.1, 0.5))
        if killed < 8 and runs.exists() and any(runs.iterdir()):
            running[killed % 2].kill()
            running[killed % 2].join()
            running[killed % 2] = watcher(inbox, runs)
            killed += 1
    look, params = look_at(inbox, Recorder(runs))
    for one in running:
        one.kill()
        one.join()
    look.once(params)

    assert killed >= 4
    assert handled(runs) == Counter({f"{inbox}/{number:04d}.fa": 1 for number in range(1_000)})
    assert counts(engine()) == {
        look.arrivals.watch: {"waiting": 0, "claimed": 0, "started": 1_000, "failed": 0}
    }
