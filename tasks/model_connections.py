"""The language models that a run names, by name."""

from collections.abc import Sequence

from blocks.llm_calls import ModelConnection
from blocks.llm_connection import ENVIRONMENT, environment_connection


def named_connections(names: Sequence[str]) -> dict[str, ModelConnection]:
    """The connections of these names, and those that they fall back on.

    Raises:
        InputError: There is no such block, or it cannot be used.
    """
    if not names:
        return {}
    own = environment_connection() if list(names) == [ENVIRONMENT] else None
    if own is not None and not own.fallbacks:
        return {ENVIRONMENT: own}  # asks no server
    from blocks.llm import connections_of

    return connections_of(names)
