import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import InputError, SeqloomError
from tasks import attrition
from tasks.attrition import LOSS_COLUMNS
from tasks.design.filter_params import AllOfFilter, ThresholdFilter
from tasks.design.filters import apply_filter

DTYPES = ["int64", "str", "str", "str", "str", "float64", "float64", "float64", "str"]


def at_least(stage: str, items: list[int], values: list[float], low: float) -> pd.DataFrame:
    table = pd.DataFrame({"item": items, "bits": values})
    verdict = apply_filter(ThresholdFilter(column="bits", min=low), table)
    return attrition.losses_from_verdict(stage, np.array(items), verdict)


def test_a_loss_tells_rule_value_threshold_and_margin():
    (loss,) = at_least("strong", [1, 2], [90.0, 130.0], 120).to_dict("records")

    assert loss == {
        "item": 1,
        "outcome": "dropped",
        "stage": "strong",
        "rule": "bits >= 120",
        "column": "bits",
        "value": 90.0,
        "threshold": 120.0,
        "margin": 30.0,
        "reason": "",
    }


def test_all_losses_have_one_schema():
    items = np.array([4, 5])
    frames = [
        at_least("s", [1], [0.0], 1),
        at_least("s", [1], [2.0], 1),
        attrition.losses_from_failures("s", items, ["too long", "bad letter"]),
        attrition.losses_from_failures("s", items, np.array(["out"]), dropped=True),
        attrition.losses_from_failures("s", items[:0], []),
        attrition.losses_from_failures("s", items[:0], ["out"]),
        attrition.first_losses([]),
    ]

    for frame in frames:
        assert tuple(frame.columns) == LOSS_COLUMNS
        assert [str(dtype) for dtype in frame.dtypes] == DTYPES
    assert frames[2]["reason"].tolist() == ["too long", "bad letter"]
    assert frames[2]["outcome"].tolist() == ["failed", "failed"]
    assert frames[3]["outcome"].tolist() == ["dropped", "dropped"]
    assert frames[3]["reason"].tolist() == ["out", "out"]


def test_reasons_must_be_one_or_one_each():
    with pytest.raises(InputError, match="2 reasons; expected 3 or 1"):
        attrition.losses_from_failures("s", np.arange(3), ["a", "b"])


def test_the_first_stage_that_lost_an_item_counts():
    first = at_least("one", [3, 1], [0.0, 0.0], 5)
    second = at_least("two", [1, 2], [0.0, 0.0], 7)

    losses = attrition.first_losses([first, second])

    assert losses["item"].tolist() == [1, 2, 3]
    assert losses["stage"].tolist() == ["one", "two", "one"]


def test_funnel_counts_sources_where_they_enter():
    source = pd.DataFrame({"item": [1, 2, 3, 4, 5], "source": ["input"] * 2 + ["make"] * 3})
    losses = pd.concat(
        [
            attrition.losses_from_failures("fold", np.array([4, 1]), ["out of memory"]),
            at_least("strong", [2, 4], [0.0, 0.0], 5),
        ]
    )

    funnel = attrition.funnel(source, losses, ["input", "make", "strong", "fold"])

    assert funnel.to_dict("list") == {
        "stage": ["input", "make", "strong", "fold"],
        "items_in": [2, 5, 5, 3],
        "dropped": [0, 0, 2, 0],
        "failed": [0, 0, 0, 1],
        "items_out": [2, 5, 3, 2],
    }


def test_funnel_refuses_losses_of_strangers():
    source = pd.DataFrame({"item": [1], "source": ["input"]})

    with pytest.raises(InputError, match="stage 'nowhere' is not in the run"):
        attrition.funnel(source, at_least("nowhere", [1], [0.0], 5), ["input"])
    with pytest.raises(InputError, match="before it was made"):
        attrition.funnel(source, at_least("input", [9], [0.0], 5), ["input"])


def test_sums_that_do_not_add_up_are_found():
    losses = at_least("s", [1, 2], [0.0, 0.0], 5)

    attrition.check_sums(3, 1, losses)
    attrition.check_sums(3, np.array([7]), losses)
    with pytest.raises(SeqloomError, match=r"2 kept \+ 2 dropped \+ 0 failed is not 3"):
        attrition.check_sums(3, 2, losses)
    with pytest.raises(SeqloomError, match="item 2 ended twice"):
        attrition.check_sums(3, np.array([2]), losses)
    with pytest.raises(SeqloomError, match="item 1 ended twice"):
        attrition.check_sums(4, 0, pd.concat([losses, losses]))


def test_near_misses_are_the_smallest_relative_margins_of_each_rule():
    losses = pd.concat(
        [
            at_least("a", [1, 2, 3], [50.0, 99.0, 90.0], 100),
            at_least("b", [4, 5], [-3.0, -1.0], 0),
            at_least("c", [6], [np.nan], 0),
            attrition.losses_from_failures("d", np.array([7]), ["broken"]),
        ]
    )

    near = attrition.near_misses(losses, 2)

    assert near["item"].tolist() == [2, 3, 5, 4]
    assert near["relative_margin"].tolist() == [0.01, 0.1, 1, 3]


