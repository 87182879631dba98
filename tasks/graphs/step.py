"""What a step of a graph is: a function over a chunk of items that gives one outcome for each.

An item is a JSON object. A step never changes the items it is given: it returns new ones, as a
rule the item with fields added. What it returns for an item is one of

    Value(item)        goes on to the nodes that need this one
    Several(items)     goes on as several new items (a text cut into parts); only of `spreads` steps
    Skipped(reason)    the item ends here, as it was meant to (a filter)
    Failed(text)       the item ends here; the others of its chunk go on

`@step` makes a `Step` of a function or a class; `tasks.graphs.registry` lists them all.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast

from pydantic import JsonValue

from blocks.errors import SeqloomError
from tasks import item_reading
from tasks.graphs.models import Models, NoModels
from tasks.parameters import Params

Item: TypeAlias = item_reading.Item
"""A JSON object: names and JSON values."""
Fields: TypeAlias = Mapping[str, Any]
"""Fields of an item and their types, as annotations (`str`, `list[float]`)."""


@dataclass(frozen=True, slots=True)
class Value:
    """An item that goes on."""

    item: JsonValue
    keep: bool = True
    """Whether a cache may keep it; an answer that was cut short may not be kept."""


@dataclass(frozen=True, slots=True)
class Several:
    """Items that go on in place of one."""

    items: tuple[JsonValue, ...]
    keep: bool = True


@dataclass(frozen=True, slots=True)
class Skipped:
    """An item that ends here as it was meant to."""

    reason: str = "filtered"


@dataclass(frozen=True, slots=True)
class Failed:
    """An item that ends here because something went wrong with it."""

    text: str
    transient: bool = False
    """Whether another try may help."""


Outcome: TypeAlias = Value | Several | Skipped | Failed


class Cache(Protocol):
    """Answers by content; a run's is kept between runs."""

    def get(self, keys: Sequence[str], ttl_s: float | None = None) -> Mapping[str, JsonValue]:
        """What is known of `keys` and not older than `ttl_s` seconds (None: of any age)."""

    def put(self, answers: Mapping[str, JsonValue]) -> None:
        """Keep answers."""


class NoCache:
    """A cache that keeps nothing."""

    def get(self, keys: Sequence[str], ttl_s: float | None = None) -> Mapping[str, JsonValue]:
        """Nothing."""
        return {}

    def put(self, answers: Mapping[str, JsonValue]) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a step may use besides its items and parameters."""

    models: Models = field(default_factory=NoModels)
    seed: int = 1
    cache: Cache = field(default_factory=NoCache)
    log: logging.Logger | logging.LoggerAdapter[Any] = field(
        default_factory=lambda: logging.getLogger("seqloom.graphs")
    )
    stopped: Callable[[], bool] = lambda: False
    """Whether the run was cancelled; a step that works for seconds asks now and then."""


class Runner(Protocol):
    """A step with its parameters, made once for each node of a run."""

    def run(self, items: Sequence[Item], context: StepContext) -> Sequence[Outcome]:
        """One outcome for each item, in their order."""


P = TypeVar("P", bound=Params)


def _nothing(_: Any) -> Fields:  # noqa: ANN401 -- parameters of any step
    return {}


def _no_model(_: Any) -> str:  # noqa: ANN401 -- parameters of any step
    return ""


@dataclass(frozen=True, slots=True)
class Step(Generic[P]):
    """A registered step."""

    name: str
    params: type[P]
    make: Callable[[P], Runner]
    reads: Callable[[P], Fields] = _nothing
    """Fields that each item must have."""
    writes: Callable[[P], Fields] = _nothing
    """Fields that it adds or changes."""
    connection: Callable[[P], str] = _no_model
    """Name of the connection to a model that these parameters need; "" where they need none."""
    needs_model: bool = False
    """Whether it cannot work without a connection."""
    modules: tuple[str, ...] = ()
    """Modules whose text decides its results, for cache keys."""
    version: int = 1
    spreads: bool = False
    """Whether it may give `Several`."""
    in_order: bool = False
    """Whether it remembers: it then sees the chunks one after the other, in order."""
    sees_all: bool = False
    """Whether it must see all items at once; they are then in memory."""
    closes: bool = False
    """Whether its runner has `finish(context) -> Sequence[Item]`: items that come at the end."""
    summary: str = ""
    """One line for people."""


class _Bound:
    """A function as a runner."""

    def __init__(self, function: Callable[..., Sequence[Outcome]], params: Params) -> None:
        self._function = function
        self._params = params

    def run(self, items: Sequence[Item], context: StepContext) -> Sequence[Outcome]:
        return self._function(items, self._params, context)


class _EachBound:
    """A function over one item as a runner; what it raises fails its item only."""

    def __init__(self, function: Callable[..., Any], params: Params) -> None:
        self._function = function
        self._params = params

    def run(self, items: Sequence[Item], context: StepContext) -> Sequence[Outcome]:
        return [self._outcome(item) for item in items]

    def _outcome(self, item: Item) -> Outcome:
        try:
            given = self._function(item, self._params)
        except SeqloomError as error:
            return Failed(" ".join(str(error).split()))
        except Exception as error:  # noqa: BLE001 -- whatever it is, it fails this item alone
            return Failed(f"{type(error).__name__}: {' '.join(str(error).split())}")
        return given if isinstance(given, Value | Several | Skipped | Failed) else Value(given)


def step(name: str, params: type[P], **options: Any) -> Callable[[Any], Step[P]]:  # noqa: ANN401 -- fields of Step
    """Make a step of `function(items, params, context) -> outcomes`, or of a class.

    A class is made once for each node with the parameters, `Class(params)`, and has
    `run(items, context)`; what it remembers lives as long as the run. `options` are the other
    fields of `Step`; its own module always counts among `modules`.
    """

    def decorate(code: Any) -> Step[P]:  # noqa: ANN401 -- a function or a class
        make = code if isinstance(code, type) else (lambda given: _Bound(code, given))
        return _made(name, params, code, cast("Callable[[P], Runner]", make), options)

    return decorate


def item_step(name: str, params: type[P], **options: Any) -> Callable[[Any], Step[P]]:  # noqa: ANN401 -- fields of Step
    """Make a step of `function(item, params) -> item or outcome`; an exception fails the item."""

    def decorate(code: Any) -> Step[P]:  # noqa: ANN401 -- a function
        return _made(name, params, code, lambda given: _EachBound(code, given), options)

    return decorate


def _made(
    name: str,
    params: type[P],
    code: Any,  # noqa: ANN401 -- a function or a class
    make: Callable[[P], Runner],
    options: dict[str, Any],
) -> Step[P]:
    modules = tuple(dict.fromkeys((code.__module__, *options.pop("modules", ()))))
    summary = options.pop("summary", (code.__doc__ or "").strip().split("\n")[0])
    return Step(name, params, make, modules=modules, summary=summary, **options)
