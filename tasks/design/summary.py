"""What the page of a design run shows, gathered from its tables."""

import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version

import numpy as np
import pandas as pd

from blocks.storage import read_table
from tasks import attrition
from tasks.design import predictors
from tasks.design.biolm_predict import BiolmPredict
from tasks.design.delivery import Outcome, StageRow, numeric_columns
from tasks.design.diversity import position_counts
from tasks.design.model import (
    ClusterStage,
    DesignParams,
    DiversityStage,
    FilterStage,
    PredictStage,
    RankStage,
    StageParams,
)
from tasks.design.page.content import DesignPage
from tasks.design.remote_costs import settings_of
from tasks.items import Items, StageResult, load
from tasks.report.number_text import plain_number

LIBRARIES = (
    *("seqloom", "prefect", "pandas", "numpy"),
    *("pyhmmer", "biopython", "scikit-learn", "rapidfuzz"),
)
NEAR_MISSES = 5
"""Shown per rule."""
LABELS = {
    "number": "designs measured",
    "unique": "distinct",
    "mean_entropy": "mean entropy per position [bits]",
    "mean_identity": "mean pairwise identity",
    "kmers_unique": "distinct 3-mers",
    "effective_number": "effective number",
}
"""Figures of diversity that the page shows, and what it calls them."""
FILES = [
    ("designs.csv", "kept designs, best first, with all columns"),
    ("designs.fasta", "their sequences"),
    ("tables/all.parquet", "every item with all columns and its outcome"),
    ("attrition.parquet", "each lost item: stage, rule, value, threshold, margin"),
    ("failed.csv", "items that failed, as input for another run"),
    ("pipeline_info/params.json", "parameters; `seqloom run design` takes this file"),
    ("pipeline_info/plan.json", "what each stage did"),
    ("RUN.json", "manifest"),
]


@dataclass(frozen=True, slots=True)
class Run:
    """What is known of a run when its stages have ended."""

    name: str
    started: str
    seconds: float
    params: DesignParams
    parent: str
    rows: tuple[StageRow, ...]
    results: tuple[StageResult, ...]
    notes: tuple[str, ...]
    services: Mapping[str, str]
    """The service that each remote stage asked, by the name of the stage."""


def page_of(
    run: Run, items: Items, outcome: Outcome, designs: pd.DataFrame, files: set[str]
) -> DesignPage:
    """Everything the page shows, already small or in columns."""
    numeric = numeric_columns(items)
    labels = {stage.name for stage in run.params.stages if isinstance(stage, ClusterStage)}
    table = load(items, ["id", *(c for c in numeric if c not in labels)], alive=False)
    table["outcome"] = outcome.items["outcome"].to_numpy()
    top = designs.head(run.params.top)
    if "rank" not in top:
        top = top.assign(rank=np.arange(1, len(top) + 1))
    same_length = len(set(designs["length"])) == 1
    return DesignPage(
        run_name=run.name,
        started=run.started,
        seconds=run.seconds,
        parent_id=run.params.parent.id or ("parent" if run.parent else ""),
        parent=run.parent,
        table=table,
        top=top[[column for column in _shown(run.params) if column in top]],
        objectives=objectives(run.params),
        funnel=outcome.funnel,
        stages=_stages(run.rows),
        near_misses=near_misses(items, outcome),
        what_if=what_if(run.params, items, outcome),
        diversity=diversity_figures(run),
        position_counts=position_counts(designs["sequence"].tolist()) if same_length else None,
        versions=versions(),
        methods=methods(run.params, run.services),
        files=[(name, what) for name, what in FILES if name in files],
        warnings=list(run.notes),
    )


def _stages(rows: Sequence[StageRow]) -> pd.DataFrame:
    table = pd.DataFrame([asdict(row) for row in rows]).rename(columns={"uses": "kind"})
    unused = ["exact", *([] if table["requests"].any() else ["requests"])]
    return table.drop(columns=unused)


def _shown(params: DesignParams) -> list[str]:
    """Columns of the page's table of designs; the files have all of them."""
    wanted = [column for column, _ in objectives(params)]
    last = ["rank_score", "pareto_front", "source"]
    return list(dict.fromkeys(["rank", "id", "sequence", *wanted, *last]))


