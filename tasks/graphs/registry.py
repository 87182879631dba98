"""All steps that a declared graph may name, by their names; nothing else can be named in data."""

from typing import Any

from tasks.graphs.step import Step

_LISTED: tuple[Step[Any], ...] = (
    # steps of tasks.graphs.steps.*, one name a line
)
STEPS: dict[str, Step[Any]] = {one.name: one for one in _LISTED}
