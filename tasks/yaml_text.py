"""YAML and JSON that people wrote: values out, or one line that says what is wrong."""

import re
from collections.abc import Hashable
from typing import Any

import yaml

from blocks.errors import InputError

EXPECTED = "YAML or JSON"
MOST_BYTES = 10_000_000
"""Of a declaration."""
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


def decoded_yaml(content: bytes, name: str, what: str) -> Any:  # noqa: ANN401 -- as `read_yaml`
    """What stands in a file.

    Args:
        content: Of the file, or more than `MOST_BYTES` of it.
        name: What messages call it.
        what: That is expected in it.

    Raises:
        InputError: It is too large, or no YAML; see `read_yaml`.
    """
    if len(content) > MOST_BYTES:
        raise InputError(f"{name}: more than {MOST_BYTES:,} bytes; expected {what} only")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        raise InputError(f"{name}, line {line}: is not UTF-8; expected {EXPECTED}") from None
    return read_yaml(text, name)


def read_yaml(text: str, name: str) -> Any:  # noqa: ANN401 -- whatever stands there
    """What stands in a text.

    Args:
        name: What messages call it.

    Raises:
        InputError: It is no YAML, names something twice, or has aliases.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 -- a SafeLoader
    except yaml.YAMLError as error:
        raise InputError(f"{name}{_fault(error)}") from None
    except RecursionError:
        raise InputError(f"{name}: nested too deeply; expected names and values") from None


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
