"""A formula over numbers, one value for each molecule: parsed here, never executed as code.

    n_count / length < 0.1 and !is_duplicate        round(0.5, gc) % 2 == 0        2 ^ -1

There are numbers (with k, M, G, T, m, u, n, p behind them), names, `( )` or `[ ]`, `+ - !` before a
value, `^ % / * - +`, `< > <= >=`, `== !=`, `and` or `&&`, `or` or `||`, and the functions of
`FUNCTIONS`. Operators bind in this order; each of `^ % / * - +` has a rank of its own.
True is 1 and false is 0; `and` gives the first operand that is 0, else the last; `or` the first
that is not 0. Values are equal if they differ by rounding only.

Source:
    The language of the Rust library fasteval, which configurations of this kind are written in.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from blocks.errors import InputError

Values = NDArray[np.float64]
MAX_LENGTH = 4_096
MAX_DEPTH = 32
SHOWN = 80
"""Characters of a formula that messages show."""
SAME = 8 * float(np.finfo(np.float64).eps)
"""Values that differ by this or less are equal."""
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+|(?:[kKMGTmunp]|µ)(?![A-Za-z_0-9]))?)
      | (?P<name>[A-Za-z_][A-Za-z_0-9]*)
      | (?P<operator><=|>=|==|!=|&&|\|\||[-+*/%^<>!()\[\],;])
    )""",
    re.VERBOSE,
)
_SUFFIX = {"k": 3, "K": 3, "M": 6, "G": 9, "T": 12, "m": -3, "u": -6, "µ": -6, "n": -9, "p": -12}
_CLOSING = {"(": ")", "[": "]"}
_BETWEEN = (",", ";")
_WORDS = {"and": "&&", "or": "||"}


def _truth(condition: Any) -> Values:  # noqa: ANN401 -- an array of bool
    return np.asarray(condition, np.float64)


def _equal(one: Values, other: Values | float) -> Any:  # noqa: ANN401 -- an array of bool
    with np.errstate(invalid="ignore"):
        return np.abs(one - other) <= SAME


def _round(value: Values) -> Values:
    """To the nearest whole number, halves away from 0."""
    return np.trunc(value + np.copysign(0.5, value))


def _sign(value: Values) -> Values:
    return np.where(np.isnan(value), value, np.copysign(1.0, value))


def _log(base: Values, value: Values) -> Values:
    return np.where(_equal(base, 10), np.log10(value), np.log(value) / np.log(base))


_RANKS: tuple[Mapping[str, Callable[[Values, Values], Values]], ...] = (
    {"||": lambda a, b: np.where(_equal(a, 0), b, a)},
    {"&&": lambda a, b: np.where(_equal(a, 0), a, b)},
    {"==": lambda a, b: _truth(_equal(a, b)), "!=": lambda a, b: _truth(~_equal(a, b))},
    {
        "<": lambda a, b: _truth(a < b),
        ">": lambda a, b: _truth(a > b),
        "<=": lambda a, b: _truth(a <= b),
        ">=": lambda a, b: _truth(a >= b),
    },
    {"+": np.add},
    {"-": np.subtract},
    {"*": np.multiply},
    {"/": np.divide},
    {"%": np.fmod},
    {"^": np.power},
)
"""Operators from those that bind least to those that bind most."""
_RIGHT_TO_LEFT = "^"
FUNCTIONS: dict[str, tuple[int, int, Callable[..., Values]]] = {
    "int": (1, 1, np.trunc),
    "ceil": (1, 1, np.ceil),
    "floor": (1, 1, np.floor),
    "abs": (1, 1, np.abs),
    "sign": (1, 1, _sign),
    "log": (1, 2, lambda *a: np.log10(a[0]) if len(a) == 1 else _log(*a)),
    "round": (1, 2, lambda *a: _round(a[0]) if len(a) == 1 else _round(a[1] / a[0]) * a[0]),
    "min": (1, MAX_LENGTH, lambda *a: reduce(np.fmin, a)),
    "max": (1, MAX_LENGTH, lambda *a: reduce(np.fmax, a)),
    "e": (0, 0, lambda: np.array(np.e)),
    "pi": (0, 0, lambda: np.array(np.pi)),
    **{
        name: (1, 1, function)
        for name, function in {
            "sin": np.sin, "cos": np.cos, "tan": np.tan,
            "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
            "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
            "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
        }.items()
    },
}  # fmt: skip
"""Functions: least and most arguments, and what they do. The base of `log` and the step of `round`
come first; `log` of one argument is to base 10."""
Node = Callable[[Mapping[str, Values]], Values]


@dataclass(frozen=True, slots=True)
class Formula:
    """A parsed formula; made by `parse_formula`."""

    text: str
    names: tuple[str, ...]
    """What it needs, in the order in which the names first appear."""
    _node: Node = field(repr=False, compare=False)

    def evaluate(self, values: Mapping[str, Values], count: int) -> Values:
        """The value for each molecule; shape (count,).

        Args:
            values: Name -> shape (count,), for all names.
        """
        with np.errstate(all="ignore"):
            found = self._node(values)
        return np.array(np.broadcast_to(np.asarray(found, np.float64), (count,)))


