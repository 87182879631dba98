"""What every parameter model and every record between stages has in common."""

import re
from collections.abc import Callable, Iterator, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, model_validator

Schema = dict[str, Any]
Resolve = Callable[[Schema], Schema]
"""Gives the schema that a `$ref` stands for."""


def _form_title(model: type) -> str:
    """What the form calls a model: `TopFilter` is `Top filter`, `MutateParams` is `Mutate`."""
    words = re.findall(r"[A-Z][a-z]*", model.__name__.removesuffix("Params"))
    return " ".join([words[0], *(word.lower() for word in words[1:])])


class Params(BaseModel):
    """Parameters: frozen, and refusing what they do not know, so that a typo is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, model_title_generator=_form_title
    )

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, given: object) -> object:
        """YAML reads `yes` as true, and true would pass for 1."""
        if not isinstance(given, dict):
            return given
        truths = {name: value for name, value in given.items() if isinstance(value, bool)}
        for name in truths.keys() & cls.model_fields.keys():
            annotation = cls.model_fields[name].annotation
            taken = {annotation, *get_args(annotation)}
            if {int, float} & taken and bool not in taken:
                raise ValueError(f"{name} is {str(truths[name]).lower()}; expected a number")
        return given


class Record(BaseModel):
    """A small result that travels between stages as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def members_of(annotation: Any) -> Iterator[Any]:  # noqa: ANN401 -- types of any kind
    """The types that a value may have, without None and without metadata."""
    if get_origin(annotation) is Annotated:
        yield from members_of(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for one in get_args(annotation):
            yield from members_of(one)
    elif annotation is not type(None):
        yield annotation


def choices(schema: Schema) -> None:
    """Let the form offer the members of a union: it draws `anyOf`; `oneOf` it shows as raw JSON."""
    if "oneOf" in schema:
        schema["anyOf"] = schema.pop("oneOf")
        schema.pop("discriminator", None)


def one_form(members: Sequence[Schema], title: str, resolve: Resolve) -> Schema:
    """One object schema that covers several, for lists: the form draws no union inside of a list.

    A property that differs between the members offers what any of them takes; what fits together
    is checked when the parameters are read.
    """
    merged: dict[str, Schema] = {}
    for member in members:
        for name, schema in member["properties"].items():
            merged[name] = _either(merged[name], schema) if name in merged else dict(schema)
    for name, schema in merged.items():
        if not all(name in member["properties"] for member in members):
            schema.pop("default", None)  # the form would send it for members that do not know it
        if "anyOf" in schema:
            schema["anyOf"] = _distinguishable(schema["anyOf"], resolve)
    required = set.intersection(*(set(member.get("required", ())) for member in members))
    constants = {
        name
        for member in members
        for name, schema in member["properties"].items()
        if "const" in schema
    }  # what tells the members apart has a default in each, and must be given all the same
    return {
        "title": title,
        "type": "object",
        "properties": merged,
        "required": [name for name in merged if name in required | constants],
        "additionalProperties": False,
    }


def _either(one: Schema, other: Schema) -> Schema:
    """A property that may be what one schema says, or what the other does."""
    if "const" in other:
        values = [*one.get("enum", [one.get("const")]), other["const"]]
        return {"title": one["title"], "type": "string", "enum": values}
    if one == other:
        return one
    offered = [*_members(one), *(new for new in _members(other) if new not in _members(one))]
    return {"title": one.get("title", "With"), "anyOf": offered}


def _members(schema: Schema) -> list[Schema]:
    if "$ref" in schema:
        return [{"$ref": schema["$ref"]}]
    return list(schema.get("anyOf") or [schema])


def _distinguishable(members: Sequence[Schema], resolve: Resolve) -> list[Schema]:
    """Members of equal shape as one: the form tells members apart by the names of properties."""
    by_shape: dict[frozenset[str], list[Schema]] = {}
    for member in members:
        shape = frozenset(resolve(member).get("properties", {str(member): {}}))
        by_shape.setdefault(shape, []).append(member)
    found = []
    for group in by_shape.values():
        resolved = [resolve(member) for member in group]
        title = " / ".join(member.get("title", "") for member in resolved)
        found.append(group[0] if len(group) == 1 else one_form(resolved, title, resolve))
    return found
