"""A model is asked patiently, checked closely, and what goes wrong comes back as ours."""

import asyncio
import json
import logging
from dataclasses import replace

import numpy as np
import pytest
from pydantic import SecretStr

from blocks.errors import BudgetError, InputError
from blocks.llm_budget import Budget, ModelLimits
from blocks.llm_calls import Answer, Fault, ModelConnection, Prompt, Usage
from blocks.llm_client import ModelClient
from blocks.llm_shapes import Shape
from blocks.service_pace import RetryRule
from tests.llm_script import (
    CUT,
    SILENT,
    Reply,
    ScriptedServer,
    chat,
    echo,
    reply,
    status,
)

CANARY = "sk-canary-7f3a"
QUICK = RetryRule(attempts=3, first_wait_s=0.01, longest_wait_s=0.02, throttled_for_s=1.0)
SHAPE = Shape.of_fields("label", {"label": ["good", "bad"], "score": "float"})
BAD_COUNTS = ["x", -1, None, 1.5, True, 2**60, [1]]
GOOD = '{"label": "good", "score": 0.5}'


def connection(url, **changes):
    fields = {"model": "m", "embedding_model": "e", "key": SecretStr(CANARY), "timeout_s": 5.0}
    return replace(ModelConnection("fast", "openai", url, **fields), **changes)


def run(server, call, budget=None, **changes):
    """What `call(client, budget)` gives, with a client of the server."""

    async def main():
        async with ModelClient(connection(server.url, **changes), retry=QUICK) as client:
            return await call(client, budget or Budget())

    return asyncio.run(main())


def ask(server, *prompts, budget=None, **changes):
    async def call(client, budget):
        return await asyncio.gather(*(client.answer(prompt, budget) for prompt in prompts))

    return run(server, call, budget, **changes)


def test_an_answer_with_what_it_took():
    with ScriptedServer(chat("hello", tokens=(1000, 500))) as server:
        (answer,) = ask(server, Prompt("hi"), input_price=2.0, output_price=10.0)

    assert answer == Answer("hello", "fast: m", usage=Usage(1, 1000, 500, 0.007))
    assert server.seen[0].path == "/v1/chat/completions"
    assert server.seen[0].headers["authorization"] == f"Bearer {CANARY}"


NOTHING = [
    ({"content": None}, "stop", "unusable", "the answer holds no text"),
    ({}, "stop", "unusable", "the answer holds no text"),
    ({"content": None}, "length", "cut", "cut off after 1024 tokens; expected a larger"),
]


@pytest.mark.parametrize(
    ("message", "finish", "kind", "said"), NOTHING, ids=["null", "none", "cut"]
)
def test_an_answer_without_a_text_is_a_fault(message, finish, kind, said):
    body = {"choices": [{"message": message, "finish_reason": finish}]}
    with ScriptedServer(reply(200, body)) as server:
        (fault,) = ask(server, Prompt("hi"))

    assert (fault.kind, len(server.seen)) == (kind, 1)
    assert said in fault.reason


def test_an_empty_text_is_an_answer():
    with ScriptedServer(chat("")) as server:
        assert ask(server, Prompt("hi"))[0].text == ""


def test_a_shape_is_asked_for_again_where_there_is_no_text():
    nothing = reply(200, {"choices": [{"message": {"content": None}}]})
    with ScriptedServer(nothing, chat(GOOD)) as server:
        (answer,) = ask(server, Prompt("hi", shape=SHAPE))

    assert answer.repaired
    assert "the answer holds no text" in server.seen[1].body["messages"][-1]["content"]


@pytest.mark.parametrize(
    "usage",
    ["x", 7, [], {}, None, *({"prompt_tokens": 3, "completion_tokens": n} for n in BAD_COUNTS)],
    ids=str,
)
def test_an_answer_stays_whatever_is_said_of_its_use(usage):
    body = {"choices": [{"message": {"content": "hello"}}], "usage": usage}
    with ScriptedServer(reply(200, body)) as server:
        (answer,) = ask(server, Prompt("hi"), input_price=1.0, output_price=1.0)

    known = 3 if usage and isinstance(usage, dict) else 0
    assert answer == Answer("hello", "fast: m", usage=Usage(1, known, 0, known / 1e6))
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("first", "requests"),
    [
        (status(429, retry_after="0.01"), 2),
        (status(429), 2),
        (status(503), 2),
        (status(500), 2),
        (CUT, 2),
    ],
    ids=["429 with Retry-After", "429", "503", "500", "cut off"],
)
def test_what_passes_is_asked_again(first, requests):
    with ScriptedServer(first, chat("hello")) as server:
        (answer,) = ask(server, Prompt("hi"))

    assert (answer.text, answer.usage.requests, len(server.seen)) == ("hello", requests, requests)


