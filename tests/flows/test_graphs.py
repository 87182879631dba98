"""Graphs through a real Prefect server: states of nodes, records, failures, and going on."""

import json
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from blocks import ledger
from blocks.errors import InputError
from deployments import cli
from flows.graphs import graphs, plan
from tasks.graphs.model import GraphParams
from tasks.graphs.streaming import GraphFailedError
from tests.graphs.small_runs import lines, numbered, python
from tests.llm_script import ScriptedServer, chat, echo, status

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("prefect_server", "own_place")]
PAIR = (
    python("low", "lower_case"),
    python("words", "word_count", "low"),
    {"name": "long", "uses": "filter", "needs": ["words"], "with": {"keep": "words > 2"}},
)


def texts(path: Path, *texts_: str) -> Path:
    return lines(path, [{"id": n, "text": text} for n, text in enumerate(texts_)])


def params(source: Path, nodes=PAIR, **others) -> GraphParams:
    given = {"input": {"source": str(source)}, "nodes": list(nodes), "chunk": 4, **others}
    return GraphParams.model_validate(given)


def states(server, count: int = 1) -> dict[str, tuple[str, str]]:
    """State and message of the last run's tasks, by name."""
    run = ledger.runs()[0]
    query = {"task_runs": {"flow_run_id": {"any_": [run.flow_run_id]}}}
    deadline = time.monotonic() + 300  # states reach the server a little later
    while True:
        answer = httpx.post(f"{server.api}/task_runs/filter", json=query, timeout=300)
        found = answer.json() if answer.is_success else []  # a busy server says 503
        going_on = [one for one in found if one["state_type"] in ("RUNNING", "PENDING")]
        if (len(found) >= count and not going_on) or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    return {one["name"]: (one["state_name"], one["state"]["message"] or "") for one in found}


def test_a_run_leaves_states_records_and_a_folder(prefect_server, tmp_path):
    source = lines(
        tmp_path / "items.jsonl",
        [{"id": 1, "text": "One two THREE"}, {"id": 2, "text": "Four"}, {"id": 3}],
    )
    result = graphs(params(source))

    folder = Path(result.folder)
    assert (result.items, result.failed, result.outputs) == (3, 1, {"long": 1})
    assert json.loads((folder / "long.jsonl").read_text()) == {
        "id": 1, "text": "one two three", "words": 3,
    }  # fmt: skip
    assert json.loads((folder / "failed.jsonl").read_text()) == {"id": 3}
    found = states(prefect_server, 4)
    assert set(found) == {"low", "words", "long", "write results"}
    assert found["low"][0] == "Completed"
    assert found["low"][1].startswith("3 items in, 2 out; 1 failed")
    assert "skipped: 1 filtered, 1 upstream_failed" in found["long"][1]
    details = ledger.run(ledger.runs()[0].execution_id)
    assert details.run.status == "completed"
    assert details.run.output_data["failed"] == 1
    metrics = {(one.step_name, one.metric_name): one.metric_value for one in details.metrics}
    assert metrics["low", "items_in"] == 3
    assert metrics["low", "items_failed"] == 1
    assert metrics["words", "items_out"] == 2


def test_nodes_end_as_cached_skipped_and_failed(prefect_server, tmp_path):
    source = texts(tmp_path / "items.jsonl", "a b", "c d")
    graphs(params(source, PAIR[:2]))
    nodes = [
        *PAIR[:2],
        {"name": "never", "uses": "filter", "needs": ["words"], "with": {"keep": "words > 9"}},
        {"name": "none", "uses": "filter", "needs": ["words"], "with": {"keep": "text > 1"}},
    ]
    result = graphs(params(source, nodes))

    found = states(prefect_server, 5)
    assert {name: one[0] for name, one in found.items()} == {
        "low": "Cached", "words": "Cached", "never": "Skipped", "none": "Failed",
        "write results": "Completed",
    }  # fmt: skip
    assert result.states["none"] == "FAILED"


