"""Workflows with a real Prefect server: records, compensation, resume; and the campaign."""

import json
from pathlib import Path
from typing import Any

import pytest

from blocks import ledger
from blocks.errors import InputError
from deployments import cli
from deployments.campaign import recovered
from flows import registry
from flows.registry import Pipeline
from flows.workflows import workflows
from tasks.agents.rechecking import recheck
from tasks.parameters import Params, Record
from tasks.policies import pipeline
from tasks.workflows.model import WorkflowParams

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("prefect_server", "own_place")]
CALLS: list[str] = []
CAMPAIGN = "deployments/example/campaign/campaign.yaml"


class NoteParams(Params):
    """What is noted."""

    text: str
    source: str = ""


class NoteResult(Record):
    """That it was."""

    text: str


@pipeline("note")
def note(params: NoteParams) -> NoteResult:
    """Fails where its source is missing."""
    CALLS.append(params.text)
    if params.source and not Path(params.source).exists():
        raise InputError(f"{params.source}: no such file; expected one")
    return NoteResult(text=params.text)


@pytest.fixture(autouse=True)
def note_is_registered(monkeypatch):
    CALLS.clear()
    one = Pipeline("note", f"{__name__}.note", "notes a text", ("note/usual",))
    monkeypatch.setitem(registry.PIPELINES, "note", one)


def declared(source: Path) -> dict[str, Any]:
    def step(name: str, text: str, **others: Any) -> dict[str, Any]:
        return {"name": name, "pipeline": "note", "params": {"text": text}, **others}

    return {
        "name": "notes",
        "steps": [
            step("a", "a"),
            step("b", "${a.text}b", undo="back"),
            step("c", "${b.text}c", undo="forth"),
            {
                "name": "last",
                "pipeline": "note",
                "params": {"text": "${c.text}!", "source": str(source)},
            },
        ],
        "compensations": [step("back", "undo ${b.text}"), step("forth", "undo ${c.text}")],
    }


def test_a_failure_undoes_what_was_done_and_the_next_run_goes_on(tmp_path, capsys):
    source = tmp_path / "source"
    params = WorkflowParams.model_validate(declared(source))
    with pytest.raises(InputError, match=r"step 'last': .*source: no such file"):
        workflows(params)
    assert CALLS == ["a", "ab", "abc", "abc!", "undo abc", "undo ab"]

    manifest = json.loads((tmp_path / "results/workflows/latest/RUN.json").read_text())
    assert manifest["undone"] == {"forth": "done", "back": "done"}
    assert manifest["states"] == {"a": "done", "b": "done", "c": "done", "last": "failed"}
    page = (tmp_path / "results/workflows/latest/report.html").read_text()
    assert "last failed" in page
    parent = next(one for one in ledger.runs() if one.pipeline_type == "workflows")
    children = [one for one in ledger.runs() if one.parent_execution_id == parent.execution_id]
    assert (parent.status, len(children)) == ("failed", 6)

    source.touch()
    file = tmp_path / "notes.yaml"
    file.write_text(json.dumps(declared(source)))
    assert cli.main(["plan", "workflows", str(file)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.rsplit("  ", 1)[-1].strip() for line in told[-4:]] == [
        "nothing, is there", "run", "run", "run",
    ]  # fmt: skip

    CALLS.clear()
    again = workflows(params)
    assert CALLS == ["ab", "abc", "abc!"]
    assert (again.done, again.reused, again.failed) == (3, 1, 0)
    CALLS.clear()
    assert workflows(params).reused == 4
    assert workflows(params.model_copy(update={"refresh": True})).done == 4
    assert CALLS == ["a", "ab", "abc", "abc!"]


@pytest.mark.tool
def test_the_campaign_finds_what_was_planted_and_designs_what_is_better():
    params = WorkflowParams(workflow=CAMPAIGN, inputs={"reads": 8_000, "seed": 4})
    result = workflows(params)

    assert set(result.states.values()) == {"done"}
    assert not result.degraded
    found = recovered(result.folders)
    assert found.found >= found.planted - 1
    assert found.better >= 0.9 * len(found.designs) > 10
    positions = (Path(result.folders["positions"]) / "positions.tsv").read_text()
    assert "x.1.1.1" in positions
    review = json.loads((Path(result.folders["summary"]) / "RUN.json").read_text())
    assert (review["tables"], review["degraded"], review["dropped"]) == (4, False, 0)
    assert review["numbers"] > 20
    assert recheck(result.folders["summary"]).missing == ()
    ends = json.loads((Path(result.folder) / "pipeline_info/steps.json").read_text())["steps"]
    for end in ends:
        for _, file in registry.PIPELINES[end["pipeline"]].tables:
            assert (Path(result.folders[end["name"]]) / file).is_file(), file
    for page in result.pages.values():
        assert Path(page).is_file()
    again = workflows(params)
    assert again.done == 0
    assert again.folders == result.folders
