"""The ledger as text for a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from blocks.comparison import Change, Comparison
from blocks.executions import Run, RunDetails
from blocks.run_statistics import Window

ID_LETTERS = 8
MISSING = "-"
STEP_METRICS = ("items_in", "items_out", "items_failed", "items_cached", "items_computed")


def runs_text(runs: Sequence[Run]) -> str:
    """One line per run."""
    if not runs:
        return "no runs yet"
    return _table(
        {
            "run": run.execution_id[:ID_LETTERS],
            "pipeline": run.pipeline_type,
            "status": run.status,
            "started (UTC)": f"{run.started_at:%Y-%m-%d %H:%M:%S}",
            "took": _took(run),
            "name": run.run_name or MISSING,
            "by": run.created_by or MISSING,
            "error": (run.error or "")[:60],
        }
        for run in runs
    )


def run_text(details: RunDetails) -> str:
    """Everything about one run."""
    run = details.run
    head = {
        "run": run.execution_id,
        "name": run.run_name,
        "pipeline": run.pipeline_type,
        "status": run.status,
        "started": f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC",
        "took": _took(run),
        "started by": run.created_by,
        "code": run.code_version,
        "error": run.error,
    }
    parts = ["\n".join(f"{name:<11} {value}" for name, value in head.items() if value)]
    if isinstance(run.output_data, Mapping):
        counts = {k: v for k, v in run.output_data.items() if isinstance(v, int | str) and v != ""}
        parts.append("result\n" + "\n".join(f"  {k:<9} {v}" for k, v in counts.items()))
    if details.metrics:
        parts.append(_steps(details))
    return "\n\n".join(parts)


def log_text(run: Run) -> str:
    """A line for each attempt of each step, in the order in which they began."""
    attempts: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in run.execution_log:
        key = (str(entry.get("task_run", entry.get("step"))), str(entry.get("attempt", 1)))
        attempts.setdefault(key, {"began": entry.get("started") or entry["at"]}).update(entry)
    if not attempts:
        return "no steps yet"
    over = run.status != "running"
    return _table(
        {
            "began (UTC)": str(one["began"])[:19].replace("T", " "),
            "step": str(one.get("step", "")),
            "attempt": str(one.get("attempt", 1)),
            "state": "not ended" if over and one["state"] == "RUNNING" else one["state"].lower(),
            "seconds": _seconds_of(one),
            "in": _count(one.get("items_in")),
            "failed": _count(one.get("items_failed")),
            "error": str(one.get("error", ""))[:100],
        }
        for one in attempts.values()
    )


def _seconds_of(entry: Mapping[str, Any]) -> str:
    if entry["state"] == "RUNNING":
        return MISSING
    took = datetime.fromisoformat(entry["at"]) - datetime.fromisoformat(entry["began"])
    return f"{took.total_seconds():.2f}"


def failed_text(run: Run, failed: pd.DataFrame, limit: int) -> str:
    """What failed, and the command that does only that again."""
    number = run.execution_id[:ID_LETTERS]
    parts = []
    if run.status in {"failed", "crashed"}:
        parts.append(f"run {number} {run.status}: {run.error or 'no reason known'}")
    if len(failed):
        shown = failed.head(limit).to_dict("records")
        rows = [{str(k): str(v)[:120] or MISSING for k, v in row.items()} for row in shown]
        parts.append(_table(rows))
        if len(failed) > limit:
            parts.append(f"... and {len(failed) - limit:,} more; --limit")
    if not parts:
        return "nothing failed"
    again = f"seqloom runs failed {number} --parameters | seqloom run {run.pipeline_type} -"
    return "\n\n".join([*parts, f"only these again:\n  {again}"])


def statistics_text(window: Window, tables: Mapping[str, pd.DataFrame]) -> str:
    """Success, times, trend and slowest steps, as tables."""
    zone = window.zone
    since, until = (
        f"{one.astimezone(zone):%Y-%m-%d %H:%M}" for one in (window.since, window.until)
    )
    parts = [f"{since} to {until}, {zone}"]
    if tables["pipelines"].empty:
        return f"{parts[0]}\n\nno runs"
    for name, frame in tables.items():
        shown = frame.copy()
        for column in shown.columns.intersection(["success_rate", "share"]):
            shown[column] = [_percent(value) for value in shown[column]]
        if "peak_memory_bytes" in shown:
            shown["peak_memory_bytes"] = (shown["peak_memory_bytes"] / 1e6).round(0)
            shown = shown.rename(columns={"peak_memory_bytes": "peak_MB"})
        text = shown.to_string(index=False, na_rep=MISSING, float_format=lambda v: f"{v:.4g}")
        parts.append(f"{name}\n{text}" if len(shown) else f"{name}\nnone")
    return "\n\n".join(parts)


def _percent(share: float) -> str:
    return MISSING if share != share else f"{100 * share:.1f} %"  # NaN is not itself  # noqa: PLR0124


def compared_text(comparison: Comparison) -> str:
    """The differences of two runs, by kind."""
    parts = []
    for name in ("outcome", "parameters", "versions", "digests", "counts", "metrics"):
        changes: dict[str, Change] = getattr(comparison, name)
        if changes:
            parts.append(
                f"{name}\n" + "\n".join(_change(path, one) for path, one in changes.items())
            )
    verdict = "The runs did the same." if comparison.same else "The runs differ."
    return "\n\n".join([verdict, *parts])


def _change(path: str, change: Change) -> str:
    ratio = f"  (x {change.ratio:.2f})" if change.ratio is not None else ""
    return f"  {path}: {_value(change.old)} -> {_value(change.new)}{ratio}"


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)[:80]


def _steps(details: RunDetails) -> str:
    steps: dict[str, dict[str, float]] = {}
    for metric in details.metrics:
        steps.setdefault(metric.step_name, {})[metric.metric_name] = metric.metric_value
    return _table(
        {
            "step": step,
            **{name.removeprefix("items_"): _count(values.get(name)) for name in STEP_METRICS},
            "seconds": f"{values.get('wall_s', 0):.2f}",
            "cpu s": f"{values['cpu_s']:.2f}" if "cpu_s" in values else MISSING,
            "peak MB": f"{values['peak_memory_bytes'] / 1e6:.0f}"
            if "peak_memory_bytes" in values
            else MISSING,
            "attempts": f"{values.get('attempts', 1):.0f}",
            "stored": "yes" if values.get("cache_hit") else "no",
        }
        for step, values in steps.items()
    )


def _count(value: float | None) -> str:
    return MISSING if value is None else f"{value:,.0f}"


def _took(run: Run) -> str:
    if run.completed_at is None:
        return MISSING
    return str(timedelta(seconds=round((run.completed_at - run.started_at).total_seconds())))


def _table(rows: Iterable[Mapping[str, str]]) -> str:
    return pd.DataFrame(list(rows)).to_string(index=False)
