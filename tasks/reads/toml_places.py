"""On which line each value of a configuration stands: TOML, and YAML with JSON in it.

The libraries that read these formats do not tell lines of values, and a message without a line
sends people searching. Both functions expect text that the library has already accepted.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping

import yaml

Key = tuple[str | int, ...]
"""Way to a value: names of tables as they are written, numbers of items from 0."""
Places = Mapping[Key, int]
"""Lines, from 1."""

_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANKS = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]*")
_TEXTS = (
    re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}', re.DOTALL),
    re.compile(r"'''(?:[^']|'(?!''))*'{3,5}", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)


def toml_places(text: str) -> dict[Key, int]:
    """Line of every table, key and item of a TOML text."""
    return _Toml(text).places


class _Toml:
    """Goes once through a text and notes where keys and values begin."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.places: dict[Key, int] = {}
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._tables: dict[Key, int] = {}
        """Last number of each array of tables."""
        self._document()

    def _document(self) -> None:
        table: Key = ()
        while self._skip(_GAP) and self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Key:
        begin = self.at
        several = self.text.startswith("[[", begin)
        self.at += 2 if several else 1
        names = self._names()
        self.at += 2 if several else 1
        table: Key = ()
        for place, name in enumerate(names, start=1):
            table = (*table, name)
            if several and place == len(names):
                self._tables[table] = self._tables.get(table, -1) + 1
            if table in self._tables:
                table = (*table, self._tables[table])
        self._note(table, begin)
        return table

    def _pair(self, table: Key) -> None:
        begin = self.at
        key = (*table, *self._names())
        self.at += 1
        self._skip(_BLANKS)
        self._note(key, begin)
        self._value(key)

    def _names(self) -> list[str]:
        """The parts of a key; ends at what follows it: `=` or `]`."""
        names = []
        while True:
            self._skip(_BLANKS)
            if self.text[self.at] in "\"'":
                begin = self.at
                self._text()
                names.append(_unquoted(self.text[begin : self.at]))
            else:
                begin = self.at
                self._skip(_BARE)
                names.append(self.text[begin : self.at])
            self._skip(_BLANKS)
            if self.text[self.at] != ".":
                return names
            self.at += 1

    def _value(self, key: Key) -> None:
        begin = self.text[self.at]
        if begin in "[{":
            self._members(key, closing="]" if begin == "[" else "}")
        elif begin in "\"'":
            self._text()
        else:
            self._skip(_SCALAR)

    def _members(self, key: Key, closing: str) -> None:
        self.at += 1
        number = 0
        while self._skip(_GAP) and self.text[self.at] != closing:
            if self.text[self.at] == ",":
                self.at += 1
            elif closing == "}":
                self._pair(key)
            else:
                self._note((*key, number), self.at)
                self._value((*key, number))
                number += 1
        self.at += 1

    def _text(self) -> None:
        match = next(found for one in _TEXTS if (found := one.match(self.text, self.at)))
        self.at = match.end()

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return True

    def _note(self, key: Key, begin: int) -> None:
        """Keep the first place of a key, and those of the tables that it lies in."""
        line = bisect_left(self._ends, begin) + 1
        for depth in range(1, len(key) + 1):
            self.places.setdefault(key[:depth], line)


def _unquoted(text: str) -> str:
    """A quoted key; escapes beyond the usual ones do not occur in names."""
    if text.startswith("'"):
        return text[1:-1]
    return text[1:-1].replace(r"\t", "\t").replace(r"\"", '"').replace("\\\\", "\\")


def yaml_places(text: str) -> dict[Key, int]:
    """Line of every key and item of a YAML or JSON text."""
    places: dict[Key, int] = {}
    root = yaml.compose(text, yaml.SafeLoader)
    if root is not None:
        _yaml(root, (), places)
    return places


def _yaml(node: yaml.Node, key: Key, places: dict[Key, int]) -> None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            inner = (*key, str(name.value))
            places[inner] = name.start_mark.line + 1
            _yaml(value, inner, places)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            places[*key, number] = value.start_mark.line + 1
            _yaml(value, (*key, number), places)
