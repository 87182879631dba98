"""The end of a design run: its folder is written, and the flow gets what it shows."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd

from blocks.masking import mask
from blocks.settings import settings
from tasks.design import summary
from tasks.design.delivery import (
    DesignResult,
    StageRow,
    lost_by_reason,
    outcome_of,
    write_run_info,
    write_tables,
)
from tasks.design.model import DesignParams, StageParams
from tasks.design.page.document import design_page
from tasks.design.remote_delivery import write_mutations
from tasks.items import union
from tasks.policies import Ended, current_run, delivery, run_logger
from tasks.results import MANIFEST, run_folder

HIDDEN = {"item", "digest", "description", "source", "sequence"}
"""Columns left out of the table in the UI."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What the flow shows when the folder is there."""

    result: DesignResult
    top: pd.DataFrame
    funnel: pd.DataFrame


@delivery
def deliver(
    params: DesignParams,
    parent: str,
    inputs: dict[str, str],
    services: dict[str, str],
    *,
    started: datetime,
    ended: dict[str, Ended],
) -> Delivered:
    """The folder of the run: tables, page, manifest.

    Args:
        inputs: URI and digest of each file that was read.
        services: The service that each remote stage asked, by the name of the stage.
    """
    items = union(one.result.items for one in ended.values())
    results = tuple(one.result for one in ended.values())
    with_items = [name for name, one in ended.items() if one.result.items.rows]
    outcome = outcome_of(items, with_items)
    rows = tuple(stage_row(stage, ended[stage.name]) for stage in params.stages)
    run = current_run(started)
    versions = summary.versions() | {f"service of {one}": services[one] for one in services}
    run_info = summary.Run(
        name=run.name,
        started=f"{started:%Y-%m-%d %H:%M:%S} UTC",
        seconds=(datetime.now(UTC) - started).total_seconds(),
        params=params,
        parent=parent,
        rows=rows,
        results=results,
        notes=summary.notes_of(results),
        services=services,
    )
    with run_folder(settings().results, "design", run.id) as (folder, uri):
        designs = write_tables(folder, items, outcome, params.input.chains)
        write_mutations(folder, items, results)
        write_run_info(folder, mask(params.model_dump(mode="json")), rows, versions)
        page = design_page(
            summary.page_of(run_info, items, outcome, designs, folder.names() | {"RUN.json"})
        )
        folder.text("report.html", page)
        digests = folder.checksums("tables/*")
        result = DesignResult(
            folder=uri,
            page=f"{uri}/report.html",
            items=len(outcome.items),
            **outcome.counts,
            cached=sum(row.cached for row in rows if row.uses == "predict"),
            computed=sum(row.computed for row in rows if row.uses == "predict"),
            requests=sum(row.requests for row in rows),
            digests=digests,
            versions=versions,
            inputs=mask(inputs),
            lost=lost_by_reason(outcome.losses),
            notes=run_info.notes,
        )
        manifest = {"run": run.name, "seed": params.seed, "started": run_info.started}
        folder.json(MANIFEST, {**manifest, **result.model_dump(mode="json")})
    run_logger().info("%d of %d items kept; page: %s", result.kept, result.items, result.page)
    shown = [c for c in designs.columns if c not in HIDDEN and not c.startswith("embedding")]
    return Delivered(result, designs[shown].head(params.top), outcome.funnel)


def stage_row(stage: StageParams, ended: Ended) -> StageRow:
    """What a stage did, as a line of the plan."""
    counts = ended.result.counts
    return StageRow(
        stage=stage.name,
        uses=stage.uses,
        needs=", ".join(stage.needs),
        items=counts.items_in,
        cached=counts.items_in if ended.cached else counts.cached,
        computed=0 if ended.cached else counts.computed,
        seconds=0.0 if ended.cached else ended.result.seconds,
        requests=0 if ended.cached else counts.requests,
    )