@pytest.mark.parametrize(
    ("answer", "kind", "asked", "said"),
    [
        (status(500, "broken"), "unavailable", 3, "HTTP 500: broken"),
        (status(400, "too long"), "refused", 1, "HTTP 400: too long"),
        (status(429, retry_after="3600"), "unavailable", 1, "asks to be left alone for 3600 s"),
        (CUT, "unavailable", 3, "cut off"),
        (reply(200, {"choices": []}), "unusable", 1, "the reply is no answer"),
        (Reply(200, b"<p>", {"Content-Type": "text/html"}), "unusable", 1, "no JSON: <p>"),
        (chat("...", "content_filter"), "refused", 1, "a filter kept the answer back"),
    ],
    ids=["500", "400", "a long wait", "cut off", "no choices", "no JSON", "filtered"],
)
def test_what_stays_wrong_is_a_fault(answer, kind, asked, said):
    with ScriptedServer(answer) as server:
        (fault,) = ask(server, Prompt("hi"))

    assert (fault.kind, fault.transient, len(server.seen)) == (kind, kind == "unavailable", asked)
    assert fault.reason.startswith("fast: m: ")
    assert said in fault.reason or ("broke" in fault.reason and answer == CUT)


def test_a_bedrock_model_that_failed_is_asked_again():
    good = {"output": {"message": {"content": [{"text": "a"}]}}, "stopReason": "end_turn"}
    throttled = reply(429, {"message": "slow down"}, **{"x-amzn-errortype": "Throttling"})
    with ScriptedServer(throttled, reply(424, {"message": "oh"}), reply(200, good)) as server:
        place = server.url.removesuffix("/v1")
        made = ModelConnection("aws", "bedrock", place, "a:0", region="us-east-1")

        async def main():
            async with ModelClient(replace(made, key=SecretStr(CANARY), deadline_s=9)) as client:
                return await client.answer(Prompt("q"), Budget())

        answer = asyncio.run(main())

    assert (answer.text, answer.usage.requests) == ("a", 3)
    assert server.seen[0].path == "/model/a%3A0/converse"


@pytest.mark.parametrize(
    "answer",
    [status(401), status(403), status(404), reply(429, {"error": {"code": "insufficient_quota"}})],
    ids=["401", "403", "404", "no credit"],
)
def test_a_refused_key_ends_it_for_all(answer):
    with ScriptedServer(answer) as server, pytest.raises(InputError, match="expected a key"):
        ask(server, *[Prompt(str(n)) for n in range(9)], in_flight=1)

    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "answer",
    [status(429, "slow down", "0.05"), status(503, "slow down", "0.05")],
    ids=["429", "503"],
)
@pytest.mark.parametrize(
    ("deadline_s", "said"),
    [(0.4, "no answer within 0.4 s"), (60.0, "for too long")],
    ids=["deadline", "patience"],
)
def test_what_puts_off_for_ever_is_told_with_its_words(answer, deadline_s, said):
    with ScriptedServer(answer) as server:
        faults = ask(server, Prompt("a"), Prompt("b"), deadline_s=deadline_s, in_flight=1)

    for fault in faults:
        assert (fault.kind, said in fault.reason) == ("unavailable", True), fault.reason
    code = answer.status
    assert f"; the service said last: HTTP {code}: slow down" in faults[0].reason


@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_a_page_instead_of_json_is_shown(kind):
    page = Reply(200, b"<html>Log in\nfirst", {"Content-Type": kind})
    with ScriptedServer(page) as server:
        (fault,) = ask(server, Prompt("hi"))

    assert "no JSON: <html>Log in first" in fault.reason


def test_a_silent_service_has_a_deadline():
    with ScriptedServer(SILENT) as server:
        (fault,) = ask(server, Prompt("hi"), deadline_s=0.1)

    assert fault == Fault("fast: m: no answer within 0.1 s", "unavailable")


def test_no_more_requests_at_once_than_allowed():
    running, most = 0, []

    async def call(client, budget):
        nonlocal running
        reply_of = client._service.reply

        async def counted(*asked):
            nonlocal running
            running += 1
            most.append(running)
            try:
                return await reply_of(*asked)
            finally:
                running -= 1

        client._service.reply = counted
        return await asyncio.gather(*(client.answer(Prompt(str(n)), budget) for n in range(12)))

    with ScriptedServer(echo) as server:
        answers = run(server, call, in_flight=3)

    assert [answer.text for answer in answers] == [str(n) for n in range(12)]
    assert max(most) == 3


def test_a_shape_is_asked_for_and_checked():
    with ScriptedServer(chat(GOOD)) as server:
        (answer,) = ask(server, Prompt("hi", shape=SHAPE))

    assert answer.value == {"label": "good", "score": 0.5}
    assert not answer.repaired
    assert server.seen[0].body["response_format"]["json_schema"]["schema"] == SHAPE.schema


def test_words_ask_for_a_shape_where_nothing_else_does():
    with ScriptedServer(chat(f"Sure:\n```json\n{GOOD}\n```")) as server:
        (answer,) = ask(server, Prompt("hi", "s", shape=SHAPE), structured="prompt")

    assert answer.value == {"label": "good", "score": 0.5}
    assert server.seen[0].body["messages"][0]["content"].startswith("s\n\nAnswer with JSON only")
    assert "response_format" not in server.seen[0].body


