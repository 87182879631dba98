"""The models of a run: nothing is asked twice, nothing is lost, nothing costs more than allowed."""

import asyncio
import json
import threading
from dataclasses import replace

import numpy as np
import pytest
from pydantic import SecretStr

from blocks import database, llm_models
from blocks.cancellation import given_up_by
from blocks.errors import BudgetError, InputError
from blocks.kept_answers import KeptAnswers
from blocks.llm_answers import answer_key, vector_key
from blocks.llm_budget import Budget, ModelLimits
from blocks.llm_calls import Answer, Fault, ModelConnection, Prompt, Usage
from blocks.llm_chain import Chain
from blocks.llm_client import ModelClient
from blocks.llm_models import LanguageModels
from blocks.llm_shapes import Shape
from blocks.llm_uses import ModelUse
from blocks.service_pace import RetryRule
from tests.llm_script import SILENT, ScriptedServer, chat, echo, reply, status

CANARY = "sk-canary-93b1"
QUICK = RetryRule(attempts=2, first_wait_s=0.01, longest_wait_s=0.02, throttled_for_s=0.5)
SHAPE = Shape.of_fields("label", {"label": ["good", "bad"]})


class Kept(dict):
    """Answers in memory, with the ages asked for."""

    def __init__(self):
        super().__init__()
        self.ages = []

    def get(self, keys, ttl_s=None):
        self.ages.append(ttl_s)
        return {key: self[key] for key in keys if key in self}

    def put(self, answers):
        self.update(answers)


def connection(server, name="fast", **changes):
    made = ModelConnection(name, "openai", server.url, "m", "e", key=SecretStr(CANARY))
    return replace(made, **changes)


def models_of(*connections, **options):
    return LanguageModels({one.name: one for one in connections}, retry=QUICK, **options)


def prompts(*texts, **options):
    return [Prompt(text, **options) for text in texts]


def texts_of(outcomes):
    return [one.text if isinstance(one, Answer) else one.kind for one in outcomes]


def test_answers_come_in_order_and_equal_prompts_are_asked_once():
    with ScriptedServer(echo) as server, models_of(connection(server)) as models:
        outcomes = models.generate("fast", prompts("a", "b", "a", "c"))

    assert texts_of(outcomes) == ["a", "b", "a", "c"]
    assert sorted(one.body["messages"][0]["content"] for one in server.seen) == ["a", "b", "c"]


def test_a_second_run_asks_nothing():
    kept = Kept()
    with ScriptedServer(echo) as server:
        with models_of(connection(server), answers=kept) as models:
            models.generate("fast", prompts("a", "b"))
        with models_of(connection(server), answers=kept, ttl_s=60) as models:
            again = models.generate("fast", prompts("b", "a", "c"))
            use = models.uses()["fast"]

    assert texts_of(again) == ["b", "a", "c"]
    assert [one.cached for one in again] == [True, True, False]
    assert len(server.seen) == 3
    assert (use.answered, use.cached, use.usage.requests) == (1, 2, 1)
    assert kept.ages == [None, 60]


def test_answers_are_kept_in_the_database(tmp_path):
    kept = KeptAnswers(database.engine(f"sqlite:///{tmp_path}/answers.db"))
    with ScriptedServer(chat('{"label": "good"}')) as server:
        for _ in range(2):
            with models_of(connection(server), answers=kept) as models:
                (answer,) = models.generate("fast", prompts("a", shape=SHAPE))
    database.close_connections()

    assert (answer.value, answer.cached) == ({"label": "good"}, True)
    assert len(server.seen) == 1


PLAIN = ModelConnection("c", "openai", "https://a.org/v1", "m", "e")


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"model": "n"}, True),
        ({"base_url": "https://b.org/v1"}, True),
        ({"provider": "bedrock"}, True),
        ({"structured": "tool"}, True),
        ({"name": "d"}, False),
        ({"key": SecretStr("k")}, False),
        ({"input_price": 1.0}, False),
        ({"in_flight": 1}, False),
        ({"embedding_model": "f"}, False),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else "",
)
def test_a_key_holds_what_of_a_connection_decides_an_answer(change, differs):
    key = answer_key(PLAIN, Prompt("q"))

    assert (answer_key(replace(PLAIN, **change), Prompt("q")) != key) is differs


