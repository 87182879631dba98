"""A connection is used again only as long as its answers can be told from each other."""

import asyncio

import httpx
import pytest

from blocks.service_connection import LONGEST_HEAD, PlainLane

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def talked(script, work):
    """What `work(ask, connections)` returns; `script(reader, writer)` is the service."""
    connections = []

    async def main():
        async def serve(reader, writer):
            connections.append(writer)
            await script(reader, writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        lane = PlainLane()
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"

        async def ask(content=b"{}"):
            response = await lane.handle_async_request(httpx.Request("POST", url, content=content))
            try:
                return await response.aread()
            finally:
                await response.aclose()

        async with server:
            try:
                return await asyncio.wait_for(work(ask, connections), 30)
            finally:
                await lane.aclose()
                for one in connections:
                    one.close()

    return asyncio.run(main())


async def request(reader):
    """One request with the body `{}`."""
    return await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(2)


def test_whole_answers_follow_each_other_on_one_connection():
    async def script(reader, writer):
        while True:
            await request(reader)
            writer.write(ANSWER)

    async def work(ask, connections):
        assert [await ask() for _ in range(3)] == [b"{}"] * 3
        return len(connections)

    assert talked(script, work) == 1


def test_what_nobody_asked_for_is_not_taken_for_the_next_answer():
    async def script(reader, writer):
        await request(reader)
        writer.write(ANSWER)
        if len(told) == 1:
            writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 5\r\n\r\nstray")
            told.append("stray")

    told = ["begun"]

    async def work(ask, connections):
        await ask()
        while len(told) < 2:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        return await ask(), len(connections)

    assert talked(script, work) == (b"{}", 2)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
    ],
)
def test_a_service_that_closes_gets_another_connection(answer):
    async def script(reader, writer):
        await request(reader)
        writer.write(answer)
        writer.close()

    async def work(ask, connections):
        return await ask(), await ask(), len(connections)

    assert talked(script, work) == (b"{}", b"{}", 2)


def test_chunks_and_answers_before_the_answer_are_read():
    async def script(reader, writer):
        await request(reader)
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n")
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(b"1\r\n}\r\n0\r\n\r\n")

    async def work(ask, _):
        return await ask()

    assert talked(script, work) == b"{}"


def test_a_refusal_is_heard_though_the_request_is_not_taken_in():
    """The service says no to the head and closes, while most of the body still is on its way."""

    async def script(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
        writer.close()

    async def work(ask, _):
        return await ask(b"x" * 20_000_000)

    assert talked(script, work) == b"no"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Le", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", httpx.RemoteProtocolError),
        (b"SSH-2.0-OpenSSH\r\n\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2 * LONGEST_HEAD, httpx.RemoteProtocolError),
    ],
)
def test_what_is_no_whole_answer_is_an_error_of_httpx(answer, error):
    async def script(reader, writer):
        await request(reader)
        writer.write(answer)
        writer.close()

    async def work(ask, _):
        with pytest.raises(error):
            await ask()

    talked(script, work)
