"""Pydantic's findings in our words: the place, what stands there, and what was expected."""

import math
import re
import reprlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from blocks.errors import InputProblems, Problem
from tasks.dag import closest
from tasks.parameters import members_of

EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list, as in [a, b]",
    "dict_type": "names and values",
    "model_type": "names and values",
    "model_attributes_type": "names and values",
    "invalid_key": "a name that is text",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "string_too_short": "a text that is not empty",
    "string_too_long": "at most {max_length} letters",
    "too_short": "at least {min_length}",
    "too_long": "at most {max_length}",
}
PATTERNS = {
    r"^[a-z][a-z0-9_]{0,39}$": "a-z, 0-9 and _, a letter first, 40 at most",
    r"^([a-z][a-z0-9_]{0,29})?$": "a-z, 0-9 and _, a letter first, 30 at most",
    r"^[A-Z*]+$": "capital letters",
    r"^[A-Z*]*$": "capital letters",
}
LISTS_OF_NAMED = {
    "stages": "stage", "nodes": "node", "subgraphs": "sub-graph", "steps": "step",
    "decisions": "decision", "compensations": "compensation",
}  # fmt: skip
MAX_SHOWN = 10**20
M = TypeVar("M", bound=BaseModel)
_BRIEF = reprlib.Repr()
_BRIEF.maxstring, _BRIEF.maxlong, _BRIEF.maxother, _BRIEF.maxlevel = 60, 40, 60, 2


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a finding belongs."""

    text: str
    annotation: Any
    """Type of what is expected there."""
    owner: type[BaseModel] | None
    """The model that has, or does not have, the field."""
    name: str
    """The field."""
    tried: bool
    """Whether it is one of several findings, one for each type that was tried."""


def validated(
    model: type[M],
    given: Any,  # noqa: ANN401 -- whatever stood in the file
    source: str,
) -> M:
    """What was given, as the model.

    Args:
        source: What messages call it.

    Raises:
        InputProblems: It does not fit; every place is told.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        found = problems(source, error, model, given)
    raise InputProblems(found)


def problems(
    source: str,
    error: ValidationError,
    model: type[BaseModel],
    given: Any,  # noqa: ANN401 -- whatever stood in the file
) -> list[Problem]:
    """One problem per place, in pydantic's order; `given` is what did not fit the model."""
    by_place: dict[str, list[tuple[_Place, Problem]]] = {}
    for found in error.errors(include_url=False):
        place = _place(model, found["loc"], given)
        text = place.text
        if found["type"] == "value_error":
            text, what, expected = _validators(place, str(found["ctx"]["error"]), found["input"])
        else:
            what, expected = _worded(found, place)
        where = ", ".join(part for part in (source, text) if part)
        by_place.setdefault(place.text, []).append((place, Problem(where, what, expected)))
        if found["type"] == "too_short" and _length(found["input"]) >= found["ctx"]["min_length"]:
            by_place[place.text].pop()  # its items are wrong, and told of
    return [_merged(alike) for text, alike in by_place.items() if not _outdone(text, by_place)]


def _outdone(text: str, by_place: Mapping[str, list[tuple[_Place, Problem]]]) -> bool:
    """Whether nothing is to be said: another type was meant, and a part of it is wrong."""
    tried = all(place.tried for place, _ in by_place[text])
    return not by_place[text] or (tried and any(one.startswith(f"{text} #") for one in by_place))


def _merged(alike: list[tuple[_Place, Problem]]) -> Problem:
    first = alike[0][1]
    expected = " or ".join(dict.fromkeys(problem.expected for _, problem in alike))
    return Problem(first.where, first.what, expected)


def _place(model: type[BaseModel], location: tuple[int | str, ...], given: Any) -> _Place:  # noqa: ANN401 -- as above
    """Follow a location through the models; names of alternatives are no part of the place."""
    annotation: Any = model
    owner, name, text, tried = None, "", "", False
    for part in location:
        members = list(members_of(annotation))
        if len(members) > 1:  # the location names the member, not a part of the value
            chosen = [one for one in members if part in _tags(one)]
            tried = not chosen
            annotation = (chosen or [one for one in members if get_origin(one) is tuple])[0]
        elif part == "[key]":
            annotation = None
        elif isinstance(part, int) and get_origin(members[0]) is tuple:
            annotation, given = get_args(members[0])[0], _part(given, part)
            text = _numbered(text, part, given)
        else:
            owner, name, given = _model(members), str(part), _part(given, part)
            text += f"{_joint(text)}{part}"
            annotation = _annotation(members, name)
    return _Place(text, annotation, owner, name, tried)


def _joint(text: str) -> str:
    """What stands between a place and a field in it."""
    return "" if not text else ", " if text.endswith("'") else "."


def _numbered(text: str, index: int, item: object) -> str:
    """Place of an item of a list: a named stage by its name, others by their number, from 1."""
    name = item.get("name") if isinstance(item, dict) else None
    noun = LISTS_OF_NAMED.get(text.rsplit(", ", 1)[-1])
    if noun is not None and isinstance(name, str) and name:
        before = text.rpartition(", ")
        return f"{before[0]}{before[1]}{noun} {name!r}"
    return f"{text} #{index + 1}"


