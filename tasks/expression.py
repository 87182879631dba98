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
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Literal, NoReturn, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blocks.errors import InputError
from tasks.dag import closest

MAX_LENGTH = 2_000
MAX_DEPTH = 50
MAX_EXPONENT = 100
SHOWN = 60
"""Characters of an expression in a message."""

Kind = Literal["number", "text", "truth", "missing"]
Array: TypeAlias = NDArray[Any]
"""A value of the language: float64 (a truth value with gaps too), bool, or object of str and None;
of shape (n,), or () where it is the same for all rows."""

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.]))
      | (?P<string>'[^'\\\n]*'|"[^"\\\n]*")
      | (?P<quoted>`[^`\n]+`)
      | (?P<name>[^\W\d]\w*)
      | (?P<operator><=|>=|==|!=|//|\*\*|[-+*/%<>(),\[\]])""",
    re.VERBOSE,
)
_INSTEAD = {
    "&": "'and'",
    "|": "'or'",
    "~": "'not'",
    "!": "'not' or '!='",
    "=": "'=='",
    "^": "'**'",
    ".": "no attributes; a column with a dot stands in back quotes",
    "`": "a column's name between two back quotes",
    "'": "text between two quotes, without backslashes",
    '"': "text between two quotes, without backslashes",
}
_FIRST_STAND_IN = 0x4E00


@dataclass(frozen=True, slots=True)
class _Value:
    kind: Kind
    data: Array


def _over_table(figure: Callable[[pd.Series], Any]) -> Callable[..., Array]:
    return lambda numbers: np.asarray(figure(pd.Series(np.atleast_1d(numbers))), np.float64)


def _rank(numbers: Array) -> Array:
    return pd.Series(np.atleast_1d(numbers)).rank().to_numpy()


def _zscore(numbers: Array) -> Array:
    column = pd.Series(np.atleast_1d(numbers))
    return ((column - column.mean()) / column.std()).to_numpy()


def _quantile(numbers: Array, share: float) -> Array:
    return np.asarray(pd.Series(np.atleast_1d(numbers)).quantile(share), np.float64)


def _extreme(pairwise: np.ufunc, figure: Callable[[pd.Series], Any]) -> Callable[..., Array]:
    over_table = _over_table(figure)

    def extreme(first: Array, *others: Array) -> Array:
        return reduce(pairwise, others, first) if others else over_table(first)

    return extreme


def _per_text(function: Callable[..., Any], missing: object, dtype: type) -> Callable[..., Array]:
    def apply(texts: Array, *more: str) -> Array:
        flat = [missing if text is None else function(text, *more) for text in texts.ravel()]
        return np.array(flat, dtype).reshape(texts.shape)

    return apply


def _is_missing(data: Array) -> Array:
    return np.asarray(pd.isna(data))


def _is_there(data: Array) -> Array:
    return np.asarray(pd.notna(data))


@dataclass(frozen=True, slots=True)
class _Function:
    takes: str
    """A letter per argument: n number, t text, a anything, d literal number of digits,
    q literal share, s literal text; in lower case needed, in upper case optional, + repeats."""
    gives: Kind
    apply: Callable[..., Array]


