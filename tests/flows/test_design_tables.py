"""What the tables of a design run hold: columns, ids, order, and nothing at all."""

from pathlib import Path

import pandas as pd
import pytest

from blocks.storage import iter_table
from flows.design import design
from tasks import items
from tasks.design import delivery
from tests.flows.design_cases import PARENT, mutants, params

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("prefect_server")]


def test_ids_headers_columns_duplicates_and_order_survive(tmp_path):
    own = PARENT[::-1]  # no other test has it, so nothing of it is stored
    table = pd.DataFrame(
        {
            "id": ["z", "a", "a", "m"],
            "sequence": [own, own[:30], own[:30], own[5:]],
            "plate": ["007", "008", "009", "010"],
            "rank": [4, 3, 2, 1],
        }
    )
    table.to_csv(tmp_path / "in.csv", index=False)
    stages = [
        {"name": "library", "uses": "input"},
        {"name": "pp", "uses": "predict", "needs": ["library"], "with": {"kind": "protparam"}},
        {
            "name": "best",
            "uses": "rank",
            "needs": ["pp"],
            "with": {"method": "weighted", "objectives": [{"column": "input_rank"}]},
        },
    ]

    result = design(params(stages, input={"source": str(tmp_path / "in.csv")}))

    everything = pd.read_parquet(Path(result.folder) / "tables" / "all.parquet")
    assert everything["id"].tolist() == ["z", "a", "a", "m"]
    assert everything["plate"].tolist() == ["007", "008", "009", "010"]
    assert everything["input_rank"].tolist() == [4, 3, 2, 1]
    assert everything["gravy"].iloc[1] == everything["gravy"].iloc[2]
    assert result.computed == 3, "once per distinct sequence"


def test_more_designs_than_are_sorted_are_written_in_parts(monkeypatch):
    plenty = [
        mutants(300),
        {"name": "e", "uses": "predict", "needs": ["variants"], "with": {"kind": "embedding"}},
        {
            "name": "best",
            "uses": "rank",
            "needs": ["e"],
            "with": {"objectives": [{"column": "generator_score"}]},
        },
    ]
    whole = Path(design(params(plenty)).folder)
    monkeypatch.setattr(delivery, "SORTED", 50)
    monkeypatch.setattr(items, "iter_table", lambda *given: iter_table(*given[:2], batch_rows=40))

    parts = Path(design(params(plenty)).folder)

    sorted_, streamed = pd.read_csv(whole / "designs.csv"), pd.read_csv(parts / "designs.csv")
    pd.testing.assert_frame_equal(
        streamed.sort_values("rank", ignore_index=True), sorted_, check_dtype=False
    )
    assert (parts / "designs.fasta").read_text().count(">") == 300
    assert len(pd.read_parquet(parts / "tables" / "designs.parquet")) == 300


def test_several_sources_with_columns_of_their_own_end_in_one_table(tmp_path):
    (tmp_path / "in.csv").write_text(f"id,sequence,plate\na,{PARENT},P1\nb,{PARENT[3:]},P2\n")
    resampled = {"kind": "resample", "count": 5}
    stages = [
        {"name": "library", "uses": "input"},
        {"name": "family", "uses": "profile"},
        mutants(5),
        {"name": "masked", "uses": "generate", "needs": ["family"], "with": resampled},
        {
            "name": "long",
            "uses": "filter",
            "needs": ["library", "variants", "masked"],
            "with": {"kind": "length", "min": 68},
        },
    ]

    result = design(params(stages, input={"source": str(tmp_path / "in.csv")}))

    table = pd.read_parquet(Path(result.folder) / "tables" / "all.parquet")
    assert table["plate"].fillna("").tolist() == ["P1", "P2", *[""] * 10]
    assert table["method"].isna().tolist() == [True] * 2 + [False] * 10
    assert (result.kept, result.dropped) == (11, 1)


@pytest.mark.parametrize(
    "after",
    [
        {"uses": "predict", "with": {"kind": "substitution"}},
        {"uses": "cluster", "with": {"kind": "kmeans", "n_clusters": 3}},
        {"uses": "cluster", "with": {"kind": "identity", "min_identity": 0.9}},
        {"uses": "diversity"},
        {"uses": "rank", "with": {"objectives": [{"column": "length"}]}},
    ],
    ids=lambda stage: stage.get("with", stage).get("kind", stage["uses"]),
)
def test_nothing_left_ends_well(after):
    nothing = {"kind": "length", "min": 9_999}
    stages = [
        mutants(10),
        {"name": "e", "uses": "predict", "needs": ["variants"], "with": {"kind": "embedding"}},
        {"name": "none", "uses": "filter", "needs": ["e"], "with": nothing},
        {"name": "after", "needs": ["none"], **after},
    ]

    result = design(params(stages, seed=41))

    assert (result.kept, result.dropped) == (0, 10)


def test_more_clusters_than_are_left_are_as_many_as_are_left():
    stages = [
        mutants(2),
        {"name": "e", "uses": "predict", "needs": ["variants"], "with": {"kind": "embedding"}},
        {"name": "k", "uses": "cluster", "needs": ["e"], "with": {"kind": "kmeans"}},
    ]

    table = pd.read_csv(Path(design(params(stages)).folder) / "designs.csv")

    assert sorted(table["k"]) == [0, 1]


def test_vectors_under_another_name_do_not_hinder_the_tables_in_the_ui():
    prefixed = {"kind": "embedding", "prefix": "h_"}
    stages = [
        mutants(5),
        {"name": "e", "uses": "predict", "needs": ["variants"], "with": prefixed},
    ]

    assert design(params(stages)).kept == 5


def test_columns_of_the_input_that_clash_get_other_names(tmp_path):
    content = f"name,id,sequence,rank,input_rank\nx,1,{PARENT},3,4\n"
    (tmp_path / "in.csv").write_text(content)
    stages = [
        {"name": "library", "uses": "input"},
        {
            "name": "best",
            "uses": "rank",
            "needs": ["library"],
            "with": {"objectives": [{"column": "length"}]},
        },
    ]
    given = {"source": str(tmp_path / "in.csv"), "id_column": "name"}

    table = pd.read_csv(Path(design(params(stages, input=given)).folder) / "designs.csv")

    found = table[["id", "input_id", "rank", "input_rank", "input_rank_"]].iloc[0].tolist()
    assert found == ["x", 1, 1, 4, 3]
