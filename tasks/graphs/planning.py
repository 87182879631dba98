"""What a run over a graph will do, and all that can be wrong with it before it begins."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
from pydantic import ValidationError

from blocks.errors import InputError
from blocks.kept_answers import Forgetful, KeptAnswers
from blocks.llm_budget import ModelLimits
from blocks.llm_calls import ModelConnection
from blocks.llm_models import LanguageModels
from blocks.masking import MASK
from blocks.storage import in_data, open_uri
from tasks.dag import plan_text
from tasks.graphs.chain_keys import chain_keys, chunk_keys, closed
from tasks.graphs.chunks import Stream
from tasks.graphs.compiled import INPUT, Graph, compiled, everything
from tasks.graphs.declared import read_declaration
from tasks.graphs.functions import FUNCTIONS
from tasks.graphs.inputs import Source, opened
from tasks.graphs.model import Declaration, GraphParams
from tasks.graphs.model_choice import require_runners, with_models
from tasks.graphs.models import NoModels
from tasks.graphs.outcome_lines import holds, masked
from tasks.graphs.records import looked_up
from tasks.graphs.step import Cache, StepContext
from tasks.graphs.under_way import Limits
from tasks.item_input import TEXT
from tasks.model_connections import named_connections
from tasks.yaml_text import MOST_BYTES


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that can begin."""

    params: GraphParams
    name: str
    graph: Graph
    source: Source
    connections: Mapping[str, ModelConnection]
    notes: tuple[str, ...] = ()
    """What the user should know: work that is done without a model."""
    fallback: "Prepared | None" = None
    """The run that takes the place of this one if it fails."""
    hidden: tuple[str, ...] = field(default=())
    """Fields that are masked in what the run keeps and shows."""

    @property
    def told(self) -> dict[str, Any]:
        """The parameters as they are kept and shown: items among them are masked."""
        return _told(self.params, self.hidden)

    @property
    def limits(self) -> Limits:
        """Sizes and bounds."""
        params = self.params
        return Limits(params.chunk, params.workers, params.chunks_in_flight)


