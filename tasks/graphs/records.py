"""What every node made of every item of a run, kept as it comes, and found again by later runs.

Outcomes of a chunk at a node are a frame: zstd over a line of JSON for each item. Frames of some
seconds make an object in the storage, so an object as a whole reads as JSON lines. A frame that
has a name (`tasks.graphs.chain_keys`) is entered under it once its object is stored; what a run
that was killed had entered is taken over by the next one, chunk by chunk.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from blocks.errors import InputError
from blocks.storage import Storage, open_object
from tasks.graphs import frames
from tasks.graphs.chain_keys import chain_keys, chunk_keys, closed
from tasks.graphs.chunks import Chunk, Number
from tasks.graphs.compiled import Graph
from tasks.graphs.outcome_lines import read, written
from tasks.graphs.step import Cache, Failed, Item, Outcome, StepContext

EVERY_S = 2.0
MOST_BYTES = 4 << 20
HELD = 4
"""Objects in memory for reading."""
INPUTS = ""
"""Name of the frame with the items that came into a chunk's stream."""


class Frame(BaseModel):
    """Where outcomes lie."""

    model_config = ConfigDict(frozen=True)

    uri: str
    start: int
    bytes: int
    items: int


class ChunkRecord(BaseModel):
    """A chunk of a run: which items, and the frames of all nodes of its stream."""

    model_config = ConfigDict(frozen=True)

    stream: str
    index: int
    numbers: tuple[Number, ...]
    frames: dict[str, Frame]
    reused: tuple[str, ...] = ()
    """Nodes whose outcomes are those of an earlier run."""


class FrameReader:
    """Reads frames; the objects read last stay in memory."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, bytes] = OrderedDict()

    def outcomes(self, frame: Frame) -> list[Outcome]:
        """The outcomes of a frame.

        Raises:
            InputError: They are not there any more.
        """
        content = self._object(frame.uri)
        try:
            found = read(frames.unpacked(content[frame.start : frame.start + frame.bytes]))
        except (ValueError, EOFError) as error:
            raise InputError(f"{frame.uri}: {error}; expected stored outcomes") from None
        if len(found) != frame.items:
            raise InputError(f"{frame.uri}: {len(found)} outcomes; expected {frame.items}")
        return found

    def _object(self, uri: str) -> bytes:
        if uri not in self._held:
            with open_object(uri) as file:
                self._held[uri] = file.read()
            while len(self._held) > HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(uri)
        return self._held[uri]


@dataclass(slots=True)
class _Packed:
    """A chunk whose frames are not stored yet."""

    stream: str
    index: int
    numbers: list[Number]
    taken: dict[str, Frame]
    fresh: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Node -> place in the object to come."""
    names: dict[str, str] = field(default_factory=dict)
    """Node -> name of its frame; of those that others may take over."""


@dataclass(slots=True)
class _Pending:
    """Frames that are not stored yet."""

    content: bytearray = field(default_factory=bytearray)
    chunks: list[_Packed] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)


