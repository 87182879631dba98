"""Masked fields: wherever in a run a node names them, they are in nothing that it leaves."""

import json
from pathlib import Path

import pytest

from blocks.errors import InputError
from deployments.graph_runs import recorded_run
from tasks.graphs.frames import SUFFIX, unpacked
from tasks.graphs.functions import FUNCTIONS
from tasks.graphs.model import GraphParams
from tasks.graphs.planning import prepare, told
from tasks.graphs.rerunning import prepare_again
from tests.graphs.small_runs import PAIR, python
from tests.llm_script import ScriptedServer, chat

pytestmark = pytest.mark.usefixtures("own_place")
NAME = "Erika Muster"
ITEMS = [{"id": 1, "name": NAME, "text": "a"}]
MASKING = {"name": "other", "uses": "clean", "mask": ["name"]}
FAILING = python("first", "one", on_error="fail")
REPEAT = {"name": "first", "uses": "repeat", "with": {"graph": "inner", "until": "id > 0"}}
INNER = [{"name": "inner", "nodes": [MASKING]}]


def given(*nodes, **others) -> GraphParams:
    return GraphParams.model_validate({"input": {"items": ITEMS}, "nodes": nodes, **others})


def places(root: Path) -> list[Path]:
    """Files that hold the name."""
    found = []
    for path in root.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        if NAME.encode() in (unpacked(content) if path.name.endswith(SUFFIX) else content):
            found.append(path)
    return found


@pytest.mark.parametrize(
    "made",
    [
        given(python("first", "one", on_error="fallback", fallback="other"), MASKING),
        given(
            {"name": "first", "uses": "translate", "on_error": "fallback", "fallback": "other"},
            MASKING,
        ),
        given(REPEAT, subgraphs=INNER),
        given(python("first", "one", mask=["name"], cache={"ttl_s": 60})),
    ],
    ids=["fallback", "fallback in place", "repeat", "kept with items"],
)
def test_a_field_that_any_node_masks_is_stored_nowhere(tmp_path, calls, made):
    result = recorded_run(prepare(made))

    assert (result.outputs, result.masked) == ({"first": 1}, ("name",))
    assert places(tmp_path) == []
    assert NAME not in str(told({"params": made}))


def test_what_a_fallback_graph_masks_is_masked_in_the_first_one_too(tmp_path, calls):
    other = tmp_path / "other.yaml"
    other.write_text(json.dumps({"nodes": [MASKING]}))
    made = given(*PAIR, fallback_graph=str(other))
    result = recorded_run(prepare(made))

    assert (result.error, result.masked) == ("", ("name",))
    assert places(tmp_path) == []
    assert NAME not in str(told({"params": made}))
    with pytest.raises(InputError, match="rerun: that run masked name in what node 'second' got; "):
        prepare_again(GraphParams(rerun="latest/second"))


def test_a_field_that_only_a_later_node_masks_is_masked_when_a_node_is_run_again(
    tmp_path, calls, monkeypatch
):
    monkeypatch.setitem(FUNCTIONS, "named", lambda item: {"name": NAME[:5] + NAME[5:]})
    nodes = [python("first", "named"), python("second", "two", "first", mask=["name"])]
    made = GraphParams.model_validate({"input": {"items": [{"id": 1}]}, "nodes": nodes})
    recorded_run(prepare(made))
    recorded_run(prepare_again(GraphParams(rerun="latest/first")))

    assert places(tmp_path) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"into": "name"},
        {"json_schema": {"type": "object", "properties": {"name": {"type": "string"}}}},
    ],
    ids=["field", "schema"],
)
def test_an_answer_that_is_masked_is_not_kept(tmp_path, monkeypatch, settings):
    ask = {"name": "ask", "uses": "generate", "mask": ["name"]}
    ask["with"] = {"prompt": "who?", "connection": "environment", **settings}
    items = {"items": [{"id": 1}]}
    monkeypatch.setenv("SEQLOOM_LLM_MODEL", "m")
    with ScriptedServer(chat(json.dumps({"name": NAME}))) as server:
        monkeypatch.setenv("SEQLOOM_LLM_BASE_URL", server.url)
        result = recorded_run(prepare(GraphParams.model_validate({"input": items, "nodes": [ask]})))

    assert result.outputs == {"ask": 1}
    assert places(tmp_path) == []
