import os
from datetime import UTC, datetime, timedelta

import psutil
import pytest
import sqlalchemy as sa

from blocks import ledger
from blocks.comparison import Change
from blocks.database import writing
from blocks.errors import InputError
from blocks.executions import EXECUTIONS as ROWS
from blocks.ledger import (
    add_metrics,
    compare,
    finish,
    log_event,
    reconcile,
    run,
    runs,
)
from blocks.processes import process_is_alive


def start(engine: sa.Engine, pipeline: str = "design", **more: object) -> str:
    return ledger.start(pipeline, engine=engine, **more)  # type: ignore[arg-type]


def change_row(engine: sa.Engine, execution_id: str, **values: object) -> None:
    with writing(engine) as connection:
        matching = sa.update(ROWS).where(ROWS.c.execution_id == execution_id)
        connection.execute(matching.values(**values))


def test_a_started_run_says_who_runs_it(engine: sa.Engine) -> None:
    before = datetime.now(UTC)

    execution_id = start(
        engine,
        input_data={"sequences": "in.fasta", "steps": [1, 2]},
        run_name="gfp",
        created_by="me",
        code_version="abc",
        versions={"esm": "2"},
        input_digests={"sequences": "d1"},
    )

    found = run(execution_id, engine=engine).run
    assert found.status == "running"
    assert found.input_data == {"sequences": "in.fasta", "steps": [1, 2]}
    assert (found.run_name, found.created_by, found.code_version) == ("gfp", "me", "abc")
    assert (found.versions, found.input_digests) == ({"esm": "2"}, {"sequences": "d1"})
    assert found.pid == os.getpid()
    assert process_is_alive(found.pid, found.process_started)
    assert before <= found.started_at <= datetime.now(UTC)
    assert found.started_at.tzinfo is UTC
    assert (found.completed_at, found.output_data, found.execution_log) == (None, None, [])


def test_a_finished_run_has_its_results(engine: sa.Engine) -> None:
    execution_id = start(engine, versions={"esm": "2"})

    closed = finish(
        execution_id,
        "completed",
        {"kept": 3},
        degraded=True,
        versions={"blast": "2.16"},
        output_digests={"table": "d2"},
        engine=engine,
    )

    found = run(execution_id, engine=engine).run
    assert closed
    assert (found.status, found.output_data, found.degraded) == ("completed", {"kept": 3}, True)
    assert found.versions == {"esm": "2", "blast": "2.16"}
    assert found.output_digests == {"table": "d2"}
    assert found.completed_at is not None
    assert found.completed_at >= found.started_at


def test_a_finished_run_is_never_changed_again(engine: sa.Engine) -> None:
    execution_id = start(engine)
    finish(execution_id, "failed", error="first", engine=engine)
    before = run(execution_id, engine=engine)

    assert not finish(execution_id, "completed", {"kept": 3}, engine=engine)
    assert not log_event(execution_id, {"step": "late"}, engine=engine)
    assert not ledger.heartbeat(execution_id, engine=engine)
    assert start(engine, "other", execution_id=execution_id) == execution_id
    assert run(execution_id, engine=engine) == before


def test_a_run_that_never_began_cannot_be_finished(engine: sa.Engine) -> None:
    assert not finish("nobody", "completed", engine=engine)


def test_running_is_no_way_to_finish(engine: sa.Engine) -> None:
    with pytest.raises(InputError, match="'running'; expected one of"):
        finish(start(engine), "running", engine=engine)


def test_an_error_is_one_line_without_secrets(engine: sa.Engine) -> None:
    execution_id = start(engine)

    finish(
        execution_id, "failed", error=ValueError("no\n  https://me:hunter2@host/x"), engine=engine
    )

    assert run(execution_id, engine=engine).run.error == "no https://***@host/x"


def test_events_are_appended_in_order(engine: sa.Engine) -> None:
    execution_id = start(engine)

    for step in ("score", "filter"):
        assert log_event(execution_id, {"step": step, "api_key": "hunter2"}, engine=engine)

    log = run(execution_id, engine=engine).run.execution_log
    assert [(entry["step"], entry["api_key"]) for entry in log] == [
        ("score", "***"),
        ("filter", "***"),
    ]
    assert all(datetime.fromisoformat(entry["at"]).tzinfo is not None for entry in log)


