"""A service is asked patiently, and what goes wrong comes back as ours."""

import asyncio
import gzip
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import orjson
import pytest

from blocks.errors import InputError, ServiceError
from blocks.service_pace import Pace, RetryRule, Traffic
from blocks.service_replies import read_reply
from blocks.services import Service, is_loopback

QUICK = RetryRule(attempts=4, first_wait_s=0.01, longest_wait_s=0.05, throttled_for_s=1.0)
URL = "http://127.0.0.1:9/api"
SECRET = {"Authorization": "Token s3cret"}


class Script:
    """Answers to order, the last one for ever; an exception is raised."""

    def __init__(self, *answers, takes_s=0.0):
        self.answers, self.requests, self.times = list(answers), [], []
        self.takes_s, self.running, self.at_once = takes_s, 0, []

    async def __call__(self, request):
        self.requests.append(request)
        self.times.append(time.monotonic())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.running += 1
        self.at_once.append(self.running)
        await asyncio.sleep(self.takes_s)
        self.running -= 1
        if isinstance(answer, Exception):
            raise answer
        status, body, *headers = answer
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        kept = {"content-type": "application/json", **(headers[0] if headers else {})}
        return httpx.Response(status, content=content, headers=kept)


def ask(script, *, rule=QUICK, times=1, in_flight=4, payload=None, url=URL, **options):
    """The replies to `times` requests sent at once, and the service."""

    async def main():
        transport = httpx.MockTransport(script)
        async with Service(url, headers=SECRET, rule=rule, transport=transport) as service:
            pace = service.pace(in_flight)
            body = {"a": 1} if payload is None else payload
            calls = (service.post_json("/x", body, pace=pace, **options) for _ in range(times))
            return await asyncio.gather(*calls), service

    return asyncio.run(main())


OK = (200, {"n": 1})


def test_the_answer_comes_as_json():
    script = Script(OK)
    (reply,), service = ask(script)

    assert (reply.status, reply.data, reply.requests) == (200, {"n": 1}, 1)
    assert str(script.requests[0].url) == "http://127.0.0.1:9/api/x"
    assert script.requests[0].content == b'{"a":1}'
    assert script.requests[0].headers["authorization"] == "Token s3cret"
    assert (service.traffic.requests, service.traffic.retries) == (1, 0)
    assert (service.traffic.sent_bytes, service.traffic.received_bytes) == (7, 7)


def test_only_large_bodies_are_compressed():
    script = Script(OK)
    ask(script, payload={"a": "M" * 400}, gzip=True)
    ask(script, payload={"a": "M"}, gzip=True)
    ask(script, payload={"a": "M" * 400})

    large, small, plain = script.requests
    assert large.headers["content-encoding"] == "gzip"
    assert orjson.loads(gzip.decompress(large.content)) == {"a": "M" * 400}
    assert "content-encoding" not in small.headers
    assert "content-encoding" not in plain.headers


@pytest.mark.parametrize("status", [408, 409, 425, 500, 502, 503, 504, 429])
def test_a_passing_failure_is_retried(status):
    (reply,), service = ask(Script((status, {}), OK))

    assert (reply.status, reply.requests) == (200, 2)
    assert service.traffic.retries + service.traffic.throttled == 1


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422, 501, 307])
def test_everything_else_is_not(status):
    (reply,), _ = ask(Script((status, {"detail": "no"})))

    assert (reply.status, reply.requests, reply.data) == (status, 1, {"detail": "no"})


def test_redirects_are_told_and_not_followed():
    script = Script((302, b"", {"location": "http://evil.org/"}))
    (reply,), _ = ask(script)

    assert reply.text == "redirects to http://evil.org/"
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    "error",
    [httpx.ReadError("s3cret"), httpx.RemoteProtocolError("s3cret"), BrokenPipeError("s3cret"),
     httpx.DecodingError("s3cret")],
)  # fmt: skip
def test_a_broken_connection_is_retried_and_told_without_secrets(error):
    assert ask(Script(error, OK))[0][0].status == 200

    (reply,), _ = ask(Script(error))
    assert (reply.status, reply.requests) == (0, 4)
    assert reply.text == f"the connection broke ({type(error).__name__})"


