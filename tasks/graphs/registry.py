"""All steps that a declared graph may name, by their names; nothing else can be named in data."""

from typing import Any

from tasks.graphs.step import Step
from tasks.graphs.steps.choosing import FILTER
from tasks.graphs.steps.collecting import AGGREGATE, BATCH
from tasks.graphs.steps.joining import MERGE
from tasks.graphs.steps.nesting import GRAPH, PYTHON, REPEAT

_LISTED: tuple[Step[Any], ...] = (
    # one name a line
    AGGREGATE,
    BATCH,
    FILTER,
    GRAPH,
    MERGE,
    PYTHON,
    REPEAT,
)
STEPS: dict[str, Step[Any]] = {one.name: one for one in _LISTED}
