"""Every item asked of BioLM comes back with its answer or with a reason, whatever happens."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing
from itertools import count

import httpx
import orjson
import pytest
from pydantic import SecretStr

from blocks.biolm_calls import Call, Connection, Limits
from blocks.biolm_client import BioLMClient
from blocks.errors import InputError, ServiceError
from blocks.service_pace import RetryRule
from tests.biolm_models import answer
from tests.biolm_script import Status, throttled
from tests.biolm_server import BioLMServer

QUICK = RetryRule(attempts=5, first_wait_s=0.01, longest_wait_s=0.05, throttled_for_s=5.0)
SCORE = Call("esm2-8m", "score")
LETTERS = "ACDEFGHIKLMNPQRSTVWY"


@pytest.fixture
def server() -> Iterator[BioLMServer]:
    with BioLMServer() as started:
        yield started


def sequences(number: int) -> list[str]:
    return ["M" + "".join(LETTERS[n // 20**k % 20] for k in range(5)) for n in range(number)]


def items(number: int) -> list[dict[str, str]]:
    return [{"sequence": sequence} for sequence in sequences(number)]


def expected(number, call=SCORE):
    return [answer(f"{call.model}/{call.action}", item, call.params) for item in items(number)]


def client(server, *, hub=False, token=None, retry=QUICK, **options):
    url, dialect = (server.url_hub, "hub") if hub else (server.url_v3, "v3")
    secret = SecretStr(token) if token else None
    return BioLMClient(Connection(url, dialect, secret, **options), retry=retry)


def batch(server, number=32, call=SCORE, **options):
    async def main():
        async with client(server, **options) as biolm:
            return await biolm.batch(call, items(number))

    return asyncio.run(main())


def ask(server, number, call=SCORE, **options):
    """All answers and faults by the place of the item."""

    async def main():
        answers, faults = {}, {}
        async with client(server, **options) as biolm:
            async for start, answered in biolm.ask(call, items(number)):
                assert not answers.keys() & {start}
                answers |= {start + n: one for n, one in enumerate(answered.answers)}
                faults |= {start + n: why for n, why in answered.faults.items()}
        return [answers[n] for n in range(number)], faults

    return asyncio.run(main())


# --- the way there and back ---------------------------------------------------------------------


@pytest.mark.parametrize("hub", [False, True])
def test_every_item_has_its_own_answer_in_both_dialects(server, hub):
    call = Call("esm2-8m", "score", {"layer": 3})

    assert ask(server, 100, call, hub=hub) == (expected(100, call), {})
    assert server.seen.requests["esm2-8m/score"] == 4
    assert set(server.seen.answered.values()) == {1}
    posts = [seen for seen in server.seen.calls if seen.method == "POST"]
    assert {seen.gzipped for seen in posts if len(seen.items) == 32} == {not hub}


def test_answers_come_over_http2():
    with BioLMServer(http2=True) as server:
        transport = httpx.AsyncHTTPTransport(verify=server.client_tls(), http2=True)

        async def main():
            connection = Connection(server.url_v3, token=SecretStr("t0ken"))
            async with BioLMClient(connection, transport=transport, retry=QUICK) as biolm:
                return await asyncio.gather(*(biolm.batch(SCORE, items(32)) for _ in range(3)))

        found = asyncio.run(main())

    assert [one.answers for one in found] == [expected(32)] * 3
    assert {seen.http_version for seen in server.seen.calls} == {"2"}


def test_a_certificate_of_nobody_is_told():
    with BioLMServer(http2=True) as server, pytest.raises(InputError, match="not trusted"):
        batch(server, 1)


def test_the_token_is_sent(server):
    server.script.token = "t0ken"

    assert batch(server, 3, token="t0ken").answers == expected(3)


@pytest.mark.parametrize(
    ("status", "hint"), [(401, "token"), (402, "credit"), (403, "token"), (404, "model")]
)
def test_a_refused_customer_hears_it_at_once(server, status, hint):
    server.script.outage = Status(status, {"detail": "Not you,\nt0ken."})

    with pytest.raises(InputError) as error:
        ask(server, 20 * 32, token="t0ken")

    host = f"127.0.0.1:{server.port}"
    assert str(error.value).startswith(f"{host}: esm2-8m/score: HTTP {status}: Not you, ***.; exp")
    assert hint in str(error.value)
    assert server.seen.requests["esm2-8m/score"] <= 10


def test_a_page_that_is_no_service_is_told(server):
    server.script.outage = "not-json"

    with pytest.raises(InputError, match="expected the address of a BioLM service"):
        batch(server, 1)


# --- limits -------------------------------------------------------------------------------------


def limits(server, call, **options):
    async def main():
        async with client(server, **options) as biolm:
            return await asyncio.gather(*(biolm.limits(call) for _ in range(5)))

    return asyncio.run(main())


@pytest.mark.parametrize("hub", [False, True])
def test_limits_are_fetched_once(server, hub):
    server.script.batch_size = 8

    assert limits(server, SCORE, hub=hub) == [Limits(8, None if hub else 1000.0)] * 5
    assert len(server.seen.calls) == 1


def test_the_callers_limits_win(server):
    call = Call("esm2-8m", "score", batch_size=4, per_second=7.0)

    assert limits(server, call)[0] == Limits(4, 7.0)
    assert server.seen.calls == []


@pytest.mark.parametrize("hub", [False, True])
def test_missing_limits_are_no_failure_and_not_asked_again(server, hub):
    server.script.schema = "missing"

    assert limits(server, SCORE, hub=hub) == [Limits(None, None)] * 5
    assert len(server.seen.calls) == 1


def test_limits_that_hang_are_given_up(server, monkeypatch):
    monkeypatch.setattr("blocks.biolm_client.SCHEMA_S", 0.1)
    server.script.schema = "hangs"

    assert limits(server, SCORE) == [Limits(None, None)] * 5


def test_too_large_batches_are_made_smaller_and_stay_so(server):
    server.script.schema, server.script.batch_size = "missing", 3

    assert ask(server, 200) == (expected(200), {})
    sizes = [len(seen.items) for seen in server.seen.calls if seen.endpoint]
    assert sizes.count(8) <= 10  # those on their way when the first one was refused
    assert max(sizes[-40:]) <= 3


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("hub", [False, True])
def test_named_items_are_set_aside_in_one_more_request(server, hub):
    bad = sequences(32)[3], sequences(32)[30]
    server.script.items = dict.fromkeys(bad, "named")

    found = batch(server, hub=hub)

    assert found.requests == 2
    assert found.faults.keys() == {3, 30}
    assert "this one is not wanted" in found.faults[3]
    assert [found.answers[n] for n in (3, 30)] == [None, None]
    assert [one for one in found.answers if one] == [
        one for n, one in enumerate(expected(32)) if n not in {3, 30}
    ]


def test_the_item_that_nobody_names_is_found_in_six_more_requests(server):
    server.script.items = {sequences(32)[19]: "unnamed"}

    found = batch(server)

    assert found.faults == {19: "HTTP 400: The input could not be processed"}
    assert found.requests <= 7
    assert set(server.seen.answered.values()) == {1}


def test_without_a_stated_size_a_culprit_is_confirmed(server):
    server.script.schema = "missing"
    bad = sequences(8)[7]
    server.script.items = {bad: "unnamed"}

    assert batch(server, 8).faults.keys() == {7}
    assert any(seen.items == (bad,) for seen in server.seen.calls)


def test_many_bad_items_are_found(server):
    bad = {n for n in range(64) if n % 3 == 0}
    server.script.items = {sequences(64)[n]: "unnamed" if n % 2 else "named" for n in bad}

    answers, faults = ask(server, 64)

    assert faults.keys() == bad
    assert answers == [None if n in bad else one for n, one in enumerate(expected(64))]
    assert server.seen.requests["esm2-8m/score"] <= 2 * (32 + 5 + 3)


@pytest.mark.parametrize(("fault", "said"), [("short", 31), ("long", 33)])
def test_answers_never_shift(server, fault, said):
    server.script.next(fault, fault)  # asked for once more

    found = batch(server)

    assert found.answers == [None] * 32
    assert set(found.faults.values()) == {f"the service answered {said} results for 32 items"}


def test_results_beside_an_error_are_not_believed(server):
    server.script.next("mixed")

    assert batch(server).answers == expected(32)
    assert server.seen.requests["esm2-8m/score"] == 2


def test_entries_may_be_faults(server):
    server.script.items = {sequences(9)[2]: "error", sequences(9)[5]: "null"}

    found = batch(server, 9)

    assert found.faults == {
        2: "no result for this item",
        5: "the service answered nothing for this item",
    }
    assert found.requests == 1


def test_wrong_parameters_blame_no_item(server):
    detail = [{"loc": ["body", "params", "layer"], "msg": "unknown"}]
    server.script.outage = Status(422, {"detail": detail})

    with pytest.raises(InputError, match=r"params\.layer: unknown; expected parameters"):
        batch(server)
    assert server.seen.requests["esm2-8m/score"] == 1


def test_a_message_is_short(server):
    server.script.outage = Status(400, {"detail": "long\n" * 1000})

    fault = batch(server, 1).faults[0]
    assert len(fault) <= len("HTTP 400: ") + 300
    assert "\n" not in fault


# --- failures -----------------------------------------------------------------------------------


def test_a_poisoned_item_costs_nobody_else_the_answer(server):
    server.script.items = {sequences(100)[40]: "crash"}

    answers, faults = ask(server, 100)

    assert faults == {40: "HTTP 500: An unexpected backend error occurred."}
    assert answers == [None if n == 40 else one for n, one in enumerate(expected(100))]


@pytest.mark.parametrize("place", [0, 1, 15, 31])
def test_a_poisoned_item_of_the_only_batch_is_found(server, place):
    server.script.items = {sequences(32)[place]: "crash"}

    assert batch(server).faults.keys() == {place}


def test_an_item_that_hangs_is_found(server):
    server.script.items = {sequences(8)[5]: "hang"}

    found = batch(server, 8, timeout_s=0.1)

    assert found.faults == {5: "no whole answer within 0.1 s"}


@pytest.mark.parametrize(
    "outage",
    [Status(500), Status(502), "reset", "cut", Status(409, {}), Status(500, {"detail": "down"})],
)
@pytest.mark.parametrize("number", [1, 2, 9])
def test_an_outage_blames_no_row(server, outage, number):
    server.script.outage = outage

    with pytest.raises(ServiceError):
        batch(server, number)


def test_throttling_delays_and_loses_nothing(server):
    server.script.next(*[throttled("0.1")] * 3, *[throttled()] * 6, *[Status(503)] * 6)

    assert ask(server, 300) == (expected(300), {})
    assert set(server.seen.answered.values()) == {1}
    assert sum(server.seen.statuses.values()) == 10 + 15


def test_a_limit_of_the_service_is_respected_without_losses(server):
    server.script.most_in_flight = 2

    assert ask(server, 500, in_flight=8) == (expected(500), {})


@pytest.mark.parametrize("fault", ["reset", "cut", Status(500), Status(502), Status(408, {})])
def test_a_passing_failure_is_mended(server, fault):
    server.script.next(fault, fault)

    assert ask(server, 100) == (expected(100), {})


def test_a_service_that_is_restarted_loses_nothing(server):
    server.script.latency_s = 0.03
    retry = RetryRule(first_wait_s=0.05)

    async def main():
        found = {}
        async with client(server, retry=retry) as biolm:
            async for start, answered in biolm.ask(SCORE, items(960)):
                assert not answered.faults
                found[start] = answered.answers
                if len(found) == 3:
                    await asyncio.to_thread(server.stop)
                    asyncio.get_running_loop().call_later(0.3, server.start)
        return [one for start in sorted(found) for one in found[start]]

    assert asyncio.run(main()) == expected(960)


# --- many at once -------------------------------------------------------------------------------


def test_in_flight_is_kept_and_shared_by_all_who_ask(server):
    server.script.latency_s = 0.02

    async def main():
        async with client(server, in_flight=3) as biolm:

            async def everything():
                return [one async for one in biolm.ask(SCORE, items(320))]

            await asyncio.gather(everything(), everything())

    asyncio.run(main())
    assert server.seen.most_in_flight == 3


def test_items_are_taken_as_they_are_needed(server):
    taken = count()
    source = ({"sequence": sequence} for sequence, _ in zip(sequences(5000), taken, strict=False))

    async def main():
        async with client(server, in_flight=2) as biolm, aclosing(biolm.ask(SCORE, source)) as all_:
            async for _ in all_:
                return

    asyncio.run(main())
    assert next(taken) <= 32 * 6


def test_whoever_leaves_early_leaves_nothing_behind(server):
    server.script.latency_s = 0.05

    async def main():
        async with client(server) as biolm:
            async with aclosing(biolm.ask(SCORE, items(2000))) as batches:
                async for _ in batches:
                    break
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.sleep(0.15)  # the server takes in what was sent before
            started = server.seen.requests["esm2-8m/score"]
            await asyncio.sleep(0.15)
            return {task for task in others if not task.done()}, started

    left, started = asyncio.run(main())
    assert left == set()
    assert server.seen.requests["esm2-8m/score"] == started
    assert server.seen.in_flight == 0


def test_a_cancelled_caller_leaves_nothing_behind(server):
    server.script.outage = "hang"

    async def main():
        async with client(server) as biolm:
            asking = asyncio.create_task(anext(biolm.ask(SCORE, items(2000))))
            while server.seen.in_flight < 8:
                await asyncio.sleep(0.01)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            deadline = time.monotonic() + 2
            while server.seen.in_flight and time.monotonic() < deadline:
                await asyncio.sleep(0.01)
            return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(main()) == set()
    assert (server.seen.in_flight, server.seen.aborted) == (0, 8)


def test_an_error_in_the_source_ends_everything(server):
    def broken():
        yield from items(64)
        raise InputError("row 65: no sequence")

    async def main():
        async with client(server) as biolm:
            return [one async for one in biolm.ask(SCORE, broken())]

    with pytest.raises(InputError, match="row 65"):
        asyncio.run(main())


def test_nothing_asked_is_nothing_answered(server):
    assert ask(server, 0) == ([], {})
    assert batch(server, 0).answers == []


# --- generation ---------------------------------------------------------------------------------


def test_whole_results_come_as_they_are(server):
    server.script.next(Status(500), throttled())
    call = Call("protein-mpnn", "generate", {"num_sequences": 3}, whole=True)
    item = {"pdb": answer("esmfold/fold", {"sequence": "MKVL"})["pdb"]}

    async def main():
        async with client(server) as biolm:
            return await biolm.batch(call, [item])

    answered = asyncio.run(main())
    assert answered.answers == [answer("protein-mpnn/generate", item, call.params)]
    assert answered.requests == 3


def test_a_refused_item_is_a_fault_for_whole_results_too(server):
    server.script.outage = Status(400, {"detail": "no such chain"})

    async def main():
        async with client(server) as biolm:
            return await biolm.batch(Call("dsm", "generate", whole=True), [{"sequence": "MKV"}])

    answered = asyncio.run(main())
    assert answered.answers == [None]
    assert answered.faults == {0: "HTTP 400: no such chain"}


@pytest.mark.parametrize(
    ("outage", "error"), [(Status(500), ServiceError), (Status(401, {}), InputError)]
)
def test_whole_results_that_fail_say_why(server, outage, error):
    server.script.outage = outage

    async def main():
        async with client(server) as biolm:
            await biolm.batch(Call("dsm", "generate", whole=True), [{"sequence": "MKV"}])

    with pytest.raises(error, match=f"dsm/generate: HTTP {outage.code}"):
        asyncio.run(main())


# --- what the test server cannot do -------------------------------------------------------------


def test_a_constant_good_status_with_an_error_is_a_refusal():
    async def handler(request):
        if request.method == "GET":
            return httpx.Response(404)
        asked = [item["sequence"] for item in orjson.loads(request.content)["items"]]
        if "X" in asked:
            return httpx.Response(200, json={"error": {"items__1__sequence": ["bad"]}})
        return httpx.Response(200, json={"results": asked})

    (found,) = asked(handler, "AXC")

    assert (found.answers, found.faults) == (["A", None, "C"], {1: "sequence: bad"})


def asked(handler, *batches, call=SCORE):
    """The answers to batches of letters, asked one beside the other."""

    async def main():
        connection = Connection("http://localhost/api/v3")
        transport = httpx.MockTransport(handler)
        async with BioLMClient(connection, transport=transport, retry=QUICK) as biolm:
            calls = ([{"sequence": letter} for letter in letters] for letters in batches)
            return await asyncio.gather(*(biolm.batch(call, one) for one in calls))

    return asyncio.run(main())


def test_a_size_that_is_refused_without_a_word_is_learned_once():
    sizes = []

    async def handler(request):
        if request.method == "GET":
            return httpx.Response(404)
        letters = [item["sequence"] for item in orjson.loads(request.content)["items"]]
        sizes.append(len(letters))
        if len(letters) > 2:
            return httpx.Response(400, json={"detail": "Bad request"})
        return httpx.Response(200, json={"results": letters})

    (found,) = asked(handler, LETTERS)

    assert (list(found.answers), found.faults) == (list(LETTERS), {})
    assert sizes[-6:] == [2] * 6  # the last twelve of twenty


def test_results_beside_an_error_are_asked_for_once_more():
    seen = []

    async def handler(request):
        if request.method == "GET":
            return httpx.Response(404)
        letters = "".join(item["sequence"] for item in orjson.loads(request.content)["items"])
        seen.append(letters)
        if letters == "ACD" and seen.count(letters) == 1:
            await asyncio.sleep(0.05)  # the other batch passes meanwhile
            return httpx.Response(200, json={"results": ["C", "D"], "error": "one failed"})
        return httpx.Response(200, json={"results": list(letters)})

    first, second = asked(handler, "ACD", "EFG")

    assert (first.answers, second.answers) == (list("ACD"), list("EFG"))
    assert sorted(seen) == ["ACD", "ACD", "EFG"]
