"""The page on the runs of all pipelines: success, times, trends, and where time went."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import numpy as np
import pandas as pd
from markupsafe import Markup

from tasks.ops.model import BandLeft
from tasks.report.number_text import counted, duration
from tasks.report.page import Section, key_numbers, page
from tasks.report.svg import joined
from tasks.report.tables import data_table
from tasks.report.trend import outcome_bars, time_line

Period = Literal["day", "week"]
SHOWN_ERRORS = 50


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page shows, as tables."""

    first: date
    last: date
    by: Period
    zone: str
    outcomes: pd.DataFrame
    trend: pd.DataFrame
    steps: pd.DataFrame
    errors: pd.DataFrame
    """The last runs that failed: run, pipeline, started, error."""
    left: Sequence[BandLeft]


def ops_page(shown: Shown) -> str:
    """The whole HTML document."""
    sections = [
        Section("Bands", "bands", _bands(shown.left)),
        Section("Pipelines", "pipelines", _outcomes(shown.outcomes)),
        Section(
            "Trends", "trends", _trends(shown),
            f"By {shown.by} of {shown.zone}. Times are those of runs that completed.",
        ),
        Section(
            "Slowest steps", "steps", _steps(shown.steps),
            "In which most time went; steps that were answered from the store are left out.",
        ),
        Section("Last failures", "failures", _errors(shown.errors)),
    ]  # fmt: skip
    subtitle = f"{shown.first.isoformat()} to {shown.last.isoformat()}, {shown.zone}"
    return page("Runs of all pipelines", subtitle, sections)


def periods(first: date, last: date, by: Period) -> list[date]:
    """All days, or Mondays of all weeks, from the first to the last one.

    >>> periods(date(2026, 11, 18), date(2026, 11, 24), "week")
    [datetime.date(2026, 11, 16), datetime.date(2026, 11, 23)]
    """
    step = timedelta(days=1 if by == "day" else 7)
    begin = first if by == "day" else first - timedelta(days=first.weekday())
    return [begin + number * step for number in range((last - begin) // step + 1)]


def _bands(left: Sequence[BandLeft]) -> Markup:
    if not left:
        return Markup("<p>Every pipeline is in its band.</p>")
    items = [Markup("<li>{}</li>").format(one.told) for one in left]
    return Markup('<ul class="warnings">{}</ul>').format(joined(items))


def _outcomes(outcomes: pd.DataFrame) -> Markup:
    if outcomes.empty:
        return Markup("<p>No runs.</p>")
    runs, completed = int(outcomes["runs"].sum()), int(outcomes["completed"].sum())
    ended = completed + int(outcomes[["failed", "crashed"]].to_numpy().sum())
    numbers: dict[str, float | str] = {
        "runs": runs,
        "completed": f"{100 * completed / ended:.1f} %" if ended else "none ended",
        "failed": int(outcomes["failed"].sum()),
        "crashed": int(outcomes["crashed"].sum()),
    }
    table = outcomes.rename(columns={f"p{one}_s": f"p{one} [s]" for one in (50, 95, 99)})
    table["success_rate"] = (100 * table["success_rate"]).round(1)
    table = table.rename(columns={"success_rate": "success rate [%]"})
    return key_numbers(numbers) + data_table(table, label="pipelines")


def _trends(shown: Shown) -> Markup:
    groups = list(_charts(shown))
    return joined(groups) if groups else Markup("<p>No runs.</p>")


def _charts(shown: Shown) -> Iterator[Markup]:
    """For each pipeline its runs and their times, side by side."""
    every = periods(shown.first, shown.last, shown.by)
    for name, group in shown.trend.groupby("pipeline"):
        rows = group.set_index(shown.by).reindex(every)
        bad = rows["failed"].fillna(0) + rows["crashed"].fillna(0)
        good = rows["completed"].fillna(0)
        kinds = ("completed", "failed or crashed")
        bars = outcome_bars("Runs", every, good, bad, kinds=kinds)
        lines = {"median": rows["p50_s"].to_numpy(), "p95": rows["p95_s"].to_numpy()}
        charts = bars + time_line("Time", every, lines)
        yield Markup('<h3>{}</h3><div class="grid">{}</div>').format(name, charts)


def _steps(steps: pd.DataFrame) -> Markup:
    if steps.empty:
        return Markup("<p>No steps.</p>")
    table = pd.DataFrame(
        {
            "pipeline": steps["pipeline"],
            "step": steps["step"],
            "calls": steps["calls"],
            "total [s]": steps["total_s"].round(2),
            "share [%]": (100 * steps["share"]).round(1),
            "p50 [s]": steps["p50_s"].round(3),
            "p95 [s]": steps["p95_s"].round(3),
            "p99 [s]": steps["p99_s"].round(3),
            "CPU [s]": steps["cpu_s"].round(2),
            "peak memory [MB]": (steps["peak_memory_bytes"] / 1e6).round(0),
            "items per s": steps["items_per_s"].round(1),
            "tried again": steps["tried_again"],
        }
    )
    longest = steps.iloc[0]
    lead = Markup('<p class="lead">{}: {}, {} in all.</p>').format(
        f"{longest['pipeline']} / {longest['step']}",
        counted(int(longest["calls"]), "call"),
        duration(float(np.nan_to_num(longest["total_s"]))),
    )
    return lead + data_table(table, label="steps", bars=("share [%]",), where="steps.csv")


def _errors(errors: pd.DataFrame) -> Markup:
    if errors.empty:
        return Markup("<p>No run failed.</p>")
    return data_table(errors, label="failures", max_rows=SHOWN_ERRORS)
