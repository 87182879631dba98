"""What is known while a workflow runs: inputs, results of steps, decisions; and what follows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from blocks.errors import InputError
from tasks.conditions import Condition
from tasks.workflows.model import NOT, Decision, Declaration
from tasks.workflows.references import DECISIONS, INPUTS, TABLES, Named

Content = Mapping[str, JsonValue]


def condition_name(text: str) -> tuple[str, bool]:
    """The condition that stands in a `when`, and whether it is to hold.

    >>> condition_name("not deep")
    ('deep', False)
    """
    stripped = text.strip()
    return (stripped.removeprefix(NOT).strip(), not stripped.startswith(NOT))


def when_told(when: Sequence[str]) -> str:
    """Conditions as people read them."""
    return " and ".join(when)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known by now."""

    declaration: Declaration
    about: Content
    """Of inputs that name files: `samples.rows` and such."""
    tables: Mapping[str, Mapping[str, str]]
    """Step -> name of a table -> its file."""
    results: dict[str, Content] = field(default_factory=dict)
    """Of steps that are done."""

    def holds(self, when: Sequence[str]) -> bool:
        """Whether all of these conditions are as they should be.

        Raises:
            InputError: One compares what cannot be compared.
        """
        return all(self._holds(name) == wanted for name, wanted in map(condition_name, when))

    def decided(self, name: str) -> JsonValue:
        """The value of a decision."""
        table = self._table(name)
        for row in table.rows:
            if self.holds(row.when):
                return row.choose
        return table.otherwise

    def lookup(self, named: Named) -> JsonValue:
        """What a name stands for; None where there is nothing, an empty input included."""
        head, *rest = named.names
        if head == INPUTS:
            value = self.declaration.inputs.get(rest[0])
            return None if value == "" else value
        if head == DECISIONS:
            return self.decided(rest[0])
        if head not in self.results:
            return None
        result = self.results[head]
        if rest[0] == TABLES:
            folder = result.get("folder")
            return f"{folder}/{self.tables[head][rest[1]]}" if folder else None
        return _within(result, rest)

    def of(self, steps: Sequence[str]) -> dict[str, Content]:
        """Results of those of the steps that are done."""
        return {name: self.results[name] for name in steps if name in self.results}

    def _holds(self, name: str) -> bool:
        condition = Condition(self.declaration.conditions[name])
        known: dict[str, JsonValue] = {**self.declaration.inputs, **self.about}
        known |= {step: dict(result) for step, result in self.results.items()}
        decisions = {one.name for one in self.declaration.decisions}
        known |= {one: self.decided(one) for one in condition.fields if one in decisions}
        try:
            return condition.fulfilled(known)
        except InputError as error:
            raise InputError(f"condition {name!r}: {error}") from None

    def _table(self, name: str) -> Decision:
        return next(one for one in self.declaration.decisions if one.name == name)


def _within(content: JsonValue | Content, names: Sequence[str]) -> JsonValue:
    found: JsonValue = dict(content) if isinstance(content, Mapping) else content
    for name in names:
        if not isinstance(found, dict) or name not in found:
            return None
        found = found[name]
    return found
