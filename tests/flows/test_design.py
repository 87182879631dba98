"""The design pipeline from parameters to files, with a real Prefect server."""

import json
import os
import shutil
import signal
from pathlib import Path

import fsspec
import httpx
import pandas as pd
import psutil
import pytest
import yaml

from blocks import ledger
from blocks.errors import InputError, SeqloomError
from blocks.storage import iter_table
from deployments import failed_items
from deployments.local import deploy, worker
from flows.design import design, plan
from tasks import items
from tasks.design import delivery, local_predictor
from tasks.design.model import DesignParams
from tests.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("prefect_server")]

PARENT = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVV"


def params(stages: list[dict], **others) -> DesignParams:
    return DesignParams.model_validate({"stages": stages, "parent": {"sequence": PARENT}, **others})


def mutants(count: int) -> dict:
    with_ = {"kind": "mutate", "count": count, "min_mutations": 1, "max_mutations": 9}
    return {"name": "variants", "uses": "generate", "with": with_}


def small(count: int = 200, **others) -> DesignParams:
    """Generate, two predictions in parallel, two filters, rank."""
    same = {"name": "same", "uses": "predict", "needs": ["variants"], "with": {"kind": "identity"}}
    close = {"kind": "threshold", "column": "parent_identity", "min": 0.93}
    stable = {"kind": "threshold", "column": "instability_index", "max": 50}
    goals = [{"column": "gravy", "goal": "minimise"}, {"column": "parent_identity"}]
    return params(
        [
            mutants(count),
            same,
            {"name": "pp", "uses": "predict", "needs": ["variants"], "with": {"kind": "protparam"}},
            {"name": "close", "uses": "filter", "needs": ["same"], "with": close},
            {"name": "stable", "uses": "filter", "needs": ["pp"], "with": stable},
            {
                "name": "best",
                "uses": "rank",
                "needs": ["close", "stable"],
                "with": {"method": "pareto", "top": 20, "objectives": goals},
            },
        ],
        **others,
    )


def stages_of(folder: str) -> dict[str, dict]:
    rows = json.loads((Path(folder) / "pipeline_info" / "plan.json").read_text())
    return {row["stage"]: row for row in rows}


def test_a_run_leaves_a_whole_folder_and_sums_add_up():
    result = design(small(seed=11))

    folder = Path(result.folder)
    assert result.kept + result.dropped + result.failed == result.items == 200
    assert result.kept <= 20
    manifest = json.loads((folder / "RUN.json").read_text())
    assert (manifest["kept"], manifest["seed"]) == (result.kept, 11)
    everything = pd.read_parquet(folder / "tables" / "all.parquet")
    assert everything["outcome"].value_counts().to_dict() == {
        "kept": result.kept,
        "dropped": result.dropped,
    }
    lost = pd.read_parquet(folder / "attrition.parquet")
    assert set(lost["item"]) == set(everything.loc[everything["outcome"] != "kept", "item"])
    narrow = lost[lost["rule"] == "parent_identity >= 0.93"]
    assert (narrow["value"] < 0.93).all()
    assert (narrow["margin"] - (0.93 - narrow["value"])).abs().max() < 1e-12
    designs = pd.read_csv(folder / "designs.csv")
    assert designs["rank"].tolist() == list(range(1, result.kept + 1))
    assert (folder / "designs.fasta").read_text().count(">") == result.kept
    assert "<title>" in (folder / "report.html").read_text()
    sums = (folder / "checksums.sha256").read_text().splitlines()
    assert {line.split("  ")[1] for line in sums} >= {"designs.csv", "report.html"}


def test_a_second_run_computes_nothing_and_gives_the_same():
    first, second = design(small(seed=12)), design(small(seed=12))

    assert (second.computed, second.cached) == (0, 400)
    assert second.digests == first.digests
    assert second.folder != first.folder


def test_refreshed_stages_take_predictions_from_the_store():
    first, again = design(small(seed=13)), design(small(seed=13, refresh=True))

    assert first.computed > 300
    assert (again.computed, again.cached) == (0, 400)
    assert again.digests == first.digests


