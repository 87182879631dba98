"""A node of a declared graph: which step, after which nodes, and how it behaves there."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, Union

from pydantic import ConfigDict, Field, JsonValue, create_model, model_validator

from tasks.graphs.registry import STEPS
from tasks.parameters import Params

NodeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Join = Literal["all", "any", "each", "reduce"]
Reduce = Literal["merge", "concat"]
OnError = Literal["continue", "fail", "skip", "default", "fallback"]
OnMissing = Literal["leave_out", "null"]
MOST_ITEMS = 100_000
DAY_S = 86_400


class Retries(Params):
    """Further tries of a call whose failure may pass: busy or unreachable services, time-outs."""

    attempts: int = Field(1, title="Attempts", description="1: no second try", ge=1, le=20)
    base_s: float = Field(
        0.5, title="First delay [s]", description="doubles each time", ge=0, le=600
    )
    cap_s: float = Field(60, title="Longest delay [s]", ge=0, le=3_600)


class ItemCache(Params):
    """Answers that are kept between runs, by step, code, settings, model and item."""

    enabled: bool = Field(True, title="Enabled")
    ttl_s: float | None = Field(
        None, title="Time to live [s]", description="older answers are made anew", gt=0
    )


class Node(Params):
    """What all nodes have."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, serialize_by_alias=True
    )

    name: NodeName = Field(title="Name", description="lower case; others refer to it in `needs`")
    uses: str = Field(title="Step")
    needs: tuple[NodeName, ...] = Field(
        (), title="Needs", description="nodes whose items this one takes; none: the input"
    )
    with_: Params = Field(Params(), alias="with", title="Settings")
    join: Join = Field(
        "all",
        title="Join",
        description="of several needs: all (by name), any (the first declared that gave a value),"
        " each (one call for each), reduce",
    )
    reduce: Reduce = Field("merge", title="Reduce", description="how `reduce` makes one of many")
    min_inputs: int | None = Field(
        None, title="Fewest inputs", description="of a join; none: all that were not skipped", ge=1
    )
    on_missing: OnMissing = Field(
        "leave_out", title="Missing inputs", description="of a join: left out, or null"
    )
    when: str = Field(
        "", title="When", description="condition on the item, e.g. score > 0.5; else skipped"
    )
    on_error: OnError = Field(
        "continue",
        title="On error",
        description="continue: the item fails alone; fail: the run stops",
    )
    default: JsonValue = Field(None, title="Default", description="what `on_error: default` gives")
    fallback: str = Field(
        "", title="Fallback", description="node that gets the items that failed here"
    )
    retries: Retries = Field(Retries(), title="Retries")
    time_limit_s: float | None = Field(
        None,
        title="Time limit [s]",
        description="of one call; each item has its own, or each batch",
        gt=0,
        le=DAY_S,
    )
    cache: ItemCache | None = Field(
        None, title="Cache", description="none: kept where a model is asked"
    )
    concurrency: int | None = Field(
        None, title="Calls at once", description="at most", ge=1, le=256
    )
    batch: int | None = Field(
        None,
        title="Batch",
        description="items of one call; the last one may have fewer",
        ge=1,
        le=MOST_ITEMS,
    )
    mask: tuple[str, ...] = Field(
        (),
        title="Masked fields",
        description="*** in all files of a run and all that it stores; parameters in Prefect stay",
    )

    @model_validator(mode="after")
    def _errors_are_provided_for(self) -> Self:
        if (self.on_error == "fallback") != bool(self.fallback):
            raise ValueError("on_error: fallback and fallback: NODE belong together")
        if self.on_error != "default" and self.default is not None:
            raise ValueError(f"a default with on_error: {self.on_error}; expected default")
        return self


def _kind(name: str) -> type[Node]:
    """The model of nodes that use one step."""
    step = STEPS[name]
    required = any(field.is_required() for field in step.params.model_fields.values())
    settings: Any = Field(alias="with", title="Settings")
    if not required:
        settings = Field(step.params(), alias="with", title="Settings")
    fields: dict[str, Any] = {"uses": (Literal[name], name), "with_": (step.params, settings)}
    title = f"{name.title().replace('_', '')}Node"
    made: type[Node] = create_model(title, __base__=Node, __doc__=step.summary, **fields)
    return made


KINDS: dict[str, type[Node]] = {name: _kind(name) for name in STEPS}
"""The model of nodes that use a step, by the step's name."""

if TYPE_CHECKING:
    AnyNode = Node
else:
    AnyNode = Annotated[Union[tuple(KINDS.values())], Field(discriminator="uses")]  # noqa: UP007 -- made of a tuple


def node_of(**given: Any) -> Node:  # noqa: ANN401 -- the fields of a node
    """A node of the kind that `uses` names; `with_` may be its settings as a dict.

    Raises:
        pydantic.ValidationError: It does not fit.
    """
    return KINDS[given["uses"]].model_validate(given)