FUNCTIONS: dict[str, _Function] = {
    "abs": _Function("n", "number", np.abs),
    "log": _Function("n", "number", np.log),
    "log10": _Function("n", "number", np.log10),
    "exp": _Function("n", "number", np.exp),
    "sqrt": _Function("n", "number", np.sqrt),
    "round": _Function("nD", "number", np.round),
    "min": _Function("n+", "number", _extreme(np.minimum, pd.Series.min)),
    "max": _Function("n+", "number", _extreme(np.maximum, pd.Series.max)),
    "len": _Function("t", "number", _per_text(len, np.nan, np.float64)),
    "isna": _Function("a", "truth", _is_missing),
    "notna": _Function("a", "truth", _is_there),
    "upper": _Function("t", "text", _per_text(str.upper, None, object)),
    "contains": _Function("ts", "truth", _per_text(operator.contains, False, np.bool_)),
    "startswith": _Function("ts", "truth", _per_text(str.startswith, False, np.bool_)),
    "endswith": _Function("ts", "truth", _per_text(str.endswith, False, np.bool_)),
    "mean": _Function("n", "number", _over_table(pd.Series.mean)),
    "median": _Function("n", "number", _over_table(pd.Series.median)),
    "std": _Function("n", "number", _over_table(pd.Series.std)),
    "quantile": _Function("nq", "number", _quantile),
    "rank": _Function("n", "number", _rank),
    "zscore": _Function("n", "number", _zscore),
}
"""Functions by name.  `min` and `max` of one argument are over the table, of several row by row;
`rank` gives 1 to the smallest and means to ties; `std` divides by n - 1."""

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
_COMPARISON: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_MEMBERSHIP = (ast.In, ast.NotIn)
_IDENTITY = (ast.Is, ast.IsNot)


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression; made by `compile_expression`."""

    text: str
    columns: tuple[str, ...]
    """Columns it reads, in the order in which they first appear."""
    is_condition: bool
    """Whether it can give truth values; only the table tells what a lone column holds."""
    _tree: ast.expr = field(repr=False, compare=False)
    _source: "_Source" = field(repr=False, compare=False)

    def evaluate(self, table: pd.DataFrame) -> "pd.Series[Any]":
        """The value for each row, with the table's index: bool, float64 or str.

        Raises:
            InputError: A column is not there, or holds what the expression cannot use.
        """
        require_columns(table, self.columns, f"expression {self._source.excerpt}")
        with np.errstate(all="ignore"):
            value = _Evaluation(table, self._source).value(self._tree)
        data = _as_truth(value) if value.kind == "truth" else value.data
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
    source = _scan(text)
    try:
        tree = ast.parse(source.code, mode="eval").body
    except SyntaxError as error:
        source.refuse((error.offset or 1) - 1, f"cannot be read ({error.msg})", "one expression")
    except (RecursionError, MemoryError, ValueError):
        source.refuse(0, "cannot be read", f"at most {MAX_DEPTH} levels")
    check = _Check(source)
    check.node(tree, 1)
    return Expression(text, tuple(check.columns), _may_be_truth(tree), tree, source)


def require_columns(table: pd.DataFrame, columns: Sequence[str], where: str) -> None:
    """Raise InputError unless the table has each of the columns exactly once."""
    known = table.columns.tolist()
    for column in columns:
        if column not in known:
            raise InputError(
                f"{where}: column {column!r} is not there; expected {closest(column, known)}"
            )
        if known.count(column) > 1:
            raise InputError(f"{where}: column {column!r} stands twice; expected each name once")


def numeric_column(table: pd.DataFrame, name: str, where: str) -> NDArray[np.float64]:
    """The column's numbers, truth values as 1 and 0; NaN where a value is missing.  Shape (n,).

    Raises:
        InputError: The column is not there, or holds something else.
    """
    require_columns(table, [name], where)
    value = _column(table[name])
    if value.kind == "text":
        raise InputError(f"{where}: column {name!r} holds text; expected numbers")
    return value.data.astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Source:
    """What was written, and the same with a stand-in of equal length for each quoted name."""

    text: str
    code: str
    quoted: dict[str, str]

    @property
    def excerpt(self) -> str:
        shown = re.sub(r"\s", " ", self.text)
        return repr(shown if len(shown) <= SHOWN else shown[: SHOWN - 3] + "...")

    def start(self, node: ast.expr) -> int:
        return len(self.code.encode()[: node.col_offset].decode())

    def column(self, node: ast.Name) -> str:
        """The name as written; Python's parser normalises some letters."""
        written = self.code.encode()[node.col_offset : node.end_col_offset].decode()
        return self.quoted.get(written, written)

    def refuse(self, position: int, what: str, expected: str) -> NoReturn:
        raise InputError(
            f"expression {self.excerpt}, position {position + 1}: {what}; expected {expected}"
        )


