"""Grammar of the language of `tasks.expression`: what is written is checked before it is used.

The text is cut into words, so that only known ones reach Python's parser, and each node of the
parsed tree has to be one of the language.
"""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from blocks.errors import InputError
from tasks.dag import closest
from tasks.expression_functions import ARITHMETIC, FUNCTIONS

MAX_LENGTH = 2_000
MAX_DEPTH = 50
MAX_EXPONENT = 100
SHOWN = 60
"""Characters of an expression in a message."""
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
MEMBERSHIP = (ast.In, ast.NotIn)
_IDENTITY = (ast.Is, ast.IsNot)


@dataclass(frozen=True, slots=True)
class Source:
    """What was written, and the same with a stand-in of equal length for each quoted name."""

    text: str
    code: str
    quoted: dict[str, str]

    @property
    def excerpt(self) -> str:
        """What was written, in one line."""
        shown = re.sub(r"\s", " ", self.text)
        return repr(shown if len(shown) <= SHOWN else shown[: SHOWN - 3] + "...")

    def column(self, node: ast.Name) -> str:
        """The name as written; Python's parser normalises some letters."""
        written = self.code.encode()[node.col_offset : node.end_col_offset].decode()
        return self.quoted.get(written, written)

    def refuse(self, position: int, what: str, expected: str) -> NoReturn:
        """Raise InputError with a place, counted from 0."""
        raise InputError(
            f"expression {self.excerpt}, position {position + 1}: {what}; expected {expected}"
        )

    def refuse_at(self, node: ast.expr, what: str, expected: str) -> NoReturn:
        """Raise InputError with the place of a node."""
        start = len(self.code.encode()[: node.col_offset].decode())
        self.refuse(start, what, expected)


def parse(text: str) -> tuple[Source, ast.expr, tuple[str, ...]]:
    """What was written, its tree, and the columns that it reads in the order of their appearance.

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
    return source, tree, tuple(check.columns)


def _scan(text: str) -> Source:
    """`text` cut into words, so that only known ones reach Python's parser."""
    text = text.strip()  # a leading blank would be an indentation to the parser
    bare = Source(text, text, {})
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
    return Source(text, code, written)


class _Check:
    """Walks a parsed expression and refuses what is not of the language."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.columns: dict[str, None] = {}

    def node(self, node: ast.expr, depth: int) -> None:
        if depth > MAX_DEPTH:
            self.source.refuse_at(node, "too deep", f"at most {MAX_DEPTH} levels")
        match node:
            case ast.Constant(value=int() | float() | str() | None):
                pass
            case ast.Name():
                self.name(node)
            case ast.BoolOp(values=values):
                self.nodes(values, depth)
            case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
                self.node(operand, depth + 1)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
                if isinstance(op, ast.Pow):
                    self.exponent(right)
                self.nodes([left, right], depth)
            case ast.Compare():
                self.comparison(node, depth)
            case ast.Call():
                self.call(node, depth)
            case _:
                kind = type(node).__name__
                self.source.refuse_at(
                    node, f"{kind} is not of this language", "columns, operators, functions"
                )

    def nodes(self, nodes: Sequence[ast.expr], depth: int) -> None:
        for node in nodes:
            self.node(node, depth + 1)

    def name(self, node: ast.Name) -> None:
        name = self.source.column(node)
        if name.startswith("__"):
            self.source.refuse_at(
                node, f"name {name!r}", "a column; one so named stands in back quotes"
            )
        self.columns[name] = None

    def exponent(self, node: ast.expr) -> None:
        value = number_of(node)
        if value is None or abs(value) > MAX_EXPONENT:
            what = "an exponent that is not a small number"
            self.source.refuse_at(node, what, f"a number from -{MAX_EXPONENT} to {MAX_EXPONENT}")

    def comparison(self, node: ast.Compare, depth: int) -> None:
        self.node(node.left, depth + 1)
        for op, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, MEMBERSHIP):
                self.members(right)
            elif isinstance(op, _IDENTITY) and not is_none(right):
                self.source.refuse_at(
                    right, "'is' with a value", "'is None', 'is not None' or '=='"
                )
            else:
                self.node(right, depth + 1)
        ordered = [type(op) in {ast.Lt, ast.LtE, ast.Gt, ast.GtE} for op in node.ops]
        sides = [node.left, *node.comparators]
        for position, is_order in enumerate(ordered):
            for side in sides[position : position + 2]:
                if is_order and is_none(side):
                    self.source.refuse_at(side, "an order with None", "a value, or '== None'")

    def members(self, node: ast.expr) -> None:
        if not isinstance(node, ast.List | ast.Tuple) or not node.elts:
            hint = "a list such as ['A', 'B']; contains(text, 'A') looks into text"
            self.source.refuse_at(node, "'in' without a list", hint)
        for element in node.elts:
            if literal_of(element) is None:
                self.source.refuse_at(element, "an element that is not literal", "numbers or text")
        if len({isinstance(literal_of(element), str) for element in node.elts}) > 1:
            self.source.refuse_at(node, "numbers and text in one list", "one kind")

    def call(self, node: ast.Call, depth: int) -> None:
        if not isinstance(node.func, ast.Name):
            self.source.refuse_at(node, "a call of something without a name", "a function")
        name = self.source.column(node.func)
        if name not in FUNCTIONS:
            self.source.refuse_at(node, f"function {name!r} is not known", closest(name, FUNCTIONS))
        takes = FUNCTIONS[name].takes
        least = sum(letter.islower() for letter in takes)
        most = MAX_LENGTH if takes.endswith("+") else len(takes)
        if node.keywords or not least <= len(node.args) <= most:
            given = len(node.args) + len(node.keywords)
            count = f"{least}" if least == most else f"{least} or more"
            self.source.refuse_at(node, f"{name} with {given} arguments", f"{count}, without names")
        for place, argument in enumerate(node.args):
            self.argument(name, takes[min(place, len(takes) - 1)].lower(), argument, depth)

    def argument(self, name: str, letter: str, node: ast.expr, depth: int) -> None:
        value = literal_of(node)
        if letter == "s" and not isinstance(value, str):
            self.source.refuse_at(node, f"{name} of something else", "text between quotes")
        if letter == "q" and not (isinstance(value, float) and 0 <= value <= 1):
            self.source.refuse_at(node, f"share of {name}", "a number from 0 to 1")
        if letter == "d" and value not in range(16):
            self.source.refuse_at(node, f"digits of {name}", "a whole number from 0 to 15")
        self.node(node, depth + 1)


def number_of(node: ast.expr) -> float | None:
    """The number that a node is literally."""
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -float(value)
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case _:
            return None


def literal_of(node: ast.expr) -> float | str | None:
    """The number or text that a node is literally."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return number_of(node)


def is_none(node: ast.expr) -> bool:
    """Whether a node is `None`."""
    return isinstance(node, ast.Constant) and node.value is None


def may_be_truth(node: ast.expr) -> bool:
    """Whether a node can give truth values; only the table tells what a column holds."""
    match node:
        case ast.Compare() | ast.BoolOp() | ast.Name() | ast.UnaryOp(op=ast.Not()):
            return True
        case ast.Call(func=ast.Name(id=name)):
            return FUNCTIONS[name].gives == "truth"
        case ast.Constant(value=bool()):
            return True
        case _:
            return False
