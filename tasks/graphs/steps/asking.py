"""How steps ask the language model behind their connection."""

from collections.abc import Sequence
from typing import cast

from blocks.errors import InputError
from blocks.llm_calls import Answer, Fault, Prompt
from tasks.graphs.step import Failed, StepContext


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
