"""One connection over plain HTTP/1.1, for one request at a time: h11 on asyncio.

What httpx's own transport does around h11 (a pool, locks, cancel scopes, three packets for a
request) takes twice as long as the rest of a request.
"""

import asyncio
import select
import ssl
from collections.abc import AsyncIterator
from functools import cache
from time import monotonic

import h11
import httpx

CONNECT_S = 10.0
"""Longest that a connection may take to stand."""
IDLE_S = 5.0
"""Longest that a connection waits for the next request."""
LONGEST_HEAD = 100_000
"""Of an answer [bytes]; httpx's limit."""


class PlainLane(httpx.AsyncBaseTransport):
    """A connection to one origin, which opens again when the service has closed it.

    Raises httpx's errors: `ConnectError`, `ConnectTimeout`, `ReadError`, `RemoteProtocolError`.
    """

    def __init__(self) -> None:
        self._wire = _Wire()
        self._protocol = h11.Connection(h11.CLIENT)
        self._idle_since = 0.0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer; its body is read from the connection as it is asked for."""
        await self._open(request.url)
        asked = [
            h11.Request(
                method=request.method, target=request.url.raw_path, headers=request.headers.raw
            ),
            h11.Data(await request.aread()),
            h11.EndOfMessage(),
        ]
        try:
            self._wire.write(b"".join(self._protocol.send(one) or b"" for one in asked))
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError(str(error)) from error
        while not isinstance(event := await self.next_event(), h11.Response):
            pass  # 1xx: before the answer
        return httpx.Response(event.status_code, headers=list(event.headers), stream=_Body(self))

    async def _open(self, url: httpx.URL) -> None:
        """Connect, unless there is a connection that was quiet and not for too long."""
        if self._wire.quiet and monotonic() - self._idle_since < IDLE_S:
            return
        await self.aclose()
        self._wire, self._protocol = _Wire(), h11.Connection(h11.CLIENT, LONGEST_HEAD)
        loop, wire = asyncio.get_running_loop(), self._wire
        try:
            async with asyncio.timeout(CONNECT_S):
                await loop.create_connection(
                    lambda: wire, url.raw_host.decode("ascii"), url.port or 80
                )
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"no connection within {CONNECT_S:g} s") from error
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error

    async def next_event(self) -> h11.Event:
        """What the service says next."""
        try:
            while (event := self._protocol.next_event()) is h11.NEED_DATA:
                self._protocol.receive_data(await self._wire.read())
        except h11.RemoteProtocolError as error:
            raise httpx.RemoteProtocolError(str(error)) from error
        except OSError as error:
            raise httpx.ReadError(str(error)) from error
        if isinstance(event, h11.Event) and not isinstance(event, h11.ConnectionClosed):
            return event
        raise httpx.RemoteProtocolError("the service closed the connection without an answer")

    async def rest(self) -> None:
        """Get ready for the next request, or close where the connection is of no further use."""
        one = self._protocol
        done = one.our_state is h11.DONE and one.their_state is h11.DONE
        if done and not one.trailing_data[0]:  # what follows an answer is none of the next request
            one.start_next_cycle()
            self._idle_since = monotonic()
        else:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; an answer that is still being read breaks off."""
        self._wire.abort()


class _Wire(asyncio.Protocol):
    """The bytes of a connection.

    What arrived is read before an error is told: a service may answer, and close, before it has
    taken in all of a request.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._ended: BaseException | bool = False
        self._waiter: asyncio.Future[None] | None = None

    @property
    def quiet(self) -> bool:
        """Whether it stands and nothing has come that nobody asked for, an end among it.

        The socket is asked, too: what has just come has not been told by the loop yet.
        """
        if self._transport is None or self._received or self._ended:
            return False
        waiting = select.poll()
        waiting.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not waiting.poll(0)

    def write(self, data: bytes) -> None:
        """Send, as fast as the service takes it."""
        if self._transport is not None:
            self._transport.write(data)

    async def read(self) -> bytes:
        """What arrived; b"" at the end.

        Raises:
            OSError: The connection broke.
        """
        if not self._received and not self._ended:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if not self._received and isinstance(self._ended, BaseException):
            raise self._ended
        data = bytes(self._received)
        self._received.clear()
        return data

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()
        self._end(ConnectionAbortedError("closed"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio, as what follows."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- for types
        self._transport = transport
        if self._ended:  # closed meanwhile
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take in what arrived."""
        self._received += data
        self._wake()

    def eof_received(self) -> None:
        """Nothing more will arrive."""
        self._end(True)

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._end(error or True)

    def _end(self, error: BaseException | bool) -> None:
        self._ended = self._ended or error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _Body(httpx.AsyncByteStream):
    """The body of an answer, read from a lane."""

    def __init__(self, lane: PlainLane) -> None:
        self._lane = lane

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while isinstance(event := await self._lane.next_event(), h11.Data):
            yield bytes(event.data)

    async def aclose(self) -> None:
        await self._lane.rest()


@cache
def no_certificates() -> ssl.SSLContext:
    """For plain http: reading those of the authorities takes longer than a request."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
