"""How steps ask the language model behind their connection."""

from collections.abc import Sequence
from typing import Any, Literal, cast

from pydantic import Field

from blocks.errors import InputError
from blocks.llm_calls import Answer, Fault, Prompt
from tasks.graphs.step import Failed, Item, Outcome, StepContext, Value
from tasks.parameters import Params


def asked(
    prompts: Sequence[Prompt], connection: str, context: StepContext
) -> list[Answer | Failed]:
    """The answer to each prompt, or why its item fails.

    Raises:
        InputError: The service refuses key, account or model.
        BudgetError: What may be spent is spent.
    """
    answers = cast("Sequence[Answer | Fault]", context.models.generate(connection, prompts))
    return [Failed(one.reason, one.transient) if isinstance(one, Fault) else one for one in answers]


def keeps(answer: Answer) -> bool:
    """Whether a cache may keep what was made of an answer.

    Not of one that was cut off; nor of a stand-in's, since the model itself may be back by then.
    """
    return answer.finish == "end" and not answer.fell_back


def named_connection(step: str, connection: str) -> str:
    """The connection of a step that cannot work without one.

    Raises:
        InputError: There is none; with the remedy.
    """
    if connection:
        return connection
    remedy = "the name of a language-model block, or `environment` for SEQLOOM_LLM_…"
    raise InputError(f"{step}: asks a language model and has no connection; expected {remedy}")


class AskParams(Params):
    """Who is asked, and for how much."""

    connection: str = Field(
        "", title="Connection", description="block of a language model, or `environment`"
    )
    into: str = Field("answer", title="Into", description="field that gets it", min_length=1)
    max_tokens: int = Field(1024, title="Longest answer", description="tokens", ge=1, le=1_000_000)
    temperature: float | None = Field(
        0, title="Temperature", description="none: as the model's service does", ge=0, le=2
    )
    on_cut: Literal["fail", "keep"] = Field(
        "fail",
        title="Cut-off answers",
        description="those at the limit; keep: goes on, marked INTO_cut, and is not cached",
    )

    def marks(self) -> dict[str, Any]:
        """Fields beside the answer: who gave it, and whether it was cut off."""
        cut = {f"{self.into}_cut": bool} if self.on_cut == "keep" else {}
        return {f"{self.into}_by": str, **cut}


class Ask:
    """Fills the prompts of all items of a chunk and asks for all the answers at once."""

    name = ""

    def __init__(self, params: AskParams) -> None:
        self._asks = params
        self._connection = named_connection(self.name, params.connection)

    def filled(self, item: Item, seed: int) -> Prompt:
        """The prompt for an item.

        Raises:
            InputError: The item does not fit it.
        """
        raise NotImplementedError

    def run(self, items: Sequence[Item], context: StepContext) -> Sequence[Outcome]:
        """One outcome for each item, in their order."""
        prompts = [self._prompt(item, context.seed) for item in items]
        answers = iter(
            asked([one for one in prompts if isinstance(one, Prompt)], self._connection, context)
        )
        found: list[Outcome] = []
        for item, prompt in zip(items, prompts, strict=True):
            answer = next(answers) if isinstance(prompt, Prompt) else prompt
            found.append(answer if isinstance(answer, Failed) else self._made(item, answer))
        return found

    def _prompt(self, item: Item, seed: int) -> Prompt | Failed:
        try:
            return self.filled(item, seed)
        except InputError as error:
            return Failed(str(error))

    def _made(self, item: Item, answer: Answer) -> Outcome:
        asks, cut = self._asks, answer.finish == "length"
        if cut and asks.on_cut == "fail":
            told = f"{answer.model}: cut off after {asks.max_tokens} tokens"
            return Failed(f"{told}; expected a larger max_tokens, or `on_cut: keep`")
        marks: Item = {f"{asks.into}_by": answer.model}
        if asks.on_cut == "keep":
            marks[f"{asks.into}_cut"] = cut
        return Value({**item, **self.said(answer), **marks}, keep=keeps(answer))

    def said(self, answer: Answer) -> Item:
        """The fields that hold an answer."""
        return {self._asks.into: answer.text.strip()}
