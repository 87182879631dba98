"""Declarations out of YAML that people wrote."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from blocks.errors import InputError, InputProblems
from tasks.graphs.model import Declaration
from tasks.wording import problems
from tasks.yaml_text import read_yaml

MOST_BYTES = 10_000_000


def read_declaration(content: bytes, name: str) -> Declaration:
    """The graph that a file declares.

    Args:
        name: What messages call the file.

    Raises:
        InputError: It is no YAML, or no declaration; all that is wrong is told.
    """
    if len(content) > MOST_BYTES:
        raise InputError(f"{name}: more than {MOST_BYTES:,} bytes; expected a graph only")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        raise InputError(f"{name}, line {line}: is not UTF-8; expected YAML or JSON") from None
    given: Any = read_yaml(text, name)
    if not isinstance(given, Mapping) or "nodes" not in given:
        raise InputError(f"{name}: no `nodes` in it; expected a graph, such as nodes: [...]")
    try:
        return Declaration.model_validate(given)
    except ValidationError as error:
        found = problems(name, error, Declaration, given)
    raise InputProblems(found)
