import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from blocks.errors import InputError, InputProblems
from blocks.prediction_key import ModelKey, sequence_digests
from blocks.predictions import PredictionStore
from tasks.design.answers import frame, leaves, long_texts
from tasks.design.extraction import (
    Column,
    Columns,
    check_keys,
    dimensions,
    extract,
    kinds,
    leaves_needed,
    output_columns,
)

PDB = (
    "ATOM      1  N   MET A   1      11.104   6.134  -6.504  1.00 10.00           N\n"
    "ATOM      2  CA  MET A   1      11.639   6.071  -5.147  1.00 80.00           C\n"
    "ATOM      3  CA  LEU A   2      12.639   7.071  -4.147  1.00 90.00           C\n"
    "END\n"
)
CIF = """data_model
loop_
_atom_site.group_PDB
_atom_site.id
_atom_site.label_atom_id
_atom_site.B_iso_or_equiv
ATOM 1 N 0.1
ATOM 2 CA 0.7
ATOM 3 "CA" 0.9
#
"""
ENCODED = {
    "embeddings": [{"layer": 33, "embedding": [3.0, 4.0]}, {"layer": 6, "embedding": [0.5, 0.25]}]
}
MATRIX = {
    "ddG_matrix": {
        "values": [[0.0, 1.5], [-0.5, None]],
        "residue_axis": ["A", "M"],
        "amino_acid_axis": ["A", "G"],
    }
}
BY_LIST = [{"mutation": "M1A", "ddg": -0.5}, {"mutation": "L2V", "ddg": 0.25}]
TM = Column(name="tm", key="melting_temperature")


def stored(*answers):
    """Leaves as the store keeps them, with long texts among them."""
    parts = [leaves(answer) for answer in answers]
    return frame(parts).assign(**long_texts(parts))


def extracted(answers, *columns, **more):
    return extract(columns, stored(*answers), **more)


def column(**settings):
    return Column(**({"name": "x", "key": "x"} | settings))


# ---------------------------------------------------------------------------- numbers


def test_a_number_comes_from_its_key():
    found = extracted([{"melting_temperature": 61.5}, {"melting_temperature": 40}], TM)

    assert found.frame["tm"].tolist() == [61.5, 40]
    assert found.errors == ["", ""]
    assert found.mutations is None


def test_dotted_keys_and_indices_lead_inside():
    answer = {"confidence": {"score": 0.5}, "ptm": [0.1, 0.7], "chains": [{"ptm": 1}, {"ptm": 2}]}
    found = extracted(
        [answer],
        column(name="a", key="confidence.score"),
        column(name="b", key="ptm.1"),
        column(name="c", key="chains.1.ptm"),
        column(name="d", key="chains.ptm", reduce="mean"),
    )

    assert found.errors == [""]
    np.testing.assert_allclose(found.frame.iloc[0], [0.5, 0.7, 2, 1.5])


def test_entries_keep_their_order_beyond_ten():
    answer = {"x": [{"y": number} for number in range(12)]}

    assert extracted([answer], column(key="x.y", reduce="last")).frame["x"].tolist() == [11]


def test_an_index_beyond_the_end_is_missing():
    found = extracted([{"x": [1]}, {"x": [1, 2]}, {"x": ["a"]}], column(key="x.1"))

    assert found.errors == [
        "x: key 'x.1' is missing or null",
        "",
        "x: key 'x.1' is missing or null",
    ]


def test_several_reductions_of_one_key():
    reductions = ("mean", "median", "min", "max", "sum", "std", "first", "last")
    columns = [column(name=name, key="plddt", reduce=name) for name in reductions]
    found = extracted([{"plddt": [1, None, 2, 6]}], *columns)

    expected = [3, 2, 1, 6, 9, np.std([1, 2, 6]), 1, 6]
    np.testing.assert_allclose(found.frame.iloc[0], expected)


def test_nested_and_ragged_lists_are_reduced_over_all_numbers():
    found = extracted([{"x": [[1, 2], [3]]}, {"x": [[1, 2], [3, 6]]}], column(reduce="sum"))

    assert found.frame["x"].tolist() == [6, 12]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "x: key 'x' is missing or null"),
        ("high", "x: text 'high' under key 'x'; expected a number"),
        ([1, 2], "x: 2 numbers under key 'x'; expected one, or a reduction such as mean"),
        ([None, None], "x: 2 numbers under key 'x'; expected one, or a reduction such as mean"),
        ({"a": 1}, "x: an object under key 'x'; expected a number"),
        ([], "x: key 'x' is missing or null"),
    ],
)
def test_what_is_no_number_is_nan_and_said(value, why):
    found = extracted([{"x": value}, {"x": 1}], column())

    assert np.isnan(found.frame["x"][0])
    assert found.errors == [why, ""]