def test_masked_fields_of_items_in_the_parameters_are_not_in_the_ledger(tmp_path):
    declared = tmp_path / "graph.yaml"
    declared.write_text("nodes: [{name: words, uses: tokenise, mask: [name, text]}]\n")
    for given in ({"items": [{"name": "Doe", "text": "Doe"}]}, {"texts": ["Doe"]}):
        graphs(GraphParams.model_validate({"input": given, "graph": str(declared)}))
        assert "Doe" not in str(ledger.runs()[0].input_data)
    with pytest.raises(InputError):
        graphs(GraphParams.model_validate({"input": given, "graph": "nowhere.yaml"}))
    assert "Doe" not in str(ledger.runs()[0].input_data)


def test_a_node_that_ends_the_run_fails_it_and_keeps_what_was_done(prefect_server, tmp_path):
    source = texts(tmp_path / "items.jsonl", *(f"text {n}" for n in range(8)))
    with source.open("a") as file:
        file.write('{"id": 9}\n')
    nodes = (python("low", "lower_case", on_error="fail"), PAIR[1])

    with pytest.raises(GraphFailedError, match="node 'low', item 9: KeyError: 'text'"):
        graphs(params(source, nodes, chunks_in_flight=1))

    run = ledger.runs()[0]
    assert (run.status, run.error) == ("failed", "node 'low', item 9: KeyError: 'text'")
    folder = next((tmp_path / "results" / "graphs").glob("2*"))
    assert len((folder / "words.jsonl").read_text().splitlines()) == 8
    found = states(prefect_server, 3)
    assert (found["low"][0], found["words"][0]) == ("Failed", "Cancelled")


def test_a_fallback_graph_takes_the_place_of_one_that_fails(tmp_path):
    source = lines(tmp_path / "items.jsonl", [{"id": 1}])
    other = tmp_path / "other.yaml"
    other.write_text('nodes: [{name: kept, uses: filter, with: {keep: "id > 0"}}]\n')
    nodes = (python("low", "lower_case", on_error="fail"),)
    result = graphs(params(source, nodes, fallback_graph=str(other)))

    assert result.degraded
    assert result.outputs == {"kept": 1}
    assert ledger.runs()[0].degraded
    assert "The declared graph failed" in Path(result.folder, "report.html").read_text()


def test_a_dry_run_plans_and_calls_nothing(prefect_server, tmp_path, monkeypatch):
    source = texts(tmp_path / "items.jsonl", "a", "b", "c")
    with ScriptedServer(echo) as model:
        monkeypatch.setenv("SEQLOOM_LLM_BASE_URL", model.url)
        monkeypatch.setenv("SEQLOOM_LLM_MODEL", "m")
        ask = {"name": "ask", "uses": "generate", "with": {"prompt": "{{ text }}"}}
        given = params(source, [ask], models=[{"connection": "environment"}], dry_run=True)
        result = graphs(given)
        text, frame = plan(given)

        assert model.seen == []
    assert result.folder == ""
    assert result.plan[0]["model calls"] == "≤ 3"
    assert "3 items of" in text
    assert frame["model"].tolist() == ["environment"]
    assert not (tmp_path / "results").exists()


def test_a_provider_that_dies_half_way_costs_its_items_and_the_next_run_asks_the_rest(
    tmp_path, monkeypatch
):
    source = texts(tmp_path / "items.jsonl", *(f"text {n}" for n in range(12)))
    ask = {"name": "ask", "uses": "generate", "with": {"prompt": "{{ text }}"}}
    given = params(source, [ask], models=[{"connection": "environment"}], workers=1)
    for name, value in {"MODEL": "m", "IN_FLIGHT": "1", "DEADLINE_S": "1"}.items():
        monkeypatch.setenv(f"SEQLOOM_LLM_{name}", value)
    left = [6]

    def mortal(asked):
        left[0] -= 1
        return echo(asked) if left[0] >= 0 else status(500, "gone")

    with ScriptedServer(mortal) as model:
        monkeypatch.setenv("SEQLOOM_LLM_BASE_URL", model.url)
        first = graphs(given)
        model.seen.clear()
        left[0] = 100
        second = graphs(given)
        asked = sorted(one.body["messages"][-1]["content"] for one in model.seen)

    assert (first.items, first.failed, first.outputs) == (12, 6, {"ask": 6})
    assert '"ask","generate","COMPLETED",12,6,0,0,6' in Path(first.folder, "nodes.csv").read_text()
    assert (second.failed, second.outputs) == (0, {"ask": 12})
    assert asked == sorted(f"text {n}" for n in range(6, 12))


