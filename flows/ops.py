"""The report on all runs: rates, times, trends, alerts; and the notes that alerts leave.

`ops/report` runs every day where its schedule is switched on. It writes a page, and emits the
event `seqloom.band.left` for each rate or time that is out of its band; the automation in
`deployments/automations/band-left.yaml` then starts `ops/note`, or whatever else is to happen.
"""

from datetime import UTC, datetime

from blocks.settings import settings
from tasks.announcing import announce_link, announce_table, announce_text
from tasks.ops.model import NoteParams, NoteResult, OpsParams, OpsResult
from tasks.ops.stages import tell_bands, write_report
from tasks.policies import given_params, pipeline, run_logger
from tasks.results import require_writable


def run_name() -> str:
    """Name of a run in the UI: what it is about."""
    given = given_params()
    return f"runs-of-{given.get('pipeline') or 'all'}"


@pipeline("ops", flow_run_name=run_name)
def report(params: OpsParams) -> OpsResult:
    """Report on the runs in the ledger: success, times, slowest steps, what left its band."""
    started = datetime.now(UTC)
    require_writable(settings().results)
    result, table = write_report.with_options(task_run_name="write report")(params, started)
    announce_table("ops-pipelines", "Runs by pipeline", table)
    announce_link("ops-page", "The page on all runs", result.page)
    tell_bands(result.left)
    run_logger().info(
        "%d runs of %d pipelines; page: %s", result.runs, result.pipelines, result.page
    )
    return result


def note_name() -> str:
    """Name of a run in the UI: what it notes."""
    given = given_params()
    return f"note-{given.get('pipeline', 'run')}-{given.get('measure', '')}"


@pipeline("ops", flow_run_name=note_name)
def note(params: NoteParams) -> NoteResult:
    """Note that a pipeline left its band: in the UI, in the ledger, in the log."""
    run_logger().warning("%s", params.told)
    announce_text("ops-notes", "A pipeline left its band", params.told)
    return NoteResult(told=params.told)
