"""One node of an earlier run, from the inputs that were stored, as a graph of its own.

What the run masked is masked in these inputs, too; a node that gets such fields is not run again.
Of a node that `join: each` calls once for each need, each value is an item.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson
from pydantic import JsonValue, ValidationError

from blocks.errors import InputError
from blocks.settings import settings
from blocks.storage import filesystem_of, open_uri
from tasks.dag import closest
from tasks.graphs import joins
from tasks.graphs.compiled import INPUT, Graph, Ready, compiled
from tasks.graphs.declared import read_declaration
from tasks.graphs.delivery import DECLARATION, RECORDS
from tasks.graphs.functions import FUNCTIONS
from tasks.graphs.inputs import Source
from tasks.graphs.model import Declaration, GraphInput, GraphParams
from tasks.graphs.outcome_lines import holds, item_line, written
from tasks.graphs.planning import Prepared, checked
from tasks.graphs.records import INPUTS, ChunkRecord, FrameReader
from tasks.graphs.step import Outcome, Value
from tasks.item_reading import Survey
from tasks.results import MANIFEST


@dataclass(frozen=True, slots=True)
class StoredInputs(Source):
    """What a node of an earlier run got."""

    folder: str = ""
    node: Ready | None = None

    def items(self) -> Iterator[Any]:
        """All inputs, in the order of that run."""
        if self.node is None:
            raise AssertionError("the inputs of a node")
        return stored_inputs(self.folder, self.node)


def prepare_again(params: GraphParams) -> Prepared:
    """A run of one node of an earlier run; `params.rerun` is RUN/NODE.

    Raises:
        InputError: There is no such run or node, or its inputs are not stored.
    """
    run, _, name = params.rerun.rpartition("/")
    if not run or not name:
        raise InputError(f"rerun: {params.rerun!r}; expected RUN/NODE, such as latest/summary")
    folder = run_place(run)
    graph, ready = _node_of(folder, run, name)
    survey, sha256 = Survey(), hashlib.sha256()
    hidden = graph.declaration.masked | _masked_in(folder)
    for item in stored_inputs(folder, ready):
        if hidden and holds(item, hidden):
            told = f"rerun: that run masked {', '.join(sorted(hidden))} in what node {name!r} got"
            raise InputError(f"{told}; expected inputs without masked fields, or a whole run")
        survey.items += 1
        sha256.update(orjson.dumps(item, option=orjson.OPT_SORT_KEYS))
    source = StoredInputs(
        f"{run}/{name}", survey, sha256.hexdigest(), GraphInput(), folder=folder, node=ready
    )
    if not survey.items:
        raise InputError(f"rerun: node {name!r} of {run} got no items; expected at least one")
    return checked(params, f"{name} again", alone(graph, ready), source, hidden=hidden)


def _node_of(folder: str, run: str, name: str) -> tuple[Graph, Ready]:
    graph = compiled(_declaration(folder), FUNCTIONS)
    if name not in graph.by_name:
        known = closest(name, graph.by_name)
        raise InputError(f"run {run!r}: has no node {name!r}; expected {known}")
    return graph, graph.by_name[name]


def _masked_in(folder: str) -> frozenset[str]:
    """Fields that a run masked, also for the sake of the graph that did not run."""
    with open_uri(f"{folder}/{MANIFEST}") as file:
        return frozenset(orjson.loads(file.read()).get("masked", ()))


def stored_lines(run: str, name: str, *, given: bool) -> Iterator[bytes]:
    """What is stored of a node of a run, a line for each item.

    Args:
        given: What it got, instead of what became of it.

    Raises:
        InputError: There is no such run or node, or nothing is stored.
    """
    folder = run_place(run)
    _, ready = _node_of(folder, run, name)
    if given:
        yield from map(item_line, stored_inputs(folder, ready))
        return
    reader = FrameReader()
    for chunk in chunk_records(folder):
        if name in chunk.frames:
            outcomes = reader.outcomes(chunk.frames[name])
            yield from (written([outcome]) for outcome in outcomes)


def alone(graph: Graph, ready: Ready) -> Graph:
    """A graph of one node, which takes the input."""
    node = ready.node.model_copy(update={"needs": ()})
    one = replace(ready, node=node, parents=(), stream=INPUT)
    return Graph((one,), (one.name,), graph.declaration, {one.name: one})


def run_place(run: str) -> str:
    """The folder of a run, by its name or path.

    Raises:
        InputError: There is none.
    """
    root = settings().results
    place = run if "/" in run else f"{root}/graphs/{run}"
    filesystem, path = filesystem_of(place)
    if not filesystem.exists(f"{path}/{DECLARATION}"):
        expected = f"a folder of results, such as {root}/graphs/latest"
        raise InputError(f"run {run!r}: holds no run of graphs; expected {expected}")
    return place.rstrip("/")


def _declaration(folder: str) -> Declaration:
    with open_uri(f"{folder}/{DECLARATION}") as file:
        return read_declaration(file.read(), f"{folder}/{DECLARATION}")


def chunk_records(folder: str) -> Iterator[ChunkRecord]:
    """The chunks of a run, in the order in which they ended.

    Raises:
        InputError: The run kept none.
    """
    place = f"{folder}/{RECORDS}"
    try:
        with open_uri(place) as file:
            for line in file:
                yield ChunkRecord.model_validate_json(line)
    except ValidationError:
        raise InputError(f"{place}: holds no records; expected those of this version") from None


def stored_inputs(folder: str, ready: Ready) -> Iterator[JsonValue]:
    """What a node got in a run, item by item.

    Raises:
        InputError: It is not stored, or not any more.
    """
    reader = FrameReader()
    for chunk in chunk_records(folder):
        if chunk.stream != ready.stream or ready.name not in chunk.frames:
            continue
        results = [
            reader.outcomes(chunk.frames.get(parent, chunk.frames[INPUTS]))
            for parent in ready.parents or (INPUTS,)
        ]
        yield from _values(ready, results)


def _values(ready: Ready, results: list[list[Outcome]]) -> Iterator[JsonValue]:
    for given in joins.given(ready.node, results):
        if not isinstance(given, Value):
            continue
        if ready.node.join == "each" and len(ready.parents) > 1 and isinstance(given.item, Mapping):
            yield from given.item.values()
        else:
            yield given.item
