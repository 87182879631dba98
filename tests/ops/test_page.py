"""The page on all runs."""

import re
from datetime import date
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from blocks.run_statistics import outcomes, slowest, trend
from tasks.ops.model import BandLeft
from tasks.ops.page import Shown, ops_page, periods
from tasks.report.trend import outcome_bars, time_line

DAYS = [date(2026, 11, day) for day in (1, 2, 4)]


def shown(count: int = 6, left: tuple[BandLeft, ...] = ()) -> Shown:
    runs = pd.DataFrame(
        {
            "pipeline": ["design", "<b>odd</b>"] * (count // 2),
            "status": ["completed", "failed"] * (count // 2),
            "degraded": False,
            "seconds": np.arange(count, dtype=float),
            "day": [DAYS[number % 3] for number in range(count)],
        }
    )
    steps = pd.DataFrame(
        {"pipeline": "design", "step": ["fold", "rank"], "wall_s": [9.0, 1.0], "cpu_s": 1.0,
         "peak_memory_bytes": 1e8, "items_in": 5.0, "attempts": 1.0, "cache_hit": 0.0}
    )  # fmt: skip
    return Shown(
        first=DAYS[0], last=DAYS[-1], by="day", zone="UTC", outcomes=outcomes(runs),
        trend=trend(runs, "day"), steps=slowest(steps if count else steps.head(0)),
        errors=pd.DataFrame({"run": ["abc"], "error": ["<script>"]} if count else {}), left=left,
    )  # fmt: skip


def test_the_page_tells_bands_numbers_and_slowest_step_and_escapes():
    told = "design: 60 % of 5 runs completed; expected at least 90 %"
    one = BandLeft(
        pipeline="design", measure="success_rate", value=0.6, bound=0.9, runs=5, told=told
    )

    html = ops_page(shown(left=(one,)))

    assert told in html
    assert "design / fold: 1 call, 9 s in all" in re.sub(r"\s+", " ", html)
    assert "<b>odd" not in html
    assert "&lt;script&gt;" in html


def test_a_page_without_runs_says_so():
    html = ops_page(shown(0))

    assert html.count("No runs.") == 2
    assert "No steps." in html
    assert "No run failed." in html
    assert "Every pipeline is in its band." in html


def drawn(markup: str) -> ElementTree.Element:
    return ElementTree.fromstring(re.search(r"<svg.*</svg>", markup, re.DOTALL)[0])  # noqa: S314 -- our own


def test_bars_are_as_high_as_their_counts_and_days_without_runs_have_none():
    svg = drawn(outcome_bars("runs", DAYS, [2, 0, 1], [1, 0, 0], kinds=("completed", "failed")))

    bars = [(one.get("class"), float(one.get("height"))) for one in svg.iter("rect")]
    assert [kind for kind, _ in bars] == ["keep", "fail", "keep"]
    heights = [height for _, height in bars]
    assert heights[0] == pytest.approx(2 * heights[1], abs=0.2)
    titles = [one.text for one in svg.iter("title")]
    assert titles == [f"2026-11-0{d} ".strip() + f": {c} completed, {f} failed"
                      for d, c, f in ((1, 2, 1), (2, 0, 0), (4, 1, 0))]  # fmt: skip


def test_a_line_passes_over_days_without_a_time():
    svg = drawn(time_line("time", DAYS, {"median": [1.0, np.nan, 3.0]}))

    line, first, last = (one for one in svg.iter("path") if "line" in str(one.get("class")))
    assert line.get("d").count("L") == 1
    assert [one.find("title").text[:10] for one in (first, last)] == ["2026-11-01", "2026-11-04"]


def test_without_times_the_chart_says_so():
    assert "No values." in time_line("time", DAYS, {"median": [np.nan] * 3})


def test_weeks_begin_on_monday():
    assert periods(date(2026, 11, 1), date(2026, 11, 9), "week") == [
        date(2026, 10, 26), date(2026, 11, 2), date(2026, 11, 9),
    ]  # fmt: skip
