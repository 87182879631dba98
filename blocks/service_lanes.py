"""Connections to a service over plain HTTP/1.1: one lane for each request in flight.

The connection pool behind httpx looks at all its connections, and at each again for each idle one,
whenever a request begins or ends: with n in flight a request costs n². A lane is a transport with
one connection, so that nothing is searched for.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from time import monotonic

import httpx

from blocks.service_connection import IDLE_S, PlainLane


class Lanes(httpx.AsyncBaseTransport):
    """Takes the lane that was used last, and opens one where all are in use.

    So there are never more lanes than there were requests in flight at once, and those that are
    not needed any more fall idle and are closed as others are used. A lane on which something went
    wrong, a cancellation among it, is not used again.

    Args:
        open_lane: Makes a transport for one request at a time; None: one connection without TLS.
    """

    def __init__(
        self,
        open_lane: Callable[[], httpx.AsyncBaseTransport] | None = None,
        *,
        idle_s: float = IDLE_S,
    ) -> None:
        self._open_lane = open_lane or PlainLane
        self._idle_s = idle_s
        self._idle: deque[tuple[float, httpx.AsyncBaseTransport]] = deque()
        """Since when, and which; those used last stand at the right."""
        self._busy: set[httpx.AsyncBaseTransport] = set()
        self._closing: set[asyncio.Future[list[BaseException | None]]] = set()
        self._closed = False

    @property
    def busy(self) -> int:
        """Lanes with a request, or an answer that is being read."""
        return len(self._busy)

    @property
    def idle(self) -> int:
        """Lanes that wait for a request."""
        return len(self._idle)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer; its lane is in use until the answer is closed."""
        if self._closed:
            raise RuntimeError("the connections are closed")
        lane = self._idle.pop()[1] if self._idle else self._open_lane()
        self._busy.add(lane)
        try:
            response = await lane.handle_async_request(request)
            assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 -- for types
        except BaseException:
            await self._leave(lane, whole=False)
            raise
        response.stream = _Answer(response.stream, lane, self)
        return response

    async def aclose(self) -> None:
        """Close all lanes; answers that are still being read break off."""
        self._closed = True
        lanes = [*self._busy, *(lane for _, lane in self._idle)]
        self._busy.clear()
        self._idle.clear()
        await self._close(lanes)
        await asyncio.gather(*self._closing)

    async def _leave(self, lane: httpx.AsyncBaseTransport, *, whole: bool) -> None:
        """End the use of a lane, which others may use if its request came to a whole end."""
        if lane not in self._busy:
            return  # all were closed meanwhile
        self._busy.remove(lane)
        now = monotonic()
        unused = [] if whole else [lane]
        if whole:
            self._idle.append((now, lane))
        while self._idle and self._idle[0][0] < now - self._idle_s:
            unused.append(self._idle.popleft()[1])
        if unused:
            await self._close(unused)

    async def _close(self, lanes: list[httpx.AsyncBaseTransport]) -> None:
        """Close them even if the caller is cancelled; what they say to it matters to nobody."""
        closing = asyncio.gather(*(lane.aclose() for lane in lanes), return_exceptions=True)
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        await asyncio.shield(closing)


class _Answer(httpx.AsyncByteStream):
    """The body of an answer; closing it gives its lane back, once."""

    def __init__(
        self, body: httpx.AsyncByteStream, lane: httpx.AsyncBaseTransport, lanes: Lanes
    ) -> None:
        self._body, self._lane, self._lanes = body, lane, lanes
        self._left = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._body.__aiter__()

    async def aclose(self) -> None:
        """Close the body, whose connection lives on if it was read to the end."""
        if self._left:
            return
        self._left = True
        whole = False
        try:
            await self._body.aclose()
            whole = True
        finally:
            await self._lanes._leave(self._lane, whole=whole)
