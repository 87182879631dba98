"""Graphs whose nodes ask a model that errs, dies, costs, or is not there; every item is counted."""

import threading
from dataclasses import replace

import pytest
from pydantic import SecretStr

from blocks.errors import BudgetError
from blocks.llm_budget import ModelLimits
from blocks.llm_calls import ModelConnection
from blocks.llm_models import LanguageModels
from blocks.service_pace import RetryRule
from tasks.graphs.builder import graph, node
from tasks.graphs.step import StepContext
from tasks.graphs.streaming import GraphFailedError
from tasks.graphs.under_way import Limits
from tests.llm_script import SILENT, ScriptedServer, chat, echo, status
from tests.llm_servers import LLAMA_KEY

CANARY = "sk-canary-77d2"
QUICK = RetryRule(attempts=2, first_wait_s=0.01, longest_wait_s=0.02, throttled_for_s=0.5)
ITEMS = [{"text": f"text {n}"} for n in range(10)]
SMALL = Limits(chunk=3, workers=2, chunks_in_flight=3)


class Kept(dict):
    def get(self, keys, ttl_s=None):
        return {key: self[key] for key in keys if key in self}

    def put(self, answers):
        self.update(answers)


def ask(**settings):
    return graph(
        node("clean", "clean")
        >> node("ask", "generate", connection="c", prompt="{{ text }}", **settings)
        >> node("length", lambda item: {"length": len(item["answer"])})
    )


def ran(built, server, items=ITEMS, kept=None, limits=None, **changes):
    """A run with the server's model, and what it used."""
    made = ModelConnection("c", "openai", server.url, "m", key=SecretStr(CANARY))
    made = replace(made, **changes)
    models = LanguageModels({"c": made}, limits=limits, answers=kept, retry=QUICK)
    with models:
        context = StepContext(models=models, cache=Kept() if kept is None else kept)
        return built.run(items, context, SMALL), models.uses().get("c")


def adds_up(run):
    return all(
        one.items == one.passed + one.spread + one.failed + sum(one.skipped.values())
        for one in run.tallies.values()
    )


def test_a_second_run_of_an_unchanged_graph_makes_no_call():
    kept = Kept()
    with ScriptedServer(echo) as server:
        first, _ = ran(ask(), server, kept=kept)
        asked = len(server.seen)
        second, use = ran(ask(), server, kept=kept)
        ran(ask(max_tokens=9), server, kept=kept)

    assert asked == 10
    assert second.outputs == first.outputs
    assert use is None
    assert second.tallies["ask"].cached == 10
    assert len(server.seen) == 20


def test_an_answer_that_was_cut_off_is_asked_for_again():
    kept = Kept()
    with ScriptedServer(chat("once upon", "length")) as server:
        for _ in range(2):
            run, _ = ran(ask(on_cut="keep"), server, ITEMS[:1], kept=kept)

    assert run.outputs["length"] == [{"length": 9}]
    assert len(server.seen) == 2


def test_a_poisoned_item_fails_alone():
    def picky(asked):
        text = asked.body["messages"][-1]["content"]
        return status(400, f"no to {text}") if text == "text 4" else echo(asked)

    with ScriptedServer(picky) as server:
        run, use = ran(ask(), server)

    assert run.failed("ask") == {(4,): "c: m: HTTP 400: no to text 4"}
    assert len(run.outputs["length"]) == 9
    assert run.skipped("length") == {(4,): "upstream_failed"}
    assert (use.answered, use.failed) == (9, 1)
    assert adds_up(run)


def test_a_model_that_answers_nonsense_fails_the_items_after_one_more_turn():
    fields = [{"name": "answer", "choices": ["yes", "no"]}]
    with ScriptedServer(chat("nonsense")) as server:
        run, use = ran(ask(fields=fields), server)

    assert len(run.failed("ask")) == 10
    assert "nor when asked again" in run.failed("ask")[0,]
    assert len(server.seen) == 20
    assert use.failed == 10
    assert run.tallies["ask"].state == "FAILED"
    assert adds_up(run)