def test_reducing_only_nulls_gives_nan_and_an_error():
    found = extracted([{"x": [None, None]}], column(reduce="mean"))

    assert np.isnan(found.frame["x"][0])
    assert found.errors == ["x: key 'x' is missing or null"]


def test_a_missing_key_leaves_the_other_columns():
    found = extracted([{"x": 1}, {"melting_temperature": 2}], TM, column())

    assert found.errors == [
        "tm: key 'melting_temperature' is missing or null",
        "x: key 'x' is missing or null",
    ]
    assert found.frame["x"][0] == 1


def test_truths_are_one_and_zero():
    assert extracted([{"x": True}, {"x": False}], column()).frame["x"].tolist() == [1, 0]


def test_infinities_are_no_numbers():
    found = extract([column()], pd.DataFrame({"x": [np.inf, 1.0]}))

    assert found.errors == ["x: inf under key 'x'; expected a finite number", ""]


# ---------------------------------------------------------------------------- texts


def test_texts_are_kept():
    found = extracted([{"x": "high"}, {"x": 1}], column(holds="text"))

    assert found.frame["x"].tolist() == ["high", ""]
    assert found.frame["x"].dtype == "str"
    assert found.errors == ["", "x: the number 1.0 under key 'x'; expected a text"]


# ---------------------------------------------------------------------------- vectors


@pytest.mark.parametrize(("layer", "expected"), [(None, [3, 4]), (33, [3, 4]), (6, [0.5, 0.25])])
def test_a_layer_is_chosen_and_the_highest_without_choice(layer, expected):
    found = extracted([ENCODED], column(key="embeddings.embedding", holds="vector", layer=layer))

    assert found.errors == [""]
    assert found.frame["x"][0].dtype == np.float32
    assert found.frame["x"][0].tolist() == expected


def test_without_layer_numbers_the_last_entry_counts():
    answer = {"embeddings": [{"embedding": [1, 2]}, {"embedding": [3, 4]}]}
    found = extracted([answer], column(key="embeddings.embedding", holds="vector"))

    assert found.frame["x"][0].tolist() == [3, 4]


def test_a_layer_that_is_not_there_is_said():
    found = extracted([ENCODED], column(key="embeddings.embedding", holds="vector", layer=12))

    assert found.errors == ["x: no layer 12 under key 'embeddings.embedding'; expected 33 or 6"]


def test_a_layer_of_an_answer_without_layers_is_said():
    found = extracted([{"x": [1.0, 2.0]}], column(holds="vector", layer=12))

    assert found.errors == ["x: no layer 12 under key 'x'; expected none, as no layers are told"]


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [("mean", [2, 3]), ("max", [3, 4]), ("first", [1, 4]), ("last", [3, 2])],
)
def test_residues_are_pooled(pooling, expected):
    found = extracted([{"x": [[1, 4], [3, 2]]}], column(holds="vector", pooling=pooling))

    assert found.frame["x"][0].tolist() == expected


def test_a_matrix_needs_pooling():
    found = extracted([{"x": [[1, 4], [3, 2]]}], column(holds="vector"))

    assert found.errors == ["x: an array of 2 by 2 under key 'x'; expected a vector, or pooling"]
    assert found.frame["x"][0] is None


def test_vectors_have_the_length_that_most_have():
    answers = [{"x": [1, 2]}, {"x": [1, 2, 3]}, {"x": [3, 4]}]
    found = extracted(answers, column(holds="vector"))

    assert found.errors == ["", "x: vector of 3 numbers; expected 2", ""]
    assert found.frame["x"][1] is None
    assert dimensions([column(holds="vector")], found.frame) == {"x": 2}


def test_vectors_have_the_length_that_is_expected():
    found = extracted([{"x": [1, 2]}], column(holds="vector"), expected={"x": 3})

    assert found.errors == ["x: vector of 2 numbers; expected 3"]


def test_values_per_residue_differ_in_length_and_have_gaps():
    answers = [{"x": [1, None]}, {"x": [1, 2, 3]}, {"x": [None]}]
    found = extracted(answers, column(holds="vector", per_residue=True))

    assert [len(cell) for cell in found.frame["x"][:2]] == [2, 3]
    assert found.errors == ["", "", "x: nulls in the vector under key 'x'; expected numbers"]