def test_what_if_counts_only_items_that_this_limit_alone_has_lost():
    table = pd.DataFrame({"item": range(6), "bits": [1.0, 2.0, 3.0, 4.0, 5.0, np.nan]})
    losses = pd.concat(
        [
            at_least("strong", list(range(5)), [1.0, 2.0, 3.0, 4.0, 5.0], 3),
            at_least("other", [1, 4], [0.0, 0.0], 9),
        ]
    )
    # lost at 3: 0 and 1; 1 and 4 lost elsewhere; 5 has no value and was kept

    result = attrition.what_if(table, "strong", "bits", ">=", 3, losses, quantiles=[0, 0.5, 1])

    assert result.to_dict("list") == {
        "threshold": [1, 3, 4],
        "kept_now": [3, 3, 3],
        "kept_then": [4, 3, 2],
        "gained": [1, 0, -1],
    }


def test_what_if_uses_recorded_values_where_the_table_has_none():
    table = pd.DataFrame({"item": [0, 1], "bits": [np.nan, 5.0]})
    losses = at_least("strong", [0], [2.0], 3)

    result = attrition.what_if(table, "strong", "bits", ">=", 3, losses, quantiles=[0])

    assert result["gained"].tolist() == [1, 0]


def test_what_if_finds_the_words_that_filters_write():
    table = pd.DataFrame({"item": [1, 2, 3], "a": [1.0, 9.0, 5.0], "b": [0.5] * 3})
    both = AllOfFilter(
        filters=(
            ThresholdFilter(column="a", min=2, max=8),
            ThresholdFilter(column="b", max=0.1234567),
        )
    )
    losses = attrition.losses_from_verdict("s", table["item"].to_numpy(), apply_filter(both, table))

    result = attrition.what_if(table, "s", "b", "<=", 0.1234567, losses, quantiles=[1])

    assert result["gained"].tolist() == [0, 1]
    with pytest.raises(InputError, match="direction 'min'; expected one of >=, <="):
        attrition.what_if(table, "s", "b", "min", 0.1, losses)


values = st.lists(st.integers(0, 9).map(float), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(values, st.lists(st.integers(0, 9), min_size=1, max_size=4), st.booleans())
def test_sums_add_up_in_sequence_and_in_branches(bits, lows, in_branches):
    everyone = list(range(len(bits)))
    alive, frames, names = everyone, [], []
    for number, low in enumerate(lows):
        given_to = everyone if in_branches else alive
        name = f"stage{number}"
        if number % 2:
            bad = [i for i in given_to if bits[i] > 9 - low]
            frame = attrition.losses_from_failures(name, np.array(bad, np.int64), ["broken"])
        else:
            frame = at_least(name, given_to, [bits[i] for i in given_to], low)
        frames.append(frame)
        names.append(name)
        alive = [i for i in alive if i not in set(frame["item"])]

    losses = attrition.first_losses(frames)
    source = pd.DataFrame({"item": everyone, "source": "input"})
    funnel = attrition.funnel(source, losses, ["input", *names])

    attrition.check_sums(len(bits), np.array(alive, np.int64), losses)
    attrition.check_sums(len(bits), len(alive), losses)
    assert funnel["items_out"].iloc[-1] == len(alive)
    assert (funnel["items_in"] == funnel[["dropped", "failed", "items_out"]].sum(axis=1)).all()
    every_loss = attrition.funnel(source, pd.concat(frames[::-1]), ["input", *names])
    pd.testing.assert_frame_equal(every_loss, funnel)


@settings(max_examples=60, deadline=None)
@given(values, st.integers(0, 9), st.integers(0, 9), st.sampled_from([">=", "<="]))
def test_what_if_agrees_with_running_the_filter_again(bits, threshold, other, direction):
    table = pd.DataFrame({"item": range(len(bits)), "bits": bits, "x": bits[::-1]})
    side = {">=": "min", "<=": "max"}[direction]

    def kept(limit: float) -> tuple[set[int], pd.DataFrame]:
        first = apply_filter(ThresholdFilter(column="x", min=other), table)
        second = apply_filter(ThresholdFilter(column="bits", **{side: limit}), table)
        items = table["item"].to_numpy()
        losses = [
            attrition.losses_from_verdict("first", items, first),
            attrition.losses_from_verdict("second", items, second),
        ]
        return set(items[first.keep & second.keep].tolist()), pd.concat(losses)

    now, losses = kept(threshold)
    result = attrition.what_if(table, "second", "bits", direction, threshold, losses)

    assert (result["kept_now"] == len(now)).all()
    for row in result.itertuples():
        assert row.kept_then == len(kept(row.threshold)[0])
