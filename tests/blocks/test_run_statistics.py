"""Success, times and trends, from rows whose figures are known."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from blocks import ledger
from blocks.database import writing
from blocks.errors import InputError
from blocks.executions import EXECUTIONS
from blocks.run_statistics import (
    Window,
    last_days,
    outcomes,
    runs_of,
    slowest,
    steps_of,
    trend,
    zone_of,
)

BERLIN = zone_of("Europe/Berlin")
NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)  # a Wednesday
WINDOW = Window(NOON - timedelta(days=30), NOON + timedelta(days=1), BERLIN)


def put(engine: sa.Engine, status: str, seconds: float = 1.0, at: datetime = NOON, **more) -> str:
    """A run that began at a moment and took some seconds."""
    row = ledger.start(more.pop("pipeline", "design"), engine=engine)
    ended = None if status == "running" else at + timedelta(seconds=seconds)
    change = sa.update(EXECUTIONS).where(EXECUTIONS.c.execution_id == row)
    with writing(engine) as connection:
        connection.execute(change.values(status=status, started_at=at, completed_at=ended, **more))
    return row


def test_runs_are_counted_by_pipeline_and_cancelled_ones_do_not_fail(engine: sa.Engine) -> None:
    for status in ("completed", "completed", "completed", "failed", "cancelled", "running"):
        put(engine, status, 2.0)
    put(engine, "crashed", pipeline="reads")
    put(engine, "completed", 3.0, pipeline="reads", degraded=True)

    found = outcomes(runs_of(WINDOW, engine=engine)).set_index("pipeline")

    counts = found.loc["design", ["runs", "completed", "failed", "cancelled", "running"]]
    assert counts.tolist() == [6, 3, 1, 1, 1]
    assert found.loc["design", "success_rate"] == 0.75
    assert found.loc["reads", "success_rate"] == 0.5
    assert found.loc["reads", "degraded"] == 1


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=40))
def test_percentiles_are_numpys(times: list[float]) -> None:
    runs = pd.DataFrame(
        {"pipeline": "p", "status": "completed", "degraded": False}, range(len(times))
    )
    runs["seconds"] = times

    (row,) = outcomes(runs).to_dict("records")

    for percent in (50, 95, 99):
        # The definition: linear between the neighbours of rank (n - 1) p.
        ordered = sorted(times)
        rank = (len(times) - 1) * percent / 100
        low = ordered[int(rank)]
        high = ordered[min(int(rank) + 1, len(times) - 1)]
        expected = low + (high - low) * (rank - int(rank))
        assert row[f"p{percent}_s"] == pytest.approx(expected)


def test_only_completed_runs_have_times(engine: sa.Engine) -> None:
    put(engine, "completed", 10.0)
    put(engine, "failed", 1_000.0)

    (row,) = outcomes(runs_of(WINDOW, engine=engine)).to_dict("records")

    assert (row["p50_s"], row["p99_s"]) == (10.0, 10.0)


def test_a_day_is_that_of_the_time_zone(engine: sa.Engine) -> None:
    put(engine, "completed", at=datetime(2026, 11, 15, 22, 59, tzinfo=UTC))  # Sunday, 23:59
    put(engine, "failed", at=datetime(2026, 11, 15, 23, 1, tzinfo=UTC))  # Monday, 00:01

    runs = runs_of(WINDOW, engine=engine)
    days, weeks = trend(runs, "day"), trend(runs, "week")

    assert days["day"].tolist() == [date(2026, 11, 15), date(2026, 11, 16)]
    assert weeks["week"].tolist() == [date(2026, 11, 9), date(2026, 11, 16)]
    assert weeks["success_rate"].tolist() == [1.0, 0.0]
    utc = runs_of(Window(WINDOW.since, WINDOW.until, zone_of("UTC")), engine=engine)
    assert trend(utc, "day")["day"].tolist() == [date(2026, 11, 15)]


@pytest.mark.parametrize(
    ("now", "since"),
    [
        pytest.param("2026-10-26T12:00Z", "2026-10-24T22:00Z", id="a day of 25 hours inside"),
        pytest.param("2026-03-30T12:00Z", "2026-03-28T23:00Z", id="a day of 23 hours inside"),
    ],
)
def test_days_are_whole_when_clocks_are_set(now: str, since: str) -> None:
    window = last_days(2, BERLIN, datetime.fromisoformat(now))

    assert window.since == datetime.fromisoformat(since)


def test_the_window_holds_its_beginning_and_not_its_end(engine: sa.Engine) -> None:
    window = Window(NOON, NOON + timedelta(hours=1), BERLIN)
    inside = put(engine, "completed", at=window.since)
    put(engine, "completed", at=window.until)
    put(engine, "completed", at=window.since - timedelta(microseconds=1))

    assert runs_of(window, engine=engine)["execution_id"].tolist() == [inside]


def test_the_slowest_steps_come_first_and_stored_ones_do_not_count(engine: sa.Engine) -> None:
    run = put(engine, "completed")
    for wall in (1.0, 3.0):
        ledger.add_metrics(
            run, "score", {"wall_s": wall, "cpu_s": wall, "items_in": 8, "attempts": wall,
                           "peak_memory_bytes": 100 * wall, "cache_hit": 0},
            engine=engine,
        )  # fmt: skip
    ledger.add_metrics(run, "read", {"wall_s": 1.0, "cache_hit": 0}, engine=engine)
    ledger.add_metrics(run, "score", {"wall_s": 99.0, "cache_hit": 1}, engine=engine)

    found = slowest(steps_of(WINDOW, engine=engine)).to_dict("records")

    assert [one["step"] for one in found] == ["score", "read"]
    score = found[0]
    assert (score["calls"], score["total_s"], score["share"]) == (2, 4.0, 0.8)
    assert (score["p50_s"], score["items_per_s"], score["tried_again"]) == (2.0, 4.0, 1)
    assert score["peak_memory_bytes"] == 300
    assert np.isnan(found[1]["items_per_s"])


def test_an_empty_ledger_gives_empty_tables(engine: sa.Engine) -> None:
    runs = runs_of(WINDOW, engine=engine)

    assert outcomes(runs).empty
    assert trend(runs, "week").empty
    assert slowest(steps_of(WINDOW, engine=engine)).empty


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", ""])
def test_an_unknown_time_zone_is_one_line(name: str) -> None:
    with pytest.raises(InputError, match=r"time zone .*: not known; expected one such as UTC"):
        zone_of(name)
