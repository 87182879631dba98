"""A run over a prepared graph, with or without Prefect around it."""

import gc
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from blocks.errors import InputError, SeqloomError
from blocks.llm_models import LanguageModels
from blocks.llm_uses import ModelUse
from blocks.locks import claimed
from blocks.settings import FOLDER, settings
from blocks.storage import Storage
from tasks.graphs.chain_keys import chain_keys
from tasks.graphs.gathering import Both, Gathering
from tasks.graphs.keys import canonical
from tasks.graphs.planning import Prepared, context_of
from tasks.graphs.records import Records
from tasks.graphs.step import StepContext
from tasks.graphs.streaming import Engine
from tasks.graphs.tally import State, Tally, cancelled
from tasks.graphs.under_way import Observer

INDEX = "records.jsonl"
"""A line for each chunk of a run; see `tasks.graphs.records.ChunkRecord`."""


@dataclass(slots=True)
class Ended:
    """How a run ended."""

    run: Prepared
    folder: Path
    """Holds a file for each output, and the errors."""
    gathered: Gathering
    tallies: Mapping[str, Tally]
    uses: Mapping[str, ModelUse] = field(default_factory=dict)
    error: BaseException | None = None
    """What ended it before its time."""
    failed_first: str = ""
    """Why the graph failed that this one took the place of."""

    @property
    def states(self) -> dict[str, State]:
        """The state of each node."""
        if self.error is not None:
            return cancelled(self.tallies)
        return {name: one.state for name, one in self.tallies.items()}

    @property
    def degraded(self) -> bool:
        """Whether something else than was declared took the place of what failed."""
        return bool(self.failed_first) or any(one.replaced for one in self.tallies.values())


def execute(
    run: Prepared,
    folder: Path,
    *,
    log: Any = None,  # noqa: ANN401 -- a logger, or an adapter of one
    observer: Observer | None = None,
    items: Iterable[JsonValue] | None = None,
) -> Ended:
    """Put all items through the graph; what comes out lies in the folder.

    A node that fails the run, a budget that is used up and a service that refuses are told in the
    result; what was done until then is kept, and another run goes on from there.

    Raises:
        BaseException: The run was interrupted, or something failed that no step can be blamed for.
    """
    with ExitStack() as stack:
        context = stack.enter_context(context_of(run))
        if log is not None:
            context = replace(context, log=log)
        if run.params.keep and not run.params.refresh:
            stack.enter_context(_alone(run, context))
        stack.enter_context(_older_objects_are_no_garbage())
        gathered = stack.enter_context(Gathering(run.graph, folder, run.hidden))
        index = stack.enter_context((folder / INDEX).open("wb"))
        records = _records(run, context, index.write) if run.params.keep else None
        engine = Engine(
            run.graph,
            context,
            run.limits,
            Both(gathered, *([records] if records else [])),
            observer,
            refresh=run.params.refresh,
            masks=bool(run.hidden),
            known=records.known if records else None,
        )
        ended = Ended(run, folder, gathered, engine.tallies)
        try:
            engine.run(_all_items(run) if items is None else items)
            if items is None:
                gathered.complete(run.source.items())
        except SeqloomError as error:
            ended.error = error
        finally:
            if records:
                records.store()  # what is done is done, however the run ended
            if isinstance(context.models, LanguageModels):
                ended.uses = context.models.uses()
        return ended


@contextmanager
def _older_objects_are_no_garbage() -> Iterator[None]:
    """Let garbage collection look at what a run makes, not at all that was imported before.

    That is hundreds of thousands of objects; each look at them stops every thread for as long as
    tens of model calls take to be sent.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def _alone(run: Prepared, context: StepContext) -> Iterator[None]:
    """Wait where another run puts the same items through the same nodes, and take what it stores.

    So two runs that begin at once compute, and pay, once. What runs have in common in part is made
    by both if they are under way at the same time.
    """
    chains = chain_keys(run.graph, context) if not run.hidden else {}
    names = [key.hex() for key in chains.values() if key is not None]
    if not names:
        yield
        return
    name = hashlib.sha256(canonical([names, run.source.digest, run.params.chunk])).hexdigest()
    storage = settings().storage
    folder = Path(FOLDER if "://" in storage else storage) / "locks"
    told = "another run puts the same items through this graph; waiting for what it stores"
    with claimed(folder / f"graph-{name}.lock", lambda: context.log.info(told)):
        yield


def _all_items(run: Prepared) -> Iterator[JsonValue]:
    """The items of the input.

    Raises:
        InputError: They are not as many as when they were counted.
    """
    count = 0
    for item in run.source.items():
        count += 1
        yield item
    if count != run.source.survey.items:
        told = f"{run.source.name}: {count:,} items, and {run.source.survey.items:,} before"
        raise InputError(f"{told}; expected an input that does not change while it is read")


def _records(run: Prepared, context: StepContext, write: Callable[[bytes], object]) -> Records:
    return Records(
        run.graph,
        context,
        Storage(settings().storage),
        write,
        cache=context.cache,
        hidden=run.hidden,
        refresh=run.params.refresh,
    )
