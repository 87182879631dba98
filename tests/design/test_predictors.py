"""The predictors' common interface: columns, failures, independence of sequences."""

import io
import typing

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter, ValidationError

from blocks.errors import InputError
from tasks.design.additive import Additive
from tasks.design.embedding import DIMENSION, Embedding
from tasks.design.motifs import Motifs
from tasks.design.predictors import METHODS, PredictorParams, output_columns, predict
from tasks.design.profile import build_profile
from tasks.design.profile_score import ProfileBits
from tasks.design.properties import ProtParam
from tasks.design.similarity import Identity, Substitution

UBIQUITIN = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"
NEDD8 = "MLIKVKTLTGKEIEIDIEPTDKVERIKERVEEKEGIPPQQQRLIYSGKQMNDEKTAADYKILGGSVLHLVLALRGG"
SUMO_LIKE = "MQLKVTTLSGETIPVEVSPDDTVADLKQKIEEKTGVPVSKQRLIFAGKELEDDKTLADYGIKDGSTIHLVLKKRGG"
FAMILY = build_profile([("ubiquitin", UBIQUITIN), ("nedd8", NEDD8), ("third", SUMO_LIKE)])
SEQUENCES = [UBIQUITIN, NEDD8, UBIQUITIN[3:60], "MK", "W" * 40, NEDD8 + UBIQUITIN, "ACDEFGHIKLMNPQ"]
ALL = [ProfileBits(), ProtParam(), Substitution(), Identity(), Motifs(), Embedding()]
ALL += [Additive(effects={"M1A": 1.0, "Q2L": 0.5})]
NAMES = [params.kind for params in ALL]


def run(params, sequences):
    return predict(params, sequences, parent=UBIQUITIN, profile=FAMILY)


def assert_same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    """Equal to the last bit, dtypes too."""
    assert left.dtypes.tolist() == right.dtypes.tolist()
    for column in left:
        for one, other in zip(left[column], right[column], strict=True):
            np.testing.assert_array_equal(one, other, err_msg=column)


def test_every_kind_has_a_method_that_names_version_and_source() -> None:
    union = typing.get_args(PredictorParams)[0]
    kinds = [one.model_fields["kind"].default for one in typing.get_args(union)]
    assert sorted(kinds) == sorted([*METHODS, "biolm"])
    assert all(m.name and m.version and m.source and m.description for m in METHODS.values())


def test_no_two_predictors_give_the_same_column() -> None:
    columns = [column for method in METHODS.values() for column in method.columns]
    assert len(columns) == len(set(columns))


@pytest.mark.parametrize("params", ALL, ids=NAMES)
def test_columns_are_those_announced(params) -> None:
    prefixed = params.model_copy(update={"prefix": "p_"})
    assert list(run(prefixed, SEQUENCES)) == [*output_columns(prefixed), "error"]
    assert all(column.startswith("p_") for column in output_columns(prefixed))


@pytest.mark.parametrize("params", ALL, ids=NAMES)
def test_a_sequence_has_the_same_numbers_whatever_else_is_in_the_call(params) -> None:
    together = run(params, SEQUENCES)
    alone = pd.concat([run(params, [sequence]) for sequence in SEQUENCES], ignore_index=True)
    backwards = run(params, SEQUENCES[::-1])[::-1].reset_index(drop=True)
    assert_same(together, alone)
    assert_same(together, backwards)


@pytest.mark.parametrize("params", ALL, ids=NAMES)
def test_batches_do_not_show(params, monkeypatch) -> None:
    whole = run(params, SEQUENCES)
    monkeypatch.setattr("tasks.design.predictors.BATCH", 2)
    monkeypatch.setattr("tasks.design.profile_score._ALIGNED_AT_ONCE", 1)
    assert_same(whole, run(params, SEQUENCES))


@pytest.mark.parametrize("params", ALL, ids=NAMES)
def test_a_bad_sequence_gets_an_error_row_and_the_others_their_numbers(params) -> None:
    table = run(params, [UBIQUITIN, "MK1", NEDD8, ""])
    assert table["error"].tolist()[::2] == ["", ""]
    assert table["error"][1].startswith("letter '1' at position 3; expected one of ACDE")
    assert table["error"][3] == "no residues; expected a protein sequence"
    bad = table.loc[[1, 3], list(output_columns(params))].iloc[:, 0]
    assert all(np.isnan(np.asarray(value)).all() for value in bad)
    good = run(params, [UBIQUITIN, NEDD8])
    assert_same(table[::2].reset_index(drop=True), good)


@pytest.mark.parametrize("kind", ["protparam", "substitution", "embedding"])
def test_ambiguous_letters_fail_where_they_have_no_number(kind) -> None:
    params = TypeAdapter(PredictorParams).validate_python({"kind": kind})
    assert run(params, ["MKXA"])["error"][0].startswith("letter 'X' at position 3")


@pytest.mark.parametrize("kind", ["profile", "identity", "motifs"])
def test_ambiguous_letters_are_taken_where_they_can_be(kind) -> None:
    params = TypeAdapter(PredictorParams).validate_python({"kind": kind})
    assert run(params, ["MKXBZJOUA" * 2])["error"][0] == ""


@pytest.mark.parametrize("params", ALL, ids=NAMES)
def test_no_sequences_give_no_rows_but_the_same_types(params) -> None:
    empty = run(params, [])
    assert len(empty) == 0
    assert empty.dtypes.tolist() == run(params, [UBIQUITIN]).dtypes.tolist()


def test_too_long_a_sequence_is_an_error_row() -> None:
    error = run(Identity(), ["A" * 10_001])["error"][0]
    assert error == "10001 residues; expected at most 10000"


def test_the_embedding_column_survives_parquet_as_a_list_of_float32() -> None:
    table = run(Embedding(), [UBIQUITIN, "MK1"])
    file = io.BytesIO()
    table.to_parquet(file)
    assert str(pq.read_schema(file).field("embedding").type) == "list<element: float>"
    back = np.stack(pd.read_parquet(file)["embedding"].to_list())
    assert back.shape == (2, DIMENSION)
    np.testing.assert_array_equal(back[0], table["embedding"][0])


@pytest.mark.parametrize("params", [Substitution(), Identity()])
def test_a_missing_or_impossible_parent_is_said_in_one_line(params) -> None:
    with pytest.raises(InputError, match=r"^predictor '\w+': no parent sequence; expected one$"):
        predict(params, [UBIQUITIN])
    with pytest.raises(InputError, match=r"parent sequence: letter '-' at position 2"):
        predict(params, [UBIQUITIN], parent="M-K")


def test_a_missing_profile_is_said_in_one_line() -> None:
    with pytest.raises(InputError, match=r"^predictor 'profile': no profile; expected one$"):
        predict(ProfileBits(), [UBIQUITIN])


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "protparam", "ph": 15},
        {"kind": "protparam", "pH": 7},
        {"kind": "substitution", "matrix": "BLOSUM61"},
        {"kind": "substitution", "gap_open": -1},
        {"kind": "motifs", "window": 1},
        {"kind": "identity", "prefix": "Upper "},
        {"kind": "oracle"},
    ],
)
def test_wrong_settings_cannot_be_made(settings) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(PredictorParams).validate_python(settings)
