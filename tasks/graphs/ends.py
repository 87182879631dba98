"""Types of what goes into a node and comes out of it; checked when a graph is built, and again.

Only what can be shown to be wrong is refused: an end without annotation takes and gives anything.
A truth value is no number, although it is one to Python.
"""

import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import BaseModel, TypeAdapter, ValidationError

NUMBERS = (int, float)


@dataclass(frozen=True, slots=True)
class Ends:
    """The annotations of a function's argument and result; Any where there is none."""

    takes: Any = Any
    gives: Any = Any


def ends_of(function: Callable[..., Any], *, of_lists: bool = False) -> Ends:
    """The ends of a function; of the items of its lists where it works on lists."""
    try:
        hints = get_type_hints(function)
        first = next(iter(inspect.signature(function).parameters), None)
    except (NameError, TypeError, ValueError):  # for type checkers only; of built-in types: none
        return Ends()
    takes, gives = hints.get(first or "", Any), hints.get("return", Any)
    if of_lists:
        takes, gives = (next(iter(get_args(one)), Any) for one in (takes, gives))
    return Ends(takes, gives)


def assignable(source: Any, target: Any) -> bool:  # noqa: ANN401 -- annotations
    """Whether a value of type `source` may be taken where `target` is expected.

    >>> assignable(list[str], list[str]), assignable(int, float), assignable(bool, int)
    (True, True, False)
    """
    if target in (Any, object) or source in (Any, object) or source == target:
        return True
    if get_origin(source) in (Union, types.UnionType):
        return all(assignable(one, target) for one in get_args(source))
    if get_origin(target) in (Union, types.UnionType):
        return any(assignable(source, one) for one in get_args(target))
    if Literal in (get_origin(source), get_origin(target)):
        return _literals(source, target)
    return _classes(source, target)


def _literals(source: Any, target: Any) -> bool:  # noqa: ANN401 -- annotations
    if get_origin(source) is not Literal:
        return False
    if get_origin(target) is Literal:
        return set(get_args(source)) <= set(get_args(target))
    return all(assignable(type(one), target) for one in get_args(source))


def _classes(source: Any, target: Any) -> bool:  # noqa: ANN401 -- annotations
    bare_source, bare_target = get_origin(source) or source, get_origin(target) or target
    if is_typeddict(bare_source) or is_typeddict(bare_target):
        return bare_source is bare_target or dict in (bare_source, bare_target)
    if not (isinstance(bare_source, type) and isinstance(bare_target, type)):
        return True  # type variables and the like say nothing
    if bare_source is bool:
        return bare_target is bool
    if bare_source is int and bare_target is float:
        return True
    if issubclass(bare_source, BaseModel) and issubclass(bare_target, Mapping | dict):
        return True
    if not issubclass(bare_source, bare_target):
        return False
    given, wanted = get_args(source), get_args(target)
    return not wanted or len(given) != len(wanted) or all(map(assignable, given, wanted))


def named(annotation: Any) -> str:  # noqa: ANN401 -- an annotation
    """How a type is called in a message."""
    return (
        annotation.__name__ if type(annotation) is type else str(annotation).replace("typing.", "")
    )


class Check:
    """Whether values have a type; a pydantic model's are taken apart into JSON."""

    def __init__(self, annotation: Any) -> None:  # noqa: ANN401 -- an annotation
        self._adapter = None if annotation in (Any, object) else TypeAdapter(annotation)
        self._name = named(annotation)

    def fault(self, value: object) -> str | None:
        """What is wrong with a value, None if nothing is."""
        if self._adapter is None:
            return None
        try:
            self._adapter.validate_python(value, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            return f"{place + ': ' if place else ''}{first['msg']}; expected {self._name}"
        return None