def test_only_new_sequences_are_computed(tmp_path):
    def library(count: int) -> DesignParams:
        path = tmp_path / f"{count}.csv"
        pd.DataFrame({"id": range(count), "sequence": PEPTIDES[:count]}).to_csv(path, index=False)
        stages = [
            {"name": "library", "uses": "input"},
            {"name": "pp", "uses": "predict", "needs": ["library"], "with": {"kind": "protparam"}},
        ]
        return params(stages, input={"source": str(path)})

    design(library(100))
    result = design(library(110))

    assert (result.cached, result.computed) == (100, 10)


PEPTIDES = [PARENT[:40] + a + b for a in "ACDEFGHIKLM" for b in "ACDEFGHIKL"]


def test_a_dry_run_says_what_the_run_then_does():
    wanted = small(seed=14)
    design(wanted)
    _, before = plan(wanted.model_copy(update={"seed": 15}))
    _, planned = plan(wanted)
    done = stages_of(design(wanted).folder)

    assert planned.set_index("stage")["items"].to_dict() == {
        name: str(row["items"]) for name, row in done.items()
    }
    assert set(planned["to compute"]) == {"0"}
    unknown = before.set_index("stage")
    assert int(unknown.loc["pp", "to compute"]) + int(unknown.loc["pp", "cached"]) == 200
    assert unknown.loc["best", "items"] == "≤ 200"


def test_a_dry_run_leaves_no_folder():
    result = design(small(seed=16, dry_run=True))

    assert (result.folder, len(result.plan)) == ("", 6)


