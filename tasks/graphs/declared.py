"""Declarations out of YAML that people wrote."""

from collections.abc import Mapping
from typing import Any

from blocks.errors import InputError
from tasks.graphs.model import Declaration
from tasks.wording import validated
from tasks.yaml_text import decoded_yaml


def read_declaration(content: bytes, name: str) -> Declaration:
    """The graph that a file declares.

    Args:
        name: What messages call the file.

    Raises:
        InputError: It is no YAML, or no declaration; all that is wrong is told.
    """
    given: Any = decoded_yaml(content, name, "a graph")
    if not isinstance(given, Mapping) or "nodes" not in given:
        raise InputError(f"{name}: no `nodes` in it; expected a graph, such as nodes: [...]")
    return validated(Declaration, given, name)
