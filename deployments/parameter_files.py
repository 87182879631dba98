"""Parameter files, YAML or JSON: names and values out, or one line that says what is wrong."""

import re
import sys
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from blocks.errors import InputError

EXPECTED = "YAML or JSON"
ALIAS = "an alias (`*`); expected the value itself"
FAULTS = {
    r"found character '\\t'": "a tab; expected blanks",
    r"mapping values are not allowed": "a `:` too many; expected `name: value`, one on each line",
    r"could not find expected ':'": "a `:` is missing; expected `name: value`",
    r"found another document": "a second document (`---`); expected one",
    r"could not determine a constructor": "a tag (`!`); expected plain values",
    r"(but got|but found) '<stream end>'": "ends within brackets; expected `]` or `}`",
    r"found unexpected end of stream": "ends within quotes; expected a closing quote",
}
"""What the parser says: what it means, and what was expected."""
MAX_BYTES = 10_000_000
"""Larger files are no parameters; sequences have files of their own."""


def read_parameters(path: Path) -> dict[str, Any]:
    """What stands in a file, or on standard input for `-`; the content of `params` if that is all.

    Raises:
        InputError: It is not there, not text, not YAML, names something twice, or holds no names.
    """
    name = "standard input" if str(path) == "-" else str(path)
    try:
        content = yaml.load(_text(path, name), _Loader)  # noqa: S506 -- a SafeLoader
    except yaml.YAMLError as error:
        raise InputError(f"{name}{_fault(error)}") from None
    except RecursionError:
        raise InputError(f"{name}: nested too deeply; expected names and values") from None
    if isinstance(content, dict) and set(content) == {"params"}:
        content = content["params"]  # as in a deployment
    if not isinstance(content, dict) or not content:
        what = {dict: "nothing in it", type(None): "nothing in it", list: "a list"}
        shown = what.get(type(content), "a single value")
        raise InputError(f"{name}: {shown}; expected names and values, such as `seed: 1`")
    return content


def _text(path: Path, name: str) -> str:
    try:
        if str(path) == "-" and sys.stdin is None:
            raise InputError("standard input: is closed; expected YAML or JSON")
        content = sys.stdin.buffer.read(MAX_BYTES + 1) if str(path) == "-" else _bytes(path)
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{name}: no such file; expected {EXPECTED}") from None
    except IsADirectoryError:
        raise InputError(f"{name}: is a folder; expected a file, {EXPECTED}") from None
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        byte = f"byte {content[error.start]:#04x} is not UTF-8"
        raise InputError(f"{name}, line {line}: {byte}; expected {EXPECTED} in UTF-8") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{name}: cannot be read ({reason}); expected {EXPECTED}") from None
    if len(content) > MAX_BYTES:
        raise InputError(f"{name}: more than {MAX_BYTES:,} bytes; expected parameters only")
    return text


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


class _Loader(yaml.SafeLoader):
    """YAML without aliases and with each name once: YAML would silently take the last one."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse aliases, of which a few lines can make a document of any size."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem=ALIAS, problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a name that stands twice."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    problem = f"{key.value!r} stands twice; expected each name once"
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _fault(error: yaml.YAMLError) -> str:
    """Line and reason, without the document and without the parser's view of what it was doing."""
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    mark = getattr(error, "problem_mark", None)
    known = (text for pattern, text in FAULTS.items() if re.search(pattern, problem))
    what = next(known, problem if "; expected " in problem else f"{problem}; expected {EXPECTED}")
    return f": {what}" if mark is None else f", line {mark.line + 1}: {what}"