def test_ids_headers_columns_duplicates_and_order_survive(tmp_path):
    table = pd.DataFrame(
        {
            "id": ["z", "a", "a", "m"],
            "sequence": [PARENT, PARENT[:30], PARENT[:30], PARENT[5:]],
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


def test_items_that_fail_keep_their_row_and_can_be_run_again(tmp_path):
    (tmp_path / "in.fasta").write_text(f">good\n{PARENT}\n>odd\n{PARENT}X\n")
    stages = [
        {"name": "library", "uses": "input"},
        {"name": "pp", "uses": "predict", "needs": ["library"], "with": {"kind": "protparam"}},
    ]
    source = {"source": str(tmp_path / "in.fasta")}

    result = design(params(stages, input=source))

    assert (result.kept, result.failed) == (1, 1)
    failed = pd.read_csv(Path(result.folder) / "failed.csv")
    assert failed[["id", "failed_at"]].to_numpy().tolist() == [["odd", "pp"]]
    assert "X" in failed["reason"][0]
    again = design(DesignParams.model_validate(failed_items.again(ledger.runs("design")[0])))
    assert (again.items, again.failed) == (1, 1)
    with pytest.raises(InputError, match="'pp', odd"):
        design(params(stages, input=source, stop_on_error=True))


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


def test_code_of_a_predictor_is_part_of_its_stages_key(monkeypatch):
    first = design(small(seed=17))
    monkeypatch.setattr(local_predictor, "source_digest", lambda _: "changed")

    again = design(small(seed=17))

    assert (again.computed, again.cached) == (400, 0)
    assert first.digests == again.digests


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


def test_results_that_cannot_be_written_stop_the_run_before_its_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SEQLOOM_RESULTS", str(tmp_path / "file" / "results"))

    with pytest.raises(SeqloomError, match=r"file/results: cannot be written"):
        design(small(seed=18))


def test_same_seed_same_designs_another_seed_others():
    def ids(seed: int) -> list[str]:
        return pd.read_csv(Path(design(small(seed=seed)).folder) / "designs.csv")[
            "sequence"
        ].tolist()

    assert ids(21) == ids(21)
    assert ids(21) != ids(22)


def test_a_killed_run_is_recorded_and_the_next_one_goes_on(prefect_server, tmp_path):
    """Worker and run die in the middle of a prediction; finished stages are not repeated."""
    stages = [
        mutants(20_000),
        {"name": "same", "uses": "predict", "needs": ["variants"], "with": {"kind": "identity"}},
        {"name": "pp", "uses": "predict", "needs": ["same"], "with": {"kind": "protparam"}},
        {"name": "motif", "uses": "predict", "needs": ["pp"], "with": {"kind": "motifs"}},
    ]
    wanted = {"params": {"stages": stages, "parent": {"sequence": PARENT}, "seed": 31}}
    run = ["deployment", "run", "design/quickstart", "--params", json.dumps(wanted)]

    with worker(prefect_server) as process:
        deploy(prefect_server, "design/quickstart")
        prefect_server.run(*run)
        wait_for_stage("same")
        for member in [*psutil.Process(process.pid).children(recursive=True), process]:
            os.kill(member.pid, signal.SIGKILL)
    with worker(prefect_server):
        prefect_server.run(*run, "--watch")

    again, killed = ledger.runs(pipeline="design", limit=2)
    assert (again.status, killed.status) == ("completed", "crashed")
    assert "ended without finishing" in str(killed.error)
    values = {
        (m.step_name, m.metric_name): m.metric_value for m in ledger.run(again.execution_id).metrics
    }
    assert values["variants", "cache_hit"] == values["same", "cache_hit"] == 1
    done = values["motif", "items_computed"]
    assert done == 20_000


def test_a_cancelled_run_is_recorded(prefect_server):
    stages = [
        mutants(80_000),
        {"name": "pp", "uses": "predict", "needs": ["variants"], "with": {"kind": "protparam"}},
    ]
    wanted = {"params": {"stages": stages, "parent": {"sequence": PARENT}, "seed": 32}}

    with worker(prefect_server):
        deploy(prefect_server, "design/quickstart")
        prefect_server.run("deployment", "run", "design/quickstart", "--params", json.dumps(wanted))
        wait_for_stage("variants")
        (running,) = ledger.runs(pipeline="design", limit=1)
        state = {"state": {"type": "CANCELLING"}}  # what the UI's button sends
        answer = httpx.post(
            f"{prefect_server.api}/flow_runs/{running.flow_run_id}/set_state", json=state
        )
        assert answer.json()["status"] == "ACCEPT"
        until(lambda: ledger.run(running.execution_id).run.status != "running", 60)

    assert ledger.run(running.execution_id).run.status == "cancelled"


def wait_for_stage(name: str) -> None:
    """Until the newest run's ledger has the stage; Prefect itself tells some seconds later."""

    def is_there() -> bool:
        (newest,) = ledger.runs(pipeline="design", limit=1) or [None]
        if newest is None or newest.status != "running":
            return False
        return name in {one.step_name for one in ledger.run(newest.execution_id).metrics}

    until(is_there, pause=0.05)


@pytest.mark.tool
def test_storage_and_results_may_lie_on_s3(s3_server, monkeypatch):
    monkeypatch.setenv("SEQLOOM_STORAGE", f"{s3_server}/storage")
    monkeypatch.setenv("SEQLOOM_RESULTS", f"{s3_server}/results")

    first, second = design(small(seed=51)), design(small(seed=51))

    assert first.folder.startswith(s3_server)
    assert (second.computed, second.digests) == (0, first.digests)
    with fsspec.open(f"{second.folder}/RUN.json") as manifest:
        assert json.load(manifest)["kept"] == second.kept


@pytest.mark.tool
def test_ledger_and_store_may_lie_in_postgresql(postgresql_url, monkeypatch):
    monkeypatch.setenv("SEQLOOM_DATABASE", postgresql_url)

    first, again = design(small(seed=52)), design(small(seed=52, refresh=True))

    assert (first.computed, again.computed) == (400, 0)
    assert [run.status for run in ledger.runs(pipeline="design")] == ["completed"] * 2


def test_quick_start_of_prefect_yaml_runs():
    stanza = yaml.safe_load(Path("prefect.yaml").read_text())["deployments"][0]

    result = design(DesignParams.model_validate(stanza["parameters"]["params"]))

    assert result.kept == 50


def test_refresh_makes_lost_tables_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQLOOM_STORAGE", str(tmp_path / "storage"))
    (tmp_path / "in.fasta").write_text(f">only_here\n{PARENT[7:]}\n")
    stages = [{"name": "library", "uses": "input"}]
    source = {"source": str(tmp_path / "in.fasta")}
    design(params(stages, input=source))
    shutil.rmtree(tmp_path / "storage" / "objects")

    with pytest.raises(InputError, match="`refresh: true`"):
        design(params(stages, input=source))
    assert design(params(stages, input=source, refresh=True)).kept == 1
