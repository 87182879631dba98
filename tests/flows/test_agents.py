"""A review through a real Prefect server: stages side by side, caches, records, deployment."""

import json
import re
from pathlib import Path

import pytest

from blocks import ledger
from deployments import cli
from flows.agents import review
from flows.design import design
from flows.domains import annotate
from tasks.agents.model import ReviewParams
from tasks.agents.rechecking import recheck
from tasks.design.model import DesignParams
from tasks.domains.model import DomainsParams
from tests.domains.small_reference import quickly_built, sequences
from tests.flows.conftest import ended
from tests.llm_script import ScriptedServer, chat, status

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("prefect_server")]
DEPLOYMENTS = ("agents/review",)
EXAMPLE = Path("deployments/example/agents").absolute()
GIVEN = {
    "records": {"source": str(EXAMPLE / "notes.jsonl")},
    "tables": [{"name": "variants", "source": str(EXAMPLE / "variants.csv"), "best": "activity"}],
    "generated": {"data": "numeric_data", "complexity": "complex", "count": 40},
}


@pytest.mark.usefixtures("own_place")
def test_a_review_is_recorded_cached_and_measured(tmp_path, monkeypatch, capsys):
    first = review(ReviewParams.model_validate(GIVEN))
    changed = {**GIVEN, "synthesis": {"sentences": 5}}
    second = review(ReviewParams.model_validate(changed))

    assert (first.tables, first.records, first.dropped, first.failed) == (3, 54, 0, 0)
    assert second.sentences == 5
    newest, oldest = ledger.runs("agents")
    assert (newest.status, newest.degraded) == ("completed", False)
    steps = {}
    for metric in ledger.run(newest.execution_id).metrics:
        steps.setdefault(metric.step_name, {})[metric.metric_name] = metric.metric_value
    assert {name for name, one in steps.items() if one.get("cache_hit")} == {
        "read", "extract", "transform", "analyse", "validate",
    }  # fmt: skip
    old = {one.step_name: one for one in ledger.run(oldest.execution_id).metrics}
    assert {"read", "extract", "transform", "analyse", "validate", "synthesise"} <= set(old)
    assert steps["synthesise"]["items_in"] == 5
    page = Path(second.page).read_text()
    assert "stages of earlier runs" in page
    assert "No earlier runs" in Path(first.page).read_text()
    assert cli.main(["agents", "check"]) == 0
    assert "5 sentences" in capsys.readouterr().out


@pytest.mark.usefixtures("own_place")
def test_a_model_that_is_away_degrades_the_run_and_is_asked_again(monkeypatch):
    given = {**GIVEN, "model": {"connection": "environment"}}
    for name, value in {"MODEL": "m", "DEADLINE_S": "1", "ATTEMPTS": "1"}.items():
        monkeypatch.setenv(f"SEQLOOM_LLM_{name}", value)
    said = {"sentences": [{"text": "There are 4 notes.", "citations": [1]}]}
    with ScriptedServer(status(500, "gone")) as server:
        monkeypatch.setenv("SEQLOOM_LLM_BASE_URL", server.url)
        first = review(ReviewParams.model_validate(given))
        assert ledger.runs("agents")[0].degraded
        server.answers = [chat(json.dumps(said))]
        second = review(ReviewParams.model_validate(given))

    assert first.degraded
    assert "HTTP 500" in first.notes[0]
    assert (second.degraded, second.sentences) == (False, 1)
    assert "There are 4 notes [1]." in Path(second.summary).read_text()


@pytest.mark.tool
@pytest.mark.usefixtures("own_place")
def test_results_of_design_and_domains_are_reviewed(tmp_path):
    parent = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVV"
    mutate = {"kind": "mutate", "count": 60, "min_mutations": 1, "max_mutations": 9}
    rank = {"method": "pareto", "top": 10, "objectives": [{"column": "parent_identity"}]}
    stages = [
        {"name": "variants", "uses": "generate", "with": mutate},
        {"name": "same", "uses": "predict", "needs": ["variants"], "with": {"kind": "identity"}},
        {"name": "best", "uses": "rank", "needs": ["same"], "with": rank},
    ]
    design(DesignParams.model_validate({"stages": stages, "parent": {"sequence": parent}}))
    proteins = tmp_path / "few.fasta"
    proteins.write_text("".join(f">{k}\n{v}\n" for k, v in list(sequences().items())[:4]))
    annotated = annotate(
        DomainsParams.model_validate(
            {
                "input": {"sequences": str(proteins)},
                "reference": str(quickly_built(tmp_path / "reference")),
                "mode": "BLAST_ONLY",
            }
        )
    )
    result = review(ReviewParams(runs=("design/latest", annotated.folder)))

    text = Path(result.summary).read_text()
    assert (result.tables, result.dropped) == (7, 0)
    assert "The design run counts items 60, kept 10, dropped 50, failed 0" in text
    assert f"domains has {annotated.domains} domains [" in text
    assert "The best design is " in text
    assert recheck(result.folder).missing == ()


def test_the_deployment_runs_as_its_form_opens(deployed):
    told = deployed.run("deployment", "run", "agents/review")
    found = re.search(r"UUID:\s*([0-9a-f-]{36})", told)
    assert found is not None, told
    assert ended(deployed, found[1]) == "COMPLETED"