def _model(members: list[Any]) -> type[BaseModel] | None:
    one = members[0] if len(members) == 1 else None
    return one if isinstance(one, type) and issubclass(one, BaseModel) else None


def _fields(model: type[BaseModel] | None) -> dict[str, FieldInfo]:
    """Fields by the names that users write."""
    fields = model.model_fields if model is not None else {}
    return {field.alias or name: field for name, field in fields.items()}


def _annotation(members: list[Any], part: str) -> Any:  # noqa: ANN401 -- types of any kind
    field = _fields(_model(members)).get(part)
    if field is not None:
        return field.annotation
    return get_args(members[0])[1] if get_origin(members[0]) is dict else None


def _tags(member: Any) -> tuple[Any, ...]:  # noqa: ANN401 -- types of any kind
    """Values of the field that tells a model from the others of its union."""
    fields = _fields(_model([member]))
    literals = (fields[name].annotation for name in ("uses", "kind") if name in fields)
    return tuple(tag for one in literals if get_origin(one) is Literal for tag in get_args(one))


def _part(given: Any, part: int | str) -> Any:  # noqa: ANN401 -- whatever stood in the file
    try:
        return given[part]
    except (KeyError, IndexError, TypeError):
        return None


def _length(given: object) -> int:
    return len(given) if isinstance(given, list | tuple | dict) else 0


def _worded(found: Mapping[str, Any], place: _Place) -> tuple[str, str]:
    """What stands at a place, and what was expected there."""
    kind, context, given = found["type"], found.get("ctx", {}), found["input"]
    match kind:
        case "missing":
            return "missing", _wanted(place)
        case "extra_forbidden":
            return "no such setting", _nearest(place.name, list(_fields(place.owner)))
        case "union_tag_not_found" | "union_tag_invalid":
            return _untagged(context, place)
        case "literal_error":
            known = [str(one) for one in get_args(next(members_of(place.annotation)))]
            return shown(given), _nearest(str(given), known)
        case "string_type":
            quoted = isinstance(given, bool | int | float)
            return shown(given), "text, in quotes" if quoted else "text"
        case _ if isinstance(given, float) and not math.isfinite(given):
            return shown(given), _number(place, EXPECTED.get(kind, "a number"), given, context)
        case "string_pattern_mismatch" if context["pattern"] in PATTERNS:
            return shown(given), PATTERNS[context["pattern"]]
        case "too_long" | "string_too_long" | "too_short":
            return f"{len(given):,} given", _filled(EXPECTED[kind], context)
        case _ if kind in EXPECTED:
            return shown(given), _filled(EXPECTED[kind], context)
    message = re.sub(r"^Input should be ", "", found["msg"])
    return shown(given), message[:1].lower() + message[1:]


def _untagged(context: Mapping[str, Any], place: _Place) -> tuple[str, str]:
    """One of several models was to be named, and was not."""
    field, wrong = context["discriminator"].strip("'"), str(context.get("tag", ""))
    tags = [tag for one in members_of(place.annotation) for tag in _tags(one)]
    return f"{field} is {shown(wrong)}" if wrong else f"no {field}", _nearest(wrong, tags)


def _number(place: _Place, limit: str, given: float, context: Mapping[str, Any]) -> str:
    """What was expected instead of NaN or infinity."""
    if int in members_of(place.annotation):
        return EXPECTED["int_type"]
    return EXPECTED["float_type"] if math.isnan(given) else _filled(limit, context)


def _filled(text: str, context: Mapping[str, Any]) -> str:
    """The text with its limits; a float that is whole without its point."""
    limits = {
        name: f"{limit:g}" if isinstance(limit, float) else f"{limit:,}"
        for name, limit in context.items()
        if isinstance(limit, int | float)
    }
    return text.format(**limits)


def _validators(place: _Place, message: str, given: object) -> tuple[str, str, str]:
    """Place, what and expectation of a validator's own message, which may begin with a field."""
    field, _, rest = message.partition(": ")
    text, members = place.text, list(members_of(place.annotation))
    if field == place.name or field in _tags(members[0]):
        message = rest
    elif isinstance(given, dict) and field in _fields(_model(members)):
        text, message, given = f"{text}{_joint(text)}{field}", rest, given.get(field)
    if message.startswith("expected "):
        return text, shown(given), message.removeprefix("expected ")
    what, *expected = re.split("[;:] expected ", message, maxsplit=1)
    return text, what, (expected or ["settings that fit together"])[0]


def _wanted(place: _Place) -> str:
    """A field that is missing, as its description in the form has it."""
    tags = [tag for one in members_of(place.annotation) for tag in _tags(one)]
    if tags:
        return f"`kind`, {closest('', tags)}, and its settings"
    field = _fields(place.owner).get(place.name)
    if field is None or not field.title:
        return "a value"
    return field.title.lower() + (f" ({field.description})" if field.description else "")


def _nearest(given: str, known: list[str]) -> str:
    """As `closest`, which knows capitals from small letters."""
    alike = next((one for one in known if one.lower() == given.lower()), given)
    return closest(alike, known)


def shown(given: object) -> str:
    """A value in few letters, as YAML has it."""
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, int) and abs(given) > MAX_SHOWN:
        return f"{given:.3g}" if abs(given) < sys.float_info.max else "a huge number"
    if given is None:
        return "nothing"
    return _BRIEF.repr(given)
