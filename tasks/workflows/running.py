"""The order of a run: which step begins when, which is skipped, what is undone.

This module starts nothing itself: it is given what starts a step and what undoes one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Protocol

from pydantic import JsonValue

from blocks.errors import InputError
from tasks.workflows.facts import Content, Facts, when_told
from tasks.workflows.model import Call, Step
from tasks.workflows.references import UnknownError, resolved
from tasks.workflows.step_end import StepEnd

Parameters = dict[str, JsonValue]
Results = dict[str, Content]


class Surroundings(Protocol):
    """What a run does to the world."""

    def begin(
        self, step: Step, params: Parameters, above: Results, ended: Callable[[StepEnd], None]
    ) -> None:
        """Start a step; `ended` is called once, from any thread, however it ends.

        `above` has the results of the steps that it needs.
        """

    def show(self, end: StepEnd) -> None:
        """Show a step that was not started."""

    def undo(self, call: Call, params: Parameters, step: StepEnd) -> StepEnd:
        """Run a compensation to its end."""


@dataclass(slots=True)
class Ended:
    """How a run of a workflow ended."""

    steps: dict[str, StepEnd] = field(default_factory=dict)
    """In the order in which they ended."""
    undone: list[StepEnd] = field(default_factory=list)
    """Compensations, in the order in which they ran."""
    error: StepEnd | None = None
    """The step that ended the run."""


def run_steps(needs: Mapping[str, tuple[str, ...]], facts: Facts, around: Surroundings) -> Ended:
    """Run all steps; independent ones at the same time.

    Args:
        needs: Every step in an order that works -> those that it waits for.
        facts: What is known; results are added.
        around: Starts steps.
    """
    steps = {one.name: one for one in facts.declaration.steps}
    run, ends = Ended(), SimpleQueue[StepEnd]()
    waiting, under_way = list(needs), set[str]()
    while waiting or under_way:
        for name in list(waiting) if run.error is None else []:
            if all(need in run.steps for need in needs[name]):
                waiting.remove(name)
                begun = _decided(steps[name], needs[name], facts, run)
                if isinstance(begun, StepEnd):
                    around.show(begun)
                    _take(begun, steps[name], facts, run)
                    break  # others may wait for it: look again from the beginning
                under_way.add(name)
                around.begin(steps[name], begun, facts.of(needs[name]), ends.put)
        else:
            if not under_way:
                break
            end = ends.get()
            under_way.remove(end.name)
            _take(end, steps[end.name], facts, run)
    for name in waiting:
        told = StepEnd(name=name, pipeline=steps[name].pipeline, state="not started")
        run.steps[name] = told
        around.show(told)
    if run.error is not None:
        _undo(steps, facts, around, run)
    return run


def _take(end: StepEnd, step: Step, facts: Facts, run: Ended) -> None:
    """Note how a step ended, and what is known from then on."""
    run.steps[end.name] = end
    if end.good and end.outcome is not None:
        facts.results[end.name] = end.outcome.result
    elif end.state == "failed" and step.on_error == "fail" and run.error is None:
        run.error = end


def _decided(step: Step, needs: tuple[str, ...], facts: Facts, run: Ended) -> Parameters | StepEnd:
    """The step's parameters, or how it ends without having begun."""

    def end(state: str, reason: str) -> StepEnd:
        return StepEnd.model_validate(
            {"name": step.name, "pipeline": step.pipeline, "state": state, "reason": reason}
        )

    try:
        if not facts.holds(step.when):
            return end("skipped", f"not so: {when_told(step.when)}")
        lacking = [need for need in step.needs if not run.steps[need].good]
        if lacking:
            return end("skipped", f"{lacking[0]} was {run.steps[lacking[0]].state}")
        params = resolved(step.params, facts.lookup)
        assert isinstance(params, dict)  # noqa: S101 -- as the parameters are
    except UnknownError as error:
        gone = [f"{need} was {run.steps[need].state}" for need in needs if not run.steps[need].good]
        return end("skipped", ", ".join(gone) or str(error))
    except InputError as error:
        return end("failed", str(error))
    return params


def _undo(steps: Mapping[str, Step], facts: Facts, around: Surroundings, run: Ended) -> None:
    """Undo what was done, the last first; that one cannot be undone keeps no other from it."""
    compensations = {one.name: one for one in facts.declaration.compensations}
    for end in reversed(list(run.steps.values())):
        if not (end.good and steps[end.name].undo):
            continue
        call = compensations[steps[end.name].undo]
        try:
            params = resolved(call.params, facts.lookup)
            assert isinstance(params, dict)  # noqa: S101 -- as the parameters are
            run.undone.append(around.undo(call, params, end))
        except InputError as error:
            run.undone.append(
                StepEnd(name=call.name, pipeline=call.pipeline, state="failed", reason=str(error))
            )
