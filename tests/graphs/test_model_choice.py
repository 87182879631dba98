"""Which nodes ask a model in a run, and what happens to those that have none."""

import pytest

from blocks.errors import InputError
from tasks.graphs.compiled import compiled
from tasks.graphs.model import Declaration, NodeModel
from tasks.graphs.model_choice import require_runners, with_models

ASK = {"name": "ask", "uses": "generate", "with": {"prompt": "{{ text }}"}}
LEAD = {"name": "lead", "uses": "summarise", "with": {"into": "answer", "method": "lead"}}
WORDS = {"name": "words", "uses": "tokenise", "needs": ["ask"]}


def declared(*nodes: dict) -> Declaration:
    return Declaration.model_validate({"nodes": nodes})


def test_a_node_without_a_model_is_told_with_the_remedy():
    with pytest.raises(InputError, match="node 'ask': asks a model and has none; expected `models"):
        with_models(declared(ASK, WORDS), ())


def test_its_fallback_takes_its_place_and_the_run_says_so():
    with_fallback = {**ASK, "on_error": "fallback", "fallback": "lead", "when": "id > 1"}
    made, notes = with_models(declared(with_fallback, LEAD, WORDS), ())

    assert [(one.name, one.uses) for one in made.nodes] == [
        ("ask", "summarise"), ("words", "tokenise"),
    ]  # fmt: skip
    assert (made.nodes[0].when, made.nodes[0].on_error) == ("id > 1", "continue")
    assert notes == ("ask: no language model was given; summarise (lead) does its work.",)
    assert list(compiled(made).by_name) == ["ask", "words"]


def test_a_fallback_of_two_nodes_stays_for_the_one_that_has_a_model():
    first = {**ASK, "on_error": "fallback", "fallback": "lead"}
    second = {**first, "name": "other", "needs": ["ask"]}
    made, _ = with_models(declared(first, second, LEAD), [NodeModel(node="other", connection="m")])

    assert [(one.name, one.uses) for one in made.nodes] == [
        ("ask", "summarise"), ("other", "generate"), ("lead", "summarise"),
    ]  # fmt: skip


def test_one_model_for_all_that_need_one_and_none_for_others():
    embed = {"name": "vectors", "uses": "embed"}
    made, notes = with_models(declared(ASK, embed), [NodeModel(connection="fast")])

    assert [one.with_.connection for one in made.nodes] == ["fast", ""]
    assert notes == ()


def test_a_model_for_a_node_by_name():
    embed = {"name": "vectors", "uses": "embed"}
    made, _ = with_models(declared(embed), [NodeModel(node="vectors", connection="v")])

    assert made.nodes[0].with_.connection == "v"


@pytest.mark.parametrize(
    ("node", "message"),
    [("word", "models: 'word' is no node; expected"), ("words", "'words' asks no model")],
)
def test_models_for_what_asks_none_are_refused(node, message):
    named = {**ASK, "with": {"prompt": "x", "connection": "own"}}
    with pytest.raises(InputError, match=message):
        with_models(declared(named, WORDS), [NodeModel(node=node, connection="m")])


def test_what_a_step_refuses_is_told_before_anything_runs():
    graph = compiled(declared({"name": "s", "uses": "summarise", "with": {"method": "model"}}))

    with pytest.raises(InputError, match="node 's': summarise: a model is asked for"):
        require_runners(graph)
