"""What is known before a workflow runs: it is read, checked as a whole, and its steps looked up."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from pydantic import JsonValue

from blocks.errors import InputError, InputProblems
from blocks.masking import mask
from blocks.storage import FileRef, in_data, open_uri, refer
from tasks import dag
from tasks.workflows.checking import Check, KnownOf
from tasks.workflows.facts import Facts, when_told
from tasks.workflows.inputs import about_inputs
from tasks.workflows.keeping import finished, step_key
from tasks.workflows.model import Declaration, Step, WorkflowParams
from tasks.workflows.reading import read_declaration, with_inputs
from tasks.workflows.references import UnknownError, resolved

TO_RUN = "run"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A workflow that can run."""

    params: WorkflowParams
    declaration: Declaration
    needs: Mapping[str, tuple[str, ...]]
    """Every step, each after those that it needs."""
    tables: Mapping[str, Mapping[str, str]]
    about: Mapping[str, JsonValue]
    source: FileRef | None
    """The file with the declaration."""

    def facts(self) -> Facts:
        """What is known before the first step."""
        return Facts(self.declaration, self.about, self.tables)


def prepare(params: WorkflowParams, known_of: KnownOf) -> Prepared:
    """The workflow, checked; nothing has run.

    Args:
        params: With the declaration, or the file that has it.
        known_of: What is known of a pipeline, by its name.

    Raises:
        InputError: The file cannot be read.
        InputProblems: All that is wrong with the workflow.
    """
    declaration, source = _declared(params)
    check = Check(declaration, known_of)
    if check.problems:
        raise InputProblems(check.problems)
    ordered = dag.order(check.needs)
    tables = {one.name: check.pipelines[one.name].tables for one in declaration.steps}
    return Prepared(
        params,
        declaration,
        {name: check.needs[name] for name in ordered},
        tables,
        about_inputs(declaration.inputs),
        source,
    )


def _declared(params: WorkflowParams) -> tuple[Declaration, FileRef | None]:
    if not params.workflow:
        content = params.model_dump(mode="json", include=set(Declaration.model_fields))
        return Declaration.model_validate(content), None
    place = in_data(params.workflow)
    with open_uri(place) as file:
        declaration = read_declaration(file.read(), params.workflow)
    return with_inputs(declaration, params.inputs, params.workflow), refer(place)


def plan_text(run: Prepared) -> str:
    """Order and inputs, as people read them."""
    lines = [f"{run.declaration.name}: {dag.plan_text(run.needs, 'step')}"]
    inputs = mask(dict(run.declaration.inputs))
    lines += [f"  input {name} = {value!r}" for name, value in inputs.items()]
    return "\n".join(lines)


def plan_frame(run: Prepared) -> pd.DataFrame:
    """A row for each step: what a run would do, as far as it is known before."""
    facts = run.facts()
    steps = {one.name: one for one in run.declaration.steps}
    todo: dict[str, str] = {}
    for name, needs in run.needs.items():
        todo[name] = _todo(steps[name], needs, facts, todo, refresh=run.params.refresh)
    return pd.DataFrame(
        {
            "step": list(run.needs),
            "pipeline": [steps[name].pipeline for name in run.needs],
            "needs": [", ".join(needs) for needs in run.needs.values()],
            "when": [when_told(steps[name].when) for name in run.needs],
            "undone by": [steps[name].undo for name in run.needs],
            "to do": [todo[name] for name in run.needs],
        }
    )


def _todo(
    step: Step, needs: tuple[str, ...], facts: Facts, todo: Mapping[str, str], *, refresh: bool
) -> str:
    """What becomes of a step; results of finished ones are added to the facts."""
    unknown = [need for need in needs if todo[need].startswith(TO_RUN)]
    if unknown:
        return f"{TO_RUN}, if so: {when_told(step.when)}" if step.when else TO_RUN
    try:
        if not facts.holds(step.when):
            return "skip: not so"
        lacking = [need for need in step.needs if need not in facts.results]
        if lacking:
            return f"skip: {lacking[0]} is skipped"
        params = resolved(step.params, facts.lookup)
        assert isinstance(params, dict)  # noqa: S101 -- as the parameters are
    except UnknownError:
        return "skip: what it needs is skipped"
    except InputError as error:
        return f"fail: {error}"
    outcome = None if refresh else finished(step_key(step.pipeline, params, facts.of(needs)))
    if outcome is None:
        return TO_RUN
    facts.results[step.name] = outcome.result
    return "nothing, is there"
