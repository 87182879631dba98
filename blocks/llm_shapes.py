"""The form that an answer of a model must have, how it is asked for, and what is wrong with one."""

import json
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter, ValidationError, create_model

from blocks.prediction_key import canonical_json

COMPLAINTS = 5
"""Most mistakes of an answer that are told."""
_FENCED = re.compile(r"```[a-zA-Z]*\s*\n(.*?)\n?\s*```", re.DOTALL)


class Shape:
    """The form that an answer must have: a JSON schema, and who checks it.

    >>> Shape.of_fields("label", {"label": ["good", "bad"], "score": "float"}).check(
    ...     '{"label": "good", "score": 1}'
    ... )
    {'label': 'good', 'score': 1.0}
    """

    def __init__(self, name: str, adapter: TypeAdapter[Any]) -> None:
        self.name = name
        self.schema: dict[str, Any] = adapter.json_schema()
        self._adapter = adapter

    @classmethod
    def of(cls, kind: Any, name: str = "answer") -> "Shape":  # noqa: ANN401 -- any type
        """The shape of a type, such as a pydantic model or `list[str]`."""
        return cls(name, TypeAdapter(kind))

    @classmethod
    def of_fields(cls, name: str, fields: Mapping[str, "FieldKind"]) -> "Shape":
        """An object with these fields, all of them required, and no others.

        Raises:
            KeyError: A kind that does not exist.
        """
        types: dict[str, Any] = {field: (_type_of(kind), ...) for field, kind in fields.items()}
        config = ConfigDict(extra="forbid", allow_inf_nan=False)
        model: type[BaseModel] = create_model(name, __config__=config, **types)
        return cls(name, TypeAdapter(model))

    @cached_property
    def canonical(self) -> str:
        """The schema as the one JSON text that stands for it."""
        return canonical_json(self.schema)

    def check(self, text: str) -> JsonValue:
        """The value of a JSON text that has this shape, as plain JSON.

        Types are taken strictly: `true` is no number, and `"1"` neither.

        Raises:
            ValueError: It has not; pydantic's message says where.
        """
        value: JsonValue = self._adapter.dump_python(
            self._adapter.validate_json(text, strict=True), mode="json"
        )
        return value


FieldKind = str | list[str]
"""Kind of a field: one of `FIELD_KINDS`, or the list of the words it may be."""
_SIMPLE: dict[str, Any] = {"str": str, "int": int, "float": float, "bool": bool}
FIELD_KINDS = (*_SIMPLE, *(f"list[{kind}]" for kind in _SIMPLE))


def _type_of(kind: FieldKind) -> Any:  # noqa: ANN401 -- a type
    if isinstance(kind, list):
        return Literal[tuple(kind)]
    if kind.startswith("list[") and kind.endswith("]"):
        return list[_SIMPLE[kind[5:-1]]]  # type: ignore[misc]  # a type made from data
    return _SIMPLE[kind]


def json_text(said: str) -> str:
    """The JSON in what a model said: of a fenced block, or from the first bracket on.

    >>> json_text('Sure! {"a": 1} Anything else?')
    '{"a": 1}'
    """
    fenced = _FENCED.search(said)
    text = (fenced[1] if fenced else said).strip()
    start = min((place for place in map(text.find, "{[") if place >= 0), default=-1)
    if start < 0:
        return text
    try:
        _, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return text[start:]
    return text[start:end]


def complaint(error: ValueError) -> str:
    """What is wrong with an answer, on one line, without the answer itself."""
    if not isinstance(error, ValidationError):
        return " ".join(str(error).split())
    said = []
    for mistake in error.errors(include_url=False, include_input=False, include_context=False):
        place = ".".join(map(str, mistake["loc"]))
        said.append(f"{place}: {mistake['msg']}" if place else mistake["msg"])
    more = [f"and {len(said) - COMPLAINTS} more"] if len(said) > COMPLAINTS else []
    return "; ".join([*said[:COMPLAINTS], *more])


def instruction(shape: Shape) -> str:
    """Words that ask for a shape, for models that are not held to it otherwise."""
    return f"Answer with JSON only, of this JSON schema: {shape.canonical}"


def repair_request(mistakes: str) -> str:
    """Words that ask once more for what was asked for."""
    return f"This does not have the form asked for: {mistakes}. Answer again, with JSON only."
