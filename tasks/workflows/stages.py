"""Workflows on Prefect: a task for each step that shows how it ends; in it runs the pipeline.

flow ─┬─ task "library"   ends as Completed, Cached, Skipped or Failed
      │    └─ the run of the pipeline, a sub-flow or one of its deployments
      ├─ task "counts" …
      └─ write results
"""

import time
from collections.abc import Callable
from threading import Event
from typing import Any

from prefect.client.schemas.objects import State as RunState
from prefect.context import FlowRunContext
from prefect.futures import PrefectFuture, wait
from prefect.states import Completed, Failed

from blocks import ledger
from blocks.errors import InputError, SeqloomError
from blocks.masking import one_line
from tasks.policies import run_logger, shown
from tasks.run_origin import execution_id
from tasks.workflows.keeping import finished, forget, keep, step_key
from tasks.workflows.model import Call, Step
from tasks.workflows.running import Parameters, Results
from tasks.workflows.step_end import Outcome, StepEnd

Runner = Callable[[Call, Parameters], Outcome]
"""Runs a pipeline with parameters, and raises what it raises."""
LOST = "its task ended before it had a result"


@shown
def show_step(name: str, work: Callable[[], StepEnd]) -> RunState[Any]:
    """Do what a step does, and show how it ended."""
    end = work()
    text = end.reason or end.state
    run_logger().info("%s: %s", name, text)
    match end.state:
        case "failed":
            return Failed(message=text)
        case "reused":
            return Completed(name="Cached", message=text)
        case "skipped" | "not started":
            return Completed(name="Skipped", message=text)
        case _:
            return Completed(message=text)


class OnPrefect:
    """Starts steps as tasks, and records their figures."""

    def __init__(self, runner: Runner, *, refresh: bool) -> None:
        self._runner = runner
        self._refresh = refresh
        self._futures: list[PrefectFuture[Any]] = []
        self.errors: dict[str, Exception] = {}
        """What failed steps raised."""

    def begin(
        self, step: Step, params: Parameters, above: Results, ended: Callable[[StepEnd], None]
    ) -> None:
        """Start a step."""
        lost = StepEnd(
            name=step.name, pipeline=step.pipeline, state="failed", params=params, reason=LOST
        )
        told = Event()

        def tell(end: StepEnd) -> None:
            if not told.is_set():
                told.set()
                ended(end)

        def work() -> StepEnd:
            end = lost
            try:
                end = self._done(step, params, above)
            except Exception as error:  # noqa: BLE001 -- a step that fails may not end the others
                self.errors[step.name] = error
                end = end.model_copy(update={"reason": one_line(error)})
            finally:
                tell(end)
            return end

        # a task that Prefect ends before its work begins must not be waited for
        self._submit(step.name, work).add_done_callback(lambda _: tell(lost))

    def show(self, end: StepEnd) -> None:
        """Show a step that was not started."""
        self._submit(end.name, lambda: end)

    def undo(self, call: Call, params: Parameters, step: StepEnd) -> StepEnd:
        """Run a compensation to its end; the step counts as unfinished, whatever comes of it."""
        forget(step.key)
        end = StepEnd(name=call.name, pipeline=call.pipeline, state="failed", params=params)
        run_logger().warning("%s is undone by %s", step.name, call.name)
        started = time.perf_counter()

        def work() -> StepEnd:
            try:
                outcome = self._runner(call, params)
            except Exception as error:  # noqa: BLE001 -- the others are to be undone all the same
                return end.model_copy(update={"reason": one_line(error)})
            seconds = time.perf_counter() - started
            told = f"undid {step.name}"
            return end.model_copy(
                update={"state": "done", "outcome": outcome, "seconds": seconds, "reason": told}
            )

        ended: list[StepEnd] = []

        def noted() -> StepEnd:
            ended.append(work())
            return ended[0]

        show_step.with_options(task_run_name=call.name)(call.name, noted, return_state=True)
        return ended[0]

    def close(self) -> None:
        """Wait until all tasks show how they ended."""
        wait(self._futures)

    def _done(self, step: Step, params: Parameters, above: Results) -> StepEnd:
        """How a step ended that did not fail."""
        key, started = step_key(step.pipeline, params, above), time.perf_counter()
        found = None if self._refresh else finished(key)
        outcome = found or self._runner(step, params)
        if found is None:
            keep(key, outcome)
        seconds = time.perf_counter() - started
        _measure(step.name, seconds, outcome, cached=found is not None)
        return StepEnd(
            name=step.name,
            pipeline=outcome.pipeline,
            state="reused" if found else "done",
            reason=outcome.degraded and f"a fallback stood in; the result lacks {outcome.degraded}",
            params=params,
            outcome=outcome,
            seconds=seconds,
            key=key,
        )

    def _submit(self, name: str, work: Callable[[], StepEnd]) -> PrefectFuture[Any]:
        future = show_step.with_options(task_run_name=name).submit(name, work)
        self._futures.append(future)
        return future


def _measure(step: str, seconds: float, outcome: Outcome, *, cached: bool) -> None:
    """The step's figures, for the ledger."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    values = {"wall_s": seconds, "attempts": float(outcome.tries), "cache_hit": float(cached)}
    ledger.add_metrics(execution_id(context.flow_run), step, values)


def failure(end: StepEnd, errors: dict[str, Exception]) -> SeqloomError:
    """What a run raises that a step has ended."""
    text = f"step {end.name!r}: {end.reason}"
    wrong_input = isinstance(errors.get(end.name), InputError)
    return InputError(text) if wrong_input else SeqloomError(text)