def test_a_log_is_bounded_and_the_run_goes_on(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "LOG_ENTRIES", 2)
    execution_id = start(engine)

    for number in range(3):
        assert log_event(execution_id, {"step": number}, engine=engine)

    assert [one["step"] for one in run(execution_id, engine=engine).run.execution_log] == [0, 1]


def test_numbers_and_the_line_about_them_are_written_together_and_once(engine: sa.Engine) -> None:
    execution_id = start(engine)

    for _ in range(2):
        add_metrics(
            execution_id, "score", {"wall_s": 1.0}, entry={"step": "score"}, key="k", engine=engine
        )
    add_metrics(execution_id, "score", {"wall_s": 1.0}, key="another", engine=engine)

    found = run(execution_id, engine=engine)
    assert (len(found.metrics), len(found.run.execution_log)) == (2, 1)


def test_a_row_that_is_made_late_has_the_start_it_is_told(engine: sa.Engine) -> None:
    began = datetime.now(UTC) - timedelta(minutes=5)
    execution_id = start(engine, started_at=began)

    ledger.finish(execution_id, "completed", engine=engine)

    found = run(execution_id, engine=engine).run
    assert found.started_at == began
    assert found.completed_at is not None
    assert found.completed_at - began >= timedelta(minutes=5)


def test_type_and_unit_of_a_metric_follow_from_its_name(engine: sa.Engine) -> None:
    execution_id = start(engine)

    add_metrics(
        execution_id,
        "score",
        {
            "wall_s": 1.5,
            "cpu_s": 1.0,
            "peak_memory_bytes": 5,
            "items_in": 10,
            "items_per_s": 6.6,
            "cache_hit": True,
            "unknown": None,
            "undefined": float("nan"),
        },
        engine=engine,
    )

    metrics = run(execution_id, engine=engine).metrics
    assert {m.metric_name: (m.metric_type, m.unit, m.metric_value) for m in metrics} == {
        "wall_s": ("timing", "s", 1.5),
        "cpu_s": ("resource", "s", 1.0),
        "peak_memory_bytes": ("resource", "bytes", 5.0),
        "items_in": ("throughput", "1", 10.0),
        "items_per_s": ("throughput", "1/s", 6.6),
        "cache_hit": ("resource", "1", 1.0),
    }
    assert {metric.step_name for metric in metrics} == {"score"}


def test_metrics_of_an_unknown_run_are_refused(engine: sa.Engine) -> None:
    with pytest.raises(InputError, match="run nobody: not in the ledger"):
        add_metrics("nobody", "score", {"wall_s": 1.0}, engine=engine)


def test_a_dead_process_of_this_machine_makes_a_crashed_run(engine: sa.Engine) -> None:
    dead, reused, alive = start(engine), start(engine), start(engine)
    child = psutil.Popen(["true"])
    child.wait()
    change_row(engine, dead, pid=child.pid)
    change_row(engine, reused, process_started=1.0)

    assert set(reconcile(engine=engine)) == {dead, reused}

    found = run(dead, engine=engine).run
    assert found.status == "crashed"
    assert f"process {child.pid} on" in str(found.error)
    assert run(alive, engine=engine).run.status == "running"
    assert reconcile(engine=engine) == []


def test_a_run_found_dead_before_its_cancellation_was_told_is_cancelled(engine: sa.Engine) -> None:
    cancelled, crashed = start(engine), start(engine)
    reconcile(is_alive=lambda pid, started: False, engine=engine)
    ended = run(cancelled, engine=engine).run.completed_at

    assert not finish(cancelled, "failed", error="late", engine=engine)
    assert finish(cancelled, "cancelled", error="by hand", engine=engine)

    found = run(cancelled, engine=engine).run
    assert (found.status, found.error, found.completed_at) == ("cancelled", "by hand", ended)
    assert run(crashed, engine=engine).run.status == "crashed"


@pytest.mark.parametrize(("minutes", "status"), [(9, "running"), (11, "crashed")])
def test_a_run_elsewhere_is_crashed_after_10_minutes_without_heartbeat(
    engine: sa.Engine, minutes: int, status: str
) -> None:
    execution_id = start(engine)
    change_row(engine, execution_id, host="elsewhere", pid=1)
    now = run(execution_id, engine=engine).run.heartbeat_at + timedelta(minutes=minutes)

    reconcile(now, is_alive=lambda pid, started: False, engine=engine)

    assert run(execution_id, engine=engine).run.status == status


