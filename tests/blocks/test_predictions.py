import multiprocessing
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from blocks import database, prediction_files, prediction_tables
from blocks.errors import InputError
from blocks.prediction_key import ModelKey, sequence_digest, sequence_digests
from blocks.predictions import PredictionStore

KEY = ModelKey.of("esm", "score", {"temperature": 1.0}, "2")
A, B, C = sequence_digests(["AAA", "BBB", "CCC"])
PROCESSES, SHARED, SHIFT = 4, 3_000, 100


@pytest.fixture
def store(engine: sa.Engine, tmp_path: Path) -> PredictionStore:
    return PredictionStore(engine, str(tmp_path / "storage"))


def stored(store: PredictionStore, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as it comes back."""
    digests = sequence_digests(map(str, range(len(frame))))
    store.put(KEY, digests, frame)
    found = store.get(KEY, digests)
    assert list(found.index) == digests
    assert found["found"].all()
    return found.drop(columns="found").reset_index(drop=True)


def test_a_digest_is_the_beginning_of_sha256() -> None:
    assert sequence_digest("abc") == "ba7816bf8f01cfea414140de5dae2223"
    assert sequence_digests(["abc", ""]) == [sequence_digest("abc"), sequence_digest("")]


def test_equal_parameters_make_equal_keys() -> None:
    first = ModelKey.of("m", "a", {"x": 1, "y": 2}, "1")

    assert first == ModelKey.of("m", "a", {"y": 2, "x": 1}, "1")


@pytest.mark.parametrize("params", ['{"b": 1}', '{"b":1,"a":2}', "not JSON", '{"a":NaN}'])
def test_a_key_refuses_parameters_that_are_not_canonical(params: str) -> None:
    with pytest.raises(InputError, match="expected canonical JSON"):
        ModelKey("m", "a", params, "1")


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"x": [1.5, np.nan, 1e-300], "y": [np.pi, -0.0, 1e22]}),
        pd.DataFrame({"x": [np.inf, -np.inf, np.nan]}),
        pd.DataFrame({"x": np.array([0.1, np.nan, 3e38], dtype=np.float32)}),
        pd.DataFrame({"i": [1, -(2**62), 2**62], "b": [True, False, True]}),
        pd.DataFrame({"s": ["NA", 'quo"te],[\n', "ä\0"], "x": [1.0, 2.0, 3.0]}),
        pd.DataFrame({"s": ["x", None, ""]}),
        pd.DataFrame({"o": pd.Series(["x", None, 1], dtype=object)}),
        pd.DataFrame({"o": pd.Series([{"a": [1]}, [2], None], dtype=object)}),
        pd.DataFrame({"n": pd.Series([None, None], dtype=object)}),
        pd.DataFrame(index=range(3), columns=pd.Index([], dtype="str")),
    ],
    ids=["floats", "infinities", "float32", "ints", "text", "gaps", "none", "json", "null", "bare"],
)
def test_values_come_back_as_they_were_put(store: PredictionStore, frame: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(stored(store, frame), frame, check_exact=True)


def test_arrays_come_back_as_they_were_put(store: PredictionStore) -> None:
    cells = [np.arange(6, dtype=np.float32).reshape(2, 3), None, np.ones(0, dtype=np.float32)]
    frame = pd.DataFrame({"v": pd.Series(cells, dtype=object), "x": [1.0, 2.0, 3.0]})

    found = stored(store, frame)

    assert list(found.columns) == ["v", "x"]
    np.testing.assert_array_equal(found["v"][0], cells[0])
    assert found["v"][0].dtype == np.float32
    assert found["v"][1] is None
    assert found["v"][2].shape == (0,)


def test_an_array_is_found_in_any_row_group_and_file(
    store: PredictionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_files, "VECTOR_ROWS", 3)
    monkeypatch.setattr(prediction_files, "VECTOR_FILE_BYTES", 20 * 8)
    digests = sequence_digests(map(str, range(20)))
    cells = [np.array([place, -place]) for place in range(20)]
    store.put(KEY, digests, pd.DataFrame({"v": pd.Series(cells, dtype=object)}))
    asked = [17, 3, 4, 3]

    found = store.get(KEY, [digests[place] for place in asked])

    assert [cell.tolist() for cell in found["v"]] == [[place, -place] for place in asked]
    assert store.figures()["files"].tolist() == [2]


def test_rows_come_in_the_order_asked_for(store: PredictionStore) -> None:
    store.put(KEY, [B, A], pd.DataFrame({"x": [2.0, 1.0], "i": [2, 1]}))

    found = store.get(KEY, [C, A, B, A])

    assert list(found.index) == [C, A, B, A]
    assert found["found"].tolist() == [False, True, True, True]
    np.testing.assert_array_equal(found["x"], [np.nan, 1, 2, 1])
    np.testing.assert_array_equal(found["i"], [np.nan, 1, 2, 1])
    assert store.missing(KEY, [C, A, B, A]).tolist() == [True, False, False, False]


def test_what_is_asked_for_in_several_statements_is_put_together(
    store: PredictionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_tables, "CHUNK", 3)
    digests = sequence_digests(map(str, range(10)))
    store.put(KEY, digests[:8], pd.DataFrame({"x": np.arange(8.0)}))

    found = store.get(KEY, digests[::-1])

    np.testing.assert_array_equal(found["x"], [np.nan, np.nan, 7, 6, 5, 4, 3, 2, 1, 0])
    assert store.missing(KEY, digests).tolist() == [False] * 8 + [True] * 2


def test_nothing_is_found_of_an_unknown_model(store: PredictionStore) -> None:
    assert store.missing(KEY, [A, B]).tolist() == [True, True]
    assert store.get(KEY, [A]).to_dict("list") == {"found": [False]}


def test_nothing_asked_for_is_nothing_found(store: PredictionStore) -> None:
    store.put(KEY, [], pd.DataFrame({"x": []}))
    assert store.get(KEY, []).empty
    assert store.missing(KEY, []).shape == (0,)


def test_columns_keep_their_types_when_nothing_is_found(store: PredictionStore) -> None:
    store.put(KEY, [A], pd.DataFrame({"x": [1.0], "s": ["a"]}))

    found = store.get(KEY, [B, C])

    assert found.dtypes.astype(str).to_dict() == {"x": "float64", "s": "str", "found": "bool"}


@pytest.mark.parametrize(
    "other",
    [
        ModelKey.of("esm", "score", {"temperature": 1.0}, "3"),
        ModelKey.of("esm", "score", {"temperature": 2.0}, "2"),
        ModelKey.of("esm", "embed", {"temperature": 1.0}, "2"),
        ModelKey.of("msa", "score", {"temperature": 1.0}, "2"),
    ],
)
def test_another_key_is_another_prediction(store: PredictionStore, other: ModelKey) -> None:
    store.put(KEY, [A], pd.DataFrame({"x": [1.0]}))

    assert store.missing(other, [A]).all()


def test_the_first_value_stays(store: PredictionStore) -> None:
    vector = pd.Series([np.zeros(2), np.ones(2)], dtype=object)
    store.put(KEY, [A, A], pd.DataFrame({"x": [1.0, 2.0], "v": vector}))
    store.put(KEY, [A, B], pd.DataFrame({"x": [3.0, 4.0], "v": vector}))

    found = store.get(KEY, [A, B])

    assert found["x"].tolist() == [1.0, 4.0]
    assert [cell.tolist() for cell in found["v"]] == [[0.0, 0.0], [1.0, 1.0]]


def test_only_the_columns_asked_for_come_in_their_order(store: PredictionStore) -> None:
    vector = pd.Series([np.zeros(2)], dtype=object)
    store.put(KEY, [A], pd.DataFrame({"x": [1.0], "y": [2.0], "v": vector}))

    assert list(store.get(KEY, [A], ["y", "x"])) == ["y", "x", "found"]
    assert list(store.get(KEY, [A], ["v"])) == ["v", "found"]
    with pytest.raises(InputError, match=r"columns \['z'\] of esm: not stored"):
        store.get(KEY, [A], ["z"])


def test_columns_added_later_are_missing_in_earlier_rows(store: PredictionStore) -> None:
    store.put(KEY, [A], pd.DataFrame({"x": [1]}))
    store.put(KEY, [B], pd.DataFrame({"y": [5.0], "x": [2.5]}))
    store.put(KEY, [C], pd.DataFrame({"y": [6.0]}))

    found = store.get(KEY, [A, B, C])

    assert list(found) == ["x", "y", "found"]
    np.testing.assert_array_equal(found["x"], [1, 2.5, np.nan])
    np.testing.assert_array_equal(found["y"], [np.nan, 5, 6])


@pytest.mark.parametrize(
    ("digests", "frame", "said"),
    [
        ([A], {"x": [1.0, 2.0]}, "2 rows with columns .* for 1 digests"),
        ([A], {"found": [True]}, "no column called found"),
        (["short"], {"x": [1.0]}, "digest 'short'; expected 32"),
        ([A], {"t": [pd.Timestamp(0)]}, "column t: datetime64"),
        ([A], {"o": pd.Series([object()], dtype=object)}, "expected values that JSON knows"),
        ([A], {"v": [np.array(["x"])]}, "expected arrays of numbers"),
        ([A, B], {"v": [np.ones(1), 1.0]}, "some cells are arrays"),
        ([A, B], {"o": pd.Series([np.inf, "x"], dtype=object)}, "infinities among objects"),
        ([A], {"x\n": [1.0]}, "without line ends"),
    ],
)
def test_what_cannot_be_stored_is_refused(
    store: PredictionStore, digests: list[str], frame: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        store.put(KEY, digests, pd.DataFrame(frame))


def test_numbers_and_arrays_do_not_share_a_column(store: PredictionStore) -> None:
    store.put(KEY, [A], pd.DataFrame({"x": [1.0]}))

    with pytest.raises(InputError, match="column x of esm: vector values; expected float64"):
        store.put(KEY, [B], pd.DataFrame({"x": [np.ones(2)]}))


PDB, CIF = "HEADER    fold\nATOM      1  CA  ALA\n", "data_fold\nloop_\n_atom_site.id\n"


def put_texts(
    store: PredictionStore, digests: list[str], texts: list[str | None], key: ModelKey = KEY
) -> None:
    store.put(key, digests, pd.DataFrame(index=range(len(digests))), {"fold": texts})


def test_long_texts_lie_in_files_whose_names_tell_what_they_are(store: PredictionStore) -> None:
    put_texts(store, [A, B, C], [PDB, CIF, "other\n"])
    put_texts(store, [A], ["not this one"])

    found = store.get(KEY, [B, sequence_digest("D"), A, C])

    assert found["found"].tolist() == [True, False, True, True]
    assert store.texts(found["fold"]) == [CIF, None, PDB, "other\n"]
    names = [name and name.split(".", 1)[1] for name in found["fold"]]
    assert names == ["cif.gz", None, "pdb.gz", "txt.gz"]
    assert not store.missing(KEY, [A, B, C]).any()


def test_a_row_may_have_no_text(store: PredictionStore) -> None:
    put_texts(store, [A, B], [None, PDB])

    assert store.texts(store.get(KEY, [A, B])["fold"]) == [None, PDB]
    assert not store.missing(KEY, [A]).any()


def test_texts_stand_beside_numbers_and_arrays(store: PredictionStore) -> None:
    frame = pd.DataFrame({"plddt": [0.5], "v": pd.Series([np.ones(2)], dtype=object)})
    store.put(KEY, [A], frame, {"fold": [PDB]})

    found = store.get(KEY, [A])

    assert found["plddt"].tolist() == [0.5]
    assert found["v"][A].tolist() == [1, 1]
    assert store.texts(found["fold"]) == [PDB]


def test_texts_must_match_their_digests(store: PredictionStore) -> None:
    with pytest.raises(InputError, match=r"2 rows with columns .* for 2 digests; expected as many"):
        put_texts(store, [A, B], ["ATOM\n"])


def test_storage_and_database_move_together(engine: sa.Engine, tmp_path: Path) -> None:
    put_texts(PredictionStore(engine, str(tmp_path / "a")), [A], [PDB])
    (tmp_path / "a").rename(tmp_path / "b")

    moved = PredictionStore(engine, str(tmp_path / "b"))

    assert moved.texts(moved.get(KEY, [A])["fold"]) == [PDB]
    with pytest.raises(InputError, match="a stored prediction is gone"):
        PredictionStore(engine, str(tmp_path / "a")).texts(moved.get(KEY, [A])["fold"])


@pytest.mark.tool
def test_arrays_and_structures_may_lie_on_s3(s3_server: str, tmp_path: Path) -> None:
    engine = database.engine(f"sqlite:///{tmp_path}/seqloom.db")
    store = PredictionStore(engine, f"{s3_server}/predictions")
    cells = [np.arange(6.0).reshape(2, 3), None, np.ones(1)]
    store.put(KEY, [A, B, C], pd.DataFrame({"v": pd.Series(cells, dtype=object)}))
    fold = ModelKey.of("fold", "predict", {}, "1")
    put_texts(store, [A, B], [PDB, CIF], fold)

    again = PredictionStore(engine, f"{s3_server}/predictions/")
    vectors = again.get(KEY, [C, A, B])["v"]
    structures = again.texts(again.get(fold, [B, C, A])["fold"])

    assert [None if v is None else v.tolist() for v in vectors] == [
        [1],
        [[0, 1, 2], [3, 4, 5]],
        None,
    ]
    assert structures == [CIF, None, PDB]
    assert not list(tmp_path.glob("**/*.parquet"))


def test_figures_count_what_is_stored_per_model(store: PredictionStore) -> None:
    other = ModelKey.of("fold", "predict", {}, "1")
    store.put(KEY, [A, B], pd.DataFrame({"x": [1.5, 2.5]}))
    put_texts(store, [A], [PDB], other)

    found = store.figures().drop(columns="created_at").to_dict("records")

    assert [tuple(row.values()) for row in found] == [
        ("esm", "score", '{"temperature":1.0}', "2", 2, 10, 0),
        ("fold", "predict", "{}", "1", 1, 2, 1),
    ]


def test_export_is_all_of_a_model_by_digest(store: PredictionStore) -> None:
    store.put(KEY, [A, B, C], pd.DataFrame({"x": [1.0, 2.0, 3.0]}))

    found = store.export(KEY)

    assert found["x"].to_dict() == dict(sorted({A: 1.0, B: 2.0, C: 3.0}.items()))
    assert list(found.index) == sorted([A, B, C])
    assert store.export(ModelKey.of("none", "score", {}, "1")).empty


def test_rows_are_written_by_digest_so_that_two_writers_never_wait_in_a_circle(
    store: PredictionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[list[str]] = []
    insert = prediction_tables.insert_rows

    def noting(connection: Any, table: Any, model_id: int, columns: Any) -> None:
        written.append(list(columns[0]))
        insert(connection, table, model_id, columns)

    monkeypatch.setattr(prediction_tables, "insert_rows", noting)
    digests = sequence_digests(map(str, range(20)))
    vectors = pd.Series([np.ones(1)] * 20, dtype=object)

    store.put(KEY, digests, pd.DataFrame({"v": vectors}))
    put_texts(store, digests, [PDB] * 20, ModelKey.of("fold", "predict", {}, "1"))

    assert written == [sorted(digests)] * 4


def put_overlapping(job: tuple[str, str, int]) -> None:
    url, root, worker = job
    numbers = np.random.default_rng(worker).permutation(SHARED) + worker * SHIFT
    frame = pd.DataFrame({"x": numbers.astype(float), "w": float(worker)})
    frame["v"] = pd.Series([np.full(2, number) for number in numbers], dtype=object)
    PredictionStore(database.engine(url), root).put(KEY, sequence_digests(map(str, numbers)), frame)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_several_processes_may_store_the_same(url: str, tmp_path: Path) -> None:
    jobs = [(url, str(tmp_path / "storage"), worker) for worker in range(PROCESSES)]
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        pool.map(put_overlapping, jobs, chunksize=1)

    numbers = range(SHARED + (PROCESSES - 1) * SHIFT)
    store = PredictionStore(database.engine(url), str(tmp_path / "storage"))
    found = store.get(KEY, sequence_digests(map(str, numbers)))

    assert found["found"].all()
    assert found["x"].tolist() == list(map(float, numbers))
    assert [cell[0] for cell in found["v"]] == found["x"].tolist()
    assert set(found["w"]) <= set(map(float, range(PROCESSES)))
    assert store.figures()["sequences"].tolist() == [len(numbers)]
