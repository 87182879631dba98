import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from blocks.errors import InputError
from tasks.design.filter_params import AnyFilter, FilterParams, columns_added
from tasks.design.filters import apply_filter
from tasks.design.verdicts import Verdict, rank_verdict

ANY: TypeAdapter[AnyFilter] = TypeAdapter(FilterParams)


def table(**columns: list[object]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    ids = [f"d{i}" for i in range(n)]
    base = {"item": np.arange(n), "id": ids, "sequence": ["MK"] * n}
    return pd.DataFrame({**base, **columns})


def judged(params: dict[str, object], frame: pd.DataFrame, **more: object) -> Verdict:
    return apply_filter(ANY.validate_python(params), frame, **more)


def test_threshold_keeps_its_limits_and_tells_the_rest_why():
    verdict = judged(
        {"kind": "threshold", "column": "bits", "min": 120, "max": 200},
        table(bits=[120.0, 119.5, 200.0, 300.0, np.nan]),
    )

    assert verdict.keep.tolist() == [True, False, True, False, False]
    assert verdict.rule.tolist() == ["", "bits >= 120", "", "bits <= 200", "bits missing"]
    assert verdict.column.tolist() == ["bits"] * 5
    np.testing.assert_array_equal(verdict.value, [120, 119.5, 200, 300, np.nan])
    np.testing.assert_array_equal(verdict.threshold, [np.nan, 120, np.nan, 200, np.nan])
    assert verdict.columns == {}


def test_threshold_keeps_missing_values_where_asked():
    params = {"kind": "threshold", "column": "bits", "min": 1, "keep_na": True}

    assert judged(params, table(bits=[np.nan, 0.0])).keep.tolist() == [True, False]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"n": 2}, [1, 1, 0, 0, 0]),
        ({"n": 3}, [1, 1, 1, 0, 0]),
        ({"n": 9}, [1, 1, 1, 1, 0]),
        ({"n": 1, "largest": False}, [0, 0, 0, 1, 0]),
        ({"percentile": 75}, [1, 0, 0, 0, 0]),
        ({"percentile": 74}, [1, 1, 0, 0, 0]),
        ({"percentile": 0}, [1, 1, 1, 1, 0]),
        ({"n": 1, "group": "cluster"}, [1, 0, 1, 0, 0]),
        ({"percentile": 50, "group": "cluster", "largest": False}, [0, 1, 0, 1, 0]),
    ],
)
def test_top_keeps_the_best_and_of_ties_the_first(params, expected):
    frame = table(bits=[9.0, 5.0, 5.0, 1.0, np.nan], cluster=["a", "a", "b", "b", "b"])

    verdict = judged({"kind": "top", "column": "bits", **params}, frame)

    assert verdict.keep.astype(int).tolist() == expected
    assert verdict.rule[4] == "bits missing"


def test_ninetieth_percentile_keeps_a_tenth():
    params = {"kind": "top", "column": "x", "percentile": 90}

    for n in (10, 20, 70, 1_000):
        assert judged(params, table(x=list(np.arange(float(n))))).keep.sum() == n // 10
    hundred = table(x=list(np.arange(100.0)))  # 100 * 0.07 is above 7 in binary
    assert judged({**params, "percentile": 93}, hundred).keep.sum() == 7


def test_top_tells_how_much_was_lacking():
    params = {"kind": "top", "column": "x", "n": 1, "group": "g"}

    verdict = judged(params, table(x=[5.0, 3.0, 8.0, 1.0], g=[1, 1, 2, 2]))

    assert verdict.rule.tolist() == ["", "among the 1 largest x of each g"] * 2
    np.testing.assert_array_equal(verdict.threshold, [np.nan, 5, np.nan, 8])


def test_length_counts_letters():
    params = {"kind": "length", "min": 2, "max": 3}

    verdict = judged(params, table(sequence=["M", "MK", "MKV", "MKVA"]))

    assert verdict.keep.tolist() == [False, True, True, False]
    assert verdict.rule.tolist() == ["length >= 2", "", "", "length <= 3"]
    assert verdict.value.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("params", "kept"),
    [
        ({}, ["MKV", "AC", "MK:V", ""]),
        ({"alphabet": "dna"}, ["AC", ""]),
        ({"alphabet": "rna"}, ["AC", "ACU", ""]),
        ({"alphabet": "custom", "letters": "MKVX"}, ["MKV", "MKX", "MK:V", ""]),
    ],
)
def test_alphabet_keeps_sequences_of_its_letters(params, kept):
    frame = table(sequence=["MKV", "MKX", "AC", "ACU", "mk", "MK:V", ""])

    verdict = judged({"kind": "alphabet", **params}, frame)

    assert frame["sequence"][verdict.keep].tolist() == kept