def _scan(text: str) -> _Source:
    """`text` cut into words, so that only known ones reach Python's parser."""
    text = text.strip()  # a leading blank would be an indentation to the parser
    bare = _Source(text, text, {})
    if len(text) > MAX_LENGTH:
        bare.refuse(MAX_LENGTH, f"{len(text)} characters", f"at most {MAX_LENGTH}")
    stand_ins: dict[str, str] = {}
    code, position, open_brackets, before = "", 0, 0, ""
    letters = (chr(n) for n in range(_FIRST_STAND_IN, 0x9000) if chr(n) not in text)
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            sign = text[position]
            hint = "a number" if sign.isdigit() else "a name, a number, text or an operator"
            bare.refuse(position, f"{sign!r} is not known here", _INSTEAD.get(sign, hint))
        word = token[0]
        open_brackets += (word in ("(", "[")) - (word in (")", "]"))
        if open_brackets > MAX_DEPTH:
            bare.refuse(position, "too many brackets", f"at most {MAX_DEPTH} levels")
        if token.lastgroup == "string" and before == "name":
            bare.refuse(position, "text right after a name", "text without a prefix")
        if token.lastgroup == "quoted":
            name = word[1:-1]
            if name not in stand_ins:
                stand_ins[name] = next(letters)
            word = stand_ins[name] + "_" * (len(word) - 1)
        code += " " * len(word) if token.lastgroup == "space" else word
        position, before = token.end(), token.lastgroup or ""
    if not code:
        bare.refuse(0, "nothing there", "an expression such as 'plddt >= 80'")
    written = {f"{sign}{'_' * (len(name) + 1)}": name for name, sign in stand_ins.items()}
    return _Source(text, code, written)


class _Check:
    """Walks a parsed expression and refuses what is not of the language."""

    def __init__(self, source: _Source) -> None:
        self.source = source
        self.columns: dict[str, None] = {}

    def refuse(self, node: ast.expr, what: str, expected: str) -> NoReturn:
        self.source.refuse(self.source.start(node), what, expected)

    def node(self, node: ast.expr, depth: int) -> None:
        if depth > MAX_DEPTH:
            self.refuse(node, "too deep", f"at most {MAX_DEPTH} levels")
        match node:
            case ast.Constant(value=int() | float() | str() | None):
                pass
            case ast.Name():
                self.name(node)
            case ast.BoolOp(values=values):
                self.nodes(values, depth)
            case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
                self.node(operand, depth + 1)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                if isinstance(op, ast.Pow):
                    self.exponent(right)
                self.nodes([left, right], depth)
            case ast.Compare():
                self.comparison(node, depth)
            case ast.Call():
                self.call(node, depth)
            case _:
                kind = type(node).__name__
                self.refuse(
                    node, f"{kind} is not of this language", "columns, operators, functions"
                )

    def nodes(self, nodes: Sequence[ast.expr], depth: int) -> None:
        for node in nodes:
            self.node(node, depth + 1)

    def name(self, node: ast.Name) -> None:
        name = self.source.column(node)
        if name.startswith("__"):
            self.refuse(node, f"name {name!r}", "a column; one so named stands in back quotes")
        self.columns[name] = None

    def exponent(self, node: ast.expr) -> None:
        value = _number(node)
        if value is None or abs(value) > MAX_EXPONENT:
            what = "an exponent that is not a small number"
            self.refuse(node, what, f"a number from -{MAX_EXPONENT} to {MAX_EXPONENT}")

    def comparison(self, node: ast.Compare, depth: int) -> None:
        self.node(node.left, depth + 1)
        for op, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, _MEMBERSHIP):
                self.members(right)
            elif isinstance(op, _IDENTITY) and not _is_none(right):
                self.refuse(right, "'is' with a value", "'is None', 'is not None' or '=='")
            else:
                self.node(right, depth + 1)
        ordered = [type(op) in {ast.Lt, ast.LtE, ast.Gt, ast.GtE} for op in node.ops]
        sides = [node.left, *node.comparators]
        for position, is_order in enumerate(ordered):
            for side in sides[position : position + 2]:
                if is_order and _is_none(side):
                    self.refuse(side, "an order with None", "a value, or '== None'")

    def members(self, node: ast.expr) -> None:
        if not isinstance(node, ast.List | ast.Tuple) or not node.elts:
            hint = "a list such as ['A', 'B']; contains(text, 'A') looks into text"
            self.refuse(node, "'in' without a list", hint)
        for element in node.elts:
            if _literal(element) is None:
                self.refuse(element, "an element that is not literal", "numbers or text")
        if len({isinstance(_literal(element), str) for element in node.elts}) > 1:
            self.refuse(node, "numbers and text in one list", "one kind")

    def call(self, node: ast.Call, depth: int) -> None:
        if not isinstance(node.func, ast.Name):
            self.refuse(node, "a call of something without a name", "a function")
        name = self.source.column(node.func)
        if name not in FUNCTIONS:
            self.refuse(node, f"function {name!r} is not known", closest(name, FUNCTIONS))
        takes = FUNCTIONS[name].takes
        least = sum(letter.islower() for letter in takes)
        most = MAX_LENGTH if takes.endswith("+") else len(takes)
        if node.keywords or not least <= len(node.args) <= most:
            given = len(node.args) + len(node.keywords)
            count = f"{least}" if least == most else f"{least} or more"
            self.refuse(node, f"{name} with {given} arguments", f"{count}, without names")
        for place, argument in enumerate(node.args):
            self.argument(name, takes[min(place, len(takes) - 1)].lower(), argument, depth)

    def argument(self, name: str, letter: str, node: ast.expr, depth: int) -> None:
        value = _literal(node)
        if letter == "s" and not isinstance(value, str):
            self.refuse(node, f"{name} of something else", "text between quotes")
        if letter == "q" and not (isinstance(value, float) and 0 <= value <= 1):
            self.refuse(node, f"share of {name}", "a number from 0 to 1")
        if letter == "d" and value not in range(16):
            self.refuse(node, f"digits of {name}", "a whole number from 0 to 15")
        self.node(node, depth + 1)


