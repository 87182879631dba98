"""A small language over the columns of a table: conditions and figures, parsed and never executed.

    plddt >= 80 and not contains(sequence, "NG")      -5 < charge < 5
    zscore(bits) > 1 or `my column` in ["a", "b"]     bits >= quantile(bits, 0.9)

Names are columns; back quotes go around those with other characters.  There are numbers, text,
True, False, None, comparisons, `and`, `or`, `not`, `+ - * / // % **`, lists after `in`, and the
functions of `FUNCTIONS`; nothing else.

A missing value makes a comparison False, `!=` and `not in` too; a missing truth value counts as
False.  `x == None` is `isna(x)`.  Arithmetic with a missing value is missing; figures of a
complete column (mean, rank, ...) leave missing values out.  Numbers are 64-bit floats: 1 / 0 is
infinite.  Empty text is text, not missing.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd

from tasks.column_values import Array, Value, as_truth, column_value, require_columns
from tasks.expression_functions import ARITHMETIC, COMPARISON, FUNCTIONS, Function
from tasks.expression_grammar import (
    MEMBERSHIP,
    Source,
    is_none,
    literal_of,
    may_be_truth,
    number_of,
    parse,
)


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression; made by `compile_expression`."""

    text: str
    columns: tuple[str, ...]
    """Columns it reads, in the order in which they first appear."""
    is_condition: bool
    """Whether it can give truth values; only the table tells what a lone column holds."""
    _tree: ast.expr = field(repr=False, compare=False)
    _source: Source = field(repr=False, compare=False)

    @property
    def calls(self) -> tuple[tuple[str, int], ...]:
        """The functions that it calls, and with how many arguments."""
        calls = [node for node in ast.walk(self._tree) if isinstance(node, ast.Call)]
        return tuple((ast.unparse(node.func), len(node.args)) for node in calls)

    def evaluate(self, table: pd.DataFrame) -> "pd.Series[Any]":
        """The value for each row, with the table's index: bool, float64 or str.

        Raises:
            InputError: A column is not there, or holds what the expression cannot use.
        """
        require_columns(table, self.columns, f"expression {self._source.excerpt}")
        with np.errstate(all="ignore"):
            value = _Evaluation(table, self._source).value(self._tree)
        data = as_truth(value) if value.kind == "truth" else value.data
        whole = np.broadcast_to(data, (len(table),))
        dtype = {"truth": "bool", "text": "str"}.get(value.kind, "float64")
        return pd.Series(whole, index=table.index, dtype=dtype)


def compile_expression(text: str) -> Expression:
    """The expression that `text` is.

    >>> compile_expression("bits > 120 and `net charge` < 5").columns
    ('bits', 'net charge')

    Raises:
        InputError: It is not of this language; the message has the position and what to write.
    """
    source, tree, columns = parse(text)
    return Expression(text, columns, may_be_truth(tree), tree, source)


class _Evaluation:
    """Walks a checked expression over one table."""

    def __init__(self, table: pd.DataFrame, source: Source) -> None:
        self.table = table
        self.source = source

    def value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=value):
                return _constant(value)
            case ast.Name():
                return column_value(self.table[self.source.column(node)])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Value("truth", ~self.truth(operand))
            case ast.UnaryOp(operand=operand):
                return Value("number", -self.number(operand))
            case ast.BoolOp(op=op, values=values):
                both = np.logical_and if isinstance(op, ast.And) else np.logical_or
                return Value("truth", reduce(both, [self.truth(one) for one in values]))
            case ast.BinOp(left=left, op=op, right=right):
                result = ARITHMETIC[type(op)](self.number(left), self.number(right))
                return Value("number", np.asarray(result))
            case ast.Compare():
                return Value("truth", self.comparison(node))
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self.call(FUNCTIONS[name], arguments)
            case _:
                raise AssertionError(type(node).__name__)  # the check lets nothing else pass

    def number(self, node: ast.expr) -> Array:
        value = self.value(node)
        if value.kind == "text":
            self.source.refuse_at(node, "this is text", "a number")
        return value.data.astype(np.float64)

    def text(self, node: ast.expr) -> Array:
        value = self.value(node)
        if value.kind == "missing":
            return np.full(value.data.shape, None, object)
        if value.kind != "text":
            self.source.refuse_at(node, f"this is a {value.kind}", "text")
        return value.data

    def truth(self, node: ast.expr) -> Array:
        value = self.value(node)
        if value.kind not in {"truth", "missing"}:
            what = f"this is a {value.kind}" if value.kind == "number" else "this is text"
            self.source.refuse_at(node, what, "a condition")
        return as_truth(value)

    def comparison(self, node: ast.Compare) -> Array:
        sides = [node.left, *node.comparators]
        pairs = zip(sides, node.ops, sides[1:], strict=False)
        return reduce(np.logical_and, [self.pair(*pair) for pair in pairs])

    def pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Array:
        if isinstance(op, MEMBERSHIP):
            return self.member(left, right, inside=isinstance(op, ast.In))
        if is_none(left) or is_none(right):
            missing = pd.isna(self.value(right if is_none(left) else left).data)
            return np.asarray(missing == isinstance(op, ast.Eq | ast.Is))
        a, b = self.value(left), self.value(right)
        if "missing" not in {a.kind, b.kind} and (a.kind == "text") != (b.kind == "text"):
            expected = "a number" if b.kind == "text" else "text"
            what = f"a {a.kind} is compared with a {b.kind}"
            self.source.refuse_at(right, what.replace("a text", "text"), expected)
        first, second = np.broadcast_arrays(a.data, b.data)
        there = np.asarray(pd.notna(first) & pd.notna(second))
        result = np.zeros(there.shape, np.bool_)
        result[there] = COMPARISON[type(op)](first[there], second[there])
        return result

    def member(self, left: ast.expr, right: ast.expr, *, inside: bool) -> Array:
        assert isinstance(right, ast.List | ast.Tuple)  # noqa: S101 -- the check saw to it
        elements = [literal_of(element) for element in right.elts]
        data = self.text(left) if isinstance(elements[0], str) else self.number(left)
        found = pd.Series(np.atleast_1d(data)).isin(elements).to_numpy().reshape(data.shape)
        return np.asarray(pd.notna(data) & (found == inside))

    def call(self, function: Function, nodes: Sequence[ast.expr]) -> Value:
        arguments: list[Any] = []
        for place, node in enumerate(nodes):
            match function.takes[min(place, len(function.takes) - 1)]:
                case "n" | "+":
                    arguments.append(self.number(node))
                case "t":
                    arguments.append(self.text(node))
                case "a":
                    arguments.append(self.value(node).data)
                case "D":
                    arguments.append(int(number_of(node) or 0))
                case _:
                    arguments.append(literal_of(node))
        return Value(function.gives, np.asarray(function.apply(*arguments)))


def _constant(value: object) -> Value:
    match value:
        case None:
            return Value("missing", np.asarray(np.nan))
        case bool():
            return Value("truth", np.asarray(value))
        case str():
            return Value("text", np.asarray(value, object))
        case _:
            return Value("number", np.asarray(value, np.float64))
