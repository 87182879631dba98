"""The ledger when clocks are set, disks are full, and the same thing is told twice."""

import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from blocks import database, ledger
from blocks.errors import ServiceError
from tests.chaos.conftest import Told


class Jumped(datetime):
    """A clock that somebody has set."""

    by = timedelta()

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + cls.by


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch):
    """Sets the wall clock of this process as the kernel does: the time of boot moves along."""
    booted = psutil.boot_time()

    def jump(by: timedelta) -> None:
        monkeypatch.setattr(Jumped, "by", by)
        monkeypatch.setattr(ledger, "datetime", Jumped)
        for place in ("psutil.boot_time", "psutil._pslinux.boot_time"):
            monkeypatch.setattr(place, lambda: booted + by.total_seconds())

    return jump


@pytest.mark.parametrize("hours", [3, -3], ids=["forward", "back"])
def test_a_clock_that_is_set_in_a_run_neither_kills_nor_lengthens_it(
    engine: sa.Engine, set_clock, told: Told, hours: int
) -> None:
    row = ledger.start("design", engine=engine)
    began = time.monotonic()

    set_clock(timedelta(hours=hours))

    assert ledger.reconcile(engine=engine) == []
    assert ledger.heartbeat(row, engine=engine)
    assert ledger.finish(row, "completed", engine=engine)
    found = ledger.run(row, engine=engine).run
    took = (found.completed_at - found.started_at).total_seconds()
    assert 0 <= took <= time.monotonic() - began
    told(f"clock set by {hours:+d} h, {engine.dialect.name}", "run goes on, its duration is true")


@pytest.mark.tool
def test_the_clock_of_another_machine_does_not_decide_who_is_dead(
    postgresql_url: str, set_clock, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    engine = database.engine(postgresql_url)
    with monkeypatch.context() as other:
        other.setattr(ledger.socket, "gethostname", lambda: "elsewhere")
        row = ledger.start("design", engine=engine)

    set_clock(timedelta(hours=3))

    assert ledger.reconcile(engine=engine) == []
    assert ledger.run(row, engine=engine).run.status == "running"
    told("clock of a second machine 3 h ahead", "the database's clock tells who is alive")


def test_what_is_told_twice_is_recorded_once(engine: sa.Engine, told: Told) -> None:
    """Two workers are given the same run, and each tells each thing twice, all at once."""
    ledger.reconcile(engine=engine)
    together = threading.Barrier(4)

    def work() -> None:
        together.wait()
        for _ in range(2):
            ledger.start("design", execution_id="one-run", flow_run_id="f", engine=engine)
            ledger.add_metrics(
                "one-run", "fold", {"wall_s": 1.0, "items_in": 5},
                entry={"step": "fold", "state": "COMPLETED"}, key="task 1", engine=engine,
            )  # fmt: skip

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    closed = [ledger.finish("one-run", "completed", {"n": n}, engine=engine) for n in range(3)]

    found = ledger.run("one-run", engine=engine)
    assert len(ledger.runs(engine=engine)) == 1
    assert sorted(metric.metric_name for metric in found.metrics) == ["items_in", "wall_s"]
    assert len(found.run.execution_log) == 1
    assert closed == [True, False, False]
    assert found.run.output_data == {"n": 0}
    told(f"same run delivered 4 times, {engine.dialect.name}", "one row, each figure once")


@pytest.mark.tool
def test_a_full_disk_is_one_line_and_what_was_recorded_stays(small_disk, told: Told) -> None:
    place: Path = small_disk("1m")
    engine = database.engine(f"sqlite:///{place}/seqloom.db")
    row = ledger.start("design", engine=engine)
    written = 0

    def fill() -> None:
        nonlocal written
        for number in range(5_000):
            ledger.add_metrics(row, f"step {number}", {"wall_s": 1.0}, engine=engine)
            written += 1

    with pytest.raises(ServiceError, match=r"database or disk is full|disk I/O error") as caught:
        fill()

    assert len(str(caught.value).splitlines()) == 1
    assert written > 0
    small_disk("20m")
    ledger.add_metrics(row, "after", {"wall_s": 1.0}, engine=engine)
    assert ledger.finish(row, "completed", engine=engine)
    found = ledger.run(row, engine=engine)
    assert len(found.metrics) == written + 1
    database.close_connections()
    told("disk of the ledger full", "one line; goes on when there is room", "the refused record")
