"""Prompts with places for the fields of an item, in Jinja's language and its sandbox.

A value that is no text is put in as JSON. What an item holds is data and never read as a template.
"""

import json
from functools import cached_property
from typing import Any

from jinja2 import StrictUndefined, TemplateError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from blocks.errors import InputError

WHOLE = "item"
"""Name by which a template calls the whole item."""


def _shown(value: object) -> object:
    """A value as it is put in."""
    if isinstance(value, str | StrictUndefined):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


_JINJA = ImmutableSandboxedEnvironment(  # nothing is escaped: no browser reads it
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
            return self._template.render({WHOLE: item, **item})
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise InputError(f"template: {_told(error)}; expected fields that fit it") from None


def _told(error: Exception) -> str:
    line = getattr(error, "lineno", None)
    said = " ".join(str(error).split())
    return f"line {line}: {said}" if line else said
