"""Ranking: oriented scores, Pareto fronts against the definition, and an order without chance."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from blocks.errors import InputProblems
from tasks.design.ranking import (
    Objective,
    RankParams,
    columns_needed,
    crowding_distance,
    pareto_fronts,
    rank,
)


def params(*objectives, **settings):
    return RankParams(objectives=objectives, **settings)


def table(**columns):
    size = len(next(iter(columns.values())))
    return pd.DataFrame({"item": range(size), "id": [f"s{n}" for n in range(size)], **columns})


def naive_fronts(values):
    front = np.zeros(len(values), dtype=int)
    number = 0
    while (front == 0).any():
        number += 1
        left = np.flatnonzero(front == 0)
        best = [
            i
            for i in left
            if not any(
                (values[j] >= values[i]).all() and (values[j] > values[i]).any() for j in left
            )
        ]
        front[best] = number
    return front


@given(
    st.integers(1, 5).flatmap(
        lambda m: arrays(
            np.float64, st.tuples(st.integers(0, 25), st.just(m)), elements=st.integers(-3, 3)
        )
    )
)
def test_fronts_are_those_of_the_definition(values):
    assert pareto_fronts(values).tolist() == naive_fronts(values).tolist()


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_fronts_of_scattered_points_are_those_of_the_definition(objectives):
    values = np.random.default_rng(objectives).random((150, objectives))
    assert pareto_fronts(values).tolist() == naive_fronts(values).tolist()


def test_a_point_with_its_neighbours_far_away_is_less_crowded():
    values = np.array([[0, 10], [1, 8], [5, 5], [10, 0]], dtype=float)
    expected = [math.inf, 0.5 + 0.5, 0.9 + 0.8, math.inf]
    assert crowding_distance(values, np.ones(4, int)) == pytest.approx(expected)


def test_crowding_is_told_per_front():
    values = np.array([[0, 2], [1, 1], [2, 0], [0, 1], [1, 0]], dtype=float)
    crowding = crowding_distance(values, pareto_fronts(values))
    assert crowding.tolist() == [math.inf, 2.0, math.inf, math.inf, math.inf]


def test_an_objective_that_is_constant_in_a_front_adds_nothing_between_its_ends():
    crowding = crowding_distance(np.array([[1.0, 0], [1, 1], [1, 4]]), np.ones(3, int))
    assert crowding.tolist() == [math.inf, 1.0, math.inf]


@pytest.mark.parametrize(
    ("objective", "best_first"),
    [
        (Objective(column="x"), [2, 1, 0]),
        (Objective(column="x", goal="minimise"), [0, 1, 2]),
        (Objective(column="x", goal="target", target=5.5), [1, 0, 2]),
    ],
)
def test_each_goal_puts_its_best_value_first(objective, best_first):
    ranked = rank(table(x=[2.0, 5.0, 10.0]), params(objective))
    assert ranked["item"].tolist() == best_first
    assert ranked["rank"].tolist() == [1, 2, 3]


def test_zscores_are_weighted_and_averaged():
    ranked = rank(
        table(x=[0.0, 2.0], y=[3.0, 1.0]),
        params(Objective(column="x", weight=3), Objective(column="y")),
    )
    assert ranked["score"].tolist() == [0.5, -0.5]
    assert ranked["item"].tolist() == [1, 0]


def test_minmax_scales_to_0_and_1():
    ranked = rank(table(x=[0.0, 1.0, 4.0]), params(Objective(column="x"), scaling="minmax"))
    assert ranked["score"].tolist() == [1.0, 0.25, 0.0]


@pytest.mark.parametrize("scaling", ["zscore", "minmax"])
def test_a_constant_objective_counts_0(scaling):
    ranked = rank(table(x=[0.1] * 3), params(Objective(column="x"), scaling=scaling))
    assert ranked["score"].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("method", ["weighted", "pareto"])
@pytest.mark.parametrize("lacking", [math.nan, math.inf, None])
def test_an_item_without_a_number_is_last_and_says_why(method, lacking):
    ranked = rank(
        table(x=[lacking, -9.0, 5.0], y=[9.0, -9.0, 5.0]),
        params(Objective(column="x"), Objective(column="y"), method=method),
    )
    assert ranked["item"].tolist() == [2, 1, 0]
    assert ranked["reason"].tolist() == ["", "", "no number in x"]
    assert ranked["score"].isna().tolist() == [False, False, True]
    assert ranked["pareto_front"].tolist()[-1] == 0


def test_pareto_orders_by_front_then_crowding_then_score():
    values = table(x=[0.0, 1, 5, 10, 0], y=[10.0, 8, 5, 0, 0])
    ranked = rank(values, params(Objective(column="x"), Objective(column="y"), method="pareto"))
    assert ranked["pareto_front"].tolist() == [1, 1, 1, 1, 2]
    assert ranked["item"].tolist() == [3, 0, 2, 1, 4]
    assert ranked["score"][0] > ranked["score"][1]


def test_ties_are_broken_by_id():
    tied = pd.DataFrame({"item": [0, 1, 2], "id": ["c", "a", "b"], "x": [1.0, 1.0, 1.0]})
    assert rank(tied, params(Objective(column="x")))["item"].tolist() == [1, 2, 0]
    assert rank(tied.drop(columns="id"), params(Objective(column="x")))["item"].tolist() == [
        0,
        1,
        2,
    ]


@pytest.mark.parametrize("method", ["weighted", "pareto"])
def test_the_order_of_the_rows_does_not_matter(method):
    rng = np.random.default_rng(5)
    # few values, weights that do not add up exactly: ties and rounding
    rows = table(
        x=rng.integers(3, size=60) / 10, y=rng.integers(3, size=60) / 10, z=rng.integers(3, size=60)
    )
    wanted = params(
        Objective(column="x", weight=0.1),
        Objective(column="y", weight=0.7, goal="minimise"),
        Objective(column="z"),
        method=method,
    )
    shuffled = rows.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(rank(rows, wanted), rank(shuffled, wanted))


def test_no_rows_give_no_ranks():
    empty = table(x=[1.0]).iloc[:0]
    assert len(rank(empty, params(Objective(column="x"), method="pareto"))) == 0


def test_the_table_is_not_changed():
    rows = table(x=[2.0, 1.0])
    before = rows.copy()
    rank(rows, params(Objective(column="x")))
    pd.testing.assert_frame_equal(rows, before)


def test_all_unusable_columns_are_reported_at_once():
    with pytest.raises(InputProblems) as caught:
        rank(table(name=["a", "b"]), params(Objective(column="name"), Objective(column="plddt")))
    assert str(caught.value).splitlines() == [
        "rank: column name holds other than numbers; expected numbers",
        "rank: no column plddt; expected a column of numbers",
    ]


def test_the_columns_of_the_objectives_are_needed():
    wanted = params(Objective(column="x"), Objective(column="y"))
    assert columns_needed(wanted) == {"x", "y"}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Objective(column="x", goal="target"),
        lambda: Objective(column="x", goal="minimise", target=1.0),
        lambda: Objective(column="x", weight=0),
        lambda: Objective(column="x", weight=math.nan),
        lambda: Objective(column="x", goal="target", target=math.inf),
        params,
        lambda: params(Objective(column="x"), Objective(column="x", goal="minimise")),
        lambda: params(Objective(column="x"), top=0),
    ],
)
def test_settings_that_make_no_sense_cannot_be_made(make):
    with pytest.raises(ValidationError):
        make()
