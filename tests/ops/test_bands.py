"""Bands: what leaves one, and what is not judged."""

from datetime import date, timedelta

import pandas as pd
import pytest
from pydantic import ValidationError

from tasks.ops.bands import bands_left
from tasks.ops.model import Band, OpsParams

TODAY = date(2026, 11, 29)


def runs(*groups: tuple[int, str, float, int], pipeline: str = "design") -> pd.DataFrame:
    """Rows of groups of equal runs: days ago, status, seconds, count."""
    rows = [
        {"pipeline": pipeline, "status": status, "seconds": seconds,
         "day": TODAY - timedelta(days=ago)}
        for ago, status, seconds, count in groups
        for _ in range(count)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["pipeline", "status", "seconds", "day"])


def left(frame: pd.DataFrame, *bands: Band) -> list[tuple[str, float, float]]:
    found = bands_left(frame, bands or (Band(),), TODAY, 7)
    return [(one.measure, one.value, one.bound) for one in found]


def test_too_few_completed_runs_are_told_with_the_numbers():
    frame = runs((0, "completed", 1, 3), (6, "failed", 1, 1), (2, "crashed", 1, 1))

    (found,) = bands_left(frame, (Band(),), TODAY, 7)

    assert (found.measure, found.value, found.bound, found.runs) == ("success_rate", 0.6, 0.9, 5)
    assert found.told == "design: 60 % of 5 runs completed; expected at least 90 %"


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(runs((0, "failed", 1, 4)), id="too few runs"),
        pytest.param(runs((7, "failed", 1, 20)), id="too long ago"),
        pytest.param(runs((0, "cancelled", 1, 20), (0, "running", 1, 5)), id="did not fail"),
        pytest.param(runs((0, "completed", 1, 9), (0, "failed", 1, 1)), id="at the bound"),
        pytest.param(runs(), id="no runs"),
    ],
)
def test_what_is_not_judged_or_in_its_band(frame):
    assert left(frame) == []


USUAL = [(10, "completed", 10.0, 5), (17, "completed", 12.0, 5), (24, "completed", 100.0, 5)]


def test_slower_than_twice_the_median_of_weeks_before():
    assert left(runs(*USUAL, (1, "completed", 25.0, 5))) == [("p95_s", 25.0, 24.0)]
    assert left(runs(*USUAL, (1, "completed", 24.0, 5))) == []


def test_one_week_before_tells_nothing_usual():
    assert left(runs(USUAL[0], (1, "completed", 500.0, 5))) == []


def test_a_limit_of_its_own_needs_no_history_and_the_tighter_one_holds():
    band = Band(max_p95_s=20)
    assert left(runs((1, "completed", 21.0, 5)), band) == [("p95_s", 21.0, 20.0)]
    assert left(runs(*USUAL, (1, "completed", 30.0, 5)), band) == [("p95_s", 30.0, 20.0)]


def test_a_pipelines_own_band_takes_the_place_of_the_general_one():
    frame = runs((0, "completed", 1, 3), (0, "failed", 1, 2))

    assert left(frame, Band(), Band(pipeline="design", min_success_rate=0.5)) == []
    assert left(frame, Band(pipeline="reads")) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"bands": [{}, {}]}, "two bands for all pipelines; expected one"),
        ({"bands": [{"pipeline": "a"}, {"pipeline": "a"}]}, "two bands for pipeline 'a'"),
        ({"zone": "Mars/Olympus"}, "not known; expected one such as UTC"),
        ({"bands": [{"min_success_rate": 90}]}, "less than or equal to 1"),
    ],
)
def test_wrong_parameters_are_told(given, said):
    with pytest.raises(ValidationError, match=said):
        OpsParams.model_validate(given)
