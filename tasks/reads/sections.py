"""Sections of a configuration as models; what does not fit is noted with its line.

All of a configuration is read before anything is said, so that one run tells all mistakes.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from blocks.errors import Problem
from tasks.parameters import members_of
from tasks.reads.aliases import choice_called, field_called
from tasks.reads.toml_places import Key, Places

Model = TypeVar("Model", bound=BaseModel)
LONGEST = 60
"""Characters of a value that a message shows."""
LARGEST = 1 << 62
"""Largest whole number that a configuration may hold, with either sign: sums of two still fit."""
QUOTED = re.compile(rf"'([^'\n]{{{LONGEST}}})[^'\n]{{20,}}'")
EXPECTED = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "string_too_short": "a text that is not empty",
    "string_too_long": "at most {max_length} characters",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "string_pattern_mismatch": "a text that matches {pattern}",
    "literal_error": "{expected}",
    "finite_number": "a finite number",
}
TYPES = {
    "int": "a whole number", "float": "a number", "bool": "true or false", "string": "a string",
    "list": "a list", "tuple": "a list", "dict": "a table", "model": "a table", "path": "a string",
}  # fmt: skip
WRITTEN = {
    bool: "a truth value", int: "an integer", float: "a float", str: "a string", list: "an array",
    dict: "a table",
}  # fmt: skip


@dataclass
class Findings:
    """What is wrong with a configuration, in the order in which it was found."""

    file: str
    places: Places
    problems: list[Problem] = field(default_factory=list)

    def add(self, key: Key, label: str, what: str, expected: str) -> None:
        """Note a problem at the line of `key`, or of the table around it."""
        known = (key[:end] for end in range(len(key), 0, -1) if key[:end] in self.places)
        line = self.places.get(next(known, ()))
        where = f"{self.file}:{line}" if line else self.file
        label = ", ".join(cut(part) for part in label.split(", "))
        what = QUOTED.sub(r"'\1...'", what)
        self.problems.append(Problem(f"{where}: {label}" if label else where, what, expected))

    def in_order(self) -> list[Problem]:
        """The problems from the top of the file to its end; those without a line last."""
        return sorted(dict.fromkeys(self.problems), key=_line)


def _line(problem: Problem) -> float:
    number = problem.where.split(": ")[0].rpartition(":")[2]
    return int(number) if number.isdigit() else float("inf")


@dataclass(frozen=True, slots=True)
class Section:
    """A table of a configuration."""

    given: Mapping[str, Any]
    key: Key
    label: str
    """In messages: `[output]`, `step 2 (CutStart)`."""
    findings: Findings

    def add(self, name: str, what: str, expected: str, *, at: Key | None = None) -> None:
        """Note a problem with one of its fields, by the name that is written there."""
        if at is None:
            name = next((one for one in self.given if field_called(one, [name])), name)
        label = f"{self.label}, {name}" if name else self.label
        key = (*self.key, name) if at is None else (*self.key, *at)
        self.findings.add(key, label, what, expected)

    def written(self, fields: Sequence[str]) -> dict[str, str]:
        """Field -> the name under which it stands here; unknown and repeated ones are noted."""
        names: dict[str, str] = {}
        for name in self.given:
            meant = field_called(name, fields)
            if meant is None:
                self.add(name, "unknown key", nearest(name, fields))
            elif meant in names:
                self.add(name, f"the same as {names[meant]!r}", "one of them")
            else:
                names[meant] = name
        return names

    def read(self, model: type[Model]) -> Model | None:
        """The section as a model; None where something is wrong, which is noted."""
        known = len(self.findings.problems)
        self._check_size()
        fields = fields_of(model)
        names = self.written(list(fields))
        content = {
            meant: adapted(fields[meant].annotation, self.given[name])
            for meant, name in names.items()
        }
        try:
            read = model.model_validate(content)
        except ValidationError as error:
            for found in error.errors(include_url=False):
                self._note(found, names, list(fields))
            return None
        return read if len(self.findings.problems) == known else None

    def _check_size(self) -> None:
        """Note numbers that arrays cannot hold."""
        for name, value in self.given.items():
            for one in leaves(value):
                if isinstance(one, int) and abs(one) > LARGEST:
                    self.add(name, shown(one), f"a number up to {LARGEST}")

    def _note(self, found: Any, names: Mapping[str, str], fields: Sequence[str]) -> None:  # noqa: ANN401 -- pydantic's
        location = tuple(part for part in found["loc"] if isinstance(part, int | str))
        name = str(location[0]) if location else ""
        what, expected = worded(found, fields)
        if not location and found["type"] == "value_error":
            words = re.findall(r"\w+", str(found["msg"]))
            name = next((one for one in words if one in names), "")
        at: Key = (names.get(name, name), *location[1:])
        shown = ".".join([names.get(name, name), *(str(part) for part in location[1:])])
        if "missing" in found["type"]:
            what, at = f"missing required key {shown!r}", ()
        self.add(shown, what, expected, at=at if name else ())


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Fields by the names that users write."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def nearest(name: str, known: Iterable[str]) -> str:
    """What to write instead of a name that is not known."""
    listed = ", ".join(known)
    return f"one of {listed}{hint(name, listed.split(', '))}" if listed else "nothing here"


def hint(name: str, known: Iterable[str]) -> str:
    """Names that look like one that is not known; nothing where none does."""
    by_look = {one.lower(): one for one in known}
    found = [by_look[one] for one in get_close_matches(name.lower(), by_look, n=2, cutoff=0.5)]
    return f" (did you mean {' or '.join(map(repr, found))}?)" if found else ""


def shown(value: object) -> str:
    """A value as it may stand in one line of a message."""
    return cut(str(value).lower() if isinstance(value, bool) else repr(value))


def cut(text: str) -> str:
    """A text that somebody wrote, short enough for a message."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def worded(found: Mapping[str, Any], fields: Sequence[str]) -> tuple[str, str]:
    """What stands somewhere, and what was expected, from a finding of pydantic's."""
    kind, given, context = found["type"], found["input"], found.get("ctx", {})
    if kind == "value_error":
        what, _, expected = str(context["error"]).partition("; expected ")
        return what, expected or "a value that fits"
    if kind == "extra_forbidden":
        return "unknown key", nearest(str(found["loc"][-1]), fields)
    if kind == "missing":
        return "missing", "a value"
    if kind in EXPECTED:
        return shown(given), EXPECTED[kind].format(**context)
    base = kind.partition("_")[0]
    if base in TYPES:
        written = WRITTEN.get(type(given), "something else")
        return f"wrong type: {shown(given)} is {written}", TYPES[base]
    return shown(given), str(found["msg"])


