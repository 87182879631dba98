"""The design pipeline from parameters to files, with a real Prefect server."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from blocks import ledger
from blocks.errors import InputError
from deployments import failed_items
from flows.design import design, plan
from tasks.design import local_predictor
from tasks.design.model import DesignParams
from tests.flows.design_cases import PARENT, params, small

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("prefect_server")]


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


def test_code_of_a_predictor_is_part_of_its_stages_key(monkeypatch):
    first = design(small(seed=17))
    monkeypatch.setattr(local_predictor, "source_digest", lambda _: "changed")

    again = design(small(seed=17))

    assert (again.computed, again.cached) == (400, 0)
    assert first.digests == again.digests


def test_same_seed_same_designs_another_seed_others():
    def ids(seed: int) -> list[str]:
        return pd.read_csv(Path(design(small(seed=seed)).folder) / "designs.csv")[
            "sequence"
        ].tolist()

    assert ids(21) == ids(21)
    assert ids(21) != ids(22)


def test_quick_start_of_prefect_yaml_runs():
    stanza = yaml.safe_load(Path("prefect.yaml").read_text())["deployments"][0]

    result = design(DesignParams.model_validate(stanza["parameters"]["params"]))

    assert result.kept == 50
