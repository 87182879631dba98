import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.prediction_codec import column_kinds
from tasks.design.answers import (
    LONGEST_TEXT,
    MOST_LEAVES,
    LongText,
    frame,
    leaves,
    long_texts,
    parts_of,
    path_and_mark,
)

NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=20)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=30,
)
PDB = "ATOM      1  CA  MET A   1      11.104   6.134  -6.504  1.00 87.50           C\nEND\n"


def test_numbers_truths_texts_and_nulls_are_leaves_by_path():
    answer = {"confidence": {"score": 1, "ok": True}, "note": "fine", "hairpin_score": None}

    assert leaves(answer) == {
        "confidence.score": 1.0,
        "confidence.ok": True,
        "note": "fine",
        "hairpin_score": None,
    }


def test_lists_of_objects_are_taken_apart_by_index():
    found = leaves({"embeddings": [{"layer": 6, "embedding": [0.5, 0.25]}]})

    assert list(found) == ["embeddings.0.layer", "embeddings.0.embedding[]"]
    assert found["embeddings.0.layer"] == 6.0
    np.testing.assert_array_equal(found["embeddings.0.embedding[]"], [0.5, 0.25])


def test_rectangular_lists_are_arrays_with_nulls_as_nan():
    found = leaves({"logits": [[1, 2.5], [None, 4]]})["logits[]"]

    np.testing.assert_array_equal(found, [[1, 2.5], [np.nan, 4]])


@pytest.mark.parametrize(
    ("number", "dtype"), [(0.5, "float32"), (0.1, "float64"), (1e300, "float64")]
)
def test_arrays_are_short_only_where_no_bit_is_lost(number, dtype):
    found = leaves({"x": [number, None]})["x[]"]

    assert found.dtype == dtype
    assert float(found[0]) == number


@pytest.mark.parametrize(
    "varied", [[[1], [1, 2]], ["A", "B"], [1, "a"], [True, False], [1, True], [{"a": 1}, 2], {}]
)
def test_what_is_varied_stays_json(varied):
    assert leaves({"x": varied}) == {"x{}": varied}


def test_an_answer_without_keys_is_called_value():
    assert leaves(-12.5) == {"value": -12.5}
    assert leaves(["M", "<mask>"]) == {"value{}": ["M", "<mask>"]}
    assert leaves([{"ddg": 1}]) == {"value.0.ddg": 1.0}


def test_structures_and_long_texts_are_leaves_of_their_own_kind():
    found = leaves({"pdb": PDB, "log": "x" * (LONGEST_TEXT + 1), "pdbs": [PDB, PDB]})

    assert list(found) == ["pdb<>", "log<>", "pdbs.0<>", "pdbs.1<>"]
    assert all(isinstance(text, LongText) for text in found.values())


def test_odd_keys_are_written_as_in_urls():
    found = leaves({"t.m [C]": 1, "50%": 2, "a\nb": 3, "found": 4, "x[]": 5, "x": [6]})

    assert list(found) == ["t%2Em %5BC%5D", "50%25", "a%0Ab", "%66ound", "x%5B%5D", "x[]"]
    assert [parts_of(path_and_mark(name)[0])[0] for name in found] == [
        "t.m [C]", "50%", "a\nb", "found", "x[]", "x",
    ]  # fmt: skip


def test_there_are_never_more_leaves_than_the_most():
    assert list(leaves({f"k{i}": 1 for i in range(300)})) == ["value{}"]
    assert list(leaves({"m": [{"a": 1}] * 65})) == ["m{}"]
    wide = {"few": 1, "m": [{f"k{i}": 1 for i in range(200)}] * 60}
    assert list(leaves(wide)) == ["few", "m{}"]
    many = {f"g{i}": {f"k{j}": 1 for j in range(250)} for i in range(50)}
    assert len(leaves(many)) <= MOST_LEAVES


def test_depth_is_bounded():
    deep = 1
    for _ in range(900):
        deep = {"a": [[deep, "x"]]}

    assert len(leaves(deep)) == 1


@given(ANY_JSON)
def test_any_answer_has_leaves_that_the_store_takes(answer):
    found = leaves(answer)

    assert len(found) <= MOST_LEAVES
    assert set(column_kinds(frame([found, {}]))) == {
        name for name in found if not name.endswith("<>")
    }


@given(st.dictionaries(st.text(max_size=8), SCALARS))
def test_scalars_survive(answer):
    found = leaves(answer)

    assert {parts_of(name): leaf for name, leaf in found.items()} == {
        (key,): value for key, value in answer.items()
    }


@given(st.lists(ANY_JSON, max_size=4))
def test_different_answers_fit_into_one_frame(answers):
    table = frame([leaves(answer) for answer in answers])

    assert len(table) == len(answers)
    column_kinds(table)


def test_a_frame_has_columns_of_few_types():
    table = frame(
        [
            leaves({"tm": 61, "note": "a", "ok": True, "mixed": 1, "e": [1], "j": ["a"]}),
            leaves({"tm": None, "ok": False, "mixed": "b", "e": [1, 2], "more": 2}),
        ]
    )

    assert column_kinds(table) == {
        "tm": "float64", "note": "str", "ok": "bool", "mixed": "object", "e[]": "vector",
        "j{}": "object", "more": "float64",
    }  # fmt: skip
    assert table["tm"][0] == 61
    assert math.isnan(table["tm"][1])


def test_a_number_here_and_a_list_there_are_two_columns():
    table = frame([leaves({"x": 1}), leaves({"x": [1, 2]})])

    assert column_kinds(table) == {"x": "float64", "x[]": "vector"}


def test_long_texts_are_handed_out_beside_the_frame():
    answers = [leaves({"pdb": PDB, "tm": 1}), leaves({"tm": 2})]

    assert list(frame(answers)) == ["tm"]
    assert long_texts(answers) == {"pdb<>": [PDB, None]}