def test_conserved_positions_count_from_one():
    params = {"kind": "conserved", "positions": {"3": "CS", "1": "M"}}

    verdict = judged(params, table(sequence=["MKC", "MKS", "MCK", "AKC", "MC"]))

    assert verdict.keep.tolist() == [True, True, False, False, False]
    assert verdict.rule.tolist()[2:] == [
        "position 3 in CS",
        "position 1 in M",
        "position 3 is there",
    ]


def test_distance_is_kept_as_a_column_for_all_rows():
    params = {"kind": "distance", "min": 1, "max": 2, "name": "d"}

    verdict = judged(params, table(sequence=["MKVA", "MKVC", "AAAA", "MKV"]), parent="MKVA")

    assert verdict.keep.tolist() == [False, True, False, False]
    assert verdict.rule.tolist() == ["d >= 1", "", "d <= 2", "as long as the reference"]
    np.testing.assert_array_equal(verdict.columns["d"], [0, 1, 3, np.nan])


def test_reference_is_the_parent_unless_one_is_given():
    named = {"kind": "distance", "reference": "MA", "max": 0}

    assert judged(named, table(x=[1]), parent="MK").keep.tolist() == [False]
    assert judged({"kind": "distance", "max": 0}, table(x=[1]), parent="MK").keep.tolist() == [True]
    with pytest.raises(InputError, match="no parent; expected one"):
        judged({"kind": "distance", "max": 0}, table(x=[1]))


def test_identity_is_identical_letters_by_the_longer_length():
    params = {"kind": "identity", "min": 0.75, "reference": "MKVAMKVA"}
    sequences = ["MKVAMKVA", "MKVAMKCC", "MKVAMCCC", "MKVAMKV", "MKVAMKVAMKVAMK", "", "M:KVAMKVA"]

    verdict = judged(params, table(sequence=sequences))

    expected = [1, 6 / 8, 5 / 8, 7 / 8, 8 / 14, 0, 8 / 9]
    np.testing.assert_array_equal(verdict.columns["identity_to_reference"], expected)
    assert verdict.keep.tolist() == [True, True, False, True, False, False, True]


def test_maxmin_takes_the_farthest_each_time():
    sequences = ["AAAA", "AAAC", "CCCC", "AACC", "AAAA"]

    verdict = judged({"kind": "diversity", "n": 3}, table(sequence=sequences))

    assert verdict.keep.tolist() == [True, False, True, True, False]
    assert verdict.value.tolist() == [0, 1, 0, 0, 0]
    assert verdict.threshold[1] == 2


def test_maxmin_starts_with_the_best_score():
    params = {"kind": "diversity", "n": 1, "score": "bits"}
    frame = table(sequence=["AA", "CC", "DD"], bits=[np.nan, 1.0, 2.0])

    assert judged(params, frame).keep.tolist() == [False, False, True]
    assert judged({**params, "largest": False}, frame).keep.tolist() == [False, True, False]


def test_random_start_depends_on_the_seed_only():
    params = {"kind": "diversity", "n": 1, "random_start": True}
    frame = table(sequence=[c * 4 for c in "ACDEFGHIKL"])

    starts = {int(np.argmax(judged(params, frame, seed=s).keep)) for s in range(20)}

    assert len(starts) > 3
    assert (
        judged(params, frame, seed=5).keep.tolist() == judged(params, frame, seed=5).keep.tolist()
    )


def test_clustered_takes_the_best_of_each_and_then_turns():
    frame = table(c=[0, 0, 0, 1, 1, 2], s=[1.0, 9.0, 8.0, 5.0, np.nan, 2.0])
    params = {"kind": "diversity", "method": "clustered", "cluster": "c", "score": "s"}

    def kept(n: int | None) -> list[int]:
        return np.flatnonzero(judged({**params, "n": n}, frame).keep).tolist()

    assert kept(None) == [1, 3, 5]
    assert kept(2) == [1, 3]
    assert kept(4) == [1, 2, 3, 5]
    assert kept(99) == [0, 1, 2, 3, 4, 5]
    assert judged(params, frame).threshold[2] == 9


def test_diversity_of_ten_thousand_takes_seconds():
    letters = np.random.default_rng(1).choice(list("ACDEFGHIKLMNPQRSTVWY"), (10_000, 100))
    frame = table(sequence=["".join(row) for row in letters])
    start = time.perf_counter()

    assert judged({"kind": "diversity", "n": 100}, frame).keep.sum() == 100
    assert time.perf_counter() - start < 20


def test_expression_gives_the_condition_as_the_rule():
    frame = table(bits=[1.0, 3.0], charge=[0, 0])

    verdict = judged({"kind": "expression", "expression": " bits > 2 "}, frame)

    assert verdict.rule.tolist() == ["bits > 2", ""]
    assert verdict.value.tolist() == [1, 3]
    both = judged({"kind": "expression", "expression": "bits > charge + 1"}, frame)
    assert both.column.tolist() == ["", ""]


