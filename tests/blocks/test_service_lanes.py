"""One connection per request in flight, whatever becomes of the requests."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import ClassVar

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.service_lanes import Lanes
from blocks.services import Service
from tests.biolm_server import BioLMServer

BODY = {"items": [{"sequence": "MKV"}]}


@pytest.fixture
def server() -> Iterator[BioLMServer]:
    with BioLMServer() as started:
        yield started


def with_lanes(work, **options):
    """What `work(client, lanes)` returns."""

    async def main():
        lanes = Lanes(**options)
        async with httpx.AsyncClient(transport=lanes, timeout=30) as http:
            result = await work(http, lanes)
        assert (lanes.busy, lanes.idle) == (0, 0)
        return result

    return asyncio.run(main())


def url(server):
    return f"{server.url_v3}/esm2-8m/score/"


async def until(true):
    give_up = time.monotonic() + 5
    while not true():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.005)


def test_as_many_lanes_as_requests_at_once(server):
    server.script.latency_s = 0.05

    async def work(http, lanes):
        for _ in range(3):
            answers = await asyncio.gather(*(http.post(url(server), json=BODY) for _ in range(8)))
            assert [answer.status_code for answer in answers] == [200] * 8
            assert (lanes.busy, lanes.idle) == (0, 8)
        return server.seen.connections

    assert with_lanes(work) == server.seen.most_in_flight == 8


def test_one_after_the_other_share_a_connection(server):
    async def work(http, lanes):
        for _ in range(5):
            await http.post(url(server), json=BODY)
        assert lanes.idle == 1
        return server.seen.connections

    assert with_lanes(work) == 1


@pytest.mark.parametrize("fault", ["hang", "trickle"])
def test_a_cancelled_request_is_gone_and_its_lane_with_it(server, fault):
    server.script.trickle_s = 1.0

    async def work(http, lanes):
        await http.post(url(server), json=BODY)
        server.script.next(fault)
        asked = asyncio.create_task(http.post(url(server), json=BODY))
        await until(lambda: server.seen.in_flight == 1)
        await asyncio.sleep(0.02)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert lanes.busy == 0
        await until(lambda: server.seen.in_flight == 0 and server.seen.aborted == 1)
        await until(lambda: server.seen.connections == 0)
        assert (await http.post(url(server), json=BODY)).status_code == 200
        assert (lanes.busy, lanes.idle) == (0, 1)

    with_lanes(work)


def test_a_request_cancelled_while_it_is_sent_leaves_no_lane():
    """Nobody reads what is sent, so that it does not get to an end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"http://127.0.0.1:{listener.getsockname()[1]}/"

        async def work(http, lanes):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await http.post(place, content=b"x" * 50_000_000)
            assert (lanes.busy, lanes.idle) == (0, 0)

        with_lanes(work)


def test_a_restarted_server_is_found_again(server):
    async def work(http, lanes):
        await asyncio.gather(*(http.post(url(server), json=BODY) for _ in range(4)))
        await asyncio.to_thread(server.stop)
        with pytest.raises(httpx.ConnectError):
            await http.post(url(server), json=BODY)
        await asyncio.to_thread(server.start)
        answers = await asyncio.gather(*(http.post(url(server), json=BODY) for _ in range(4)))
        assert [answer.status_code for answer in answers] == [200] * 4
        assert (lanes.busy, lanes.idle) == (0, 4)

    with_lanes(work)


@pytest.mark.parametrize("fault", ["reset", "cut"])
def test_a_broken_connection_is_not_used_again(server, fault):
    async def work(http, lanes):
        server.script.next(fault)
        with pytest.raises(httpx.TransportError):
            await http.post(url(server), json=BODY)
        assert lanes.busy == 0
        assert (await http.post(url(server), json=BODY)).status_code == 200

    with_lanes(work)


def test_lanes_that_fell_idle_are_closed(server):
    server.script.latency_s = 0.05

    async def work(http, lanes):
        await asyncio.gather(*(http.post(url(server), json=BODY) for _ in range(6)))
        assert lanes.idle == 6
        await asyncio.sleep(0.2)
        await http.post(url(server), json=BODY)
        assert lanes.idle == 1
        await until(lambda: server.seen.connections == 1)

    with_lanes(work, idle_s=0.1)


def test_the_lane_used_last_is_taken_first(server):
    """Otherwise all would stay in use, and none fall idle."""
    server.script.latency_s = 0.05

    async def work(http, lanes):
        await asyncio.gather(*(http.post(url(server), json=BODY) for _ in range(4)))
        server.script.latency_s = 0
        for _ in range(10):
            await asyncio.sleep(0.03)
            await http.post(url(server), json=BODY)
        assert lanes.idle == 1

    with_lanes(work, idle_s=0.2)


