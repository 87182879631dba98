"""The Prefect block for language models: where one is, and who asks."""

from collections.abc import Iterable
from typing import Any, cast

from prefect.blocks.core import Block

from blocks.errors import InputError
from blocks.llm_calls import ModelConnection
from blocks.llm_connection import (
    ENVIRONMENT,
    ModelForm,
    connection_of_form,
    environment_connection,
)


class LanguageModel(ModelForm, Block):
    """A model behind Amazon Bedrock or a server with OpenAI's API."""

    _block_type_name = "Language model"
    _block_type_slug = "language-model"
    _description = "Connection to a language model, for the steps of graphs that ask one."

    def connection(self, name: str = "") -> ModelConnection:
        """The connection that this block describes.

        Args:
            name: What messages call it; "": the name under which it was saved.

        Raises:
            InputError: It cannot be used.
        """
        return connection_of_form(name or self._block_document_name or "unsaved", self)


def connections_of(names: Iterable[str]) -> dict[str, ModelConnection]:
    """The connections of saved blocks and of all that they fall back on, by name.

    `environment` is the one that the variables `SEQLOOM_LLM_…` describe.

    Raises:
        InputError: There is no such block, or it cannot be used.
    """
    found: dict[str, ModelConnection] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found[name] = _connection(name)
            waiting.extend(found[name].fallbacks)
    return found


def _connection(name: str) -> ModelConnection:
    if name == ENVIRONMENT:
        described = environment_connection()
        if described is None:
            expected = "expected SEQLOOM_LLM_MODEL and SEQLOOM_LLM_BASE_URL, or a block's name"
            raise InputError(f"connection {name!r}: the environment names no model; {expected}")
        return described
    try:  # Prefect's types know no _sync
        block = cast(LanguageModel, cast(Any, LanguageModel).load(name, _sync=True))
    except ValueError as error:
        if "block document" not in str(error):
            raise
        what = f"connection: no language-model block is called {name!r}"
        raise InputError(f"{what}; expected a saved one, or {ENVIRONMENT!r}") from None
    return block.connection(name)
