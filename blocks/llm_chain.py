"""A model and those that are asked where it gives no answer; on the event loop."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic

from blocks.llm_budget import Budget
from blocks.llm_calls import Answer, Fault, Prompt, Usage
from blocks.llm_client import Embedded, ModelClient

REST_S = 60.0
"""How long a model that could not be reached is passed over where another follows."""


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a prompt."""

    outcome: Answer | Fault
    key: str = ""
    """Under which an answer may be kept: that of the model that gave it."""


class Chain:
    """Clients in the order in which they are asked.

    The next one is asked where a model cannot be reached, refuses the prompt, is cut off or does
    not find the form asked for. A refused key or a used-up budget ends the run instead: falling
    back would hide it.
    """

    def __init__(self, clients: Sequence[ModelClient], budget: Budget) -> None:
        self._clients = clients
        self._budget = budget
        self._rests_until = [0.0] * len(clients)
        self._under_way: dict[str, asyncio.Future[Found]] = {}

    async def answer(
        self, prompt: Prompt, keys: Sequence[str], known: Mapping[str, Answer]
    ) -> Found:
        """The first answer that one of the models gives, or why none does.

        Args:
            keys: Of the prompt with each model; the same prompt under way is not asked again.
            known: Answers by key that need not be asked for.

        Raises:
            InputError: A key, account or model is refused.
            BudgetError: A call may pass a limit.
        """
        while under_way := self._under_way.get(keys[0]):
            await asyncio.wait([under_way])
            if not under_way.cancelled() and under_way.exception() is None:
                found = under_way.result()
                return replace(found, outcome=replace(found.outcome, usage=Usage()))
        mine: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._under_way[keys[0]] = mine
        try:
            found = await self._first(prompt, keys, known)
            mine.set_result(found)
        finally:
            del self._under_way[keys[0]]
            mine.cancel()  # no effect where there is a result
        return found

    async def _first(
        self, prompt: Prompt, keys: Sequence[str], known: Mapping[str, Answer]
    ) -> Found:
        usage, faults = Usage(), list[Fault]()
        for place, client in enumerate(self._clients):
            last = place == len(self._clients) - 1
            if keys[place] in known:
                outcome: Answer | Fault = known[keys[place]]
            elif self._rests_until[place] > monotonic() and not last:
                continue
            else:
                outcome = await client.answer(prompt, self._budget)
            usage += outcome.usage
            if isinstance(outcome, Answer):
                return Found(replace(outcome, usage=usage, fell_back=place > 0), keys[place])
            faults.append(outcome)
            if outcome.transient:
                self._rests_until[place] = monotonic() + REST_S
        reason = "; ".join(fault.reason for fault in faults)
        worst = next((fault for fault in faults if fault.transient), faults[-1])
        return Found(Fault(reason, worst.kind, usage))

    @property
    def texts_a_request(self) -> int:
        """How many texts the first model embeds at once."""
        return self._clients[0].texts_a_request

    async def vectors(self, texts: Sequence[str]) -> Embedded:
        """See `ModelClient.vectors`; the first model only."""
        return await self._clients[0].vectors(texts, self._budget)