def test_an_answer_gives_its_lane_back_once(server):
    """The second time it may be another request's."""

    async def work(http, lanes):
        async with http.stream("POST", url(server), json=BODY) as answer:
            await answer.aread()
            assert (lanes.busy, lanes.idle) == (0, 1)
        async with http.stream("POST", url(server), json=BODY):
            assert (lanes.busy, lanes.idle) == (1, 0)
            await answer.stream.aclose()
            assert (lanes.busy, lanes.idle) == (1, 0)
        assert (lanes.busy, lanes.idle) == (0, 1)

    with_lanes(work)


def test_closing_ends_what_is_under_way(server):
    async def work(http, lanes):
        server.script.next("hang")
        asked = asyncio.create_task(http.post(url(server), json=BODY))
        await until(lambda: server.seen.in_flight == 1)
        await lanes.aclose()
        with pytest.raises(httpx.TransportError):
            await asyncio.wait_for(asked, 5)
        await until(lambda: server.seen.connections == 0)
        with pytest.raises(RuntimeError, match="closed"):
            await http.post(url(server), json=BODY)

    with_lanes(work)


class FakeLane(httpx.AsyncBaseTransport):
    """Answers after some turns of the loop, and notes who uses it."""

    open: ClassVar[set[httpx.AsyncBaseTransport]] = set()

    def __init__(self):
        self.users = 0
        self.open.add(self)

    async def handle_async_request(self, request):
        assert self in self.open
        assert self.users == 0
        self.users = 1
        before, after, ending = request.extensions["course"]
        await turns(before)
        if ending == "fails":
            self.users = 0
            raise httpx.ReadError("broken")
        return httpx.Response(200, stream=FakeBody(self, after, ending))

    async def aclose(self):
        await asyncio.sleep(0)
        self.open.remove(self)


class FakeBody(httpx.AsyncByteStream):
    def __init__(self, lane, after, ending):
        self.lane, self.after, self.ending = lane, after, ending

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await turns(self.after)
        yield b"{}"
        if self.ending == "breaks":
            raise httpx.ReadError("broken")

    async def aclose(self):
        await asyncio.sleep(0)
        self.lane.users = 0


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


COURSE = st.tuples(
    st.integers(0, 4),  # turns before it starts
    st.one_of(st.none(), st.integers(0, 12)),  # turns until it is cancelled
    st.tuples(
        st.integers(0, 4), st.integers(0, 4), st.sampled_from(["good", "fails", "breaks"])
    ),
)  # fmt: skip


@settings(deadline=None)  # other work on the machine is no failure
@given(st.lists(COURSE, max_size=12), st.sampled_from([0.0, 60.0]))
def test_lanes_never_exceed_the_most_in_flight(courses, idle_s):
    FakeLane.open.clear()
    in_flight = most = 0

    async def ask(http, lanes, start, course):
        nonlocal in_flight, most
        await turns(start)
        in_flight += 1
        most = max(most, in_flight)
        try:
            await http.get("http://fake/", extensions={"course": course})
        finally:
            in_flight -= 1
            assert lanes.busy <= in_flight
            assert lanes.busy + lanes.idle <= most

    async def cancel(task, after):
        if after is not None:
            await turns(after)
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError, httpx.ReadError):
            await task

    async def work(http, lanes):
        tasks = [
            (asyncio.create_task(ask(http, lanes, start, course)), after)
            for start, after, course in courses
        ]
        await asyncio.gather(*(cancel(task, after) for task, after in tasks))
        assert lanes.busy == 0
        await turns(5)  # a lane is closed to the end even if who closes it is cancelled
        assert len(FakeLane.open) == lanes.idle <= most

    with_lanes(work, open_lane=FakeLane, idle_s=idle_s)
    assert not FakeLane.open


@pytest.mark.parametrize(
    ("base", "proxy", "expected"),
    [
        ("http://127.0.0.1:9", "", True),
        ("http://127.0.0.1:9", "http://proxy:1", True),
        ("http://biolm.example", "", True),
        ("http://biolm.example", "http://proxy:1", False),
        ("https://127.0.0.1:9", "", False),
    ],
)
def test_a_service_has_lanes_where_neither_tls_nor_a_proxy_decides(
    monkeypatch, base, proxy, expected
):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    if proxy:
        monkeypatch.setenv("http_proxy", proxy)
    opened = []
    monkeypatch.setattr("blocks.services.Lanes", lambda: opened.append(Lanes()) or opened[-1])

    async def main():
        async with Service(base):
            pass

    asyncio.run(main())
    assert bool(opened) is expected
