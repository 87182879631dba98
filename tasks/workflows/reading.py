"""Workflows out of YAML that people wrote."""

from typing import Any

from pydantic import JsonValue, ValidationError

from blocks.errors import InputError, InputProblems
from tasks.dag import closest
from tasks.wording import problems
from tasks.workflows.model import Declaration
from tasks.yaml_text import read_yaml

MOST_BYTES = 10_000_000


def read_declaration(content: bytes, name: str) -> Declaration:
    """The workflow that a file declares.

    Args:
        content: Of the file.
        name: What messages call it.

    Raises:
        InputError: It is no YAML, or no workflow.
        InputProblems: All that is wrong with it.
    """
    if len(content) > MOST_BYTES:
        raise InputError(f"{name}: more than {MOST_BYTES:,} bytes; expected a workflow only")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        raise InputError(f"{name}, line {line}: is not UTF-8; expected YAML or JSON") from None
    given: Any = read_yaml(text, name)
    if not isinstance(given, dict) or not given.get("steps"):
        raise InputError(f"{name}: no `steps` in it; expected a workflow, such as steps: [...]")
    try:
        return Declaration.model_validate(given)
    except ValidationError as error:
        found = problems(name, error, Declaration, given)
    raise InputProblems(found)


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
