"""How our tasks and flows behave when run: the one place with retries, limits and cache rules.

@compute("tasks.design.filters")   deterministic; cached on its inputs and on the code named
@external_tool("tasks.…")          a program: as above, one more try when it was not its fault
@remote                            a service, asked item by item through the prediction store
@remote("tasks.…")                 a service whose answer is kept as a whole
@delivery                          writes a run's own folder: never answered from a cache
@shown                             tells in the UI how work is that the flow does itself
@pipeline("design")                a flow with its record in the ledger
"""

import inspect
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast
from uuid import uuid4

from prefect import Flow, Task, flow, get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import MissingContextError
from prefect.futures import PrefectFuture, wait
from prefect.results import ResultStore, get_result_store
from prefect.settings import PREFECT_API_URL, PREFECT_LOCAL_STORAGE_PATH
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.tasks import exponential_backoff
from prefect.transactions import IsolationLevel
from prefect.utilities.hashing import file_hash

from blocks.errors import TransientError
from blocks.locks import FlockLockManager
from tasks import recording
from tasks.fingerprint import cache_key
from tasks.items import StageResult
from tasks.results import run_id
from tasks.run_logs import filter_logs

P = ParamSpec("P")
R = TypeVar("R")

WORKERS = max(2, os.cpu_count() or 2)


@dataclass
class Content(CachePolicy):
    """Cache rule: equal code and equal content of the inputs give an equal result.

    Prefect's INPUTS names neither the task nor its code, and its TASK_SOURCE sees only the thin
    shell around the modules that compute.
    """

    modules: tuple[str, ...] = field(default=())

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,  # noqa: ANN401 -- as the base class has it
    ) -> str | None:
        """See `cache_key`."""
        return cache_key(task_ctx.task.fn, self.modules, inputs)


def is_cached(task_: Task[..., Any], arguments: Mapping[str, Any]) -> bool:
    """Whether a task called with these arguments would be answered from its stored result."""
    policy = task_.cache_policy
    if not isinstance(policy, Content):
        return False
    key = cache_key(task_.fn, policy.modules, arguments)
    if FlowRunContext.get() is None and PREFECT_API_URL.value() is None:
        return (Path(PREFECT_LOCAL_STORAGE_PATH.value()) / key).is_file()  # asks no server
    store = cast(ResultStore, get_result_store().update_for_task(task_))  # sync code: no coroutine
    return bool(store.exists(key))


def only_if_transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Try again only where a second try can help."""
    return isinstance(state.result(raise_on_failure=False), TransientError)


def compute(*modules: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """A deterministic stage; `modules` name the code its result depends on.

    Two runs that want the same result at the same time compute it once: the second one waits for
    the first and takes what it stored.
    """
    return _stage(modules, retries=1, retry_delay_seconds=5)


def external_tool(*modules: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """A stage that runs a program; the program's version must be among its arguments.

    The tag `external-tool` lets the server bound how many run at once. The time limit is the
    program's own (`blocks.programs`): Prefect's does not stop a running one.
    """
    return _stage(modules, retries=1, retry_delay_seconds=30, tags=["external-tool"])


def remote(*modules: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """A stage that calls a service; tried again only where that can help.

    Without modules it is never answered from a stored result: what it got lies in the prediction
    store, item by item, and what failed is asked again. With modules its result is kept as a
    whole, as that of `compute`.
    """
    return _stage(
        modules,
        retries=3,
        retry_delay_seconds=exponential_backoff(backoff_factor=4),
        retry_jitter_factor=0.5,
        tags=["remote"],
    )


def _stage(
    modules: tuple[str, ...],
    **options: Any,  # noqa: ANN401 -- those of a task
) -> Callable[[Callable[P, R]], Task[P, R]]:
    policy: CachePolicy = NO_CACHE
    if modules:
        policy = Content(modules=modules).configure(
            isolation_level=IsolationLevel.SERIALIZABLE,
            lock_manager=FlockLockManager(Path(PREFECT_LOCAL_STORAGE_PATH.value()) / "locks"),
        )

    def decorate(stage: Callable[P, R]) -> Task[P, R]:
        return task(
            cache_policy=policy,
            persist_result=True,
            result_serializer="json",
            retry_condition_fn=only_if_transient,
            **options,
            **recording.TASK_HOOKS,
        )(recording.measured(stage))

    return decorate


def delivery(stage: Callable[P, R]) -> Task[P, R]:
    """A stage that writes into the run's own folder: each run does it, whatever was cached."""
    return task(
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=1,
        retry_delay_seconds=5,
        retry_condition_fn=only_if_transient,
        **recording.TASK_HOOKS,
    )(recording.measured(stage))


