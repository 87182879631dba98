"""What differs between two runs, by dotted path."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from blocks.executions import Run, RunDetails


class Change(BaseModel, frozen=True):
    """What differs between two runs; None where one of them has no such value."""

    old: Any = None
    new: Any = None
    ratio: float | None = None
    """new / old; None unless both are numbers and old is not 0."""


class Comparison(BaseModel, frozen=True):
    """Differences from one run to another, by dotted path; equal values are left out."""

    outcome: dict[str, Change]
    """Pipeline, status, degraded."""
    parameters: dict[str, Change]
    versions: dict[str, Change]
    digests: dict[str, Change]
    counts: dict[str, Change]
    """Numbers that depend on what was done: items, attempts, the numbers of the output."""
    metrics: dict[str, Change]
    """Numbers that depend on the machine and the moment: seconds, bytes, rates."""

    @property
    def same(self) -> bool:
        """The runs did the same; they may have taken different times."""
        return not (self.outcome or self.parameters or self.versions or self.digests or self.counts)


def differences(a: RunDetails, b: RunDetails) -> Comparison:
    """What differs from `a` to `b`; times of day, names and messages are not compared."""
    return Comparison(
        outcome=_changes(_outcome(a.run), _outcome(b.run)),
        parameters=_changes(flat(a.run.input_data), flat(b.run.input_data)),
        versions=_changes(_versions(a.run), _versions(b.run)),
        digests=_changes(_digests(a.run), _digests(b.run)),
        counts=_changes(_counts(a), _counts(b)),
        metrics=_changes(_totals(a, measured=True), _totals(b, measured=True)),
    )


def flat(data: object, prefix: str = "") -> dict[str, Any]:
    """The leaves of nested JSON by dotted path; places in lists count from 0."""
    if isinstance(data, Mapping) and data:
        items = list(data.items())
    elif isinstance(data, Sequence) and not isinstance(data, str) and data:
        items = list(enumerate(data))
    else:
        return {prefix: data} if prefix else {}
    leaves: dict[str, Any] = {}
    for key, value in items:
        leaves |= flat(value, f"{prefix}.{key}" if prefix else str(key))
    return leaves


def _totals(details: RunDetails, measured: bool) -> dict[str, float]:
    """Metrics by `step.name`: repeated ones are added, of peaks and rates the highest stays."""
    totals: dict[str, float] = {}
    for metric in details.metrics:
        if (metric.unit != "1") != measured:
            continue
        key = f"{metric.step_name}.{metric.metric_name}"
        highest = metric.metric_name.startswith("peak_") or metric.unit == "1/s"
        if key not in totals:
            totals[key] = metric.metric_value
        elif highest:
            totals[key] = max(totals[key], metric.metric_value)
        else:
            totals[key] += metric.metric_value
    return totals


def _counts(details: RunDetails) -> dict[str, Any]:
    output = {
        f"output.{path}": value
        for path, value in flat(details.run.output_data).items()
        if isinstance(value, int | float)
        and not path.endswith("_s")
        and not isinstance(value, bool)
    }
    return {**_totals(details, measured=False), **output}


def _outcome(run: Run) -> dict[str, Any]:
    return {"pipeline": run.pipeline_type, "status": run.status, "degraded": run.degraded}


def _versions(run: Run) -> dict[str, Any]:
    return {**flat(run.versions), "code": run.code_version}


def _digests(run: Run) -> dict[str, Any]:
    digests = {"input": run.input_digests, "output": run.output_digests}
    return flat({side: named for side, named in digests.items() if named})


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Change]:
    return {
        path: Change(
            old=old.get(path), new=new.get(path), ratio=_ratio(old.get(path), new.get(path))
        )
        for path in [*old, *(path for path in new if path not in old)]
        if old.get(path) != new.get(path)
    }


def _ratio(old: object, new: object) -> float | None:
    if isinstance(old, bool) or isinstance(new, bool):
        return None
    if isinstance(old, int | float) and isinstance(new, int | float) and old != 0:
        return new / old
    return None
