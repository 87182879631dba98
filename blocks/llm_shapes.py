"""The form that an answer of a model must have, how it is asked for, and what is wrong with one."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, NoReturn

from pydantic import ConfigDict, JsonValue, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from blocks.errors import InputError
from blocks.masking import one_line
from blocks.prediction_key import canonical_json

COMPLAINTS = 5
"""Most mistakes of an answer that are told."""
_FENCE = "```"


class Shape:
    """The form that an answer must have: a JSON schema, and who checks it.

    >>> Shape.of_fields("label", {"label": ["good", "bad"], "score": "float"}).check(
    ...     '{"label": "good", "score": 1}'
    ... )
    {'label': 'good', 'score': 1.0}
    """

    def __init__(self, name: str, schema: dict[str, Any], read: Callable[[str], JsonValue]) -> None:
        self.name = name
        self.schema = schema
        self._read = read

    @classmethod
    def of(cls, kind: Any, name: str = "answer") -> "Shape":  # noqa: ANN401 -- any type
        """The shape of a type, such as a pydantic model or `list[str]`."""
        adapter = TypeAdapter(kind)

        def read(text: str) -> JsonValue:
            value: JsonValue = adapter.dump_python(
                adapter.validate_json(text, strict=True), mode="json"
            )
            return value

        return cls(name, adapter.json_schema(), read)

    @classmethod
    def of_fields(cls, name: str, fields: Mapping[str, "FieldKind"]) -> "Shape":
        """An object with these fields, all of them required, and no others.

        Raises:
            KeyError: A kind that does not exist.
        """
        # Not a model: that would have names of its own, such as `json` and `copy`.
        kinds = {field: _type_of(kind) for field, kind in fields.items()}
        config = ConfigDict(extra="forbid", allow_inf_nan=False)
        closed = with_config(config)(TypedDict(name, kinds))  # type: ignore[operator]
        return cls.of(closed, name)

    @classmethod
    def of_schema(cls, name: str, schema: Mapping[str, JsonValue]) -> "Shape":
        """Whatever a JSON schema (2020-12) says.

        Raises:
            InputError: It is none, or refers to something outside of itself.
        """
        from jsonschema import Draft202012Validator, SchemaError  # takes 100 ms
        from referencing import Registry

        plain = dict(schema)
        if outside := _outside(plain):
            raise InputError(f"JSON schema: refers to {outside!r}; expected one that is whole")
        try:
            Draft202012Validator.check_schema(plain)
        except SchemaError as error:
            where = "/".join(map(str, error.absolute_path)) or "at its top"
            expected = "expected one of JSON schema 2020-12"
            raise InputError(
                f"JSON schema, {where}: {one_line(error.message)}; {expected}"
            ) from None
        judge = Draft202012Validator(plain, registry=Registry())  # looks nothing up

        def read(text: str) -> JsonValue:
            try:
                value: JsonValue = json.loads(text, parse_constant=_refuse)
                found = sorted(judge.iter_errors(value), key=lambda one: list(map(str, one.path)))
            except RecursionError:
                raise ValueError("nested too deeply") from None
            if found:
                raise ValueError(_told(found))
            return value

        return cls(name, plain, read)

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
        return self._read(text)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _outside(schema: JsonValue) -> str:
    """A reference to another document; "" where there is none."""
    if isinstance(schema, list):
        return next(filter(None, map(_outside, schema)), "")
    if not isinstance(schema, dict):
        return ""
    for name in ("$ref", "$dynamicRef"):
        target = schema.get(name)
        if isinstance(target, str) and not target.startswith("#"):
            return target
    return next(filter(None, map(_outside, schema.values())), "")


def _told(mistakes: Sequence[Any]) -> str:
    """Mistakes by place and rule, without the values: those may be long, or private."""
    said = []
    for one in mistakes[:COMPLAINTS]:
        place = ".".join(map(str, one.absolute_path))
        rule = f"{one.validator}: {canonical_json(one.validator_value)[:100]}"
        said.append(f"{place}: expected {rule}" if place else f"expected {rule}")
    more = [f"and {len(mistakes) - COMPLAINTS} more"] if len(mistakes) > COMPLAINTS else []
    return "; ".join([*said, *more])


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
    text = _fenced(said).strip()
    start = min((place for place in map(text.find, "{[") if place >= 0), default=-1)
    if start < 0:
        return text
    try:
        _, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return text[start:]
    return text[start:end]


def _fenced(said: str) -> str:
    """What stands in the first fenced block; all of it where there is none."""
    opening = said.find(_FENCE)
    begin = said.find("\n", opening)
    end = said.find(_FENCE, begin)
    return said[begin:end] if 0 <= opening < begin < end else said


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
