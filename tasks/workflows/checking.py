"""Everything that is wrong with a declared workflow, found before anything runs."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import InitErrorDetails

from blocks.errors import InputError, Problem
from tasks import dag
from tasks.conditions import Condition
from tasks.dag import closest
from tasks.parameters import members_of
from tasks.wording import problems
from tasks.workflows.facts import condition_name
from tasks.workflows.model import Call, Declaration, Step
from tasks.workflows.references import (
    DECISIONS,
    INPUTS,
    OWN_NAMES,
    TABLES,
    Named,
    Path,
    Reference,
    references,
    resolved,
)

SAMPLE_TEXT = "of-a-step"
"""Stands for text that a step will return."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a workflow knows of a pipeline."""

    parameters: type[BaseModel]
    result: type[BaseModel]
    tables: Mapping[str, str]
    """Name of a table -> its file in the folder of a run."""
    deployments: tuple[str, ...]


KnownOf = Callable[[str], Known]
"""Raises InputError where there is no such pipeline."""


class Check:
    """One look at a declaration; `problems` has all that is wrong."""

    def __init__(self, declaration: Declaration, known_of: KnownOf) -> None:
        self.declaration = declaration
        self.problems: list[Problem] = []
        self.pipelines: dict[str, Known] = {}
        """By step and compensation."""
        self._steps = {one.name: one for one in declaration.steps}
        self._decisions = {one.name: one for one in declaration.decisions}
        self._conditions = self._compiled()
        self._check_names()
        for call in (*declaration.steps, *declaration.compensations):
            self._look_up(call, known_of)
        self._check_decisions()
        self.needs = {
            one.name: tuple(dict.fromkeys([*one.needs, *self._spoken_of(one)]))
            for one in declaration.steps
        }
        self.problems += dag.faults(
            [(one.name, self._all_needs(one)) for one in declaration.steps], "step"
        )
        if not self.problems:
            self._check_calls()

    def _all_needs(self, step: Step) -> tuple[str, ...]:
        """Declared ones as they are, so that one that stands twice is told, and the others."""
        others = (one for one in self.needs[step.name] if one not in step.needs)
        return (*step.needs, *others)

    def _note(self, where: str, what: str, expected: str) -> None:
        self.problems.append(Problem(where, what, expected))

    def _compiled(self) -> dict[str, Condition]:
        found = {}
        for name, text in self.declaration.conditions.items():
            try:
                found[name] = Condition(text)
            except InputError as error:
                self._note(f"condition {name!r}", str(error), "a comparison")
        return found

    def _check_names(self) -> None:
        """Conditions see inputs, steps and decisions by name alone, so these must differ."""
        seen: dict[str, str] = {}
        named = [(name, "input") for name in self.declaration.inputs]
        named += [(name, "step") for name in self._steps]
        named += [(one.name, "decision") for one in self.declaration.decisions]
        for name, noun in named:
            if name in OWN_NAMES:
                self._note(f"{noun} {name!r}", "begins references", "another name")
            elif name in seen:
                self._note(f"{noun} {name!r}", f"is the name of a {seen[name]}", "another name")
            seen[name] = noun
        for name, condition in self._conditions.items():
            for one in condition.fields:
                head = one.split(".")[0]
                if head not in seen:
                    self._note(f"condition {name!r}", f"unknown {head!r}", closest(head, seen))
                elif seen[head] == "step" and "." not in one:
                    told = f"a field of step {head!r}, as in `{head}.folder`"
                    self._note(f"condition {name!r}", f"{head!r} is a step", told)

    def _look_up(self, call: Call, known_of: KnownOf) -> None:
        try:
            self.pipelines[call.name] = known_of(call.pipeline)
        except InputError as error:
            what, _, expected = str(error).partition("; expected ")
            self._note(_place(call), what, expected)

    def _check_decisions(self) -> None:
        for decision in self.declaration.decisions:
            for row in decision.rows:
                self._check_when(f"decision {decision.name!r}", row.when)
        graph = [(one.name, self._inner(one.name)) for one in self.declaration.decisions]
        self.problems += dag.faults(graph, "decision")
        undos = {one.name for one in self.declaration.compensations}
        for step in self.declaration.steps:
            self._check_when(f"step {step.name!r}", step.when)
            if step.undo and step.undo not in undos:
                what = f"undo: unknown compensation {step.undo!r}"
                self._note(f"step {step.name!r}", what, closest(step.undo, undos))
            known = self.pipelines.get(step.name)
            if known and step.deployment and step.deployment not in known.deployments:
                what = f"deployment {step.deployment!r}"
                self._note(f"step {step.name!r}", what, closest(step.deployment, known.deployments))

    def _check_when(self, where: str, when: tuple[str, ...]) -> None:
        for text in when:
            name, _ = condition_name(text)
            if name not in self.declaration.conditions:
                declared = list(self.declaration.conditions)
                expected = closest(name, declared) if declared else "a name under `conditions`"
                self._note(where, f"unknown condition {name!r}", expected)

    def _inner(self, decision: str) -> list[str]:
        """Decisions that a decision's conditions compare."""
        fields = self._fields_of(row.when for row in self._decisions[decision].rows)
        return [one for one in self._decisions if one in fields]

    def _fields_of(self, whens: Iterable[tuple[str, ...]]) -> set[str]:
        """What the conditions compare."""
        names = {condition_name(text)[0] for when in whens for text in when}
        known = names & self._conditions.keys()
        return {one for name in known for one in self._conditions[name].fields}

    def _spoken_of(self, step: Step) -> Iterator[str]:
        """Steps that a step's parameters, conditions and decisions speak of."""
        found = list(self._references(step))
        for _, reference in found:
            for choice in reference.choices:
                if isinstance(choice, Named) and choice.step in self._steps:
                    yield choice.step
        waiting = {
            choice.names[1]
            for _, reference in found
            for choice in reference.choices
            if isinstance(choice, Named) and choice.names[0] == DECISIONS
        }
        fields, seen = self._fields_of([step.when]), set[str]()
        waiting |= fields
        while waiting := waiting & self._decisions.keys() - seen:
            seen |= waiting
            fields |= self._fields_of(
                row.when for one in waiting for row in self._decisions[one].rows
            )
            waiting = set(fields)
        yield from sorted({one.split(".")[0] for one in fields} & self._steps.keys())

    def _references(self, call: Call) -> Iterator[tuple[Path, Reference]]:
        try:
            yield from references(call.params)
        except InputError as error:
            what, _, expected = str(error).partition("; expected ")
            self._note(_place(call), what, expected)

    def _check_calls(self) -> None:
        """References and parameters; the graph is sound by now."""
        for step in self.declaration.steps:
            self._check_call(step)
        for undo in self.declaration.compensations:
            self._check_call(undo)
        for step in self.declaration.steps:
            if step.undo:
                self._check_undo(step)

    def _check_call(self, call: Call) -> None:
        places: list[Path] = []
        for path, reference in self._references(call):
            places.append(path)
            named = [one for one in reference.choices if isinstance(one, Named)]
            for choice in named:
                self._check_named(call, choice)
            if named == list(reference.choices) and all(map(self._is_empty, named)):
                told = " or ".join(".".join(one.names[1:]) for one in named)
                self._note(f"inputs, {told}", "empty", f"a value: {_place(call)} needs it")
        if self.problems:
            return
        sample = resolved(call.params, self._sample)
        model = self.pipelines[call.name].parameters
        try:
            model.model_validate(sample)
        except ValidationError as error:
            kept = _without(error, places)
            if kept is not None:
                self.problems += problems(f"{_place(call)}, params", kept, model, sample)

    def _check_named(self, call: Call, named: Named) -> None:
        head, second, *rest = named.names
        where = f"{_place(call)}, ${{{named}}}"
        if head in OWN_NAMES:
            known = self.declaration.inputs if head == INPUTS else self._decisions
            if second not in known or rest:
                what = f"unknown {head[:-1]} {'.'.join(named.names[1:])!r}"
                self._note(where, what, closest(second, known) if known else f"{head} declared")
        elif head not in self._steps:
            self._note(where, f"unknown step {head!r}", closest(head, self._steps))
        elif second == TABLES:
            tables = self.pipelines[head].tables
            name = ".".join(rest)
            if name not in tables:
                expected = closest(name, tables) if tables else "a field: it has no tables"
                self._note(where, f"unknown table {name!r}", expected)
        elif second not in self.pipelines[head].result.model_fields:
            fields = self.pipelines[head].result.model_fields
            self._note(where, f"unknown field {second!r}", closest(second, fields))

    def _is_empty(self, named: Named) -> bool:
        """Whether it is an input that is there and has no value."""
        head, name = named.names[:2]
        return head == INPUTS and self.declaration.inputs.get(name, True) in (None, "")

    def _check_undo(self, step: Step) -> None:
        """A compensation may speak of the step that it undoes, and of those before it."""
        undo = next(one for one in self.declaration.compensations if one.name == step.undo)
        before = {step.name, *dag.ancestors(self.needs, step.name)}
        for _, reference in self._references(undo):
            for choice in reference.choices:
                if isinstance(choice, Named) and choice.step and choice.step not in before:
                    what = f"${{{choice}}} is of a step that may come after {step.name!r}"
                    self._note(_place(undo), what, f"{step.name!r} or a step that it needs")

    def _sample(self, named: Named) -> JsonValue:
        """A value of the type that the name will stand for."""
        head, second, *rest = named.names
        if head == INPUTS:
            value = self.declaration.inputs[second]
            return SAMPLE_TEXT if value in (None, "") else value
        if head == DECISIONS:
            return self._decisions[second].rows[0].choose
        if second == TABLES:
            return SAMPLE_TEXT
        annotation = self.pipelines[head].result.model_fields[second].annotation
        return SAMPLE_TEXT if rest else _sample_of(annotation)