@pytest.mark.parametrize(
    "change",
    [
        {"text": "r"},
        {"system": "s"},
        {"max_tokens": 9},
        {"temperature": None},
        {"seed": 1},
        {"stop": ("x",)},
        {"shape": SHAPE},
    ],
    ids=lambda value: next(iter(value)),
)
def test_a_key_holds_all_of_the_prompt(change):
    assert answer_key(PLAIN, replace(Prompt("q"), **change)) != answer_key(PLAIN, Prompt("q"))


def test_a_key_of_a_vector_holds_model_and_text():
    keys = {vector_key(PLAIN, "a"), vector_key(PLAIN, "b")}
    keys.add(vector_key(replace(PLAIN, embedding_model="f"), "a"))
    keys.add(answer_key(PLAIN, Prompt("a")))

    assert len(keys) == 4
    assert vector_key(replace(PLAIN, model="n"), "a") in keys


@pytest.mark.parametrize(
    ("answer", "shape"),
    [
        (chat("once upon", "length"), None),
        (chat('{"label": "go', "length"), SHAPE),
        (chat("no", "content_filter"), None),
        (chat("nonsense"), SHAPE),
        (status(400), None),
        (status(500), None),
    ],
    ids=["cut", "cut JSON", "filtered", "nonsense", "refused", "failed"],
)
def test_what_is_not_whole_is_never_kept(answer, shape):
    kept = Kept()
    with ScriptedServer(answer) as server, models_of(connection(server), answers=kept) as models:
        models.generate("fast", prompts("a", shape=shape))
        before = len(server.seen)
        models.generate("fast", prompts("a", shape=shape))

    assert kept == {}
    assert len(server.seen) == 2 * before


def test_a_budget_ends_the_run_and_what_was_answered_stays():
    kept = Kept()
    with ScriptedServer(echo) as server:
        limited = models_of(connection(server), answers=kept, limits=ModelLimits(calls=2))
        with limited as models, pytest.raises(BudgetError, match="2 of at most 2 calls"):
            models.generate("fast", prompts("a", "b", "c", "d", "e"))
        asked = len(server.seen)
        with models_of(connection(server), answers=kept) as models:
            outcomes = models.generate("fast", prompts("a", "b", "c", "d", "e"))

    assert (asked, len(kept), len(server.seen)) == (2, 5, 5)
    assert texts_of(outcomes) == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("answers", [None, Kept()], ids=["kept nowhere", "kept"])
def test_what_was_answered_before_an_abort_is_counted(answers):
    limits = ModelLimits(calls=3)
    with ScriptedServer(echo) as server:
        made = connection(server, input_price=2.0, output_price=10.0)
        with models_of(made, answers=answers, limits=limits) as models:
            with pytest.raises(BudgetError):
                models.generate("fast", prompts("a", "b", "c", "d", "e"))
            use = models.uses()["fast"]

    assert (use.answered, use.usage.requests) == (3, 3)
    assert use.usage.cost == pytest.approx(3 * (10 * 2.0 + 5 * 10.0) / 1e6)


def test_a_budget_is_one_for_all_connections_of_a_run():
    with ScriptedServer(echo) as server:
        both = connection(server), connection(server, "slow", model="n")
        with models_of(*both, limits=ModelLimits(calls=3)) as models:
            models.generate("fast", prompts("a", "b"))
            with pytest.raises(BudgetError):
                models.generate("slow", prompts("a", "b"))

    assert len(server.seen) == 3


def chain(first, second):
    """Two servers' connections, the second the fallback of the first."""
    return connection(first, fallbacks=("slow",)), connection(second, "slow", model="n")


