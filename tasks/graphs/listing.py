"""All steps and what they take, as lines for people."""

from collections.abc import Mapping
from typing import Any

from blocks.errors import InputError
from tasks.dag import closest
from tasks.graphs.registry import STEPS


def steps_lines() -> list[str]:
    """A line for each step."""
    width = max(map(len, STEPS))
    return [
        f"{name:<{width}}  {step.summary}" + (" [needs a model]" if step.needs_model else "")
        for name, step in sorted(STEPS.items())
    ]


def step_lines(name: str) -> list[str]:
    """What a step takes in its `with`.

    Raises:
        InputError: There is no such step.
    """
    if name not in STEPS:
        raise InputError(f"step {name!r}: not known; expected {closest(name, sorted(STEPS))}")
    step = STEPS[name]
    lines = [f"{name}: {step.summary}", ""]
    schema = step.params.model_json_schema()
    required = set(schema.get("required", ()))
    for field, told in schema.get("properties", {}).items():
        default = "required" if field in required else f"default {told.get('default')!r}"
        lines.append(f"  {field:<16} {_kind(told):<10} {default}")
        about = ": ".join(filter(None, [told.get("title"), told.get("description")]))
        lines.append(f"  {'':<16} {about}")
    return lines


def _kind(told: Mapping[str, Any]) -> str:
    """The type of a setting, in a word."""
    if "enum" in told:
        return "|".join(map(str, told["enum"]))
    if "anyOf" in told:
        return " or ".join(dict.fromkeys(_kind(one) for one in told["anyOf"]))
    return str(told.get("type", "object"))
