"""A client of BioLM's API: many items in, an answer or a reason for each of them out."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import islice
from types import TracebackType
from typing import Any, Self

import httpx

from blocks import biolm_dialects as dialects
from blocks.biolm_batch import (
    UNKNOWN_SIZE,
    Batch,
    is_answer,
    one_short_line,
    read_refusal,
)
from blocks.biolm_calls import Answered, Call, Connection, Item, Limits
from blocks.biolm_credentials import checked
from blocks.errors import ServiceError
from blocks.service_pace import Pace, RetryRule, Traffic
from blocks.service_replies import Reply
from blocks.services import Service

SCHEMA_S = 5.0
"""Longest that a model may take to state its limits."""
QUEUED = 2
"""Batches ready to start, beside those in flight."""
NOTHING_STATED = Limits(None, None)


class BioLMClient:
    """Asks one BioLM service; use as `async with`, in one event loop.

    Everybody who uses the same client shares its patience: how many requests are in flight to a
    model, and when a throttled model may be asked again.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        retry: RetryRule | None = None,
    ) -> None:
        self.connection = checked(connection)
        spare = max(RetryRule().spare, 2 * connection.in_flight)
        self.service = Service(
            connection.base_url,
            headers=dialects.headers(connection),
            timeout_s=connection.timeout_s,
            rule=retry or RetryRule(spare=spare),
            transport=transport,
        )
        secret = connection.token or connection.cookie
        value = secret.get_secret_value() if secret else ""
        parts = [part.partition("=")[2] for part in value.split(";")] if connection.cookie else []
        self._secrets = [part for part in (value, *parts) if part]
        self._paces: dict[str, Pace] = {}
        self._smaller: dict[tuple[str, str], int] = {}
        self._stated: dict[tuple[str, str], asyncio.Task[Limits]] = {}
        self._openapi: asyncio.Task[dict[tuple[str, str], Limits]] | None = None
        self.successes = 0
        """Requests that passed."""

    @property
    def traffic(self) -> Traffic:
        """What was sent and met so far, for the log."""
        return self.service.traffic

    async def __aenter__(self) -> Self:
        await self.service.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        tasks: list[asyncio.Task[Any]] = [*self._stated.values()]
        await _cancel([*tasks, self._openapi] if self._openapi else tasks)
        await self.service.__aexit__(kind, error, trace)

    async def limits(self, call: Call) -> Limits:
        """How a model may be asked: what the call says, else what the model states, else None."""
        told = call.batch_size is not None and call.per_second is not None
        if told and self.connection.dialect == "v3":
            return Limits(call.batch_size, call.per_second)
        stated = await self._limits_stated(call)
        return Limits(
            call.batch_size or stated.batch_size,
            call.per_second or stated.per_second,
            stated.needs_params,
        )

    async def batch(self, call: Call, items: Sequence[Item]) -> Answered:
        """Answers to some items; those that the service refuses are faults, all others answers.

        Items that the service does not take at once go in several requests. A call for whole
        results has one item.

        Raises:
            InputError: Token, credit, model or parameters are refused.
            ServiceError: The service is out of order.
        """
        line = await self._line(call)
        if call.whole:
            (item,) = items
            return await self._whole(line, item)
        return await Batch(line, items).answered()

    async def ask(self, call: Call, items: Iterable[Item]) -> AsyncIterator[tuple[int, Answered]]:
        """Batches as they are answered, each with the place of its first item.

        Takes no more from `items` than is in flight and next; when closed, or after an error,
        nothing of it is left running. Close it (`contextlib.aclosing`) if you leave early.
        """
        line = await self._line(call)
        source, start = iter(items), 0
        running: dict[asyncio.Task[Answered], int] = {}
        try:
            while True:
                while len(running) < self.connection.in_flight + QUEUED:
                    if not (cut := list(islice(source, line.size))):
                        break
                    running[asyncio.create_task(Batch(line, cut).answered())] = start
                    start += len(cut)
                if not running:
                    return
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    answered = task.result()
                    yield running.pop(task), answered
        finally:
            await _cancel(list(running))

    async def _whole(self, line: "_Line", item: Item) -> Answered:
        """All results for one item, as they came: they may be many, and nested."""
        reply = await line.post([item], None)
        if reply.status == 200 and is_answer(reply.data):  # noqa: PLR2004
            results = reply.data["results"]  # type: ignore[index]
            self.successes += 1
            return Answered(
                [results if isinstance(results, list) else [results]], {}, reply.requests
            )
        refused = read_refusal(line.name, reply, self.said)
        if not isinstance(refused, dialects.Refusal):
            raise ServiceError(line.name, refused.message)
        why = next(iter(refused.named.values()), refused.message)
        return Answered([None], {0: f"HTTP {reply.status}: {self.said(why)}"}, reply.requests)

    def said(self, message: str) -> str:
        """A message of the service on one short line without secrets."""
        for secret in self._secrets:
            message = message.replace(secret, "***")
        return one_short_line(message)

    async def _line(self, call: Call) -> "_Line":
        limits = await self.limits(call)
        key = (call.model, call.action)
        stated = self._stated.get(key)
        most = stated.result().batch_size if stated else None
        sure = most is not None and (limits.batch_size or UNKNOWN_SIZE) <= most
        return _Line(self, call, limits, sure=sure)

    async def _limits_stated(self, call: Call) -> Limits:
        key = (call.model, call.action)
        if key not in self._stated:
            fetch = self._from_schema if self.connection.dialect == "v3" else self._from_openapi
            self._stated[key] = asyncio.create_task(fetch(*key))
        return await asyncio.shield(self._stated[key])  # others wait for it, too

    async def _from_schema(self, model: str, action: str) -> Limits:
        dialects.request_path("v3", model, action)
        reply = await self.service.get_json(dialects.schema_path(model, action), SCHEMA_S)
        return dialects.limits_from_schema(reply.data) if reply.status == 200 else NOTHING_STATED  # noqa: PLR2004

    async def _from_openapi(self, model: str, action: str) -> Limits:
        if self._openapi is None:
            self._openapi = asyncio.create_task(self._read_openapi())
        return (await asyncio.shield(self._openapi)).get((model, action), NOTHING_STATED)

    async def _read_openapi(self) -> dict[tuple[str, str], Limits]:
        reply = await self.service.get_json(f"{self.service.origin}/openapi.json", SCHEMA_S)
        return dialects.limits_from_openapi(reply.data) if reply.status == 200 else {}  # noqa: PLR2004

    def pace(self, model: str) -> Pace:
        """The gate of one model."""
        if model not in self._paces:
            self._paces[model] = self.service.pace(self.connection.in_flight)
        return self._paces[model]

    def smaller(self, call: Call, size: int | None = None) -> int | None:
        """Most items that a model took where it refused more, `size` remembered; None: never."""
        key = (call.model, call.action)
        if size is not None:
            self._smaller[key] = max(1, min(size, self._smaller.get(key, size)))
        return self._smaller.get(key)


