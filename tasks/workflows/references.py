"""References in the parameters of a step: what they may speak of, and what they stand for.

    ${counts.folder}                  a field of what a step returned
    ${counts.tables.samples}          a file in its folder, as the registry names it
    ${inputs.samples}                 an input; one that is empty is not there
    ${decisions.preset}               a decision
    ${inputs.samples | library.tables.samples | 'none'}   the first that is there; text in quotes

A text that is nothing but a reference takes the value's type; within other text it becomes text.
`$${` stands for `${`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from blocks.errors import InputError

INPUTS, DECISIONS, TABLES = "inputs", "decisions", "tables"
OWN_NAMES = {INPUTS, DECISIONS}
"""Which no step may have."""
Path = tuple[str | int, ...]
"""Where a value stands in the parameters."""
_WHOLE = re.compile(r"(\$?)\$\{([^{}]*)\}")
_NAMES = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+)+")
_TEXT = re.compile(r"'([^']*)'")
_BAR = re.compile(r"\|(?=(?:[^']*'[^']*')*[^']*$)")
"""Not within quotes."""


@dataclass(frozen=True, slots=True)
class Named:
    """One way that a value may be found."""

    names: tuple[str, ...]
    """As in `counts.tables.samples`."""

    @property
    def step(self) -> str:
        """The step that it speaks of; "" if of none."""
        return "" if self.names[0] in OWN_NAMES else self.names[0]

    def __str__(self) -> str:
        return ".".join(self.names)


@dataclass(frozen=True, slots=True)
class Reference:
    """What stands between `${` and `}`."""

    text: str
    choices: tuple[Named | str, ...]
    """Tried in order; a plain text stands for itself."""


class UnknownError(InputError):
    """Nothing that a reference speaks of is there."""


Lookup = Callable[[Named], JsonValue]
"""The value of a name, or None where there is none."""


def parse(text: str) -> Reference:
    """A reference.

    >>> parse("a.b | 'x'").choices
    (Named(names=('a', 'b')), 'x')

    Raises:
        InputError: It is none.
    """
    choices: list[Named | str] = []
    for part in map(str.strip, _BAR.split(text)):
        if literal := _TEXT.fullmatch(part):
            choices.append(literal[1])
        elif _NAMES.fullmatch(part):
            choices.append(Named(tuple(part.split("."))))
        else:
            expected = "step.field, step.tables.name, inputs.name, decisions.name or 'text'"
            raise InputError(f"${{{text}}}: {part!r}; expected {expected}")
    return Reference(text, tuple(choices))


def references(value: JsonValue, at: Path = ()) -> Iterator[tuple[Path, Reference]]:
    """All references in a value, with their places.

    Raises:
        InputError: One is none.
    """
    if isinstance(value, str):
        for found in _WHOLE.finditer(value):
            if not found[1]:
                yield at, parse(found[2])
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from references(one, (*at, number))
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from references(one, (*at, name))


def resolved(value: JsonValue, lookup: Lookup) -> JsonValue:
    """The value with what its references stand for.

    Raises:
        UnknownError: Nothing that one of them speaks of is there.
        InputError: A list or an object within text.
    """
    if isinstance(value, str):
        return _resolved_text(value, lookup)
    if isinstance(value, list):
        return [resolved(one, lookup) for one in value]
    if isinstance(value, dict):
        return {name: resolved(one, lookup) for name, one in value.items()}
    return value


def _resolved_text(text: str, lookup: Lookup) -> JsonValue:
    whole = _WHOLE.fullmatch(text)
    if whole and not whole[1]:
        return _value(parse(whole[2]), lookup)

    def put(found: re.Match[str]) -> str:
        if found[1]:
            return found[0][1:]
        value = _value(parse(found[2]), lookup)
        if isinstance(value, list | dict):
            raise InputError(f"{found[0]}: holds several values; expected it to stand alone")
        return str(value)

    return _WHOLE.sub(put, text)


def _value(reference: Reference, lookup: Lookup) -> JsonValue:
    for choice in reference.choices:
        value = choice if isinstance(choice, str) else lookup(choice)
        if value is not None:
            return value
    raise UnknownError(f"${{{reference.text}}}: nothing of it is there")
