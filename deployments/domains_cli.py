"""`seqloom domains`: how far a batch is, from any process, while it runs or afterwards.

seqloom domains status [BATCH]    stages and proteins; without a name, the batch worked on last
seqloom domains failed BATCH      proteins that failed, with the reason
seqloom domains batches           all batches
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from deployments.surroundings import prepare_environment
from deployments.telling import AsJson, put, table

if TYPE_CHECKING:
    from blocks.batch_items import Batch
    from blocks.batch_states import BatchStatus

PIPELINE = "domains"

domains_app = App(name="domains", help="Batches of proteins: how far they are, what failed.")

Name = Annotated[str | None, Parameter(help="its name; without one, the batch worked on last")]
Limit = Annotated[int, Parameter(validator=Number(gte=1), help="most proteins listed")]


@domains_app.command
def status(
    batch: Name = None,
    /,
    *,
    failed: Annotated[
        bool, Parameter(negative="", help="also list what failed", show_default=False)
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Show how many proteins are in which state at each stage, and how the last run stands."""
    found = _batch(batch)
    now = found.status()
    run = _run(now.execution_id)
    items = [item.model_dump(mode="json") for item in found.items(failed=True)] if failed else None
    if as_json:
        content = {**now.model_dump(mode="json"), "run": run}
        put(json.dumps(content | ({"failed": items} if failed else {}), indent=2))
        return 0
    put(_status_text(now, run))
    if items:
        put("\nFailed\n" + table([_failed_row(item) for item in items]))
    return 0


@domains_app.command
def failed(batch: Name = None, /, *, limit: Limit = 1_000, as_json: AsJson = False) -> int:
    """List the proteins that failed: stage, attempts, reason."""
    found = _batch(batch)
    items: list[dict[str, object]] = []
    for item in found.items(failed=True):
        if len(items) == limit:
            break
        items.append(item.model_dump(mode="json"))
    if as_json:
        put(json.dumps(items, indent=2))
    else:
        put(table([_failed_row(item) for item in items]) if items else "none failed")
    return 0


@domains_app.command
def batches(*, as_json: AsJson = False) -> int:
    """List all batches, the one worked on last first."""
    from blocks.batch_items import batch_names, find_batch
    from blocks.database import engine

    prepare_environment()
    found = [find_batch(engine(), name).status() for name in batch_names(engine(), PIPELINE)]
    if as_json:
        put(json.dumps([one.model_dump(mode="json") for one in found], indent=2))
        return 0
    rows = [
        {
            "batch": one.name, "proteins": f"{one.total:,}", "done": f"{one.items['done']:,}",
            "failed": f"{one.items['failed']:,}", "updated": f"{one.updated_at:%Y-%m-%d %H:%M}",
        }
        for one in found
    ]  # fmt: skip
    put(table(rows) if rows else "no batch yet")
    return 0


def _batch(name: str | None) -> "Batch":
    """The batch of that name, else the one worked on last.

    Raises:
        InputError: There is none.
    """
    from blocks.batch_items import batch_names, find_batch
    from blocks.database import engine
    from blocks.errors import InputError

    prepare_environment()
    if name is None:
        names = batch_names(engine(), PIPELINE)
        if not names:
            raise InputError("no batch yet; expected one that `seqloom run domains` has begun")
        name = names[0]
    return find_batch(engine(), name)


def _run(execution_id: str | None) -> dict[str, str]:
    """State of the run that worked on the batch last; a run whose process is gone has crashed."""
    from blocks import ledger
    from blocks.errors import InputError

    if execution_id is None:
        return {}
    ledger.reconcile()
    try:
        run = ledger.run(execution_id).run
    except InputError:
        return {}
    return {
        "id": run.execution_id, "name": run.run_name or "", "status": run.status,
        "error": " ".join((run.error or "").split()),
    }  # fmt: skip


def _status_text(now: "BatchStatus", run: Mapping[str, str]) -> str:
    lines = [f"batch   {now.name}, {now.total:,} proteins, {now.updated_at:%Y-%m-%d %H:%M:%S} UTC"]
    if run:
        told = f"; {run['error']}" if run["error"] else ""
        lines.append(f"run     {run['name']} ({run['id'][:8]}): {run['status']}{told}")
    if now.outcomes:
        told = ", ".join(f"{name} {count:,}" for name, count in now.outcomes.items())
        lines.append(f"outcome {told}")
    states = list(now.items)
    rows = [
        {"stage": name.replace("_", " "), **{state: f"{counts[state]:,}" for state in states}}
        for name, counts in {**now.stages, "proteins": now.items}.items()
    ]
    return "\n".join([*lines, "", table(rows)])


def _failed_row(item: Mapping[str, object]) -> dict[str, str]:
    return {
        "protein": str(item["item"]), "stage": str(item["stage"]),
        "attempts": str(item["attempts"]), "error": str(item["error"]),
    }  # fmt: skip
