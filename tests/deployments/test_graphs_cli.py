"""`seqloom graphs`: what it prints, its exit status, and one line for what is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from blocks import database, ledger
from deployments import cli
from tasks.graphs.functions import FUNCTIONS

ROOT = Path(__file__).resolve().parents[2]
GRAPH = """
nodes:
  - {name: words, uses: tokenise}
  - {name: long, uses: filter, needs: [words], with: {keep: id > 1}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder with a graph and three items, one of which has no text."""
    monkeypatch.chdir(tmp_path)
    for name in ("storage", "results"):
        monkeypatch.setenv(f"SEQLOOM_{name.upper()}", str(tmp_path / name))
    monkeypatch.setenv("SEQLOOM_DATABASE", f"sqlite:///{tmp_path}/seqloom.db")
    (tmp_path / "graph.yaml").write_text(GRAPH)
    items = [{"id": 1, "text": "a b"}, {"id": 2, "text": "c"}, {"id": 3}]
    (tmp_path / "items.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in items))
    yield tmp_path
    database.close_connections()


def said(capfdbinary: pytest.CaptureFixture[bytes], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(["graphs", *arguments])
    shown = capfdbinary.readouterr()
    return status, shown.out.decode(), shown.err.decode()


def test_a_run_is_recorded_and_its_nodes_can_be_looked_at(folder, capfdbinary):
    status, out, _ = said(capfdbinary, "run", "graph.yaml", "--input", "items.jsonl")

    assert status == 3
    assert "items    3 in, 1 failed; out: 1 of long" in out
    run = ledger.runs()[0]
    assert (run.pipeline_type, run.status, run.output_data["failed"]) == ("graphs", "completed", 1)
    assert (folder / "results" / "graphs" / "latest" / "report.html").is_file()

    status, out, _ = said(capfdbinary, "items", "latest", "long")
    assert [json.loads(line) for line in out.splitlines()] == [
        {"skipped": "filtered"},
        {"value": {"id": 2, "text": "c", "tokens": ["c"]}},
        {"skipped": "upstream_failed"},
    ]
    _, out, _ = said(capfdbinary, "items", "latest", "long", "--given", "--limit", "1")
    assert json.loads(out) == {"id": 1, "text": "a b", "tokens": ["a", "b"]}

    status, out, _ = said(capfdbinary, "node", "latest", "long")
    assert (status, "items    2 in, 0 failed; out: 1 of long" in out) == (0, True)
    assert said(capfdbinary, "items", "latest", "words")[0] == 0  # `latest` is the whole run


def test_a_reader_that_has_had_enough_of_the_items_is_no_failure(folder, capfdbinary):
    said(capfdbinary, "run", "graph.yaml", "--input", "items.jsonl")
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [sys.executable, "-m", "deployments.cli", "graphs", "items", "latest", "words"],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=writing, stderr=subprocess.PIPE,
        check=False,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_items_that_fail_below_a_split_are_told_and_set_the_exit_status(
    folder, capfdbinary, monkeypatch
):
    monkeypatch.setitem(FUNCTIONS, "refuses", lambda item: item["no such field"])
    split = "{name: parts, uses: split, with: {by: words, size: 1}}"
    late = "{name: late, uses: python, needs: [parts], with: {function: refuses}}"
    (folder / "split.yaml").write_text(f"nodes: [{split}, {late}]")
    (folder / "items.jsonl").write_text('{"id": 1, "text": "one two three"}\n')

    status, out, _ = said(capfdbinary, "run", "split.yaml", "--input", "items.jsonl")

    assert (status, "1 in, 1 failed (3 failures); out: 0 of late" in out) == (3, True)


def test_results_for_programs(folder, capfdbinary):
    out = said(capfdbinary, "run", "graph.yaml", "--input", "items.jsonl", "--json")[1]

    assert json.loads(out)["states"] == {"words": "COMPLETED", "long": "COMPLETED"}


def test_a_budget_is_a_parameter_of_the_run(folder, capfdbinary):
    budget = ("--budget-cost", "0.5", "--budget-calls", "3")
    assert said(capfdbinary, "run", "graph.yaml", "--input", "items.jsonl", *budget)[0] == 3

    assert ledger.runs()[0].input_data["budget"] == {"calls": 3, "tokens": None, "cost": 0.5}


def test_a_dry_run_writes_nothing(folder, capfdbinary):
    status, out, _ = said(capfdbinary, "run", "graph.yaml", "--input", "items.jsonl", "--dry-run")

    assert status == 0
    assert "Execution plan: 2 nodes in 2 levels" in out
    assert not (folder / "results").exists()


def test_checked_shown_and_listed(folder, capfdbinary):
    assert said(capfdbinary, "validate", "graph.yaml")[0] == 0
    assert said(capfdbinary, "show", "graph.yaml")[1].startswith("flowchart TD")
    assert "\ntokenise  " in said(capfdbinary, "steps")[1]
    assert "dimensions" in said(capfdbinary, "steps", "embed")[1]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run", "graph.yaml"], "input: nothing given; expected source, texts or items\n"),
        (["run", "no.yaml", "--input", "items.jsonl"], "no.yaml: no such file; expected a path"),
        (["run", "graph.yaml", "--input", "no.jsonl"], "no.jsonl: no such file; expected a path"),
        (["run", "bad.yaml", "--input", "items.jsonl"], "bad.yaml, node 'a': uses is 'wat'; "),
        (["run", "graph.yaml", "--input", "bad.jsonl"], "bad.jsonl, line 2: unexpected"),
        (["run", "ask.yaml", "--input", "items.jsonl"], "node 'a': asks a model and has none; "),
        (["validate", "cycle.yaml"], "nodes: a cycle: a -> b -> a; expected nodes that do not"),
        (["validate", "tab.yaml"], "tab.yaml, line 2: a tab; expected blanks"),
        (["validate", "twice.yaml"], "twice.yaml, line 2: 'nodes' stands twice; expected each"),
        (["validate", "list.yaml"], "list.yaml: no `nodes` in it; expected a graph"),
        (["validate", "graph.yaml", "--model", "="], "models #1.connection: ''; expected a text"),
        (["steps", "tokenize"], "step 'tokenize': not known; expected one of "),
        (["items", "latest", "words"], "run 'latest': holds no run of graphs; expected a folder"),
        (["node", "latest", "words"], "run 'latest': holds no run of graphs; expected a folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_one_line(folder, capfdbinary, arguments, line):
    for name, text in {
        "bad.yaml": "nodes: [{name: a, uses: wat}]",
        "ask.yaml": "nodes: [{name: a, uses: generate, with: {prompt: hello}}]",
        "cycle.yaml": "nodes: [{name: a, uses: merge, needs: [b]}, "
        "{name: b, uses: merge, needs: [a]}]",
        "tab.yaml": "nodes:\n\t- a",
        "twice.yaml": "nodes: []\nnodes: []",
        "list.yaml": "[1]",
        "bad.jsonl": '{"id": 1}\n{"id"\n',
    }.items():
        (folder / name).write_text(text)

    status, out, err = said(capfdbinary, *arguments)

    assert (status, out) == (2, "")
    assert line in err
    assert err.count("\n") == 1
