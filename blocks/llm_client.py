"""A client of one language model: a prompt in, an answer or the reason why there is none out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import httpx
import numpy as np
from numpy.typing import NDArray

from blocks.llm_budget import Budget, tokens_of
from blocks.llm_calls import Answer, Fault, Heard, ModelConnection, Prompt, Role, Usage
from blocks.llm_service import ModelService
from blocks.llm_shapes import complaint, instruction, json_text, repair_request
from blocks.masking import one_line
from blocks.service_pace import RetryRule

NO_TEXT = "the answer holds no text"
Vector = NDArray[np.float32]
"""Of one text, shape (dimensions,)."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """What came of some texts."""

    vectors: Sequence[Vector | Fault]
    """One for each text, in their order."""
    usage: Usage


class ModelClient:
    """Asks one model; use as `async with`, in one event loop."""

    def __init__(
        self,
        connection: ModelConnection,
        *,
        retry: RetryRule | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.connection = connection
        self._service = ModelService(connection, retry=retry, transport=transport)
        self._wire = self._service.wire

    @property
    def name(self) -> str:
        """Connection and model, as messages call them."""
        return self._service.name

    async def __aenter__(self) -> Self:
        await self._service.__aenter__()
        return self

    async def __aexit__(self, *raised: Any) -> None:  # noqa: ANN401 -- kind, error, trace
        await self._service.__aexit__(*raised)

    async def answer(self, prompt: Prompt, budget: Budget) -> Answer | Fault:
        """What the model says, with one turn to repair an answer that has not its shape.

        Raises:
            InputError: Key, account or model are refused.
            BudgetError: The call may pass a limit.
        """
        heard, usage = await self._heard(prompt, budget)
        found = self._read(prompt, heard, usage)
        if not isinstance(found, _Mistaken):
            return found
        asked = repair_request(found.mistakes)
        turns: tuple[tuple[Role, str], ...] = (
            ("assistant", found.text or "(nothing)"),
            ("user", asked),
        )
        heard, more = await self._heard(replace(prompt, turns=turns), budget)
        found = self._read(prompt, heard, usage + more)
        if isinstance(found, Answer):
            return replace(found, repaired=True)
        if isinstance(found, Fault):
            return found
        reason = f"{self.name}: not of the form asked for, nor when asked again: {found.mistakes}"
        return Fault(one_line(reason), "unusable", usage + more)

    def _read(
        self, prompt: Prompt, heard: Heard | Fault, usage: Usage
    ) -> "Answer | Fault | _Mistaken":
        """What one turn has brought."""
        if isinstance(heard, Fault):
            return replace(heard, usage=usage)
        if heard.finish == "filtered":
            return Fault(f"{self.name}: a filter kept the answer back", "refused", usage)
        if prompt.shape is None and heard.text is not None:
            return Answer(heard.text, self.name, heard.finish, usage=usage)
        if heard.finish == "length":
            reason = f"{self.name}: cut off after {prompt.max_tokens} tokens"
            return Fault(f"{reason}; expected a larger max_tokens", "cut", usage)
        if prompt.shape is None:
            return Fault(f"{self.name}: {NO_TEXT}", "unusable", usage)
        if heard.text is None:
            return _Mistaken("", NO_TEXT)
        try:
            value = prompt.shape.check(json_text(heard.text))
        except ValueError as error:
            return _Mistaken(heard.text, complaint(error))
        return Answer(heard.text, self.name, value=value, usage=usage)

    async def _heard(self, prompt: Prompt, budget: Budget) -> tuple[Heard | Fault, Usage]:
        """One turn, and what it used."""
        system = prompt.system
        if prompt.shape is not None and self.connection.structured == "prompt":
            system = "\n\n".join(filter(None, [system, instruction(prompt.shape)]))
        path = self._wire.answer_path(self.connection.model)
        body = self._wire.answer_body(self.connection, prompt, system)
        words = "".join([system, prompt.text, *(text for _, text in prompt.turns)])
        most = self._service.usage(1, tokens_of(words), prompt.max_tokens)

        async with self._service.slots, budget.call(most) as bill:
            reply = await self._service.reply(path, body)
            if isinstance(reply, Fault):
                bill.usage = reply.usage
                return reply, bill.usage
            heard = self._wire.read_answer(reply.data)
            tokens = (heard.input_tokens, heard.output_tokens) if heard else (0, 0)
            bill.usage = self._service.usage(reply.requests, *tokens)
            if heard is not None:
                return heard, bill.usage
            none = f"no JSON: {reply.text}" if reply.text else "the reply is no answer"
            return self._service.fault(none, "unusable"), bill.usage

    @property
    def texts_a_request(self) -> int:
        """How many texts are embedded at once."""
        return self._wire.texts_a_request(self.connection.embedding_model)

    async def vectors(self, texts: Sequence[str], budget: Budget) -> Embedded:
        """The vector of each text of one request, in order, or why there is none.

        Where the service refuses the request, its halves are asked for, so that one text that it
        does not take fails alone.

        Raises:
            InputError: Key, account or model are refused.
            BudgetError: A call may pass a limit.
        """
        wire, model = self._wire, self.connection.embedding_model
        path = wire.embeddings_path(model)
        most = self._service.usage(1, sum(map(tokens_of, texts)), 0)
        async with self._service.slots, budget.call(most) as bill:
            reply = await self._service.reply(path, wire.embeddings_body(model, texts))
            if isinstance(reply, Fault):
                bill.usage = reply.usage
            else:
                read = wire.read_embeddings(reply.data, len(texts))
                bill.usage = self._service.usage(reply.requests, read[1] if read else 0, 0)
                if read is not None:
                    found = [np.array(vector, dtype=np.float32) for vector in read[0]]
                    return Embedded(found, bill.usage)
                told = f"asked for {len(texts)} vectors, got others"
                reply = self._service.fault(told, "unusable")
        if reply.kind != "refused" or len(texts) == 1:
            return Embedded([replace(reply, usage=Usage())] * len(texts), bill.usage)
        half = len(texts) // 2
        halves = [await self.vectors(part, budget) for part in (texts[:half], texts[half:])]
        usage = sum((one.usage for one in halves), bill.usage)
        return Embedded([vector for one in halves for vector in one.vectors], usage)


class _Mistaken:
    """An answer that has not its shape, and why not."""

    def __init__(self, text: str, mistakes: str) -> None:
        self.text = text
        self.mistakes = mistakes