def parse_formula(text: str) -> Formula:
    """The formula that `text` is.

    >>> parse_formula("n_count / length < 0.1").names
    ('n_count', 'length')

    Raises:
        InputError: It cannot be read; the message has the position.
    """
    parser = _Parser(text)
    node = parser.expression(0)
    if parser.kind != "end":
        parser.refuse(f"{parser.token!r} is left over", "an operator or the end")
    return Formula(text, tuple(parser.names), node)


class _Parser:
    """Reads a formula from left to right, one token ahead."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.names: dict[str, None] = {}
        self.end = self.at = 0
        self.depth = 0
        self.kind = self.token = ""
        if len(text) > MAX_LENGTH:
            self.refuse(f"{len(text)} characters", f"at most {MAX_LENGTH}")
        if not text.strip():
            self.refuse("expression is empty", "a formula such as 'length > 20'")
        self.advance()

    def refuse(self, what: str, expected: str) -> NoReturn:
        shown = " ".join(self.text.split())
        shown = shown if len(shown) <= SHOWN else f"{shown[: SHOWN - 3]}..."
        raise InputError(
            f"syntax error in {shown!r}, position {self.at + 1}: {what}; expected {expected}"
        )

    def advance(self) -> None:
        found = _TOKEN.match(self.text, self.end)
        if found is not None and found.lastgroup is not None:
            self.kind, self.token = found.lastgroup, found[found.lastgroup]
            self.at, self.end = found.start(found.lastgroup), found.end()
            return
        self.at = len(self.text) - len(self.text[self.end :].lstrip())
        if self.at < len(self.text):
            sign = self.text[self.at]
            hint = "==" if sign == "=" else "a number, a name or an operator"
            self.refuse(f"{sign!r} is not known here", hint)
        self.kind, self.token = "end", "end"

    def take(self, token: str) -> None:
        if self.kind == "end" or self.token != token:
            self.refuse(f"{self.token!r}", repr(token))
        self.advance()

    def operator(self) -> str:
        """The operator that comes next."""
        return _WORDS.get(self.token, self.token) if self.kind in ("operator", "name") else ""

    def expression(self, rank: int) -> Node:
        """A value of operators of this rank and those that bind more."""
        if rank == len(_RANKS):
            return self.value()
        one = self.expression(rank + 1)
        while (operator := self.operator()) in _RANKS[rank]:
            self.advance()
            right = rank if operator == _RIGHT_TO_LEFT else rank + 1
            one = _applied(_RANKS[rank][operator], one, self.expression(right))
        return one

    def value(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.refuse("too deep", f"at most {MAX_DEPTH} levels")
        node = self._value()
        self.depth -= 1
        return node

    def _value(self) -> Node:
        kind, token = self.kind, self.token
        if kind == "number":
            self.advance()
            return _constant(_number(token))
        if kind == "operator" and token in ("+", "-", "!"):
            self.advance()
            return _prefixed(token, self.value())
        if kind == "operator" and token in _CLOSING:
            self.advance()
            inner = self.expression(0)
            self.take(_CLOSING[token])
            return inner
        if kind == "name" and token not in _WORDS:
            return self.called()
        return self.refuse(f"{token!r}", "a number, a name or a bracket")

    def called(self) -> Node:
        """A name, or a function with its arguments."""
        name, at = self.token, self.at
        self.advance()
        if self.kind != "operator" or self.token not in _CLOSING:
            self.names[name] = None
            return lambda values: values[name]
        closing = _CLOSING[self.token]
        self.advance()
        arguments: list[Node] = []
        while self.token != closing:
            if arguments:
                self.take(self.token if self.token in _BETWEEN else ",")
            arguments.append(self.expression(0))
        self.at = at
        if name not in FUNCTIONS:
            self.refuse(f"function {name!r} is not known", f"one of {', '.join(FUNCTIONS)}")
        least, most, function = FUNCTIONS[name]
        if not least <= len(arguments) <= most:
            count = f"{least}" if least == most else f"{least} or more"
            self.refuse(f"{name} with {len(arguments)} arguments", count)
        self.take(closing)
        return lambda values: function(*(one(values) for one in arguments))


def _number(token: str) -> float:
    if token[-1] in _SUFFIX:
        return float(f"{token[:-1]}e{_SUFFIX[token[-1]]}")
    return float(token)


def _constant(value: float) -> Node:
    number = np.array(value)
    return lambda _: number


def _prefixed(sign: str, node: Node) -> Node:
    if sign == "!":
        return lambda values: _truth(_equal(node(values), 0))
    return node if sign == "+" else lambda values: -node(values)


def _applied(function: Callable[[Values, Values], Values], one: Node, other: Node) -> Node:
    return lambda values: function(one(values), other(values))
