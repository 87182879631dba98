"""What a run may use of language models at most, and what it has used."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from blocks.errors import BudgetError
from blocks.llm_calls import Usage

BYTES_A_TOKEN = 3
"""Of English text it is four; an estimate should rather be too high."""
_KEPT = "all answers so far are kept, and the next run goes on from there"


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """Most that a run may use; None: as much as it likes."""

    calls: int | None = None
    """Answers and embeddings that are asked for; a retry is not another call."""
    tokens: int | None = None
    """Of prompts and answers."""
    cost: float | None = None
    """USD."""


@dataclass(slots=True)
class Bill:
    """One call: what it may come to until it is known, then what it was."""

    usage: Usage


class Budget:
    """Lets calls pass as long as their cost surely stays within the limits; one event loop.

    A call under way counts with the most that it may come to. Where what is left would do for one
    more call only if those under way turn out to be cheap, the call waits until that is known.
    """

    def __init__(self, limits: ModelLimits | None = None) -> None:
        self.limits = limits or ModelLimits()
        self.spent = Usage()
        self.calls = 0
        self._under_way: dict[int, Usage] = {}
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def call(self, most: Usage) -> AsyncIterator[Bill]:
        """Make one call; put what it used into the bill.

        Args:
            most: What it may come to.

        Raises:
            BudgetError: It may pass a limit, and nothing under way can change that.
        """
        bill = Bill(Usage())
        async with self._changed:
            while broken := self._broken(most):
                if not self._under_way:
                    raise BudgetError(f"{broken}; {_KEPT}")
                await self._changed.wait()
            self.calls += 1
            self._under_way[id(bill)] = most
        try:
            yield bill
        finally:
            async with self._changed:
                del self._under_way[id(bill)]
                self.spent += bill.usage
                self._changed.notify_all()

    def _broken(self, most: Usage) -> str:
        """The limit that one more call may pass; "" where there is none."""
        limits = self.limits
        if limits.calls is not None and self.calls >= limits.calls:
            return f"budget: {self.calls} of at most {limits.calls} calls of models made"
        if limits.tokens is None and limits.cost is None:
            return ""
        sure = sum(self._under_way.values(), self.spent) + most
        tokens = self.spent.input_tokens + self.spent.output_tokens
        if limits.tokens is not None and sure.input_tokens + sure.output_tokens > limits.tokens:
            return f"budget: {tokens} of at most {limits.tokens} tokens used"
        if limits.cost is not None and sure.cost > limits.cost:
            return f"budget: {self.spent.cost:.4f} of at most {limits.cost:g} USD used"
        return ""


def tokens_of(text: str) -> int:
    """Tokens that a text may come to."""
    return len(text.encode()) // BYTES_A_TOKEN + 1