@pytest.mark.parametrize(
    ("bad", "mistake"),
    [
        ("no JSON at all", "Invalid JSON"),
        ('{"label": "good"}', "score: Field required"),
        ('{"label": "ugly", "score": 1}', "label: Input should be 'good' or 'bad'"),
        ('{"label": "good", "score": "1"}', "score: Input should be a valid number"),
        ('{"label": "good", "score": true}', "score: Input should be a valid number"),
    ],
    ids=["words", "a field is missing", "another word", "text for a number", "true for a number"],
)
def test_one_turn_repairs(bad, mistake):
    with ScriptedServer(chat(bad), chat(GOOD)) as server:
        (answer,) = ask(server, Prompt("hi", shape=SHAPE))

    assert (answer.value, answer.repaired) == ({"label": "good", "score": 0.5}, True)
    assert answer.usage == Usage(2, 20, 10)
    first, said, asked = server.seen[1].body["messages"]
    assert (first["content"], said["content"]) == ("hi", bad)
    assert mistake in asked["content"]


def test_nonsense_twice_is_a_fault_that_says_why():
    with ScriptedServer(chat("nonsense")) as server:
        (fault,) = ask(server, Prompt("hi", shape=SHAPE))

    assert (fault.kind, len(server.seen), fault.usage.requests) == ("unusable", 2, 2)
    assert "nor when asked again" in fault.reason


def test_a_cut_answer_is_not_repaired():
    with ScriptedServer(chat('{"label": "go', "length")) as server:
        (fault,) = ask(server, Prompt("hi", shape=SHAPE, max_tokens=9))

    assert (fault.kind, len(server.seen)) == ("cut", 1)
    assert "cut off after 9 tokens; expected a larger max_tokens" in fault.reason


def test_a_cut_text_says_so():
    with ScriptedServer(chat("once upon", "length")) as server:
        (answer,) = ask(server, Prompt("hi"))

    assert (answer.text, answer.finish) == ("once upon", "length")


@pytest.mark.parametrize(
    ("limits", "passed", "said"),
    [
        (ModelLimits(calls=3), 3, "3 of at most 3 calls"),
        (ModelLimits(tokens=60), 3, "45 of at most 60 tokens"),
        (ModelLimits(cost=60e-6), 3, "USD used"),
    ],
    ids=["calls", "tokens", "cost"],
)
def test_a_budget_ends_it_before_it_is_passed(limits, passed, said):
    async def call(client, budget):
        prompts = [Prompt("hi", max_tokens=19) for _ in range(8)]  # 1 + 19 at most, 10 + 5 in fact
        calls = (client.answer(prompt, budget) for prompt in prompts)
        return await asyncio.gather(*calls, return_exceptions=True)

    with ScriptedServer(chat("hello")) as server:
        outcomes = run(server, call, Budget(limits), in_flight=4, input_price=1.0, output_price=1.0)

    answers = [one for one in outcomes if isinstance(one, Answer)]
    errors = [one for one in outcomes if isinstance(one, BudgetError)]
    assert (len(answers), len(server.seen), len(errors)) == (passed, passed, 8 - passed)
    assert said in str(errors[0])
    assert "kept" in str(errors[0])


def vectors_of(asked):
    texts = asked.body["input"]
    if "poison" in texts:
        return status(400, "not this")
    rows = [{"index": n, "embedding": [len(text), 1]} for n, text in enumerate(texts)]
    return reply(200, {"data": rows[::-1], "usage": {"prompt_tokens": len(texts)}})


def test_vectors_and_the_one_text_that_is_refused():
    async def call(client, budget):
        return (await client.vectors(["a", "bb", "poison", "dddd"], budget)).vectors

    with ScriptedServer(vectors_of) as server:
        a, b, fault, d = run(server, call)

    assert [vector.tolist() for vector in (a, b, d)] == [[1, 1], [2, 1], [4, 1]]
    assert a.dtype == np.float32
    assert (fault.kind, "not this" in fault.reason) == ("refused", True)
    assert server.seen[0].body["model"] == "e"


def test_fewer_vectors_than_texts_are_none():
    rows = [{"index": 0, "embedding": [1]}]

    async def call(client, budget):
        return (await client.vectors(["a", "b"], budget)).vectors

    with ScriptedServer(reply(200, {"data": rows})) as server:
        assert [fault.kind for fault in run(server, call)] == ["unusable"] * 2


def test_the_key_is_nowhere_to_be_seen(caplog):
    caplog.set_level(logging.DEBUG)
    told = {"error": {"message": f"key {CANARY} and Bearer {CANARY} refused"}}
    with ScriptedServer(reply(400, told), reply(401, told)) as server:
        (fault,) = ask(server, Prompt("hi"))
        with pytest.raises(InputError) as raised:
            ask(server, Prompt("hi"))
        shown = [repr(fault), repr(raised.value), str(raised.value), repr(connection(server.url))]

    assert "***" in fault.reason
    assert CANARY not in json.dumps([*shown, caplog.text])