@pytest.mark.parametrize("value", [[1, None], [1e300], [], 3, "a", {"a": [1]}])
def test_what_is_no_vector_is_said(value):
    found = extracted([{"x": value}], column(holds="vector"))

    assert found.errors != [""]
    assert found.frame["x"][0] is None


# ---------------------------------------------------------------------------- structures


def test_a_structure_gives_text_format_and_mean_b_factor():
    found = extracted([{"pdb": PDB}, {"pdb": CIF}], column(key="pdb", holds="structure"))

    assert found.structures == {"x": [PDB, CIF]}
    assert found.frame["x"].tolist() == ["pdb", "cif"]
    np.testing.assert_allclose(found.frame["x_plddt"], [85, 0.8])
    assert found.errors == ["", ""]


def test_confidence_comes_from_its_key():
    fold = column(key="cif", holds="structure", plddt_key="confidence.plddt")
    answers = [{"cif": CIF, "confidence": {"plddt": value}} for value in ([70, 80], 91, None)]
    found = extracted(answers, fold)

    assert found.frame["x_plddt"].tolist()[:2] == [75, 91]
    assert found.errors[2] == "x: key 'confidence.plddt' is missing or null"
    assert found.structures["x"][2] == CIF


def test_one_of_several_structures_is_taken_by_index():
    answer = {"pdbs": [PDB, PDB.replace("80.00", "60.00")]}
    found = extracted(
        [answer],
        column(key="pdbs.1", holds="structure"),
        column(name="y", key="pdbs", holds="structure"),
    )

    assert found.frame["x_plddt"][0] == 75
    assert found.errors == ["y: a list of 2; expected an index in the key, such as x.0"]


def test_what_is_no_structure_is_said():
    found = extracted([{"pdb": "sorry"}], column(key="pdb", holds="structure"))

    assert found.structures == {"x": [None]}
    assert found.frame["x"].tolist() == [""]
    assert "expected PDB or mmCIF" in found.errors[0]


def test_structures_in_the_store_are_read_only_for_their_confidence():
    asked = []

    def texts(names):
        asked.extend(names)
        return [PDB if name else None for name in names]

    names = pd.DataFrame({"pdb<>": ["objects/ab/1.pdb.gz", None], "mean_plddt": [70.0, 80.0]})
    with_key = column(key="pdb", holds="structure", plddt_key="mean_plddt")
    assert extract([with_key], names, texts=texts).structures == {
        "x": ["objects/ab/1.pdb.gz", None]
    }
    assert asked == []

    found = extract([column(key="pdb", holds="structure")], names, texts=texts)
    assert asked == ["objects/ab/1.pdb.gz", None]
    assert found.frame["x"].tolist() == ["pdb", ""]
    assert found.frame["x_plddt"][0] == 85


def test_long_texts_in_the_store_are_read():
    found = extract(
        [column(holds="text")],
        pd.DataFrame({"x<>": ["objects/ab/1.txt.gz"]}),
        texts=lambda names: [f"text of {name}" for name in names],
    )

    assert found.frame["x"].tolist() == ["text of objects/ab/1.txt.gz"]


# ---------------------------------------------------------------------------- mutations

OF_MATRIX = Column(
    name="ddg",
    key="ddG_matrix.values",
    holds="mutations",
    row_key="ddG_matrix.residue_axis",
    column_key="ddG_matrix.amino_acid_axis",
)
OF_LIST = Column(
    name="ddg", key="value", holds="mutations", mutation_key="mutation", value_key="ddg"
)


def rows(found):
    return found.mutations.to_records(index=False).tolist()


def test_a_matrix_gives_its_mutations_without_nulls_and_wild_types():
    found = extracted([MATRIX], OF_MATRIX)

    assert rows(found) == [(0, "ddg", 0, "A", "G", 1.5), (0, "ddg", 1, "M", "A", -0.5)]
    assert found.frame.shape == (1, 0)


@pytest.mark.parametrize("labels", [["A1", "M2"], [1, 2], ["1", "2"], "AM"])
def test_row_labels_have_many_forms(labels):
    answer = {"ddG_matrix": MATRIX["ddG_matrix"] | {"residue_axis": labels}}
    found = extracted([answer], OF_MATRIX, sequences=["AM"])

    assert rows(found) == [(0, "ddg", 0, "A", "G", 1.5), (0, "ddg", 1, "M", "A", -0.5)]


@pytest.mark.parametrize("count", [1, 40])
def test_a_list_gives_its_mutations_however_long(count):
    found = extracted([BY_LIST * count], OF_LIST)

    assert rows(found) == [(0, "ddg", 0, "M", "A", -0.5), (0, "ddg", 1, "L", "V", 0.25)] * count


