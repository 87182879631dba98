"""XML as lines of text: elements inside of each other, attributes escaped, no tree in between.

A batch has some dozen elements for each protein; a tree of them takes five times as long.
"""

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape

DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n'
SPECIAL = re.compile(r"[<>&\"\n\r\t]")
IN_ATTRIBUTES = {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
Attributes = Mapping[str, str]


def attribute(text: str) -> str:
    """A text as it may stand between the quotes of an attribute."""
    return escape(text, IN_ATTRIBUTES) if SPECIAL.search(text) else text


def element(name: str, attributes: Attributes) -> str:
    """Name and attributes, without what encloses them.

    >>> element("hit", {"target": "d1", "note": "E < 1"})
    'hit target="d1" note="E &lt; 1"'
    """
    if SPECIAL.search("".join(attributes.values())):
        attributes = {key: attribute(value) for key, value in attributes.items()}
    return name + "".join([f' {key}="{value}"' for key, value in attributes.items()])


class XmlLines:
    """A document, or a part of one, that grows from its first line to its last."""

    def __init__(self, depth: int = 0) -> None:
        self._lines: list[str] = []
        self._open: list[str] = []
        self._depth = depth

    def __str__(self) -> str:
        return "".join(self._lines)

    def open(self, name: str, attributes: Attributes) -> None:
        """Begin an element that takes in others."""
        self._add(f"<{element(name, attributes)}>")
        self._open.append(name)

    def close(self) -> None:
        """End the innermost element."""
        name = self._open.pop()
        self._add(f"</{name}>")

    def empty(self, name: str, attributes: Attributes) -> None:
        """An element without content."""
        self._add(f"<{element(name, attributes)} />")

    def text(self, name: str, text: str) -> None:
        """An element that holds text."""
        self._add(f"<{name}>{escape(text)}</{name}>")

    def insert(self, lines: str) -> None:
        """Lines that were made before."""
        self._lines.append(lines)

    def document(self) -> bytes:
        """All of it, with whatever is open closed."""
        while self._open:
            self.close()
        return (DECLARATION + str(self)).encode()

    def _add(self, text: str) -> None:
        self._lines.append(f"{'  ' * (self._depth + len(self._open))}{text}\n")
