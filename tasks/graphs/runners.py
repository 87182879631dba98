"""What the engine itself calls: functions, sync and async."""

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from pydantic import JsonValue

from blocks.errors import BudgetError, TransientError
from tasks.graphs.compiled import Ready
from tasks.graphs.ends import Check, ends_of
from tasks.graphs.step import Failed, Outcome, Several, Skipped, StepContext, Value
from tasks.graphs.storable import storable

T = TypeVar("T")
MOST_AWAITED = 64
"""Calls of an async function at once, where the node says nothing."""


class Loop:
    """One event loop in a thread of its own, from the first call until it is closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine; waits for it."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="graph-loop", daemon=True
                )
                self._thread.start()
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stop(self) -> None:
        """Cancel what is under way."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        for one in asyncio.all_tasks(self._loop):
            one.cancel()

    def close(self) -> None:
        """Cancel what is under way and end the thread."""
        if self._loop is None or self._thread is None:
            return
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()
        self._loop = None


def copied(value: JsonValue) -> JsonValue:
    """A copy that a function may change without changing what other nodes get."""
    if isinstance(value, dict):
        return {name: copied(one) for name, one in value.items()}
    if isinstance(value, list):
        return [copied(one) for one in value]
    return value


class FunctionRunner:
    """A function over one value; over a list of values where the node has a `batch`."""

    def __init__(self, one: Ready, loop: Loop) -> None:
        assert one.function is not None  # noqa: S101 -- compiled so
        self._function: Callable[..., Any] = one.function
        self._is_async = is_async(one.function)
        self._loop = loop
        self._node = one.node
        self._gate = asyncio.Semaphore(one.node.concurrency or MOST_AWAITED)  # of all its chunks
        ends = ends_of(one.function, of_lists=bool(one.node.batch))
        self._takes, self._gives = Check(ends.takes), Check(ends.gives)

    def run(self, items: Sequence[JsonValue], context: StepContext) -> Sequence[Outcome]:
        """One outcome for each item."""
        found: list[Outcome | None] = [self._refused(item) for item in items]
        open_ = [place for place, outcome in enumerate(found) if outcome is None]
        inputs = [copied(items[place]) for place in open_]
        if not inputs:
            answers: Sequence[Outcome] = []
        elif self._node.batch:
            answers = self._listed(inputs)
        elif self._is_async:
            answers = self._loop.call(self._awaited(inputs))
        else:
            answers = [self._one(value) for value in inputs]
        for place, answer in zip(open_, answers, strict=True):
            found[place] = storable(answer)
        return [outcome for outcome in found if outcome is not None]

    def _refused(self, item: JsonValue) -> Outcome | None:
        fault = self._takes.fault(item)
        return None if fault is None else Failed(f"input: {fault}")

    def _one(self, value: JsonValue) -> Outcome:
        try:
            return self._checked(self._function(value))
        except BudgetError:
            raise
        except Exception as error:  # noqa: BLE001 -- whatever it is, it fails this item alone
            return failure(error)

    async def _awaited(self, values: Sequence[JsonValue]) -> list[Outcome]:
        async def one(value: JsonValue) -> Outcome:
            async with self._gate:
                try:
                    limit = self._node.time_limit_s
                    return self._checked(await asyncio.wait_for(self._function(value), limit))
                except BudgetError:
                    raise
                except Exception as error:  # noqa: BLE001 -- as above
                    return failure(error, self._node.time_limit_s)

        return list(await asyncio.gather(*map(one, values)))

    def _listed(self, values: Sequence[JsonValue]) -> list[Outcome]:
        """Results of a function of a list, by place."""
        answer = self._function(list(values))
        if inspect.isawaitable(answer):
            answer = self._loop.call(_whole(answer, self._node.time_limit_s))
        results = list(answer)
        if len(results) != len(values):
            text = f"gave {len(results)} results for a batch of {len(values)}"
            return [Failed(f"{text}; expected one for each")] * len(values)
        return [self._checked(result) for result in results]

    def _checked(self, result: object) -> Outcome:
        if isinstance(result, Value | Several | Skipped | Failed):
            return result
        fault = self._gives.fault(result)
        return Value(result) if fault is None else Failed(f"result: {fault}")  # type: ignore[arg-type]


async def _whole(work: Awaitable[T], limit_s: float | None) -> T:
    return await asyncio.wait_for(work, limit_s)


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine."""
    call = getattr(function, "__call__", None)  # noqa: B004 -- of an object with an async __call__
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def failure(error: BaseException, limit_s: float | None = None) -> Failed:
    """An exception as the outcome of an item."""
    if isinstance(error, TimeoutError):
        text = "timed out" if limit_s is None else f"took longer than {limit_s:g} s"
        return Failed(text, transient=True)
    said = " ".join(str(error).split())
    transient = is_transient(error)
    return Failed(f"{type(error).__name__}: {said}" if said else type(error).__name__, transient)


def is_transient(error: BaseException) -> bool:
    """Whether another try may help."""
    return isinstance(error, TransientError | TimeoutError | ConnectionError)
