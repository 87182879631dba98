"""The models of one run, for its threads: chains of fallbacks, a budget, answers known already.

    with LanguageModels(connections, limits=ModelLimits(cost=2.0), answers=cache) as models:
        for answer in models.generate("fast", [Prompt("..."), ...]):
            ...

The clients live on one event loop in a thread of its own. A batch is looked up, what is not known
is asked all at once (each client lets through what its connection allows), and what came back is
kept while the rest is on its way.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack
from functools import partial
from typing import Any, Literal, Self, TypeVar

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from pydantic import JsonValue

from blocks.cancellation import stop_if_cancelled
from blocks.errors import InputError
from blocks.llm_answers import (
    Answers,
    answer_key,
    identity,
    kept,
    kept_vector,
    known_answer,
    known_vector,
    vector_key,
)
from blocks.llm_budget import Budget, ModelLimits
from blocks.llm_calls import Answer, Fault, ModelConnection, Prompt
from blocks.llm_chain import Chain, Found
from blocks.llm_client import ModelClient, Vector
from blocks.llm_connection import check_together
from blocks.llm_uses import ModelUse, Uses
from blocks.prediction_key import canonical_json
from blocks.service_pace import RetryRule

POLL_S = 0.5
"""How often a waiting thread keeps what came back and looks whether its run was cancelled."""
C = TypeVar("C")
K = TypeVar("K")
R = TypeVar("R")


class LanguageModels:
    """The models behind some connections; use as `with`, from any threads.

    Args:
        connections: By name; those that are named as fallbacks among them.
        limits: What the run may use of all of them.
        answers: Where answers are kept between runs; None: nowhere.
        ttl_s: Age up to which kept answers count [s]; None: any.
    """

    def __init__(
        self,
        connections: Mapping[str, ModelConnection],
        *,
        limits: ModelLimits | None = None,
        answers: Answers | None = None,
        ttl_s: float | None = None,
        retry: RetryRule | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        check_together(connections, limits or ModelLimits())
        self._connections = dict(connections)
        self._limits = limits
        self._answers = answers
        self._ttl_s = ttl_s
        self._retry = retry
        self._transport = transport
        self._stack = ExitStack()
        self._uses = Uses()
        self._portal: BlockingPortal

    def __enter__(self) -> Self:
        self._portal = self._stack.enter_context(start_blocking_portal(name="llm"))
        clients: dict[str, ModelClient] = {}
        for name, connection in self._connections.items():
            client = self._portal.call(self._client, connection)
            clients[name] = self._stack.enter_context(
                self._portal.wrap_async_context_manager(client)
            )
        budget = self._portal.call(Budget, self._limits)
        self._chains = {
            name: Chain([clients[one] for one in (name, *connection.fallbacks)], budget)
            for name, connection in self._connections.items()
        }
        return self

    def __exit__(self, *raised: Any) -> None:  # noqa: ANN401 -- kind, error, trace
        self._stack.__exit__(*raised)

    def _client(self, connection: ModelConnection) -> ModelClient:
        return ModelClient(connection, retry=self._retry, transport=self._transport)

    def generate(self, connection: str, requests: Sequence[Prompt]) -> list[Answer | Fault]:
        """An answer to each prompt, or why there is none, in their order.

        Equal prompts are asked once, by whichever threads they come.

        Raises:
            InputError: There is no such connection, or its service refuses key, account or model.
            BudgetError: The run's budget is used up; what was answered before is kept.
        """
        own = self._named(connection, "model")
        chain = [own, *(self._connections[name] for name in own.fallbacks)]
        keys = [tuple(answer_key(one, prompt) for one in chain) for prompt in requests]
        known = self._known([key for each in keys for key in each], known_answer)
        prompts = dict(zip(keys, requests, strict=True))  # equal ones once
        ask = self._chains[connection].answer
        todo = {each: prompt for each, prompt in prompts.items() if each[0] not in known}
        self._uses.add(connection, (), cached=len(keys) - len(todo))
        found = self._all(
            {each: partial(ask, prompt, each, known) for each, prompt in todo.items()},
            _answers,
            lambda one: self._uses.add(connection, [one.outcome]),
        )
        return [known.get(each[0]) or found[each].outcome for each in keys]

    def embed(self, connection: str, texts: Sequence[str]) -> list[Vector | Fault]:
        """The vector of each text, or why there is none, in their order.

        Only the connection's own model is asked: vectors of different models cannot be compared.

        Raises:
            InputError: There is no such connection, or its service refuses key, account or model.
            BudgetError: The run's budget is used up; what was answered before is kept.
        """
        own = self._named(connection, "embedding_model")
        keys = {text: vector_key(own, text) for text in texts}
        known = self._known(list(keys.values()), known_vector)
        missing = [text for text, key in keys.items() if key not in known]
        chain = self._chains[connection]
        size = chain.texts_a_request
        parts = [tuple(missing[at : at + size]) for at in range(0, len(missing), size)]
        self._uses.add(connection, (), cached=len(texts) - len(missing))
        found = self._all(
            {part: partial(chain.vectors, part) for part in parts},
            lambda part, made: _vectors([keys[text] for text in part], made.vectors),
            lambda made: self._uses.add(connection, made.vectors, usage=made.usage),
        )
        fresh = {
            keys[text]: vector
            for part, made in found.items()
            for text, vector in zip(part, made.vectors, strict=True)
        }
        both = {**known, **fresh}
        return [both[keys[text]] for text in texts]

    def identity(self, connection: str) -> str:
        """What of a connection and its fallbacks decides answers, for cache keys.

        Raises:
            InputError: There is no such connection.
        """
        own = self._named(connection)
        chain = [own, *(self._connections[name] for name in own.fallbacks)]
        return canonical_json([identity(one) for one in chain])

    def uses(self) -> Mapping[str, ModelUse]:
        """What was asked of each connection so far, and what came of it."""
        return self._uses.by_connection()

    def _named(
        self, connection: str, field: Literal["", "model", "embedding_model"] = ""
    ) -> ModelConnection:
        found = self._connections.get(connection)
        if found is None:
            there = ", ".join(sorted(self._connections)) or "none"
            raise InputError(
                f"connection {connection!r}: not of this run; expected one of: {there}"
            )
        if field and not getattr(found, field):
            raise InputError(f"connection {connection!r}: has no {field}; expected its name")
        return found

    def _known(self, keys: Sequence[str], read: Callable[[JsonValue], K | None]) -> dict[str, K]:
        """What is kept already, by key."""
        if self._answers is None or not keys:
            return {}
        records = self._answers.get(keys, self._ttl_s)
        known = ((key, read(record)) for key, record in records.items())
        return {key: one for key, one in known if one is not None}

    def _all(
        self,
        calls: Mapping[C, Callable[[], Coroutine[Any, Any, R]]],
        keep: Callable[[C, R], Mapping[str, JsonValue]],
        count: Callable[[R], None],
    ) -> dict[C, R]:
        """The result of each call; it is counted, and what `keep` makes of it kept, at once.

        So an abort loses neither answers nor what they have cost.

        Raises:
            BaseException: The first error, once all calls have come to an end.
        """
        futures = self._portal.call(_begun, calls)
        results: dict[C, R] = {}
        waiting, failure = set(futures), None
        try:
            while waiting:
                done, waiting = wait(waiting, POLL_S)
                fresh: dict[str, JsonValue] = {}
                for future in done:
                    if error := future.exception():
                        failure = failure or error
                        continue
                    results[futures[future]] = future.result()
                    count(future.result())
                    fresh.update(keep(futures[future], future.result()))
                if fresh and self._answers is not None:
                    self._answers.put(fresh)
                if waiting:
                    stop_if_cancelled("the run was cancelled; its requests are ended")
        finally:
            for future in waiting:
                future.cancel()
        if failure is not None:
            raise failure
        return results


def _begun(calls: Mapping[C, Callable[[], Coroutine[Any, Any, R]]]) -> dict[Future[R], C]:
    """What will come of each call; one way to the loop for all, where each takes 0.2 ms."""
    loop = asyncio.get_running_loop()
    return {asyncio.run_coroutine_threadsafe(call(), loop): name for name, call in calls.items()}


def _answers(_: object, found: Found) -> Mapping[str, JsonValue]:
    """What may be kept of an answer that was asked for."""
    outcome = found.outcome
    whole = isinstance(outcome, Answer) and outcome.finish == "end" and not outcome.cached
    return {found.key: kept(outcome)} if whole and isinstance(outcome, Answer) else {}


def _vectors(keys: Sequence[str], vectors: Sequence[Vector | Fault]) -> Mapping[str, JsonValue]:
    return {
        key: kept_vector(vector)
        for key, vector in zip(keys, vectors, strict=True)
        if not isinstance(vector, Fault)
    }