def test_a_heartbeat_keeps_a_run_elsewhere_alive(engine: sa.Engine) -> None:
    execution_id = start(engine)
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    change_row(engine, execution_id, host="elsewhere", heartbeat_at=long_ago)

    assert ledger.heartbeat(execution_id, engine=engine)

    assert reconcile(engine=engine) == []


def test_runs_are_listed_newest_first(engine: sa.Engine) -> None:
    first, second, third = start(engine), start(engine, "reads"), start(engine)
    finish(first, "completed", engine=engine)

    assert [row.execution_id for row in runs(engine=engine)] == [third, second, first]
    assert [row.execution_id for row in runs("design", engine=engine)] == [third, first]
    assert [row.execution_id for row in runs(status="running", engine=engine)] == [third, second]
    assert [row.execution_id for row in runs(limit=1, engine=engine)] == [third]


@pytest.mark.parametrize("key", ["aa11", "aa11-1", "AA11", "flow-1", "brave-owl"])
def test_a_run_is_found_by_id_beginning_flow_run_or_name(engine: sa.Engine, key: str) -> None:
    start(engine, execution_id="aa11-1", flow_run_id="flow-1", run_name="brave-owl")
    start(engine, execution_id="bb22-1", flow_run_id="flow-2", run_name="calm-fox")

    assert run(key, engine=engine).run.execution_id == "aa11-1"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("same", "several are called so; expected one of bb-2, aa-1"),
        ("%", "not in the ledger"),
        ("", "not in the ledger"),
        ("cc", "not in the ledger"),
    ],
)
def test_a_run_that_is_not_the_only_one_is_refused(engine: sa.Engine, key: str, said: str) -> None:
    start(engine, execution_id="aa-1", run_name="same")
    start(engine, execution_id="bb-2", run_name="same")

    with pytest.raises(InputError, match=said):
        run(key, engine=engine)


def finished(engine: sa.Engine, wall_s: float, cutoff: float = 0.5, kept: int = 3) -> str:
    execution_id = start(
        engine,
        input_data={"filters": [{"column": "plddt", "min": cutoff}], "seed": 1},
        code_version="abc",
        versions={"esm": f"v{kept}"},
        input_digests={"sequences": "same"},
    )
    add_metrics(execution_id, "score", {"wall_s": wall_s, "items_out": kept}, engine=engine)
    output = {"kept": kept, "table": "x.parquet"}
    finish(execution_id, "completed", output, output_digests={"t": f"{kept}"}, engine=engine)
    return execution_id


def test_equal_runs_differ_in_times_only(engine: sa.Engine) -> None:
    found = compare(finished(engine, 1.0), finished(engine, 2.0), engine=engine)

    assert found.same
    assert found.metrics == {"score.wall_s": Change(old=1.0, new=2.0, ratio=2.0)}


def test_unequal_runs_differ_by_dotted_path(engine: sa.Engine) -> None:
    found = compare(finished(engine, 1.0), finished(engine, 1.0, cutoff=0.6, kept=6), engine=engine)

    assert not found.same
    assert found.parameters == {"filters.0.min": Change(old=0.5, new=0.6, ratio=1.2)}
    assert found.versions == {"esm": Change(old="v3", new="v6")}
    assert found.digests == {"output.t": Change(old="3", new="6")}
    assert found.counts == {
        "score.items_out": Change(old=3.0, new=6.0, ratio=2.0),
        "output.kept": Change(old=3, new=6, ratio=2.0),
    }
    assert (found.outcome, found.metrics) == ({}, {})


def test_repeated_metrics_are_added_and_peaks_are_not(engine: sa.Engine) -> None:
    a, b = start(engine), start(engine)
    for execution_id, times in ((a, 1), (b, 3)):
        for _ in range(times):
            numbers = {"wall_s": 2.0, "peak_memory_bytes": 100}
            add_metrics(execution_id, "score", numbers, engine=engine)

    found = compare(a, b, engine=engine)

    assert found.metrics == {"score.wall_s": Change(old=2.0, new=6.0, ratio=3.0)}
