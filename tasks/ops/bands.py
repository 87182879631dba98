"""Which pipelines are out of their bands: fewer runs complete, or they take longer."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd

from tasks.ops.model import Band, BandLeft

EARLIER_WEEKS = 2
"""Weeks with enough runs before the recent days, of which a time is told to be usual."""
WEEK = 7


def bands_left(
    runs: pd.DataFrame, bands: Sequence[Band], today: date, recent_days: int
) -> tuple[BandLeft, ...]:
    """All that is out of its band, by pipeline.

    Args:
        runs: A row for each run: `pipeline`, `status`, `seconds`, `day`.
        today: The last of the recent days.
    """
    of_pipeline = {band.pipeline: band for band in bands}
    found: list[BandLeft] = []
    first = today - timedelta(days=recent_days - 1)
    for name, group in runs.groupby("pipeline"):
        band = of_pipeline.get(str(name), of_pipeline.get(""))
        if band is not None:
            recent, before = group[group["day"] >= first], group[group["day"] < first]
            found += _rate(str(name), recent, band)
            found += _time(str(name), recent, _usual_s(before, first, band), band)
    return tuple(found)


def _rate(name: str, recent: pd.DataFrame, band: Band) -> Iterator[BandLeft]:
    ended = recent[recent["status"].isin(["completed", "failed", "crashed"])]
    if len(ended) < band.fewest_runs:
        return
    rate = float((ended["status"] == "completed").mean())
    if rate < band.min_success_rate:
        yield BandLeft(
            pipeline=name, measure="success_rate", value=rate, bound=band.min_success_rate,
            runs=len(ended),
            told=f"{name}: {100 * rate:.0f} % of {len(ended)} runs completed; expected at least"
            f" {100 * band.min_success_rate:.0f} %",
        )  # fmt: skip


def _time(name: str, recent: pd.DataFrame, usual: float, band: Band) -> Iterator[BandLeft]:
    times = _times(recent)
    if len(times) < band.fewest_runs:
        return
    bounds = [usual * band.max_p95_ratio] if np.isfinite(usual) else []
    bounds += [band.max_p95_s] if band.max_p95_s is not None else []
    p95 = float(np.percentile(times, 95))
    if bounds and p95 > min(bounds):
        before = f"; {usual:.4g} s in the weeks before" if np.isfinite(usual) else ""
        yield BandLeft(
            pipeline=name, measure="p95_s", value=p95, bound=min(bounds), runs=len(times),
            told=f"{name}: 95 % of {len(times)} runs took up to {p95:.4g} s; expected at most"
            f" {min(bounds):.4g} s{before}",
        )  # fmt: skip


def _usual_s(before: pd.DataFrame, first: date, band: Band) -> float:
    """The median of the weeks' 95th percentiles [s]; NaN where there are too few weeks."""
    ages = np.array([(first - day).days for day in before["day"]], int)
    weeks = [
        before[(ages - 1) // WEEK == week] for week in range(int(ages.max(initial=0)) // WEEK + 1)
    ]
    percentiles = [
        float(np.percentile(times, 95))
        for times in map(_times, weeks)
        if len(times) >= band.fewest_runs
    ]
    return float(np.median(percentiles)) if len(percentiles) >= EARLIER_WEEKS else float("nan")


def _times(runs: pd.DataFrame) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    completed = runs[runs["status"] == "completed"]
    return completed["seconds"].dropna().to_numpy(np.float64)