def test_no_mutations_are_no_error():
    found = extracted([[]], OF_LIST)

    assert found.errors == [""]
    assert rows(found) == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ([{"mutation": "p.Met1Ala", "ddg": 1}], "mutation 'p.Met1Ala'; expected one like A12G"),
        ([{"ddg": 1}], "an entry without mutation; expected one like A12G"),
        ([{"mutation": "M1A", "ddg": "x"}], "M1A has a str; expected a number"),
        ([{"mutation": "L1A", "ddg": 1}], "wild type L at 1; expected M, as in the sequence"),
        ([{"mutation": "M9A", "ddg": 1}], "mutation at 9; expected at most 3, the length"),
        (3, "key 'value' holds no list; expected one of mutations"),
    ],
)
def test_mutations_that_do_not_fit_are_said(answer, why):
    found = extracted([answer, BY_LIST], OF_LIST, sequences=["MLK", "MLK"])

    assert found.errors == [f"ddg: {why}", ""]
    assert found.mutations["row"].unique().tolist() == [1]


def test_labels_must_fit_the_matrix():
    answer = {"ddG_matrix": MATRIX["ddG_matrix"] | {"residue_axis": ["A", "M", "L"]}}

    assert extracted([answer], OF_MATRIX).errors == [
        "ddg: matrix of 2 by 2; expected 3 by 2, as there are labels"
    ]


# ---------------------------------------------------------------------------- all of them

ALL = [
    TM,
    column(name="t", key="t", holds="text"),
    column(name="v", key="v", holds="vector"),
    column(name="r", key="r", holds="vector", per_residue=True),
    column(name="s", key="s", holds="structure"),
    column(name="m", key="m", holds="mutations", mutation_key="a", value_key="b"),
]
KEYS = ("melting_temperature", *"tvrsm")
VALUES = st.sampled_from(
    [None, 1, "a", PDB, [1, 2], [1, None], [[1, 2], [3, 4]], [{"a": "M1A", "b": 2}], {"c": 1}]
)


@given(
    st.lists(
        st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, VALUES)),
        min_size=1,
        max_size=4,
    )
)
def test_a_row_depends_on_its_own_answer_only(answers):
    together = extracted(answers, *ALL, expected={"v": 2})
    for row, answer in enumerate(answers):
        alone = extracted([answer], *ALL, expected={"v": 2})
        assert together.errors[row] == alone.errors[0]
        assert repr(together.frame.iloc[row].tolist()) == repr(alone.frame.iloc[0].tolist())
        assert together.structures["s"][row] == alone.structures["s"][0]
        mine = together.mutations[together.mutations["row"] == row].drop(columns="row")
        assert mine.to_numpy().tolist() == alone.mutations.drop(columns="row").to_numpy().tolist()


def test_names_and_kinds_are_known_before_a_run():
    assert output_columns(ALL) == ("tm", "t", "v", "r", "s", "s_plddt")
    assert kinds(ALL) == {
        "tm": "numbers", "t": "text", "v": "vectors", "r": "vectors", "s": "structures",
        "s_plddt": "numbers",
    }  # fmt: skip
    assert tuple(extracted([{}], *ALL).frame) == output_columns(ALL)


def test_only_needed_leaves_are_named():
    names = list(leaves(ENCODED | {"tm": 1, "logits": [[1, 2]], "confidence": {"score": 1}}))

    embedding = column(key="embeddings.embedding", holds="vector")
    assert leaves_needed([embedding], names) == [name for name in names if "embeddings" in name]
    assert leaves_needed([column(key="confidence.score")], names) == ["confidence.score"]


