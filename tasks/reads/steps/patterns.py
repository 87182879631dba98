"""Regular expressions as configurations write them, with `$1` or `${name}` for what was found."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<braced>[^}]*)\}|(?P<bare>\w+))", re.ASCII)
_NAMED_GROUP = re.compile(r"\(\?<(?=[A-Za-z_])")
_TEXT_END = re.compile(r"(?<!\\)((?:\\\\)*)\\z")


def pattern_of(written: str) -> re.Pattern[bytes]:
    """The expression over bytes; `(?<name>...)` is understood, too.

    Raises:
        ValueError: It is no regular expression; one line.
    """
    known = _TEXT_END.sub(r"\1\\Z", _NAMED_GROUP.sub("(?P<", written))
    try:
        return re.compile(known.encode("utf-8"))
    except re.error as error:
        raise ValueError(f"{written!r} is not a regular expression: {error}") from error


@dataclass(frozen=True, slots=True)
class Replacement:
    """What stands for a match: text and groups, in order."""

    parts: Sequence[bytes | int | str]
    """Text as bytes; a group as its number or its name."""

    def expander(self, pattern: re.Pattern[bytes]) -> Callable[[re.Match[bytes]], bytes]:
        """What gives the text for a match; groups that the pattern does not have are empty.

        A function, as `sub` before Python 3.12 reads a template anew for each text.
        """
        parts = [part for part in self.parts if _is_known(part, pattern)]
        if all(isinstance(part, bytes) for part in parts):
            text = b"".join(part for part in parts if isinstance(part, bytes))
            return lambda _: text
        return lambda match: b"".join(
            [part if isinstance(part, bytes) else match[part] or b"" for part in parts]
        )


def _is_known(part: bytes | int | str, pattern: re.Pattern[bytes]) -> bool:
    if isinstance(part, int):
        return part <= pattern.groups
    return isinstance(part, bytes) or part in pattern.groupindex


def replacement_of(written: str) -> Replacement:
    """What `$0`, `$1`, `$name`, `${name}` and `$$` in a replacement mean."""
    parts: list[bytes | int | str] = []
    end = 0
    for found in _REFERENCE.finditer(written):
        parts.append(written[end : found.start()].encode())
        name = found["braced"] if found["braced"] is not None else found["bare"]
        if found["dollar"]:
            parts.append(b"$")
        else:
            parts.append(int(name) if name.isdecimal() else name)
        end = found.end()
    parts.append(written[end:].encode())
    return Replacement([part for part in parts if part != b""])
