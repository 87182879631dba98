"""Names of what nodes made of a chunk of items: the node, all nodes before it, and the items.

Equal names mean equal outcomes, whichever run made them. So a run that was killed goes on where it
stopped, a second one makes no call, and after a change only what comes after it is made again.

Some nodes have no name, and what comes after them in their stream has none either: nodes that
remember earlier items, that see all at once, or whose answers are not to be kept.
"""

import hashlib
from collections.abc import Mapping, Sequence

from blocks.errors import InputError
from tasks.fingerprint import source_digest
from tasks.graphs.chunks import Chunk
from tasks.graphs.compiled import Graph, Ready
from tasks.graphs.keys import canonical, node_key
from tasks.graphs.step import StepContext, Value

ENGINE = (
    "tasks.conditions",
    *(f"tasks.graphs.{name}" for name in ("calls", "joins", "repeating", "runners")),
)
"""Modules that decide outcomes whatever the step."""
NO_MATTER = frozenset({"name", "retries", "time_limit_s", "cache", "concurrency", "mask", "with_"})
"""Options of a node that decide no outcome; its settings are in its own key."""
REPLACING = ("skip", "default", "fallback")


def chain_keys(graph: Graph, context: StepContext) -> dict[str, bytes | None]:
    """What decides the outcomes of each node besides the items; None where more does."""
    engine = source_digest(ENGINE)
    keys: dict[str, bytes | None] = {}
    for one in graph.nodes:
        before = [keys[parent] for parent in one.parents if _within(graph, parent, one)]
        own = _own(one, context)
        if own is None or any(key is None for key in before):
            keys[one.name] = None
            continue
        parts = [engine, own.hex(), [key.hex() for key in before if key is not None]]
        keys[one.name] = hashlib.sha256(canonical(parts)).digest()
    return keys


def _within(graph: Graph, parent: str, one: Ready) -> bool:
    """Whether a need is of the same stream; the items of a stream stand for what began it."""
    above = graph.by_name[parent]
    return above.stream == one.stream and not above.begins_stream


def _own(one: Ready, context: StepContext) -> bytes | None:
    step, node = one.step, one.node
    if step.in_order or step.sees_all or step.closes:
        return None
    if node.cache is not None and not node.cache.enabled:
        return None
    if one.body is not None and any(inner.node.on_error in REPLACING for inner in one.body.nodes):
        return None
    both = [one] if one.stand_in is None else [one, one.stand_in]
    try:
        parts = [node_key(each, context.models, context.seed).hex() for each in both]
    except InputError:  # a function whose changes nobody would see
        return None
    options = node.model_dump(mode="json", exclude=set(NO_MATTER))
    return hashlib.sha256(canonical([parts, options])).digest()


def chunk_keys(chunk: Chunk, chains: Mapping[str, bytes | None]) -> dict[str, str]:
    """The names of what nodes make of a chunk, by node; only of those that have one."""
    if all(key is None for key in chains.values()):
        return {}
    items = [one.item if isinstance(one, Value) else None for one in chunk.inputs]
    try:
        content = hashlib.sha256(canonical(items)).digest()
    except TypeError:  # an item that is no JSON
        return {}
    return {
        name: hashlib.sha256(key + content).hexdigest()
        for name, key in chains.items()
        if key is not None
    }


def closed(graph: Graph, known: Sequence[str]) -> list[str]:
    """Those nodes of a stream whose needs are among them, too, in the order of the graph."""
    found: list[str] = []
    for one in graph.nodes:
        needs = [parent for parent in one.parents if _within(graph, parent, one)]
        if one.name in known and all(need in found for need in needs):
            found.append(one.name)
    return found