# ---------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"holds": "structure", "reduce": "mean"}, "reduce is mean, but holds is structure"),
        ({"layer": 6}, "layer is 6, but holds is number; expected vector"),
        ({"layer": 0}, "layer is 0, but holds is number; expected vector"),
        ({"holds": "text", "pooling": "mean"}, "pooling is mean, but holds is text"),
        ({"per_residue": True}, "per_residue is true, but holds is number"),
        ({"plddt_key": "p"}, "plddt_key is p, but holds is number; expected structure"),
        ({"row_key": "r"}, "row_key is r, but holds is number; expected mutations"),
        ({"holds": "vector", "per_residue": True, "pooling": "max"}, "expected one of them"),
        ({"holds": "mutations"}, "with no further key; expected row_key and column_key"),
        ({"holds": "mutations", "row_key": "r", "value_key": "v"}, "with row_key and value_key"),
        ({"name": "Tm"}, "name"),
        ({"key": " "}, "key"),
    ],
)
def test_settings_that_make_no_sense_are_refused_in_one_line(settings, why):
    with pytest.raises(ValidationError) as caught:
        column(**settings)

    [error] = caught.value.errors()
    assert why in error["msg"] or why in error["loc"]
    assert "\n" not in error["msg"]


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ([], "no columns; expected at least one, such as name: tm, key: melting_temperature"),
        ([TM, TM], "column tm: given twice; expected distinct names"),
        ([column(holds="structure"), column(name="x_plddt")], "column x_plddt: given twice"),
        ([column(name="error")], "column error: taken"),
    ],
)
def test_columns_need_names_of_their_own(columns, why):
    with pytest.raises(ValidationError, match=why):
        TypeAdapter(Columns).validate_python(columns)


def test_every_setting_has_a_title_and_a_description():
    properties = Column.model_json_schema()["properties"]

    assert all(one.get("title") and one.get("description") for one in properties.values())


# ---------------------------------------------------------------------------- keys


def test_a_wrong_key_is_said_with_those_that_are_there():
    names = leaves(ENCODED | {"melting_temperature": 1, "note": "a"})

    with pytest.raises(InputError) as caught:
        check_keys([column(name="tm", key="melting_temp")], names, of="temberture")

    assert str(caught.value) == (
        "column 'tm', key 'melting_temp': not in the answer of temberture; expected one of: "
        "melting_temperature, embeddings.embedding, note, embeddings.layer"
    )


def test_all_wrong_keys_are_said_and_at_most_twenty_offered():
    names = leaves({f"k{i}": 1 for i in range(50)})

    with pytest.raises(InputProblems) as caught:
        check_keys([column(), column(key="k1", holds="structure", plddt_key="y")], names)

    assert [problem.where for problem in caught.value.problems] == [
        "column 'x', key 'x'",
        "column 'x', plddt_key 'y'",
    ]
    assert caught.value.problems[0].expected.count(",") == 19


@pytest.mark.parametrize(
    ("answer", "good"),
    [
        (ENCODED, column(key="embeddings.embedding", holds="vector")),
        (ENCODED, column(key="embeddings.0.embedding", holds="vector")),
        ({"ptm": [0.5, 0.7]}, column(key="ptm.1")),
        ({"x": None}, column()),
        ({"pdbs": [PDB]}, column(key="pdbs", holds="structure")),
        ({"labels": ["A", "B"]}, column(key="labels.1", holds="text")),
        (MATRIX, OF_MATRIX),
        (BY_LIST, OF_LIST),
        (BY_LIST * 40, OF_LIST),
    ],
)
def test_keys_that_are_there_pass(answer, good):
    check_keys([good], leaves(answer))


@pytest.mark.parametrize("key", ["embeddings", "embeddings.embedding.x", "embedding", "layer"])
def test_keys_that_lead_nowhere_do_not_pass(key):
    with pytest.raises(InputError):
        check_keys([column(key=key)], leaves(ENCODED))


# ---------------------------------------------------------------------------- the store

CHANGING = [
    {"melting_temperature": 61, "t": "a", "v": [0.1, 2], "r": [1, None], "s": PDB},
    {"melting_temperature": [1, 2], "t": None, "v": None, "r": 3, "s": CIF * 100, "found": 1},
    {"melting_temperature": None, "t": True, "v": [1, 2], "m": [{"a": "M1A", "b": 2}] * 70},
    {"m": [{"a": "M1A", "b": 2}], "v": ["x"], "s": ["y", 1], "t": {"a": None}},
]


def test_answers_that_change_from_batch_to_batch_come_back_from_the_store(engine, tmp_path):
    store = PredictionStore(engine, str(tmp_path))
    key = ModelKey.of("temberture", "predict", {}, "1")
    digests = sequence_digests(map(str, range(len(CHANGING))))
    for digest, answer in zip(digests, CHANGING, strict=True):
        parts = [leaves(answer)]
        store.put(key, [digest], frame(parts), long_texts(parts))

    back = store.get(key, digests).drop(columns="found").reset_index(drop=True)
    found, direct = extract(ALL, back, texts=store.texts), extracted(CHANGING, *ALL)

    assert found.errors == direct.errors
    assert repr(found.frame.to_dict("list")) == repr(direct.frame.to_dict("list"))
    assert store.texts(found.structures["s"]) == direct.structures["s"]
    pd.testing.assert_frame_equal(found.mutations, direct.mutations)
