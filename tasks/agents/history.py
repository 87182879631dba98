"""What the ledger knows of the times of this pipeline's runs."""

from collections.abc import Iterable

from blocks import ledger
from blocks.executions import FINAL, Metric
from tasks.agents.performance import PastRun

PIPELINE = "agents"


def measured_steps(execution: str) -> dict[str, dict[str, float]]:
    """Metrics of a run's stages so far, by stage."""
    return _by_step(ledger.run(execution).metrics)


def past_runs(limit: int, but: str) -> list[PastRun]:
    """The last runs that have ended, the newest first; `but` is not among them."""
    found = []
    for run in ledger.runs(PIPELINE, limit=limit + 1) if limit else ():
        if run.execution_id == but or run.status not in FINAL or run.completed_at is None:
            continue
        steps = _by_step(ledger.run(run.execution_id).metrics)
        seconds = (run.completed_at - run.started_at).total_seconds()
        found.append(PastRun(run.status, seconds, run.degraded, steps))
    return found[:limit]


def _by_step(metrics: Iterable[Metric]) -> dict[str, dict[str, float]]:
    steps: dict[str, dict[str, float]] = {}
    for one in metrics:
        steps.setdefault(one.step_name, {})[one.metric_name] = one.metric_value
    return steps