def _place(call: Call) -> str:
    return f"{'step' if isinstance(call, Step) else 'compensation'} {call.name!r}"


def _sample_of(annotation: Any) -> JsonValue:  # noqa: ANN401 -- types of any kind
    """A value of a type."""
    one = next(members_of(annotation), str)
    plain: dict[Any, JsonValue] = {int: 1, float: 1.0, bool: True}
    if one in plain:
        return plain[one]
    if get_origin(one) in (tuple, list):
        return [_sample_of(get_args(one)[0])]
    if get_origin(one) is dict:
        return {SAMPLE_TEXT: _sample_of(get_args(one)[1])}
    return SAMPLE_TEXT


def _without(error: ValidationError, places: list[Path]) -> ValidationError | None:
    """The error without what is said of sample values; that one has the wrong type stays."""
    kept = []
    for one in error.errors(include_url=False):
        if any(_is_of_sample(one["type"], one["loc"], path) for path in places):
            continue
        detail = InitErrorDetails(type=one["type"], loc=one["loc"], input=one["input"])
        if "ctx" in one:
            detail["ctx"] = one["ctx"]
        kept.append(detail)
    return ValidationError.from_exception_data(error.title, kept) if kept else None


def _is_of_sample(kind: str, location: Path, path: Path) -> bool:
    """Whether a finding is about the value of a sample, or compares it with what is beside it."""
    if not path:
        return False
    if _leads_to(path, location):
        return not (kind.endswith(("_type", "_parsing")) and path[-1] == location[-1])
    numbers = [part for part in location if isinstance(part, int)]
    beside = [part for part in path[:-1] if isinstance(part, int)] == numbers
    return kind == "value_error" and beside and _leads_to(path[:-1], location)


def _leads_to(path: Path, location: Path) -> bool:
    """Whether a location is in what stands at a path; it names members of unions besides."""
    parts = iter(location)
    return all(part in parts for part in path)