def told(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a flow run as the ledger keeps them: items among them are masked.

    Where the graph cannot be read, nothing tells which fields are to be masked: then all are.
    """
    given = parameters.get("params")
    try:
        params = given if isinstance(given, GraphParams) else GraphParams.model_validate(given)
    except ValidationError:
        return {**parameters, "params": MASK}
    try:
        hidden = declaration_of(params)[0].masked
        if params.fallback_graph:
            hidden |= _read(params.fallback_graph).masked
    except InputError:
        hidden = frozenset({name for item in params.input.items for name in item} | {TEXT})
    return {**parameters, "params": _told(params, hidden)}


def _told(params: GraphParams, hidden: Collection[str]) -> dict[str, Any]:
    content = params.model_dump(mode="json")
    content["input"]["items"] = masked(content["input"]["items"], hidden)
    if TEXT in hidden:
        content["input"]["texts"] = [MASK] * len(params.input.texts)
    return content


def prepare(params: GraphParams) -> Prepared:
    """Graph, items and models, all of them checked.

    Raises:
        InputError: Whatever is wrong with any of them.
    """
    source = opened(params.input)
    declaration, name = declaration_of(params)
    if not params.fallback_graph:
        return _prepared(params, name, declaration, source, declaration.masked)
    other = _read(params.fallback_graph)
    hidden = declaration.masked | other.masked  # whichever of them runs, both leave something
    prepared = _prepared(params, name, declaration, source, hidden)
    fallback = _prepared(params, _stem(params.fallback_graph), other, source, hidden)
    return replace(prepared, fallback=fallback)


def declaration_of(params: GraphParams) -> tuple[Declaration, str]:
    """The graph of a run and what it is called.

    Raises:
        InputError: Its file cannot be read, or holds no graph.
    """
    if params.graph:
        return _read(params.graph), _stem(params.graph)
    given = Declaration(nodes=params.nodes, subgraphs=params.subgraphs, outputs=params.outputs)
    return given, "graph"


def _read(place: str) -> Declaration:
    with open_uri(in_data(place)) as file:
        return read_declaration(file.read(MOST_BYTES + 1), place)


def _stem(place: str) -> str:
    return place.rstrip("/").rsplit("/", 1)[-1].split(".")[0] or "graph"


def _prepared(
    params: GraphParams, name: str, declaration: Declaration, source: Source, hidden: frozenset[str]
) -> Prepared:
    chosen, notes = with_models(declaration, params.models)
    graph = compiled(chosen, FUNCTIONS, source.survey.known())
    return checked(params, name, graph, source, hidden=hidden, notes=notes)


def checked(
    params: GraphParams,
    name: str,
    graph: Graph,
    source: Source,
    *,
    hidden: frozenset[str],
    notes: tuple[str, ...] = (),
) -> Prepared:
    """A run over a graph that is compiled, with its models.

    Args:
        hidden: Fields that are masked in what the run keeps and shows.

    Raises:
        InputError: A step or a connection cannot be used.
    """
    require_runners(graph)
    connections = connections_of(graph)
    return Prepared(params, name, graph, source, connections, notes, hidden=tuple(sorted(hidden)))


def connections_of(graph: Graph) -> dict[str, ModelConnection]:
    """The connections that the nodes of a graph name.

    Raises:
        InputError: There is no such block, or it cannot be used.
    """
    names = sorted({name for name in graph.connections().values() if name})
    return named_connections(names)


@contextmanager
def context_of(run: Prepared) -> Iterator[StepContext]:
    """What the steps of a run use; the clients of its models live as long as the block."""
    cache: Cache = KeptAnswers()
    with ExitStack() as stack:
        if not run.connections:
            yield StepContext(NoModels(), run.params.seed, cache)
            return
        budget = run.params.budget
        models = stack.enter_context(
            LanguageModels(
                run.connections,
                limits=ModelLimits(budget.calls, budget.tokens, budget.cost),
                answers=_answers(run),
            )
        )
        yield StepContext(models, run.params.seed, cache)


def _answers(run: Prepared) -> KeptAnswers | Forgetful | None:
    """Where answers of models are kept; nowhere where a model is asked for what is masked."""
    if _answers_masked(run):
        return None
    return Forgetful(KeptAnswers()) if run.params.refresh else KeptAnswers()


def _answers_masked(run: Prepared) -> bool:
    """Whether what a model is asked for is masked."""
    for one in everything(run.graph.nodes):
        settings = one.node.with_
        if one.step.connection(settings):
            form = settings.model_dump(mode="json", include={"json_schema"})
            if not set(run.hidden).isdisjoint(one.step.writes(settings)) or holds(form, run.hidden):
                return True
    return False


def plan_told(run: Prepared) -> str:
    """The plan as people read it."""
    first = f"{run.name}: {run.source.survey.items:,} items of {run.source.name}"
    return "\n".join([first, plan_text(run.graph.needs, "node"), *run.notes])


def plan_frame(run: Prepared, *, look: bool = True) -> pd.DataFrame:
    """A row for each node: what it takes, and the calls of models that it would make at most.

    Args:
        look: Whether to look for what is stored, which reads the input once more.
    """
    total = run.source.survey.items
    stored: dict[str, int] = {}
    if look:
        with context_of(run) as context:
            stored = stored_items(run, context)
    rows = []
    for one in run.graph.nodes:
        connection = one.step.connection(one.node.with_)
        inside = one.stream == INPUT
        there = stored.get(one.name, 0)
        bound = "" if inside and not one.parents else "≤ "
        left = total - there
        rows.append(
            {
                "node": one.name,
                "step": one.node.uses,
                "needs": ", ".join(one.parents) or "input",
                "model": connection,
                "items": f"{bound}{total:,}" if inside else f"those of {one.stream}",
                "stored": f"{there:,}" if inside and look else "",
                "model calls": _calls(left if inside else None) if connection else "0",
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _calls(left: int | None) -> str:
    return "one each" if left is None else f"≤ {left:,}"


def stored_items(run: Prepared, context: StepContext) -> dict[str, int]:
    """Items of the input whose outcomes are stored, by node."""
    if run.params.refresh or run.hidden or not run.params.keep:
        return {}
    inside = {one.name for one in run.graph.nodes if one.stream == INPUT}
    chains = {k: v for k, v in chain_keys(run.graph, context).items() if k in inside}
    ttl_s = {one.name: one.node.cache.ttl_s if one.node.cache else None for one in run.graph.nodes}
    stream = Stream(INPUT, (), (((n,), item) for n, item in enumerate(run.source.items())))
    found: dict[str, int] = {}
    while (chunk := stream.next_chunk(run.params.chunk)) is not None:
        stream.under_way.clear()
        names = chunk_keys(chunk, chains)
        for name in closed(run.graph, list(looked_up(names, ttl_s, context.cache))):
            found[name] = found.get(name, 0) + len(chunk.numbers)
    return found
