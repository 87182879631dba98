"""Jinja's sandbox with bounds: no short template makes a huge text or number of nothing."""

import re
from collections.abc import Callable, Sized
from functools import wraps
from typing import Any

from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

MOST_CHARACTERS = 10_000_000
"""Of a prompt, and of a text or list put together in one; no model reads as much."""
WIDEST = 1_000
"""Of what is padded with blanks or filled up."""
_LARGEST_BASE, _LARGEST_EXPONENT = 1_000_000, 100
_PADDED = frozenset({"center", "ljust", "rjust", "zfill", "expandtabs"})
_WIDE = re.compile(r"\*|\d{4,}|:[^{}]*\{")
"""Width of a form that is large, or is not in the form itself."""


def _refuse_wide(form: object) -> None:
    if isinstance(form, str | bytes) and _WIDE.search(str(form)):
        raise SecurityError("a form with so large a width is not allowed")


def _checked(operator: str, left: Any, right: Any) -> None:  # noqa: ANN401 -- any operands
    """Refuse operands whose result may be huge."""
    sized = isinstance(left, Sized), isinstance(right, Sized)
    if operator == "*" and any(sized):
        raise SecurityError("* of a text or list is not allowed")
    if operator == "**" and not (
        not any(sized) and abs(left) <= _LARGEST_BASE and abs(right) <= _LARGEST_EXPONENT
    ):
        most = f"{_LARGEST_BASE:,} ** {_LARGEST_EXPONENT}"
        raise SecurityError(f"** is allowed up to {most}")
    if operator == "+" and all(sized) and len(left) + len(right) > MOST_CHARACTERS:
        raise SecurityError(f"+ is allowed up to {MOST_CHARACTERS:,} characters")
    if operator == "%":
        _refuse_wide(left)


def _narrow(name: str, do: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that takes no large number."""

    @wraps(do)
    def narrow(*given: Any, **named: Any) -> Any:  # noqa: ANN401 -- any filter
        for value in (*given, *named.values()):
            if isinstance(value, int | float) and value > WIDEST:
                raise SecurityError(f"{name} is allowed up to {WIDEST:,}")
        return do(*given, **named)

    return narrow


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """The sandbox without what multiplies: see `_checked`, paddings, and made-up text."""

    intercepted_binops = frozenset({"*", "**", "+", "%"})

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 -- Jinja's
        super().__init__(**options)
        self.globals.pop("lipsum")
        for name in ("center", "indent", "batch", "slice"):
            self.filters[name] = _narrow(name, self.filters[name])
        form = self.filters["format"]

        @wraps(form)
        def formed(pattern: str, *given: Any, **named: Any) -> str:  # noqa: ANN401 -- any values
            _refuse_wide(pattern)
            return str(form(pattern, *given, **named))

        self.filters["format"] = formed

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401 -- any operands
        """The result of an operator.

        Raises:
            SecurityError: It may be huge.
        """
        _checked(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ANN401 -- any object
        """Whether an attribute may be used: not what pads a text."""
        padded = isinstance(obj, str | bytes) and attr in _PADDED
        return not padded and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:  # noqa: ANN401 -- any value
        """The sandbox's `str.format` of a form that is not wide.

        Raises:
            SecurityError: It is.
        """
        wrapped = super().wrap_str_format(value)
        if wrapped is not None:
            _refuse_wide(value.__self__)
        return wrapped