def test_json_that_was_cut_off_is_retried():
    assert ask(Script((200, b'{"n": '), OK))[0][0].data == {"n": 1}
    assert ask(Script((200, b'{"n": ')))[0][0].text == "the answer was cut off"


def test_nan_is_an_answer():
    assert str(ask(Script((200, b'{"n": NaN}')))[0][0].data["n"]) == "nan"


def test_a_page_instead_of_json_is_no_data():
    page = (200, b"<html>hello", {"content-type": "text/html"})
    (reply,), _ = ask(Script(page))

    assert (reply.status, reply.data, reply.text) == (200, None, "<html>hello")


def test_who_cannot_be_reached_is_a_service_error():
    with pytest.raises(ServiceError, match=r"^127.0.0.1:9: cannot be reached \(ConnectError\)$"):
        ask(Script(httpx.ConnectError("s3cret")))


def test_fewer_attempts_on_demand():
    assert ask(Script((500, {})), attempts=2)[0][0].requests == 2
    assert ask(Script((500, {})))[0][0].requests == 4


def test_a_spent_budget_ends_the_retries():
    rule = RetryRule(attempts=9, first_wait_s=0.001, spare=3, share=0.0)

    (reply,), service = ask(Script((500, {})), rule=rule)

    assert (reply.status, reply.requests, service.traffic.retries) == (500, 4, 3)


def test_the_budget_grows_with_the_requests():
    rule = RetryRule(attempts=9, first_wait_s=0.001, spare=0, share=0.5)
    script = Script(*[OK] * 10, (500, {}))

    async def main():
        async with Service(URL, rule=rule, transport=httpx.MockTransport(script)) as service:
            pace = service.pace(1)
            for _ in range(10):
                await service.post_json("/x", {}, pace=pace)
            return await service.post_json("/x", {}, pace=pace)

    assert asyncio.run(main()).requests == 9


def test_nothing_starts_while_throttled():
    """One of two running requests is throttled; the six behind them wait for the time asked."""
    script = Script((429, {}, {"retry-after": "0.3"}), OK, takes_s=0.01)
    replies, service = ask(script, times=8, in_flight=2)

    assert all(reply.status == 200 for reply in replies)
    first, second, *later = script.times
    assert second - first < 0.1
    assert min(later) - first >= 0.3 - 0.01
    assert service.traffic.throttled == 1


def test_patience_is_not_counted_as_attempts():
    rule = RetryRule(attempts=2, first_wait_s=0.005, longest_wait_s=0.01, spare=0, share=0.0)
    (reply,), service = ask(Script(*[(429, {})] * 10, OK), rule=rule)

    assert (reply.status, reply.requests) == (200, 11)
    assert (service.traffic.throttled, service.traffic.retries) == (10, 0)


def test_patience_ends():
    start = time.monotonic()
    rule = RetryRule(first_wait_s=0.02, longest_wait_s=0.02, throttled_for_s=0.1)

    with pytest.raises(ServiceError, match="HTTP 429 for too long"):
        ask(Script((429, {})), rule=rule)
    assert time.monotonic() - start < 2


def test_more_patience_than_the_rule_has_is_refused_at_once():
    with pytest.raises(ServiceError, match="asks to be left alone for 3600 s"):
        ask(Script((429, {}, {"retry-after": "3600"})), times=3)


def test_retry_after_may_be_a_date():
    at = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)

    with pytest.raises(ServiceError, match=r"left alone for 3(599|600) s"):
        ask(Script((503, {}, {"retry-after": at})))


@pytest.mark.parametrize(
    "value",
    [
        "soon",
        "-5",
        "",
        "nan",
        "0",
        "Mon, 99 Foo",
        "Mon, 01 Jan 2024 00:00:00 +99999999999999999999",
    ],
)
def test_a_senseless_retry_after_is_a_plain_back_off(value):
    (reply,), _ = ask(Script((429, {}, {"retry-after": value}), OK))

    assert (reply.status, reply.requests) == (200, 2)


