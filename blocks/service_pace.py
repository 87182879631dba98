"""How fast a service may be asked, and when again after it refused."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

from blocks.errors import ServiceError

THROTTLED = frozenset({429, 503})
"""The service asks to be left alone for a while: the fault of nobody's request."""
SPREAD_S = 0.05
"""Requests that waited together start within this time."""
SHORTEST_SLEEP_S = 0.002
"""Less than this is not worth a sleep; the next request makes up for it."""


@dataclass(frozen=True, slots=True)
class RetryRule:
    """When a request is sent again."""

    attempts: int = 8
    """Most tries of a request, where the service fails or cannot be reached."""
    first_wait_s: float = 0.5
    """Before the second try; doubled for each further one."""
    longest_wait_s: float = 30.0
    """Most that is waited unless the service names a time."""
    throttled_for_s: float = 900.0
    """Longest that a request is put off by a service that asks for patience."""
    statuses: frozenset[int] = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
    """Answers that a second try may better; so do broken connections and time-outs."""
    spare: int = 20
    """Retries that a client always has."""
    share: float = 0.2
    """Further retries per request sent; when spent, failures are told at once."""

    def wait_s(self, failures: int) -> float:
        """How long to wait after so many failures in a row: between half and all of the doubled."""
        longest = min(self.longest_wait_s, self.first_wait_s * 2.0 ** min(failures - 1, 60))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 -- spreads load, hides nothing


@dataclass(slots=True)
class Traffic:
    """What one client has sent and met, for the log."""

    requests: int = 0
    """Attempts, retries among them."""
    retries: int = 0
    """Attempts after a failure."""
    throttled: int = 0
    """Answers that asked for patience."""
    sent_bytes: int = 0
    """Bodies as sent, compressed ones after compression."""
    received_bytes: int = 0
    """Bodies as read, after decompression."""
    waited_s: float = 0.0
    """Seconds that requests were put off by throttling and failures, summed over requests."""

    def __str__(self) -> str:
        return (
            f"{self.requests:,} requests, {self.retries:,} of them again, {self.throttled:,} "
            f"throttled; {self.sent_bytes / 1e6:.1f} MB sent, {self.received_bytes / 1e6:.1f} MB "
            f"received, {self.waited_s:.0f} s waited"
        )


class Pace:
    """The way to one model: how many at once, how many per second, and whether at all just now.

    All who ask the same model share one. While the gate is closed nothing starts; while the
    service is down one request at a time tries whether it is back.
    """

    def __init__(self, in_flight: int, service: str, rule: RetryRule, traffic: Traffic) -> None:
        self.failures = 0
        """Rounds in a row that closed the gate."""
        self._service = service
        self._rule = rule
        self._traffic = traffic
        self._slots = asyncio.Semaphore(in_flight)
        self._opens_at = 0.0
        self._closed_at = 0.0
        self._next_start = 0.0
        self._down = False
        self._scout = asyncio.Lock()

    @asynccontextmanager
    async def turn(self, per_second: float | None = None) -> AsyncIterator[float]:
        """Wait until one more request may start; what it holds is given back at the end.

        Returns:
            When it started, on the monotonic clock.

        Raises:
            ServiceError: The gate stays closed for longer than the rule's patience.
        """
        async with self._slots:
            await self._until_open(per_second)
            while self._down:
                async with self._scout:
                    if self._down:
                        await self._until_open(per_second)
                        yield monotonic()
                        return
                await self._until_open(per_second)
            yield monotonic()

    def close(self, started: float, retry_after: float | None, *, down: bool) -> None:
        """Let nothing start for as long as the service asks, or ever longer if it names no time.

        Args:
            started: When the refused request started; those that started before the gate closed
                tell nothing new.
            retry_after: As the service asks [s]; None or 0: it does not say.
            down: Whether one request at a time should try when the gate opens.

        Raises:
            ServiceError: The service asks for more patience than the rule has.
        """
        now = monotonic()
        if started >= self._closed_at:
            self.failures += 1
            self._closed_at = now
            wait_s = retry_after or self._rule.wait_s(self.failures)
            self._opens_at = max(self._opens_at, now + wait_s)
        elif retry_after:
            self._opens_at = max(self._opens_at, now + retry_after)
        self._down = self._down or down
        self._be_patient(self._opens_at - now)

    def fine(self, started: float) -> None:
        """The service answered: what it said before is over."""
        if started >= self._closed_at:
            self.failures = 0
            self._down = False

    async def _until_open(self, per_second: float | None) -> None:
        while True:
            now = monotonic()
            if self._opens_at > now:
                closed_s = self._opens_at - now
                self._be_patient(closed_s)
                spread_s = min(closed_s, SPREAD_S) * random.random()  # noqa: S311 -- as above
                self._traffic.waited_s += closed_s + spread_s
                await asyncio.sleep(closed_s + spread_s)
                continue
            if per_second is None:
                return
            start = max(now, self._next_start)
            self._next_start = start + 1.0 / per_second
            if start - now > SHORTEST_SLEEP_S:
                await asyncio.sleep(start - now)
            if self._opens_at <= monotonic():
                return

    def _be_patient(self, wait_s: float) -> None:
        if wait_s > self._rule.throttled_for_s:
            raise ServiceError(self._service, f"asks to be left alone for {wait_s:.0f} s")