def objectives(params: DesignParams) -> list[tuple[str, str]]:
    """Column and goal of each objective of the last ranking."""
    ranks = [stage for stage in params.stages if isinstance(stage, RankStage)]
    return [(o.column, o.goal) for o in ranks[-1].with_.objectives] if ranks else []


def what_if(params: DesignParams, items: Items, outcome: Outcome) -> dict[str, pd.DataFrame]:
    """For each threshold on a column: how many items another value would keep."""
    tables = {}
    for stage in params.stages:
        if not (isinstance(stage, FilterStage) and stage.with_.kind == "threshold"):
            continue
        column = stage.with_.column
        values = load(items, [column], alive=False)
        for sign, limit in ((">=", stage.with_.min), ("<=", stage.with_.max)):
            if limit is not None:
                tables[attrition.limit_rule(column, sign, limit)] = attrition.what_if(
                    values, stage.name, column, sign, limit, outcome.losses
                )
    return tables


def near_misses(items: Items, outcome: Outcome) -> pd.DataFrame:
    """The items that each rule dropped most narrowly; numbers as text, each as long as it needs."""
    nearest = attrition.near_misses(outcome.losses, NEAR_MISSES)
    ids = load(items, ["id"], alive=False).set_index("item")["id"]
    return pd.DataFrame(
        {
            "id": ids.reindex(nearest["item"]).to_numpy(),
            "stage": nearest["stage"],
            "rule": nearest["rule"],
            "value": nearest["value"].map(plain_number),
            "missed by": nearest["margin"].map(plain_number),
        }
    )


def diversity_figures(run: Run) -> dict[str, float]:
    """The figures of the last stage that measured diversity, and how well each clustering fits."""
    silhouettes = {
        f"silhouette of {result.stage}": float(read_table(result.artifact)["silhouette"].iloc[0])
        for result in run.results
        if result.artifact is not None and "silhouette" in result.artifact.columns
    }
    known = {label: value for label, value in silhouettes.items() if not math.isnan(value)}
    return _measured_diversity(run) | known


def _measured_diversity(run: Run) -> dict[str, float]:
    names = {stage.name for stage in run.params.stages if isinstance(stage, DiversityStage)}
    for result in reversed(run.results):
        if result.stage in names and result.artifact is not None:
            figures = json.loads(read_table(result.artifact)["json"].iloc[0])
            return {
                label: float(figures[name])
                for name, label in LABELS.items()
                if figures.get(name) is not None
            }
    return {}


def methods(params: DesignParams, services: Mapping[str, str]) -> pd.DataFrame:
    """Where each predicted column comes from, and which services made designs.

    Args:
        services: The service that each remote stage asked, by the name of the stage.
    """
    rows: list[dict[str, str]] = []
    for stage in params.stages:
        if settings_of(stage) is not None:
            rows += _remote_methods(stage, services[stage.name])
        elif isinstance(stage, PredictStage):
            method = predictors.method_of(stage.with_)
            rows += [
                {
                    "column": column,
                    "what": what,
                    "method": method.description,
                    "version": method.version,
                    "source": method.source,
                }
                for column, what in zip(
                    predictors.output_columns(stage.with_), method.columns.values(), strict=True
                )
            ]
    return pd.DataFrame(rows, columns=["column", "what", "method", "version", "source"])


def _remote_methods(stage: StageParams, service: str) -> list[dict[str, str]]:
    """What a remote model gave, and the service that was asked."""
    remote = settings_of(stage)
    assert remote is not None  # noqa: S101 -- the caller has looked
    given = {f"designs of {stage.name}": "sequences"}
    if isinstance(remote, BiolmPredict):
        holds = {column.name: column.holds for column in remote.columns}
        given = {remote.prefix + name: what for name, what in holds.items()}
    said = {
        "method": f"{remote.model} ({remote.action})",
        "version": getattr(remote, "version", ""),
        "source": service,
    }
    return [{"column": column, "what": what, **said} for column, what in given.items()]


def versions() -> dict[str, str]:
    """Versions of Seqloom and of the libraries that compute."""
    found = {name: version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **found}


def notes_of(results: Sequence[StageResult]) -> tuple[str, ...]:
    """What the user should know of each stage."""
    return tuple(note for result in results for note in result.notes)
