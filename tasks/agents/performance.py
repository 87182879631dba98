"""How long the stages of this run took, and how that compares with earlier runs.

Percentiles are numpy's default ones (linear between the two nearest values).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.agents.checking import wilson_low

Row = dict[str, Any]
PERCENTILES = (50, 95, 99)
FEWEST = 5
"""Earlier runs from which on a stage is told to be slower than usual."""


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run of the ledger that has ended."""

    status: str
    seconds: float
    degraded: bool
    steps: Mapping[str, Mapping[str, float]]
    """Step -> metric -> value; see `blocks.ledger.add_metrics`."""


def stage_times(steps: Mapping[str, Mapping[str, float]]) -> list[Row]:
    """A row for each stage of a run, the slowest first."""
    total = sum(values.get("wall_s", 0.0) for values in steps.values())
    rows = [
        {
            "stage": name,
            "wall_s": values.get("wall_s", 0.0),
            "share": values.get("wall_s", 0.0) / total if total else 0.0,
            "cpu_s": values.get("cpu_s"),
            "items": values.get("items_in"),
            "items_per_s": values.get("items_per_s"),
            "cached": bool(values.get("cache_hit", 0.0)),
            "attempts": values.get("attempts"),
        }
        for name, values in steps.items()
    ]
    return sorted(rows, key=lambda row: (-row["wall_s"], row["stage"]))


def stage_history(now: Mapping[str, Mapping[str, float]], past: Sequence[PastRun]) -> list[Row]:
    """A row for each stage: wall time of earlier runs that computed it, and of this run."""
    rows = []
    for name in dict.fromkeys([*now, *(step for run in past for step in run.steps)]):
        times = [
            run.steps[name]["wall_s"]
            for run in past
            if name in run.steps
            and not run.steps[name].get("cache_hit", 0.0)
            and "wall_s" in run.steps[name]
        ]
        row: Row = {"stage": name, "runs": len(times), **percentiles(times)}
        mine = now.get(name, {})
        row["this_run"] = None if mine.get("cache_hit") else mine.get("wall_s")
        usual = row["p50"]
        compared = len(times) >= FEWEST and row["this_run"] is not None and usual
        row["times_usual"] = row["this_run"] / usual if compared else None
        rows.append(row)
    return sorted(rows, key=lambda row: (-(row["p50"] or 0.0), row["stage"]))


def percentiles(values: Iterable[float]) -> dict[str, float | None]:
    """p50, p95 and p99; None without values.

    >>> percentiles([1.0, 2.0, 3.0])
    {'p50': 2.0, 'p95': 2.9, 'p99': 2.98}
    """
    given = list(values)
    if not given:
        return {f"p{one}": None for one in PERCENTILES}
    found = np.percentile(given, PERCENTILES)
    return {f"p{one}": float(value) for one, value in zip(PERCENTILES, found, strict=True)}


def run_history(past: Sequence[PastRun]) -> Row:
    """How earlier runs ended, and how long those took that completed.

    `success_at_least` is the lower end of the 95 % interval of the share that completed.
    """
    done = [run for run in past if run.status == "completed"]
    return {
        "runs": len(past),
        "completed": len(done),
        "failed": len(past) - len(done),
        "degraded": sum(run.degraded for run in past),
        "failure_rate": 1 - len(done) / len(past) if past else None,
        "success_at_least": wilson_low(len(done), len(past)) if past else None,
        **percentiles(run.seconds for run in done),
    }