def shown(stage: Callable[P, R]) -> Task[P, R]:
    """A stage that stands for a part of what its flow does: it waits, and ends in the same state.

    It computes nothing, so it is neither cached nor tried again, and the flow records its figures.
    """
    return task(cache_policy=NO_CACHE, persist_result=False, **recording.SHOWN_HOOKS)(stage)


def pipeline(
    name: str,
    *,
    workers: int = WORKERS,
    told: recording.Told = lambda parameters: parameters,
    **options: Any,  # noqa: ANN401 -- flow's own
) -> Callable[[Callable[P, R]], Flow[P, R]]:
    """A flow of Seqloom: threads for its tasks, JSON results, one row in the ledger per run.

    Args:
        told: Makes of the parameters what the ledger may keep of them; secrets are masked anyway.
    """

    def decorate(function: Callable[P, R]) -> Flow[P, R]:
        filter_logs()
        made: Flow[P, R] = flow(
            name=name,
            version=_version(function),
            task_runner=cast("TaskRunner[Any]", ThreadPoolTaskRunner(max_workers=workers)),
            persist_result=True,
            result_serializer="json",
            **recording.flow_hooks(told),
            **options,
        )(recording.masked_errors(function))
        return made

    return decorate


def given_params() -> dict[str, Any]:
    """The parameters of the flow run that is about to be named, as they were given."""
    params = runtime.flow_run.parameters.get("params", {})
    return params if isinstance(params, dict) else dict(params.model_dump())


def _version(function: Callable[..., Any]) -> str | None:
    """As Prefect makes it, of the flow's own file: what it gets is wrapped."""
    path = inspect.getsourcefile(function)
    return file_hash(path) if path is not None and Path(path).is_file() else None


WaitedFor = PrefectFuture[StageResult] | StageResult
"""A stage that has been started, or the result of one that needed no start."""


def call(
    stage: Task[..., StageResult], name: str, arguments: Mapping[str, Any], refresh: bool
) -> StageResult:
    """Run a stage here and now: as a task inside of a flow run, as a function outside of one."""
    named = stage.with_options(task_run_name=name, refresh_cache=refresh)
    return (named if FlowRunContext.get() else stage.fn)(**arguments)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a stage came to its result."""

    result: StageResult
    cached: bool
    """Answered as a whole from a stored result."""


def start(
    stage: Task[..., StageResult], name: str, arguments: Mapping[str, Any], refresh: bool
) -> WaitedFor:
    """Submit a stage under its own name; it begins as soon as what it waits for has ended."""
    options: dict[str, Any] = {"task_run_name": name, "refresh_cache": refresh or None}
    return cast(PrefectFuture[StageResult], stage.with_options(**options).submit(**arguments))


def finished(stages: Mapping[str, WaitedFor]) -> dict[str, Ended]:
    """The results of all stages, when the last one has ended.

    Raises:
        Exception: What the first stage that failed by itself raised; branches that do not depend
            on it have ended and are stored, so the next run goes on from there.
    """
    futures = [stage for stage in stages.values() if isinstance(stage, PrefectFuture)]
    wait(futures)
    for future in futures:
        if future.state.is_failed() and future.state.name != "NotReady":
            future.result()
    ended = {}
    for name, stage in stages.items():
        if isinstance(stage, PrefectFuture):
            result = stage.result()
            ended[name] = Ended(result, cached=stage.state.name == "Cached")
        else:
            ended[name] = Ended(stage, cached=True)
    return ended


@dataclass(frozen=True, slots=True)
class CurrentRun:
    """The run that this code belongs to."""

    name: str
    id: str
    """Sorts by time; also the name of its folder."""


def current_run(started: datetime) -> CurrentRun:
    """Name and id of the flow run around, or of a run without Prefect."""
    context = FlowRunContext.get()
    flow_run = context.flow_run if context is not None else None
    unique = str(flow_run.id) if flow_run is not None else uuid4().hex
    return CurrentRun(flow_run.name if flow_run is not None else "run", run_id(started, unique))


def run_logger() -> logging.Logger | logging.LoggerAdapter[Any]:
    """The run's logger, which the UI shows; outside of a run an ordinary one."""
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("seqloom")