class _Line:
    """The way of one call to its model."""

    def __init__(self, client: BioLMClient, call: Call, limits: Limits, *, sure: bool) -> None:
        dialect = client.connection.dialect
        self.name = f"{client.service.name}: {call.model}/{call.action}"
        self.sure = sure
        self.attempts = client.service.rule.attempts
        self.said = client.said
        self._client = client
        self._call = call
        self._size = limits.batch_size or UNKNOWN_SIZE
        self._per_second = limits.per_second
        self._needs_params = limits.needs_params
        self._path = dialects.request_path(dialect, call.model, call.action)
        self._gzip = dialect == "v3"  # the hub takes plain bodies only
        self._pace = client.pace(call.model)

    @property
    def size(self) -> int:
        return min(self._size, self._client.smaller(self._call) or self._size)

    def take_at_most(self, size: int) -> None:
        self._client.smaller(self._call, size)

    @property
    def successes(self) -> int:
        return self._client.successes

    def passed(self) -> None:
        self._client.successes += 1

    async def post(self, items: Sequence[Item], attempts: int | None) -> Reply:
        payload: dict[str, Any] = {"items": items}
        if self._call.params or self._needs_params:
            payload["params"] = self._call.params
        return await self._client.service.post_json(
            self._path,
            payload,
            pace=self._pace,
            gzip=self._gzip,
            per_second=self._per_second,
            attempts=attempts,
        )


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """End tasks, and wait until they have."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
