"""Prompts with places for the fields of an item, in Jinja's language and its sandbox.

A value that is no text is put in as JSON. What an item holds is data and never read as a template.
"""

import json
from functools import cached_property
from typing import Any

from jinja2 import StrictUndefined, TemplateError, meta, nodes

from blocks.errors import InputError
from tasks.graphs.text.bounds import MOST_CHARACTERS, BoundedEnvironment

_UNFIT = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, MemoryError)
WHOLE = "item"
"""Name by which a template calls the whole item."""


def _shown(value: object) -> object:
    """A value as it is put in."""
    if isinstance(value, str | StrictUndefined):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


_JINJA = BoundedEnvironment(  # nothing is escaped: no browser reads it
    undefined=StrictUndefined, finalize=_shown, keep_trailing_newline=True
)


class Template:
    """A prompt with places.

    >>> Template("{{ text }} in {{ names }}").filled({"text": "Say it", "names": ["a"]})
    'Say it in ["a"]'

    Raises:
        InputError: It is no template.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        try:
            self._parsed = _JINJA.parse(text)
            self._template = _JINJA.from_string(text)
        except TemplateError as error:
            expected = "expected places such as {{ text }}"
            raise InputError(f"template: {_told(error)}; {expected}") from None

    @cached_property
    def fields(self) -> frozenset[str]:
        """The fields that it cannot do without: not those with a default or a test."""
        optional = {
            found.node.name
            for found in self._parsed.find_all((nodes.Filter, nodes.Test))
            if found.name in {"default", "d", "defined", "undefined"}
            and isinstance(found.node, nodes.Name)
        }
        named = meta.find_undeclared_variables(self._parsed)
        return frozenset(named - optional - {WHOLE})

    def filled(self, item: dict[str, Any]) -> str:
        """The prompt for an item.

        Raises:
            InputError: A field is missing, or cannot be used as the template does.
        """
        try:
            return self._whole({WHOLE: item, **item})
        except _UNFIT as error:
            raise InputError(f"template: {_told(error)}; expected fields that fit it") from None

    def _whole(self, fields: dict[str, Any]) -> str:
        pieces, length = list[str](), 0
        for piece in self._template.generate(fields):
            pieces.append(piece)
            length += len(piece)
            if length > MOST_CHARACTERS:
                raise ValueError(f"the prompt is longer than {MOST_CHARACTERS:,} characters")
        return "".join(pieces)


def _told(error: Exception) -> str:
    line = getattr(error, "lineno", None)
    said = " ".join(str(error).split())
    return f"line {line}: {said}" if line else said