class Records:
    """The records of a run while it is under way.

    Args:
        index: Takes a line for each chunk; see `ChunkRecord`.
        cache: Where names of frames are kept.
        hidden: Fields that are masked; outcomes that have them are not taken over by other runs.
        refresh: Whether nothing is taken over.
    """

    def __init__(
        self,
        graph: Graph,
        context: StepContext,
        storage: Storage,
        index: Callable[[bytes], object],
        *,
        cache: Cache,
        hidden: Sequence[str] = (),
        refresh: bool = False,
    ) -> None:
        self._graph, self._storage, self._index, self._cache = graph, storage, index, cache
        self._chains = chain_keys(graph, context) if not hidden else {}
        self._hidden, self._refresh = frozenset(hidden), refresh
        self._ttl_s = {
            one.name: one.node.cache.ttl_s if one.node.cache else None for one in graph.nodes
        }
        self._names: dict[tuple[str, int], dict[str, str]] = {}
        self._taken: dict[tuple[str, int], dict[str, Frame]] = {}
        self._reader = FrameReader()
        self._pending = _Pending()

    def known(self, chunk: Chunk) -> Mapping[str, Sequence[Outcome]]:
        """What earlier runs made of a chunk, by node."""
        names = chunk_keys(chunk, self._of_stream(chunk.stream))
        place = (chunk.stream, chunk.index)
        if names:
            self._names[place] = names
        if self._refresh or not names:
            return {}
        found: dict[str, list[Outcome]] = {}
        there = looked_up(names, self._ttl_s, self._cache)
        for name in closed(self._graph, list(there)):
            try:
                found[name] = self._reader.outcomes(there[name])
            except InputError:  # the storage was emptied since; it is made again
                break
        whole = closed(self._graph, list(found))
        self._taken[place] = {name: there[name] for name in whole}
        return {name: found[name] for name in whole}

    def _of_stream(self, stream: str) -> dict[str, bytes | None]:
        return {
            name: key
            for name, key in self._chains.items()
            if self._graph.by_name[name].stream == stream
        }

    def chunk(self, chunk: Chunk) -> None:
        """Keep a chunk that went through all nodes."""
        place = (chunk.stream, chunk.index)
        names, taken = self._names.pop(place, {}), self._taken.pop(place, {})
        sure = self._sure(chunk)
        packed = _Packed(chunk.stream, chunk.index, chunk.numbers, taken)
        content = self._pending.content
        for name, outcomes in (chunk.outcomes | {INPUTS: chunk.inputs}).items():
            if name in taken:
                continue
            frame = frames.packed(written(outcomes, self._hidden))
            packed.fresh[name] = (len(content), len(frame))
            if name in sure and name in names:
                packed.names[name] = names[name]
            content += frame
        self._pending.chunks.append(packed)
        late = time.monotonic() - self._pending.since > EVERY_S
        if late or len(content) > MOST_BYTES:
            self.store()

    def closing(self, node: str, numbers: list[Number], items: list[Item]) -> None:
        """Items that a node made at the end come again as those of its stream."""

    def _sure(self, chunk: Chunk) -> set[str]:
        """Nodes whose outcomes, and those of their needs, are what any other run would get."""
        good: set[str] = set()
        for one in self._graph.nodes:
            outcomes = chunk.outcomes.get(one.name)
            if outcomes is None or one.name in chunk.unsure:
                continue
            if not all(p in good for p in one.parents if p in chunk.outcomes):
                continue
            if not any(isinstance(o, Failed) or not getattr(o, "keep", True) for o in outcomes):
                good.add(one.name)
        return good

    def store(self) -> None:
        """Store what is not stored yet."""
        pending, self._pending = self._pending, _Pending()
        if not pending.chunks:
            return
        uri = self._storage.put_bytes(bytes(pending.content), frames.SUFFIX).uri
        entries: dict[str, JsonValue] = {}
        for one in pending.chunks:
            new = {
                name: Frame(uri=uri, start=start, bytes=length, items=len(one.numbers))
                for name, (start, length) in one.fresh.items()
            }
            record = ChunkRecord(
                stream=one.stream, index=one.index, numbers=tuple(one.numbers),
                frames=one.taken | new, reused=tuple(one.taken),
            )  # fmt: skip
            self._index(record.model_dump_json().encode() + b"\n")
            entries |= {key: new[name].model_dump() for name, key in one.names.items()}
        self._cache.put(entries)


def looked_up(
    names: Mapping[str, str], ttl_s: Mapping[str, float | None], cache: Cache
) -> dict[str, Frame]:
    """The frames that are known, by node."""
    found: dict[str, Frame] = {}
    for ttl in {ttl_s[name] for name in names}:
        some = {key: name for name, key in names.items() if ttl_s[name] == ttl}
        for key, content in cache.get(list(some), ttl).items():
            frame = frame_of(content)
            if frame is not None:
                found[some[key]] = frame
    return found


def frame_of(content: JsonValue) -> Frame | None:
    """A frame as it was entered."""
    try:
        return Frame.model_validate(content)
    except ValidationError:
        return None