def test_a_provider_that_dies_half_way_and_comes_back():
    kept, guard, count = Kept(), threading.Lock(), iter(range(1_000))

    def dying(asked):
        with guard:
            return echo(asked) if next(count) < 5 else status(500)

    with ScriptedServer(dying) as server:
        first, use = ran(ask(), server, kept=kept, in_flight=1)
        server.answers = [echo]
        before = len(server.seen)
        second, _ = ran(ask(), server, kept=kept)

    assert (len(first.outputs["length"]), len(first.failed("ask"))) == (5, 5)
    assert (use.answered, use.failed) == (5, 5)
    assert len(second.outputs["length"]) == 10
    assert len(server.seen) - before == 5
    assert adds_up(first)


def test_a_fallback_node_takes_what_the_model_cannot():
    graph_ = graph(
        node("ask", "summarise", connection="c", on_error="fallback", fallback="offline"),
        node("offline", "summarise", sentences=1),
        outputs=["ask"],
    )
    with ScriptedServer(status(500)) as server:
        run, _ = ran(graph_, server, [{"text": "A cell has a wall. A wall is there."}])

    assert run.outputs["ask"][0]["summary_by"] == "textrank"
    assert run.tallies["ask"].replaced == 1


def test_a_budget_stops_the_run_and_the_next_one_goes_on_from_there():
    kept = Kept()
    with ScriptedServer(echo) as server:
        with pytest.raises(BudgetError, match="4 of at most 4 calls"):
            ran(ask(), server, kept=kept, limits=ModelLimits(calls=4))
        asked = len(server.seen)
        run, _ = ran(ask(), server, kept=kept)

    assert asked == 4
    assert len(run.outputs["length"]) == 10
    assert len(server.seen) == 10


def test_a_run_that_stops_ends_the_requests_under_way():
    def fails(item):
        while not server.seen:
            threading.Event().wait(0.01)
        raise ValueError("no")

    bad = node("bad", fails, on_error="fail")
    built = graph(node("clean", "clean") >> [node("ask", "summarise", connection="c"), bad])
    with ScriptedServer(SILENT) as server:
        with pytest.raises(GraphFailedError, match="node 'bad', item 1: ValueError: no"):
            ran(built, server, ITEMS[:1])
        # a request that was not ended would have been sent again after the silence
        assert len(server.seen) == 1


def test_the_key_is_in_nothing_that_a_run_gives(caplog):
    caplog.set_level("DEBUG")
    kept = Kept()
    told = f"Bearer {CANARY} is not welcome, nor is key={CANARY}"

    def picky(asked):
        return (
            status(400, told) if asked.body["messages"][0]["content"] == "text 1" else echo(asked)
        )

    with ScriptedServer(picky) as server:
        run, use = ran(ask(), server, kept=kept)

    assert "***" in run.failed("ask")[1,]
    shown = [repr(run.outputs), repr(run.outcomes), repr(run.tallies), repr(use), repr(kept)]
    assert CANARY not in "".join([*shown, caplog.text])


@pytest.mark.llm_server
def test_a_graph_over_real_models(llama_chat, llama_embeddings):
    fields = [{"name": "mood", "choices": ["good", "bad"]}]
    ask = node("ask", "generate", connection="chat", prompt="{{ text }}", fields=fields)
    near = node("near", "classify", connection="vectors", classes=["a", "b"], method="zero_shot")
    built = graph(node("clean", "clean") >> [ask, near], outputs=["ask", "near"])
    chat_ = ModelConnection("chat", "openai", llama_chat, "tiny", key=SecretStr(LLAMA_KEY))
    vectors = ModelConnection("vectors", "openai", llama_embeddings, embedding_model="tiny")
    kept = Kept()
    runs, requests = [], []
    for _ in range(2):
        models = LanguageModels({"chat": chat_, "vectors": vectors}, answers=kept, retry=QUICK)
        with models:
            runs.append(built.run(ITEMS[:4], StepContext(models=models, cache=kept), SMALL))
            requests.append({name: use.usage.requests for name, use in models.uses().items()})

    first, second = runs
    assert [one["label"] in {"a", "b"} for one in first.outputs["near"]] == [True] * 4
    assert second.outputs["near"] == first.outputs["near"]
    assert len(first.outputs["ask"]) + len(first.failed("ask")) == 4
    assert len(first.outputs["ask"]) >= 2  # random weights now and then end in no JSON
    assert {one["mood"] for one in first.outputs["ask"]} <= {"good", "bad"}
    assert requests[0]["vectors"] > 0
    assert requests[1].get("vectors", 0) == 0
    assert requests[1].get("chat", 0) == 0 or first.failed("ask")