def test_one_at_a_time_tries_whether_a_service_is_back():
    script = Script(*[httpx.ConnectError("down")] * 11, OK, takes_s=0.1)
    replies, _ = ask(script, times=8, in_flight=8, rule=RetryRule(first_wait_s=0.15))

    assert [reply.status for reply in replies] == [200] * 8
    assert script.at_once[:12] == [1, 2, 3, 4, 5, 6, 7, 8, 1, 1, 1, 1]
    assert len(script.requests) == 8 + 3 + 8


def test_requests_start_evenly():
    script = Script(OK)
    ask(script, times=6, in_flight=6, per_second=50.0)

    gaps = [later - earlier for earlier, later in zip(script.times, script.times[1:], strict=False)]
    assert min(gaps) > 0.01
    assert script.times[-1] - script.times[0] > 0.095


def test_a_waiting_retry_holds_no_place():
    """With one place, the second request passes while the first one waits for its second try."""
    script = Script((500, {}), OK)
    rule = RetryRule(first_wait_s=0.2)

    ask(script, times=2, in_flight=1, rule=rule)
    assert script.times[1] - script.times[0] < 0.08


def test_a_body_that_trickles_ends_at_the_deadline():
    async def trickle(request):
        async def body():
            for _ in range(100):
                yield b" "
                await asyncio.sleep(0.01)

        return httpx.Response(200, content=body())

    async def main():
        transport = httpx.MockTransport(trickle)
        rule = RetryRule(attempts=1)
        async with Service(URL, timeout_s=0.1, rule=rule, transport=transport) as service:
            return await service.post_json("/x", {}, pace=service.pace(1))

    reply = asyncio.run(main())
    assert (reply.status, reply.text) == (0, "no whole answer within 0.1 s")


def test_headers_go_to_no_other_origin():
    script = Script(OK)

    async def main(url):
        async with Service(URL, headers=SECRET, transport=httpx.MockTransport(script)) as service:
            return await service.get_json(url, 1.0)

    assert asyncio.run(main("http://127.0.0.1:9/openapi.json")).data == {"n": 1}
    for url in ("http://127.0.0.1:90/x", "https://127.0.0.1:9/x", "http://evil.org/"):
        with pytest.raises(InputError, match="not a place of"):
            asyncio.run(main(url))
    assert len(script.requests) == 1


def test_what_is_no_json_is_the_callers_mistake():
    with pytest.raises(InputError, match="cannot be sent as JSON"):
        ask(Script(OK), payload={"a": set()})


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.2", True), ("::1", True), ("a.localhost", True),
     ("localhost.org", False), ("10.0.0.1", False), ("", False)],
)  # fmt: skip
def test_loopback(host, expected):
    assert is_loopback(host) is expected


def test_only_news_opens_a_gate_again():
    """What started before the gate closed says nothing about the time after."""
    pace = Pace(1, "here", QUICK, Traffic())
    early = time.monotonic()
    pace.close(early, None, down=True)
    pace.fine(early - 1)
    assert pace.failures == 1

    pace.close(early - 1, None, down=True)
    assert pace.failures == 1

    pace.fine(time.monotonic())
    assert pace.failures == 0


def test_an_answer_nested_beyond_reason_counts_as_cut_off():
    reply = read_reply(httpx.Response(200, content=b"[" * 200_000 + b"NaN" + b"]" * 200_000))

    assert reply.status == 0


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b'{"a": 1e999}', {"a": float("inf")}),
        (b'{"a": [NaN, "x\\ud800"]}', None),
        (b'{"a": ' + b"1" * 400 + b"}", {"a": float("inf")}),
    ],
)
def test_answers_that_orjson_does_not_read_are_no_cut_off_ones(body, read):
    reply = read_reply(httpx.Response(200, content=body))

    assert reply.status == 200
    assert read is None or reply.data == read
    assert "\ud800" not in str(reply.data)
