import pytest
from pydantic import TypeAdapter, ValidationError

from tasks.design.filter_params import (
    AnyFilter,
    FilterParams,
    columns_added,
    columns_needed,
    needs_parent,
)

ANY: TypeAdapter[AnyFilter] = TypeAdapter(FilterParams)
PARTS = [
    {"kind": "threshold", "column": "a", "min": 2},
    {"kind": "threshold", "column": "b", "max": 5},
]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"kind": "threshold", "column": "a"}, "neither min nor max"),
        ({"kind": "threshold", "column": "a", "min": 2, "max": 1}, "min 2 is above max 1"),
        ({"kind": "threshold", "column": "a", "min": float("nan")}, "finite"),
        ({"kind": "threshold", "column": "", "min": 2}, "at least 1 character"),
        ({"kind": "treshold", "column": "a", "min": 2}, "'threshold'"),
        ({"kind": "top", "column": "a"}, "expected one of them"),
        ({"kind": "top", "column": "a", "n": 1, "percentile": 5}, "expected one of them"),
        ({"kind": "top", "column": "a", "n": 1, "group": "a"}, "expected two columns"),
        ({"kind": "top", "column": "a", "percentile": 100}, "less than 100"),
        ({"kind": "length"}, "neither min nor max"),
        ({"kind": "length", "min": 5, "max": 4}, "min 5 is above max 4"),
        ({"kind": "alphabet", "alphabet": "custom"}, "letters with 'custom'"),
        ({"kind": "alphabet", "letters": "AC"}, "only then"),
        ({"kind": "conserved", "positions": {}}, "at least 1 item"),
        ({"kind": "conserved", "positions": {0: "A"}}, "greater than or equal to 1"),
        ({"kind": "conserved", "positions": {1: "a"}}, "match pattern"),
        ({"kind": "distance"}, "neither min nor max"),
        ({"kind": "distance", "max": 1, "name": "sequence"}, "is taken"),
        ({"kind": "distance", "max": 1, "name": "heavy", "column": "heavy"}, "is taken"),
        ({"kind": "identity", "min": 90}, "less than or equal to 1"),
        ({"kind": "diversity"}, "maxmin without n"),
        ({"kind": "diversity", "method": "clustered", "score": "a"}, "cluster: expected"),
        ({"kind": "diversity", "method": "clustered", "cluster": "c"}, "without score"),
        ({"kind": "diversity", "n": 1, "score": "a", "random_start": True}, "random_start"),
        ({"kind": "expression", "expression": "a.b"}, "position 2"),
        ({"kind": "expression", "expression": "a + 1"}, "gives no truth value"),
        ({"kind": "all_of", "filters": []}, "at least 1 item"),
        (
            {"kind": "all_of", "filters": [{"kind": "distance", "max": 1}] * 2},
            "two filters give column 'distance_to_reference'",
        ),
    ],
)
def test_wrong_settings_cannot_be_made(params, message):
    with pytest.raises(ValidationError, match=message):
        ANY.validate_python(params)


def test_composites_hand_on_columns_needs_and_parent():
    distance = {"kind": "distance", "max": 1, "column": "heavy"}
    params = ANY.validate_python(
        {"kind": "any_of", "filters": [{"kind": "all_of", "filters": [*PARTS, distance]}]}
    )

    assert columns_needed(params) == {"a", "b", "heavy"}
    assert columns_added(params) == ("distance_to_reference",)
    assert needs_parent(params)