@pytest.mark.parametrize(
    ("first", "shape"),
    [
        (status(500), None),
        (status(400), None),
        (chat("no", "content_filter"), None),
        (chat("nonsense"), SHAPE),
        (chat('{"la', "length"), SHAPE),
    ],
    ids=["failed", "refused", "filtered", "nonsense", "cut"],
)
def test_the_next_model_is_asked_where_one_gives_no_answer(first, shape):
    good, kept = '{"label": "good"}', Kept()
    with ScriptedServer(first) as bad, ScriptedServer(chat(good)) as other:
        pair = chain(bad, other)
        with models_of(*pair, answers=kept) as models:
            (answer,) = models.generate("fast", prompts("q", shape=shape))
            use = models.uses()["fast"]

    assert (answer.text, answer.model, answer.fell_back) == (good, "slow: n", True)
    assert use.fell_back == 1
    assert answer.usage.requests == len(bad.seen) + 1
    assert list(kept) == [answer_key(pair[1], prompts("q", shape=shape)[0])]


def test_a_model_that_cannot_be_reached_is_passed_over_for_a_while():
    bad, other = ScriptedServer(status(500)), ScriptedServer(echo)
    with bad, other, models_of(*chain(bad, other)) as models:
        models.generate("fast", prompts("a"))
        before = len(bad.seen)
        models.generate("fast", prompts("b", "c"))

    assert (before, len(bad.seen), len(other.seen)) == (2, 2, 3)


def test_a_refused_key_is_not_hidden_by_a_fallback():
    bad, other = ScriptedServer(status(401)), ScriptedServer(echo)
    models = models_of(*chain(bad, other))
    with bad, other, models, pytest.raises(InputError, match="a key"):
        models.generate("fast", prompts("a"))

    assert other.seen == []


def test_where_all_fail_the_reason_names_all():
    bad, other = ScriptedServer(status(500, "one")), ScriptedServer(status(400, "two"))
    with bad, other, models_of(*chain(bad, other)) as models:
        (fault,) = models.generate("fast", prompts("a"))

    assert fault.reason == "fast: m: HTTP 500: one; slow: n: HTTP 400: two"
    assert (fault.kind, fault.transient) == ("unavailable", True)


def test_a_provider_that_dies_half_way_loses_nothing_that_was_answered():
    kept, guard, count = Kept(), threading.Lock(), iter(range(100))

    def dying(asked):
        with guard:
            return echo(asked) if next(count) < 3 else status(500)

    with ScriptedServer(dying) as server:
        with models_of(connection(server, in_flight=1), answers=kept) as models:
            outcomes = models.generate("fast", prompts(*"abcdefgh"))
            use = models.uses()["fast"]
        server.answers = [echo]
        with models_of(connection(server), answers=kept) as models:
            again = models.generate("fast", prompts(*"abcdefgh"))

    assert sum(isinstance(one, Answer) for one in outcomes) == 3
    assert {one.kind for one in outcomes if isinstance(one, Fault)} == {"unavailable"}
    assert (use.answered, use.failed, use.cached) == (3, 5, 0)
    assert sum(one.cached for one in again) == 3
    assert texts_of(again) == list("abcdefgh")


def vectors(asked):
    rows = [
        {"index": n, "embedding": [float(len(text)), 0.5]}
        for n, text in enumerate(asked.body["input"])
    ]
    return reply(200, {"data": rows, "usage": {"prompt_tokens": len(rows)}})


def test_texts_are_embedded_together_and_each_once():
    kept = Kept()
    texts = [f"{'x' * (n % 70)}" for n in range(140)]
    with ScriptedServer(vectors) as server:
        with models_of(connection(server), answers=kept) as models:
            found = models.embed("fast", texts)
        with models_of(connection(server), answers=kept) as models:
            again = models.embed("fast", [*texts[:3], "new"])
            use = models.uses()["fast"]

    assert [len(one.body["input"]) for one in server.seen] == [64, 6, 1]
    assert [vector[0] for vector in found] == [len(text) for text in texts]
    assert np.array_equal(again[2], found[2])
    assert again[2].dtype == np.float32
    assert (use.answered, use.cached) == (1, 3)
    assert use.usage == Usage(1, 1)


def test_what_vectors_took_is_counted_once_with_all_requests():
    def picky(asked):
        return status(400) if "poison" in asked.body["input"] else vectors(asked)

    with ScriptedServer(picky) as server, models_of(connection(server, input_price=2.0)) as models:
        found = models.embed("fast", ["a", "b", "poison"])
        use = models.uses()["fast"]

    assert [isinstance(one, Fault) for one in found] == [False, False, True]
    assert (use.answered, use.failed) == (2, 1)
    assert use.usage == Usage(len(server.seen), 2, 0, 4e-6)


