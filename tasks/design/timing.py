"""How long stages will take: by the pace at which the last runs computed the same kind of thing."""

from collections.abc import Mapping
from statistics import median
from typing import Any

from blocks import ledger
from tasks.design.model import StageParams

RUNS = 20
"""Completed runs that are looked at."""
Pace = Mapping[tuple[str, str], float]
"""Stage's `uses`, and `with.kind` with the model of a service -> seconds for each item computed."""


def known_pace(runs: int = RUNS) -> Pace:
    """Seconds per computed item of each kind of stage: the median of the last completed runs."""
    seen: dict[tuple[str, str], list[float]] = {}
    for run in ledger.runs(pipeline="design", status="completed", limit=runs):
        kinds = {stage["name"]: _kind(stage) for stage in _stages(run.input_data)}
        values: dict[str, dict[str, float]] = {}
        for metric in ledger.run(run.execution_id).metrics:
            values.setdefault(metric.step_name, {})[metric.metric_name] = metric.metric_value
        for step, numbers in values.items():
            computed = numbers.get("items_computed", 0)
            if step in kinds and computed:
                seen.setdefault(kinds[step], []).append(numbers["wall_s"] / computed)
    return {kind: median(paces) for kind, paces in seen.items()}


def expected_seconds(stage: StageParams, to_compute: int, pace: Pace) -> float | None:
    """Seconds that a stage will take; None where no run has shown its pace."""
    if to_compute == 0:
        return 0.0
    per_item = pace.get(_kind(stage.model_dump(by_alias=True)))
    return None if per_item is None else per_item * to_compute


def _kind(stage: Mapping[str, Any]) -> tuple[str, str]:
    given = stage.get("with") or {}
    return str(stage["uses"]), f"{given.get('kind', '')} {given.get('model', '')}".strip()


def _stages(parameters: Any) -> list[dict[str, Any]]:  # noqa: ANN401 -- JSON of the ledger
    return list(((parameters or {}).get("params") or {}).get("stages") or [])