def test_an_expression_column_that_holds_no_condition_is_refused():
    with pytest.raises(InputError, match="gives float64; expected a condition"):
        judged({"kind": "expression", "expression": "bits"}, table(bits=[1.0]))


PARTS = [
    {"kind": "threshold", "column": "a", "min": 2},
    {"kind": "threshold", "column": "b", "max": 5},
]
FRAME = table(a=[1.0, 3.0, 1.0, 3.0], b=[9.0, 9.0, 1.0, 1.0])


def test_all_of_names_the_first_that_failed():
    verdict = judged({"kind": "all_of", "filters": PARTS}, FRAME)

    assert verdict.rule.tolist() == ["a >= 2", "b <= 5", "a >= 2", ""]
    assert verdict.column.tolist()[:3] == ["a", "b", "a"]
    assert verdict.value.tolist()[:3] == [1, 9, 1]
    assert verdict.keep.tolist() == [False, False, False, True]


def test_any_of_names_all_that_failed():
    verdict = judged({"kind": "any_of", "filters": PARTS}, FRAME)

    assert verdict.rule.tolist() == ["a >= 2 or b <= 5", "", "", ""]
    assert verdict.value[0] == 1
    assert np.isnan(verdict.threshold[1])


def test_rank_verdict_keeps_up_to_the_limit():
    verdict = rank_verdict(pd.Series([1, 3, 2]), 2)

    assert verdict.rule.tolist() == ["", "rank <= 2", ""]


ONE_OF_EACH = [
    *PARTS,
    {"kind": "top", "column": "a", "n": 2, "group": "b"},
    {"kind": "top", "column": "a", "percentile": 50},
    {"kind": "length", "min": 3},
    {"kind": "alphabet"},
    {"kind": "conserved", "positions": {"1": "M"}},
    {"kind": "distance", "max": 2},
    {"kind": "identity", "min": 0.5},
    {"kind": "diversity", "n": 2, "score": "a"},
    {"kind": "diversity", "method": "clustered", "cluster": "b", "score": "a"},
    {"kind": "expression", "expression": "a > mean(b) and contains(sequence, 'K')"},
    {"kind": "all_of", "filters": PARTS},
    {"kind": "any_of", "filters": PARTS},
]


@pytest.mark.parametrize("params", ONE_OF_EACH, ids=lambda params: str(params["kind"]))
def test_every_filter_passes_an_empty_table_through(params):
    verdict = judged(params, FRAME.iloc[:0], parent="MK")

    assert len(verdict.keep) == len(verdict.rule) == len(verdict.value) == 0
    assert set(verdict.columns) == set(columns_added(ANY.validate_python(params)))


@pytest.mark.parametrize("params", ONE_OF_EACH, ids=lambda params: str(params["kind"]))
def test_every_filter_leaves_the_table_alone_and_survives_json(params):
    before = FRAME.copy(deep=True)
    filter_ = ANY.validate_python(params)

    first = apply_filter(filter_, FRAME, parent="MK")
    second = apply_filter(ANY.validate_json(ANY.dump_json(filter_)), FRAME, parent="MK")

    pd.testing.assert_frame_equal(FRAME, before)
    assert first.keep.tolist() == second.keep.tolist()
    assert ((first.rule == "") == first.keep).all()


def test_unknown_column_is_named_with_the_closest():
    with pytest.raises(InputError, match=r"'profile_bit' is not there.*mean 'profile_bits'"):
        judged({"kind": "threshold", "column": "profile_bit", "min": 1}, table(profile_bits=[1.0]))


def test_text_where_numbers_are_needed_is_refused():
    with pytest.raises(InputError, match="column 'id' holds text; expected numbers"):
        judged({"kind": "threshold", "column": "id", "min": 1}, table(x=[1.0]))


def test_a_column_that_is_there_already_is_refused():
    with pytest.raises(InputError, match="'distance_to_reference' is there already"):
        judged({"kind": "distance", "max": 1}, table(distance_to_reference=[1.0]), parent="MK")


def test_doubled_columns_and_items_are_refused():
    doubled = pd.concat([FRAME, FRAME[["a"]]], axis=1)
    with pytest.raises(InputError, match="column 'a' stands twice"):
        judged(PARTS[0], doubled)
    with pytest.raises(InputError, match="an item stands in two rows"):
        judged(PARTS[0], FRAME.assign(item=1))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 4)), min_size=1, max_size=20),
    st.integers(1, 5),
    st.booleans(),
)
def test_top_per_group_agrees_with_sorting_each_group(rows, n, largest):
    frame = table(g=[g for g, _ in rows], v=[float(v) for _, v in rows])

    kept = judged({"kind": "top", "column": "v", "n": n, "group": "g", "largest": largest}, frame)

    ordered = frame.sort_values("v", ascending=not largest, kind="stable")
    expected = sorted(ordered.groupby("g").head(n)["item"])
    assert np.flatnonzero(kept.keep).tolist() == expected