def test_the_same_prompt_at_the_same_time_is_asked_once():
    async def main(server):
        async with ModelClient(connection(server), retry=QUICK) as client:
            chained = Chain([client], Budget())
            calls = (chained.answer(Prompt("a"), ["key"], {}) for _ in range(3))
            return await asyncio.gather(*calls)

    with ScriptedServer(chat("one")) as server:
        found = asyncio.run(main(server))

    assert texts_of(one.outcome for one in found) == ["one"] * 3
    assert [one.outcome.usage.requests for one in found] == [1, 0, 0]
    assert len(server.seen) == 1


def test_a_cancelled_run_ends_its_requests(monkeypatch):
    monkeypatch.setattr(llm_models, "POLL_S", 0.01)
    with (
        ScriptedServer(SILENT) as server,
        models_of(connection(server)) as models,
        given_up_by(lambda: True),
        pytest.raises(asyncio.CancelledError, match="the run was cancelled"),
    ):
        models.generate("fast", prompts("a", "b"))


def titan(asked):
    """One text a request, as the user guide has it."""
    return reply(200, {"embedding": [len(asked.body["inputText"]), 0], "inputTextTokenCount": 1})


def cohere(asked):
    """Up to 96 texts a request, as the user guide has it."""
    if len(asked.body["texts"]) > 96:
        return status(400, "too many texts")
    rows = [[len(text), 0] for text in asked.body["texts"]]
    return reply(200, {"embeddings": {"float": rows}, "response_type": "embeddings_by_type"})


@pytest.mark.parametrize(
    ("answer", "model", "requests"),
    [
        (titan, "amazon.titan-embed-text-v2:0", 100),
        (cohere, "cohere.embed-english-v3", 2),
    ],
    ids=["titan", "cohere"],
)
def test_vectors_of_bedrock(answer, model, requests):
    texts = ["x" * n for n in range(1, 101)]
    with ScriptedServer(answer) as server:
        place = server.url.removesuffix("/v1")
        own = ModelConnection("aws", "bedrock", place, embedding_model=model, key=SecretStr(CANARY))
        with models_of(own) as models:
            found = models.embed("aws", texts)

    assert [vector[0] for vector in found] == [len(text) for text in texts]
    assert {one.path for one in server.seen} == {f"/model/{model.replace(':', '%3A')}/invoke"}
    assert len(server.seen) == requests


@pytest.mark.parametrize(
    ("changes", "limits", "message"),
    [
        ({"fallbacks": ("other",)}, None, "fallback 'other' is no connection of this run"),
        ({}, ModelLimits(cost=1.0), "no prices; expected input_price and output_price"),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_asked(changes, limits, message):
    with pytest.raises(InputError, match=message):
        LanguageModels({"c": replace(PLAIN, **changes)}, limits=limits)


def test_a_connection_that_is_not_there_is_told():
    with models_of(replace(PLAIN, model="")) as models:
        with pytest.raises(InputError, match="'x': not of this run; expected one of: c"):
            models.generate("x", prompts("a"))
        with pytest.raises(InputError, match="'c': has no model"):
            models.generate("c", prompts("a"))


def test_the_key_is_in_nothing_that_is_kept_or_shown():
    kept = Kept()
    with ScriptedServer(echo) as server:
        own = connection(server, base_url=server.url)
        with models_of(own, answers=kept) as models:
            outcomes = models.generate("fast", prompts("a"))
            shown = [repr(outcomes), repr(models.uses()), models.identity("fast"), json.dumps(kept)]
            shown += [repr(own), str(own), *kept]

    assert server.seen[0].headers["authorization"] == f"Bearer {CANARY}"
    assert CANARY not in "".join(shown)


def test_uses_add_up():
    answer, fault = Answer("a", "m", usage=Usage(1, 2, 3, 0.5)), Fault("r", "cut", Usage(1, 2))
    use = ModelUse().plus(answer).plus(fault).plus(replace(answer, cached=True))

    assert use == ModelUse(1, 1, 0, 0, 1, Usage(3, 6, 6, 1.0))
