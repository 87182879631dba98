"""Parameters of a run over a graph; the form in the Prefect UI is made from these."""

from typing import Any, Literal, Self

import yaml
from pydantic import (
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from tasks.graphs.node import MOST_ITEMS, AnyNode, NodeName
from tasks.item_input import ItemInput
from tasks.parameters import Params, one_form


class GraphInput(ItemInput):
    """The items that go through the graph."""


class Subgraph(Params):
    """Nodes under one name, which `uses: graph` and `uses: repeat` put in place."""

    name: NodeName = Field(title="Name")
    nodes: tuple[AnyNode, ...] = Field(title="Nodes", min_length=1)
    output: str = Field(
        "", title="Output", description="node that gives its result; none: the last"
    )


class Declaration(Params):
    """The graph alone, as a file or a URI may hold it."""

    nodes: tuple[AnyNode, ...] = Field(
        (), title="Nodes", description="each names what it needs; independent ones run in parallel"
    )
    subgraphs: tuple[Subgraph, ...] = Field((), title="Sub-graphs")
    outputs: tuple[NodeName, ...] = Field(
        (), title="Outputs", description="nodes whose items are written; none: all last ones"
    )

    @property
    def masked(self) -> frozenset[str]:
        """Fields that some node masks: one of the flow, of a sub-graph, or a fallback."""
        groups = (self.nodes, *(one.nodes for one in self.subgraphs))
        return frozenset(name for nodes in groups for node in nodes for name in node.mask)


class NodeModel(Params):
    """Which language model a node asks in this run."""

    node: str = Field("", title="Node", description="its name; empty: all that cannot do without")
    connection: str = Field(
        title="Connection",
        description="name of a language-model block, or `environment`",
        min_length=1,
    )


class ModelBudget(Params):
    """What a run may use of language models at most; then it stops, and what was answered stays."""

    calls: int | None = Field(None, title="Calls", ge=1)
    tokens: int | None = Field(None, title="Tokens", description="of prompts and answers", ge=1)
    cost: float | None = Field(None, title="Cost [USD]", gt=0)


class GraphParams(Declaration):
    """A run: the items, the graph, and how to run it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_serialization_defaults_required=True
    )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The schema with all kinds of nodes as one, which is what the form can draw."""
        schema = handler(core_schema)
        own = handler.resolve_ref_schema(schema)["properties"]
        subgraph = handler.resolve_ref_schema(own["subgraphs"]["items"])["properties"]
        for holder in (own["nodes"], subgraph["nodes"]):
            if "oneOf" in holder["items"]:
                kinds = [handler.resolve_ref_schema(one) for one in holder["items"]["oneOf"]]
                holder["items"] = one_form(kinds, "Node", handler.resolve_ref_schema)
        return schema

    input: GraphInput = Field(GraphInput(), title="Input")
    graph: str = Field(
        "", title="Graph file", description="path or URI of a graph in YAML, instead of nodes"
    )
    seed: int = Field(1, title="Seed", ge=0, lt=2**63)
    chunk: int = Field(
        64, title="Chunk", description="items that travel together", ge=1, le=MOST_ITEMS
    )
    workers: int = Field(4, title="Workers", description="calls of steps at once", ge=1, le=64)
    chunks_in_flight: int = Field(
        16, title="Chunks in flight", description="bounds the memory", ge=1, le=1_000
    )
    models: tuple[NodeModel, ...] = Field(
        (), title="Models", description="for nodes that name none; without, they work offline"
    )
    budget: ModelBudget = Field(ModelBudget(), title="Budget")
    tables: Literal["both", "csv", "parquet", "none"] = Field(
        "both", title="Tables", description="of the outputs, beside JSON lines"
    )
    keep: bool = Field(
        True,
        title="Keep node records",
        description="inputs and outputs of every node, to look at and to go on from",
    )
    rerun: str = Field(
        "", title="Run again", description="RUN/NODE: this node of that run, from what it stored"
    )
    fallback_graph: str = Field(
        "", title="Fallback graph", description="graph file that runs if this one fails"
    )
    dry_run: bool = Field(False, title="Dry run", description="only check and show the plan")
    refresh: bool = Field(False, title="Refresh", description="ask no cache")

    @model_validator(mode="wrap")
    @classmethod
    def _nodes_or_file(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401 -- before it is checked
        made = handler(given)
        if sum((bool(made.nodes), bool(made.graph), bool(made.rerun))) != 1:
            raise ValueError("expected one of nodes, graph (a file) and rerun")
        if not made.nodes and (made.subgraphs or made.outputs):
            raise ValueError("outputs and subgraphs belong to nodes; expected them in the file")
        return made


def to_yaml(declaration: Declaration) -> str:
    """The declaration as YAML, without what is left at its default.

    `uses` and `with` are always there where they were given.
    """
    content = declaration.model_dump(mode="json", exclude_defaults=True, by_alias=True)
    _name_steps(content, declaration.nodes)
    for shown, subgraph in zip(content.get("subgraphs", ()), declaration.subgraphs, strict=False):
        _name_steps(shown, subgraph.nodes)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _name_steps(content: dict[str, Any], nodes: tuple[AnyNode, ...]) -> None:
    """Each node's step beside its name: the discriminator is a default to pydantic."""
    content["nodes"] = [
        {"name": node.name, "uses": node.uses, **shown}
        for shown, node in zip(content.get("nodes", ()), nodes, strict=True)
    ]