def _number(node: ast.expr) -> float | None:
    """The number that a node is literally."""
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -float(value)
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case _:
            return None


def _literal(node: ast.expr) -> float | str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return _number(node)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _may_be_truth(node: ast.expr) -> bool:
    match node:
        case ast.Compare() | ast.BoolOp() | ast.Name() | ast.UnaryOp(op=ast.Not()):
            return True
        case ast.Call(func=ast.Name(id=name)):
            return FUNCTIONS[name].gives == "truth"
        case ast.Constant(value=bool()):
            return True
        case _:
            return False


class _Evaluation:
    """Walks a checked expression over one table."""

    def __init__(self, table: pd.DataFrame, source: _Source) -> None:
        self.table = table
        self.source = source

    def value(self, node: ast.expr) -> _Value:
        match node:
            case ast.Constant(value=value):
                return _constant(value)
            case ast.Name():
                return _column(self.table[self.source.column(node)])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return _Value("truth", ~self.truth(operand))
            case ast.UnaryOp(operand=operand):
                return _Value("number", -self.number(operand))
            case ast.BoolOp(op=op, values=values):
                both = np.logical_and if isinstance(op, ast.And) else np.logical_or
                return _Value("truth", reduce(both, [self.truth(one) for one in values]))
            case ast.BinOp(left=left, op=op, right=right):
                result = _ARITHMETIC[type(op)](self.number(left), self.number(right))
                return _Value("number", np.asarray(result))
            case ast.Compare():
                return _Value("truth", self.comparison(node))
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self.call(FUNCTIONS[name], arguments)
            case _:
                raise AssertionError(type(node).__name__)  # the check lets nothing else pass

    def number(self, node: ast.expr) -> Array:
        value = self.value(node)
        if value.kind == "text":
            self.source.refuse(self.source.start(node), "this is text", "a number")
        return value.data.astype(np.float64)

    def text(self, node: ast.expr) -> Array:
        value = self.value(node)
        if value.kind == "missing":
            return np.full(value.data.shape, None, object)
        if value.kind != "text":
            self.source.refuse(self.source.start(node), f"this is a {value.kind}", "text")
        return value.data

    def truth(self, node: ast.expr) -> Array:
        value = self.value(node)
        if value.kind not in {"truth", "missing"}:
            what = f"this is a {value.kind}" if value.kind == "number" else "this is text"
            self.source.refuse(self.source.start(node), what, "a condition")
        return _as_truth(value)

    def comparison(self, node: ast.Compare) -> Array:
        sides = [node.left, *node.comparators]
        pairs = zip(sides, node.ops, sides[1:], strict=False)
        return reduce(np.logical_and, [self.pair(*pair) for pair in pairs])

    def pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Array:
        if isinstance(op, _MEMBERSHIP):
            return self.member(left, right, inside=isinstance(op, ast.In))
        if _is_none(left) or _is_none(right):
            missing = pd.isna(self.value(right if _is_none(left) else left).data)
            return np.asarray(missing == isinstance(op, ast.Eq | ast.Is))
        a, b = self.value(left), self.value(right)
        if "missing" not in {a.kind, b.kind} and (a.kind == "text") != (b.kind == "text"):
            expected = "a number" if b.kind == "text" else "text"
            what = f"a {a.kind} is compared with a {b.kind}"
            self.source.refuse(self.source.start(right), what.replace("a text", "text"), expected)
        first, second = np.broadcast_arrays(a.data, b.data)
        there = np.asarray(pd.notna(first) & pd.notna(second))
        result = np.zeros(there.shape, np.bool_)
        result[there] = _COMPARISON[type(op)](first[there], second[there])
        return result

    def member(self, left: ast.expr, right: ast.expr, *, inside: bool) -> Array:
        assert isinstance(right, ast.List | ast.Tuple)  # noqa: S101 -- the check saw to it
        elements = [_literal(element) for element in right.elts]
        data = self.text(left) if isinstance(elements[0], str) else self.number(left)
        found = pd.Series(np.atleast_1d(data)).isin(elements).to_numpy().reshape(data.shape)
        return np.asarray(_is_there(data) & (found == inside))

    def call(self, function: _Function, nodes: Sequence[ast.expr]) -> _Value:
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
                    arguments.append(int(_number(node) or 0))
                case _:
                    arguments.append(_literal(node))
        return _Value(function.gives, np.asarray(function.apply(*arguments)))


