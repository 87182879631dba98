"""The report on all runs: its page, its event, and the automation that reacts to it."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

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
from tests.flows.slow_reads import until

pytestmark = pytest.mark.engine
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
    history("steady", ("completed", 9, 2.0), ("failed", 1, 1.0))

    result = report(OpsParams(pipeline="steady"))

    assert (result.runs, result.pipelines, result.left) == (10, 1, ())
    folder = Path(result.folder)
    assert "Every pipeline is in its band." in (folder / "report.html").read_text()
    with (folder / "tables" / "pipelines.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["runs"], row["success_rate"], row["p95_s"]) == ("10", "0.9", "2")
    (recorded,) = ledger.runs(pipeline="ops", limit=1)
    assert recorded.output_data["page"] == result.page


def created(prefect: LocalPrefect, path: Path) -> str:
    """Name of the automation of a file, switched on; `{flow/name}` stands for a deployment."""
    text = path.read_text()
    answer = answer_of("GET", f"{prefect.api}/deployments/name/ops/note")
    content = yaml.safe_load(text.replace("{ops/note}", answer["id"])) | {"enabled": True}
    return str(answer_of("POST", f"{prefect.api}/automations/", content)["name"])


def events(prefect: LocalPrefect, resource: str) -> list[dict[str, Any]]:
    wanted = {"filter": {"event": {"name": ["seqloom.band.left"]}, "resource": {"id": [resource]}}}
    found: list[dict[str, Any]] = answer_of("POST", f"{prefect.api}/events/filter", wanted)[
        "events"
    ]
    return found


def test_a_band_that_was_left_is_an_event_and_the_automation_notes_it(deployed: LocalPrefect):
    name = created(deployed, AUTOMATION)
    history("shaky", ("completed", 3, 2.0), ("failed", 2, 1.0))

    result = report(OpsParams(pipeline="shaky"))

    (left,) = result.left
    assert (left.measure, left.value) == ("success_rate", 0.6)
    until(lambda: events(deployed, "seqloom.pipeline.shaky"), 60)
    (event,) = events(deployed, "seqloom.pipeline.shaky")
    assert event["payload"] == left.model_dump()

    def noted() -> list[Any]:
        rows = ledger.runs(pipeline="ops", status="completed", limit=50)
        return [row for row in rows if row.run_name == "note-shaky-success_rate"]

    until(noted, 300)
    (note,) = noted()
    assert note.created_by == f"automation:{name}"
    assert note.output_data == {"told": left.told}
