"""Workflows out of YAML that people wrote."""

from typing import Any

from pydantic import JsonValue

from blocks.errors import InputError
from tasks.dag import closest
from tasks.wording import validated
from tasks.workflows.model import Declaration
from tasks.yaml_text import decoded_yaml


def read_declaration(content: bytes, name: str) -> Declaration:
    """The workflow that a file declares.

    Args:
        content: Of the file.
        name: What messages call it.

    Raises:
        InputError: It is no YAML, or no workflow.
        InputProblems: All that is wrong with it.
    """
    given: Any = decoded_yaml(content, name, "a workflow")
    if not isinstance(given, dict) or not given.get("steps"):
        raise InputError(f"{name}: no `steps` in it; expected a workflow, such as steps: [...]")
    return validated(Declaration, given, name)


def with_inputs(declaration: Declaration, given: dict[str, JsonValue], name: str) -> Declaration:
    """The declaration with values for its inputs.

    Raises:
        InputError: It has no such input.
    """
    for one in given:
        if one not in declaration.inputs:
            known = closest(one, declaration.inputs) if declaration.inputs else "none"
            raise InputError(f"inputs: {name} has no {one!r}; expected {known}")
    return declaration.model_copy(update={"inputs": {**declaration.inputs, **given}})