def test_a_model_that_answers_nonsense_costs_its_item(tmp_path, monkeypatch):
    source = texts(tmp_path / "items.jsonl", "good", "bad")
    fields = [{"name": "score", "kind": "integer"}]
    ask = {
        "name": "ask", "uses": "generate", "with": {"prompt": "{{ text }}", "fields": fields},
    }  # fmt: skip

    def answer(asked):
        said = asked.body["messages"][0]["content"]
        return chat('{"score": 7}' if "good" in said else "I would rather not")

    monkeypatch.setenv("SEQLOOM_LLM_MODEL", "m")
    with ScriptedServer(answer) as model:
        monkeypatch.setenv("SEQLOOM_LLM_BASE_URL", model.url)
        result = graphs(params(source, [ask], models=[{"connection": "environment"}]))

    assert (result.items, result.failed, result.outputs) == (2, 1, {"ask": 1})
    assert result.failures[0]["item"] == "2"
    assert json.loads(Path(result.folder, "ask.jsonl").read_text())["score"] == 7


def test_a_budget_ends_the_run(tmp_path, monkeypatch):
    source = texts(tmp_path / "items.jsonl", *"abcdef")
    ask = {"name": "ask", "uses": "generate", "with": {"prompt": "{{ text }}"}}
    monkeypatch.setenv("SEQLOOM_LLM_MODEL", "m")
    with ScriptedServer(echo) as model:
        monkeypatch.setenv("SEQLOOM_LLM_BASE_URL", model.url)
        given = params(source, [ask], models=[{"connection": "environment"}], budget={"calls": 3})
        with pytest.raises(Exception, match="budget: 3 of at most 3 calls of models made"):
            graphs(given)

        assert len(model.seen) == 3
    assert ledger.runs()[0].status == "failed"


KILLED = """
import os, signal, sys
from tasks.graphs.functions import FUNCTIONS
from tests.graphs import small_runs

done = 0
def two(item):
    global done
    done += 1
    if done > 60:
        os.kill(os.getpid(), signal.SIGKILL)
    return {**item, "two": item["id"]}

FUNCTIONS["one"] = small_runs.one
FUNCTIONS["two_or_die"] = two
from flows.graphs import graphs
from tasks.graphs import records
from tasks.graphs.model import GraphParams
records.EVERY_S = 0.0
graphs(GraphParams.model_validate_json(sys.argv[1]))
"""


def test_a_run_that_was_killed_is_gone_on_with(prefect_server, tmp_path, monkeypatch):
    from tasks.graphs.functions import FUNCTIONS
    from tests.graphs import small_runs

    source = lines(tmp_path / "items.jsonl", numbered(100))
    nodes = [python("first", "one"), python("second", "two_or_die", "first")]
    limits = {"chunks_in_flight": 2, "workers": 1}
    given = params(source, nodes, **limits)
    code = {"args": [sys.executable, "-c", KILLED, given.model_dump_json(exclude_unset=True)]}
    monkeypatch.setenv("PREFECT_API_URL", prefect_server.api)
    assert subprocess.run(**code, check=False, timeout=900).returncode == -9

    ledger.reconcile()
    assert ledger.runs()[0].status == "crashed"

    monkeypatch.setitem(FUNCTIONS, "one", small_runs.one)
    small_runs.calls["one"].clear()
    result = graphs(params(source, nodes[:1], **limits))

    assert result.outputs == {"first": 100}
    assert 36 <= len(small_runs.calls["one"]) <= 48
    assert result.cached == 100 - len(small_runs.calls["one"])


def test_the_command_line_runs_parameters_of_a_file(tmp_path, capsys):
    source = texts(tmp_path / "items.jsonl", "a b c", "d")
    graph = tmp_path / "graph.yaml"
    graph.write_text("nodes: [{name: words, uses: tokenise}]\n")
    run = tmp_path / "params.yaml"
    run.write_text(f"input: {{source: {source}}}\ngraph: {graph}\n")

    assert cli.main(["run", "graphs", str(run)]) == 0
    assert cli.main(["plan", "graphs", str(run)]) == 0
    assert "words tokenise" in capsys.readouterr().out
