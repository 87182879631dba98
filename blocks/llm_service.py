"""The way to one model's service: what is sent, what comes back or stands in the way."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from time import monotonic
from typing import Any, Literal, Protocol, Self

import httpx

from blocks import llm_bedrock, llm_openai
from blocks.errors import InputError, ServiceError
from blocks.llm_calls import Fault, Heard, ModelConnection, Prompt, Usage
from blocks.llm_signing import Signer
from blocks.masking import one_line
from blocks.service_pace import RetryRule
from blocks.service_replies import Reply
from blocks.services import Service

NOT_ALLOWED = {401, 402, 403, 404}
"""Wrong for every prompt: key, account or model."""
FAILED_MODEL = 424
"""Bedrock: the model behind it failed."""
SHOWN = 300
"""What is told of an error [characters]."""
MASK = "***"
Embeddings = tuple[list[list[float]], int | None]


class Wire(Protocol):
    """What a provider's module tells: where to ask what, and what an answer says."""

    def answer_path(self, model: str, /) -> str:
        """Path of the request for an answer."""

    def answer_body(
        self, connection: ModelConnection, prompt: Prompt, system: str, /
    ) -> dict[str, Any]:
        """Its body."""

    def read_answer(self, data: Any, /) -> Heard | None:  # noqa: ANN401 -- JSON
        """What came back; None where it is no answer."""

    def embeddings_path(self, model: str, /) -> str:
        """Path of the request for vectors."""

    def embeddings_body(self, model: str, texts: Sequence[str], /) -> dict[str, Any]:
        """Its body."""

    def read_embeddings(self, data: Any, count: int, /) -> Embeddings | None:  # noqa: ANN401 -- JSON
        """Vectors in the order of the texts, and tokens; None where they are not as many."""

    def texts_a_request(self, model: str, /) -> int:
        """How many texts are embedded at once."""

    def error_text(self, data: Any, /) -> str:  # noqa: ANN401 -- JSON
        """What an error says."""


class ModelService:
    """One model's service; use as `async with`.

    No more than the connection's `in_flight` requests are under way at once; `slots` are theirs. A
    request takes its slot first, so that its deadline does not run while it waits its turn.
    """

    def __init__(
        self,
        connection: ModelConnection,
        *,
        retry: RetryRule | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.connection = connection
        self.name = f"{connection.name}: {connection.model or connection.embedding_model}"
        """How messages call it."""
        self.slots = asyncio.Semaphore(connection.in_flight)
        bedrock = connection.provider == "bedrock"
        self.wire: Wire = llm_bedrock if bedrock else llm_openai
        self._rule = retry or _rule(connection)
        self._secrets = _secrets(connection)
        key = connection.key.get_secret_value() if connection.key else ""
        self._http = Service(
            connection.base_url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout_s=connection.timeout_s,
            rule=self._rule,
            sign=Signer(connection.region, connection.aws) if bedrock and not key else None,
            hopeless=self._hopeless,
            transport=transport,
        )
        self._pace = self._http.pace(connection.in_flight)
        self._refused: InputError | None = None
        self._put_off: tuple[float, str] | None = None
        """When the service last did not answer with success, and what it said then."""

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *raised: Any) -> None:  # noqa: ANN401 -- kind, error, trace
        await self._http.__aexit__(*raised)

    async def reply(self, path: str, body: dict[str, Any]) -> Reply | Fault:
        """A whole answer with a status of success, or what stood in its way.

        Raises:
            InputError: Key, account or model are refused; nothing more is sent then.
        """
        if self._refused is not None:
            raise self._refused
        deadline_s, begun = self.connection.deadline_s, monotonic()
        try:
            async with asyncio.timeout(deadline_s):
                reply = await self._http.post_json(
                    path, body, pace=self._pace, per_second=self.connection.per_second
                )
        except TimeoutError:
            reason = f"no answer within {deadline_s:g} s"
        except ServiceError as error:
            reason = error.reason
        else:
            return reply if 200 <= reply.status < 300 else self._failure(reply)  # noqa: PLR2004
        # Others may have been told while this one waited its turn.
        if self._put_off is not None and self._put_off[0] >= begun:
            reason = f"{reason}; the service said last: {self._put_off[1]}"
        return self.fault(reason, "unavailable")

    def _told(self, reply: Reply) -> str:
        said = self.wire.error_text(reply.data) or reply.text
        return f"HTTP {reply.status}: {said}" if reply.status else said

    def _hopeless(self, reply: Reply) -> bool:
        """Whether a refusal will stay one; what it says is remembered."""
        if reply.status:
            self._put_off = monotonic(), self._told(reply)
        return _without_credit(reply)

    def _failure(self, reply: Reply) -> Fault:
        told = self._told(reply)
        if reply.status in NOT_ALLOWED or _without_credit(reply):
            expected = "expected a key, an account and a model that this service knows"
            self._refused = InputError(f"{self.fault(told, 'refused').reason}; {expected}")
            raise self._refused
        again = reply.status == 0 or reply.status in self._rule.statuses
        fault = self.fault(told, "unavailable" if again else "refused")
        return replace(fault, usage=Usage(reply.requests))

    def fault(self, reason: str, kind: Literal["refused", "unusable", "unavailable"]) -> Fault:
        """A failure on one short line, without secrets."""
        for secret in self._secrets:
            reason = reason.replace(secret, MASK)
        return Fault(one_line(f"{self.name}: {reason}")[:SHOWN], kind)

    def usage(self, requests: int, read: int | None, written: int | None) -> Usage:
        """What a call used, at the connection's prices."""
        given, made = read or 0, written or 0
        prices = (self.connection.input_price or 0.0, self.connection.output_price or 0.0)
        return Usage(requests, given, made, (given * prices[0] + made * prices[1]) / 1e6)


def _rule(connection: ModelConnection) -> RetryRule:
    usual = RetryRule()
    return RetryRule(
        attempts=connection.attempts,
        throttled_for_s=connection.deadline_s,
        statuses=usual.statuses | ({FAILED_MODEL} if connection.provider == "bedrock" else set()),
        spare=max(usual.spare, 2 * connection.in_flight),
    )


def _secrets(connection: ModelConnection) -> list[str]:
    """All that must not be shown of a connection."""
    keys = connection.aws
    held = [connection.key]
    if keys is not None:
        held += [keys.access_key_id, keys.secret_access_key, keys.session_token]
    values = [secret.get_secret_value() for secret in held if secret is not None]
    return [value for value in values if value]


def _without_credit(reply: Reply) -> bool:
    """Whether the account is empty, which OpenAI tells with the status of a throttling."""
    error = reply.data.get("error") if isinstance(reply.data, dict) else None
    return isinstance(error, dict) and error.get("code") == "insufficient_quota"