def _constant(value: object) -> _Value:
    match value:
        case None:
            return _Value("missing", np.asarray(np.nan))
        case bool():
            return _Value("truth", np.asarray(value))
        case str():
            return _Value("text", np.asarray(value, object))
        case _:
            return _Value("number", np.asarray(value, np.float64))


def _as_truth(value: _Value) -> Array:
    """Truth values without gaps."""
    return value.data if value.data.dtype == np.bool_ else value.data == 1


def _column(column: "pd.Series[Any]") -> _Value:
    """A column's values by what they are, whichever of pandas' many types holds them."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    held = "string" if isinstance(column.dtype, pd.StringDtype) else ""
    match held or pd.api.types.infer_dtype(column, skipna=True):
        case "string":
            return _Value("text", column.astype(object).where(column.notna(), None).to_numpy())
        case "boolean" if not column.isna().any():
            return _Value("truth", column.to_numpy(dtype=np.bool_))
        case "boolean":
            gaps = [np.nan if pd.isna(value) else float(value) for value in column]
            return _Value("truth", np.array(gaps, np.float64))
        case "integer" | "floating" | "mixed-integer-float" | "decimal" | "integer-na":
            return _Value("number", pd.to_numeric(column).to_numpy(np.float64, na_value=np.nan))
        case "empty":
            return _Value("missing", np.full(len(column), np.nan))
        case kind:
            what = f"column {column.name!r} holds {kind} values"
            raise InputError(f"{what}; expected numbers, text or truth values")
