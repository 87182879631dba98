"""A client of an HTTP service that takes and gives JSON, and is patient with it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import ip_address
from time import monotonic
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx
import orjson
from isal import isal_zlib

from blocks.errors import InputError, ServiceError
from blocks.service_connection import CONNECT_S, no_certificates
from blocks.service_lanes import Lanes
from blocks.service_pace import THROTTLED, Pace, RetryRule, Traffic
from blocks.service_replies import BROKEN, Reply, is_untrusted, no_reply, read_reply

SMALLEST_GZIP = 256
"""Bodies up to this size are not worth compressing [bytes]."""
GZIP_LEVEL = 1
"""7 kB of unrelated proteins: 54 % of the size in 20 us; zlib's level 1: 58 % in 45 us."""
_HELD_UP = frozenset({408, 409, 425})
"""Refused for now, without a failure of the service."""


class Service:
    """A pool of connections to one service; use as `async with`.

    Redirects are not followed and headers go to no other origin. What httpx and the network raise
    never reaches the caller: there is a `Reply`, or an error of ours without header or token.

    Args:
        base_url: Without a slash at the end.
        headers: Of every request; may hold credentials.
        timeout_s: Longest that one attempt may take, from its first byte to its last.
        sign: Gives each attempt its own headers, such as a signature with the time; called in a
            thread, since it may have to fetch keys.
        hopeless: Whether a refusal will stay one, whatever its status: no credit is left.
        transport: Instead of the network, for tests.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
        rule: RetryRule | None = None,
        sign: Callable[[httpx.Request], Mapping[str, str]] | None = None,
        hopeless: Callable[[Reply], bool] = lambda _: False,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        parts = urlsplit(self.base_url)
        self.name = parts.netloc.rpartition("@")[2]
        """Host and port: how messages call the service."""
        self.origin = f"{parts.scheme}://{self.name}"
        self.rule = rule or RetryRule()
        self.traffic = Traffic()
        self._host = parts.hostname or ""
        self._timeout_s = timeout_s
        self._sign = sign
        self._hopeless = hopeless
        self._transport = transport
        self._lanes: Lanes | None = None
        json_headers = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
        given = {"User-Agent": "seqloom", **json_headers, **(headers or {})}
        self._headers = [(name.encode(), value.encode()) for name, value in given.items()]
        self._urls: dict[str, httpx.URL] = {}

    async def __aenter__(self) -> Self:
        https = self.base_url.startswith("https://")
        near = is_loopback(self._host)  # no proxy reaches this machine from outside
        transport = self._transport
        if transport is None and not https and (near or not getproxies().keys() & {"http", "all"}):
            transport = self._lanes = Lanes()
        self._http = httpx.AsyncClient(
            verify=True if https else no_certificates(),
            http2=https,
            timeout=httpx.Timeout(None, connect=CONNECT_S),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=100),
            follow_redirects=False,
            trust_env=not near,
            transport=transport,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    def pace(self, in_flight: int) -> Pace:
        """A gate for one of the service's models."""
        return Pace(in_flight, self.name, self.rule, self.traffic)

    async def get_json(self, url: str, timeout_s: float) -> Reply:
        """What one attempt brings.

        Args:
            url: Path below the base URL, or the service's origin with any path.

        Raises:
            InputError: The URL belongs to somebody else, who must not see the headers.
        """
        request = httpx.Request("GET", self._url(url), headers=self._headers)
        return await self._attempt(request, min(timeout_s, self._timeout_s))

    async def post_json(
        self,
        path: str,
        payload: object,
        *,
        pace: Pace,
        gzip: bool = False,
        per_second: float | None = None,
        attempts: int | None = None,
    ) -> Reply:
        """The answer to a JSON body, after as many attempts as the rule allows.

        Args:
            path: Below the base URL.
            gzip: Whether the service decodes compressed bodies.
            per_second: Most requests that start per second at this pace.
            attempts: Most tries where the service is there and fails (5xx, time-out, broken off);
                None: as the rule says.

        Returns:
            Also refusals (4xx) and failures that remained; status 0 after time-outs and answers
            that broke off.

        Raises:
            InputError: The payload is no JSON, or the service's certificate is not trusted.
            ServiceError: The service cannot be reached, or asks for patience for too long.
        """
        request = self._request(path, payload, gzip=gzip)
        tries = requests = 0
        put_off_at: float | None = None
        while True:
            async with pace.turn(per_second) as started:
                reply = await self._attempt(request, self._timeout_s)
                hopeless = not 200 <= reply.status < 300 and self._hopeless(reply)  # noqa: PLR2004
                if not hopeless:
                    self._tell(pace, started, reply)
            requests += 1
            if hopeless:
                return replace(reply, requests=requests)
            if reply.status in THROTTLED and reply.status in self.rule.statuses:
                put_off_at = put_off_at or started
                if monotonic() - put_off_at > self.rule.throttled_for_s:
                    raise ServiceError(self.name, f"HTTP {reply.status} for too long")
                continue
            tries += 1
            if self._is_final(reply, tries, attempts, pace):
                if not reply.reached:
                    raise ServiceError(self.name, reply.text)
                return replace(reply, requests=requests) if requests > 1 else reply
            if reply.reached:  # otherwise the gate is closed, and one at a time tries
                self.traffic.retries += 1
                wait_s = self.rule.wait_s(tries)
                self.traffic.waited_s += wait_s
                await asyncio.sleep(wait_s)

    def _tell(self, pace: Pace, started: float, reply: Reply) -> None:
        """What a reply means for all others at this pace."""
        if reply.status in THROTTLED and reply.status in self.rule.statuses:
            self.traffic.throttled += 1
            unsaid = reply.retry_after is None
            pace.close(started, reply.retry_after, down=reply.status == 503 and unsaid)  # noqa: PLR2004
        elif not reply.reached:
            pace.close(started, None, down=True)
        elif reply.status:
            pace.fine(started)

    def _is_final(self, reply: Reply, tries: int, attempts: int | None, pace: Pace) -> bool:
        if reply.status and reply.status not in self.rule.statuses:
            return True
        most = self.rule.attempts
        if not reply.reached:
            return max(tries, pace.failures) >= most
        if attempts is not None and reply.status not in _HELD_UP:
            most = min(most, attempts)
        budget = self.rule.spare + self.rule.share * self.traffic.requests
        return tries >= most or self.traffic.retries >= budget

    def _request(self, path: str, payload: object, *, gzip: bool) -> httpx.Request:
        try:
            body = orjson.dumps(payload, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)
        except TypeError as error:
            raise InputError(f"{self.name}{path}: cannot be sent as JSON: {error}") from None
        headers = [*self._headers, (b"Content-Type", b"application/json")]
        if gzip and len(body) > SMALLEST_GZIP:
            body = isal_zlib.compress(body, GZIP_LEVEL, wbits=31)
            headers.append((b"Content-Encoding", b"gzip"))
        return httpx.Request("POST", self._url(path), headers=headers, content=body)

    def _url(self, place: str) -> httpx.URL:
        if place not in self._urls:
            if place.startswith("/"):
                self._urls[place] = httpx.URL(self.base_url + place)
            elif place.startswith(self.origin + "/"):
                self._urls[place] = httpx.URL(place)
            else:
                raise InputError(f"{place}: not a place of {self.origin}")
        return self._urls[place]

    async def _attempt(self, request: httpx.Request, timeout_s: float) -> Reply:
        self.traffic.requests += 1
        self.traffic.sent_bytes += len(request.content)
        try:
            async with asyncio.timeout(timeout_s):  # httpx starts anew with each byte
                if self._sign is not None:
                    request.headers.update(await asyncio.to_thread(self._sign, request))
                response = await self._sent(request)
        except TimeoutError:
            return Reply(0, None, f"no whole answer within {timeout_s:g} s")
        except BROKEN as error:
            if is_untrusted(error):
                raise InputError(
                    f"{self.name}: its certificate is not trusted; expected one of an authority "
                    "known here, or of SSL_CERT_FILE"
                ) from None
            return no_reply(error)
        self.traffic.received_bytes += len(response.content)
        return read_reply(response)

    async def _sent(self, request: httpx.Request) -> httpx.Response:
        """The answer with its body.

        Lanes are asked without httpx's client, whose redirects, cookies and authentication nobody
        uses here, and which takes a third of a request's time; a login in the URL is its business.
        """
        if self._lanes is None or request.url.userinfo:
            return await self._http.send(request)
        response = await self._lanes.handle_async_request(request)
        try:
            await response.aread()
        finally:
            await response.aclose()
        return response


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON")
