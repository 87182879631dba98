"""The report on all runs: its page, its event, and the automation that reacts to it."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import sqlalchemy as sa
import yaml

from blocks import database, ledger
from blocks.database import writing
from blocks.executions import EXECUTIONS
from deployments.local import LocalPrefect
from flows.ops import report
from tasks.ops.model import OpsParams
from tests.flows.conftest import answer_of
from tests.waiting import until

pytestmark = pytest.mark.engine
DEPLOYMENTS = ("ops/note",)
AUTOMATION = Path(__file__).parents[2] / "deployments" / "automations" / "band-left.yaml"


def history(pipeline: str, *groups: tuple[str, int, float]) -> None:
    """Runs of the last minutes: status, how many, seconds."""
    now = datetime.now(UTC)
    for status, count, seconds in groups:
        for _ in range(count):
            row = ledger.start(pipeline)
            ledger.finish(row, status)  # type: ignore[arg-type]
            change = sa.update(EXECUTIONS).where(EXECUTIONS.c.execution_id == row)
            with writing(database.engine()) as connection:
                times = {"started_at": now, "completed_at": now + timedelta(seconds=seconds)}
                connection.execute(change.values(**times))


def test_a_report_is_a_page_with_tables_and_stands_in_the_ledger(prefect_server: LocalPrefect):
    steady = f"steady-{uuid4().hex[:8]}"
    history(steady, ("completed", 9, 2.0), ("failed", 1, 1.0))

    result = report(OpsParams(pipeline=steady))

    assert (result.runs, result.pipelines, result.left) == (10, 1, ())
    folder = Path(result.folder)
    assert "Every pipeline is in its band." in (folder / "report.html").read_text()
    with (folder / "tables" / "pipelines.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["runs"], row["success_rate"], row["p95_s"]) == ("10", "0.9", "2")
    (recorded,) = ledger.runs(pipeline="ops", limit=1)
    assert recorded.output_data["page"] == result.page


@contextmanager
def automation(prefect: LocalPrefect, path: Path) -> Iterator[str]:
    """Name of the automation of a file, switched on; `{flow/name}` stands for a deployment."""
    note = answer_of("GET", f"{prefect.api}/deployments/name/ops/note")["id"]
    content = yaml.safe_load(path.read_text().replace("{ops/note}", note)) | {"enabled": True}
    made = answer_of("POST", f"{prefect.api}/automations/", content)
    try:
        yield str(made["name"])
    finally:
        httpx.delete(f"{prefect.api}/automations/{made['id']}", timeout=60)


def events(prefect: LocalPrefect, resource: str) -> list[dict[str, Any]]:
    wanted = {"filter": {"event": {"name": ["seqloom.band.left"]}, "resource": {"id": [resource]}}}
    found = answer_of("POST", f"{prefect.api}/events/filter", wanted)["events"]
    return [dict(event) for event in found]


def test_a_band_that_was_left_is_an_event_and_the_automation_notes_it(deployed: LocalPrefect):
    shaky = f"shaky-{uuid4().hex[:8]}"
    history(shaky, ("completed", 3, 2.0), ("failed", 2, 1.0))

    def noted() -> list[Any]:
        rows = ledger.runs(pipeline="ops", status="completed", limit=50)
        return [row for row in rows if row.run_name == f"note-{shaky}-success_rate"]

    with automation(deployed, AUTOMATION) as name:
        result = report(OpsParams(pipeline=shaky))
        until(noted, 300)

    (left,) = result.left
    assert (left.measure, left.value) == ("success_rate", 0.6)
    (event,) = events(deployed, f"seqloom.pipeline.{shaky}")
    assert event["payload"] == left.model_dump()
    (note,) = noted()
    assert note.created_by == f"automation:{name}"
    assert note.output_data == {"told": left.told}
