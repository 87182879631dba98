"""A run over a graph without Prefect, recorded in the ledger as any other."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from blocks import ledger
from blocks.settings import settings
from blocks.work_folder import work_folder
from tasks.graphs.accounts import node_metrics
from tasks.graphs.delivery import GraphResult, Occasion, deliver_folder
from tasks.graphs.planning import Prepared, plan_frame
from tasks.graphs.running import Ended, execute
from tasks.results import require_writable, run_id


def recorded_run(prepared: Prepared) -> GraphResult:
    """The result of a run, which has its row in the ledger as any other."""
    require_writable(settings().results)
    started, row = datetime.now(UTC), str(uuid4())
    name = f"{prepared.name}-{prepared.source.name.rsplit('/', 1)[-1]}"
    ledger.start("graphs", execution_id=row, run_name=name, input_data=prepared.told)
    try:
        with work_folder() as folder:
            plan = plan_frame(prepared, look=False)
            ended = execute(prepared, folder)
            occasion = Occasion(name, run_id(started, row), started)
            result = deliver_folder(ended, occasion, plan)
        for step, values in node_metrics(ended).items():
            ledger.add_metrics(row, step, values, entry=_entry(step, ended))
    except BaseException as error:
        status: Any = "cancelled" if isinstance(error, KeyboardInterrupt) else "failed"
        ledger.finish(row, status, error=error)
        raise
    ledger.finish(
        row, "failed" if result.error else "completed", result.model_dump(mode="json"),
        error=result.error or None, degraded=result.degraded, versions=result.versions,
        input_digests=result.inputs, output_digests=result.digests,
    )  # fmt: skip
    return result


def _entry(step: str, ended: Ended) -> dict[str, object]:
    """What the run's log says of a node, or of a model."""
    tally = ended.tallies.get(step)
    if tally is None:
        return {"step": step, "state": "USED"}
    counts = {"items_in": tally.items, "items_failed": tally.failed}
    return {"step": step, "attempt": 1, "state": ended.states[step], **counts}


def summary(result: GraphResult) -> str:
    """What a run came to, in lines."""
    states = ", ".join(f"{name} {state}" for name, state in result.states.items())
    outputs = ", ".join(f"{count:,} of {name}" for name, count in result.outputs.items())
    further = f" ({result.errors:,} failures)" if result.errors > result.failed else ""
    lines = [
        f"items    {result.items:,} in, {result.failed:,} failed{further}; out: {outputs}",
        f"nodes    {states}",
        f"models   {result.calls:,} answers, {result.tokens:,} tokens, {result.cost:g} USD",
        f"page     {result.page}",
    ]
    if not (result.calls or result.tokens):  # answers that were of no use cost as well
        del lines[2]
    if result.error:
        lines.insert(0, f"ended    {result.error}")
    return "\n".join(lines)
