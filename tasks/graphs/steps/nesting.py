"""Settings of the nodes that the engine itself runs: functions, sub-graphs, repetition."""

from typing import Any, NoReturn

from pydantic import Field

from tasks.graphs.conditions import ConditionText
from tasks.graphs.step import Step
from tasks.parameters import Params


class PythonParams(Params):
    """Which function."""

    function: str = Field(
        title="Function", description="one that is registered, e.g. word_count", min_length=1
    )


class GraphNodeParams(Params):
    """Which sub-graph."""

    graph: str = Field(title="Sub-graph", description="its name", min_length=1)


class RepeatParams(Params):
    """What is repeated, until when."""

    graph: str = Field(title="Sub-graph", description="whose result goes in again", min_length=1)
    until: ConditionText = Field(
        title="Until", description="condition on its result, e.g. score > 0.9", min_length=1
    )
    max_iterations: int = Field(
        10, title="Most repetitions", description="then the item fails", ge=1, le=1_000
    )


def _made_by_the_engine(_: Any) -> NoReturn:  # noqa: ANN401 -- any parameters
    raise AssertionError("the engine makes the runner of this step")


PYTHON = Step(
    "python", PythonParams, _made_by_the_engine, summary="Call a registered function for each item."
)
GRAPH = Step(
    "graph", GraphNodeParams, _made_by_the_engine, summary="Put the nodes of a sub-graph here."
)
REPEAT = Step(
    "repeat",
    RepeatParams,
    _made_by_the_engine,
    summary="Put an item through a sub-graph until a condition holds, a bounded number of times.",
)