def leaves(value: object) -> Iterator[object]:
    """What stands in a value that may be a list or a table of others."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from leaves(one)
    else:
        yield value


def adapted(annotation: Any, value: Any) -> Any:  # noqa: ANN401 -- any type, any value
    """A written value in the shape that a type asks for: lists, choices, names of nested fields."""
    members = list(members_of(annotation))
    lists = [one for one in members if get_origin(one) in (list, tuple, Sequence)]
    if isinstance(value, list):
        inner = get_args(lists[0])[0] if lists else None
        return [adapted(inner, one) for one in value]
    if len(lists) == len(members) == 1:
        return [adapted(get_args(lists[0])[0], value)]
    if isinstance(value, str):
        literals = [get_args(one) for one in members if get_origin(one) is Literal]
        choices = [one for group in literals for one in group if isinstance(one, str)]
        found = choice_called(value, choices) if choices and str not in members else None
        return found or value
    if isinstance(value, dict):
        models = [one for one in members if isinstance(one, type) and issubclass(one, BaseModel)]
        return _renamed(models[0], value) if models else value
    return value


def _renamed(model: type[BaseModel], value: Mapping[str, Any]) -> dict[str, Any]:
    fields = fields_of(model)
    renamed = {}
    for name, inner in value.items():
        meant = field_called(name, list(fields))
        renamed[meant or name] = adapted(fields[meant].annotation, inner) if meant else inner
    return renamed
