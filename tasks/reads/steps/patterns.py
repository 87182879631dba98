"""Regular expressions as configurations write them, with `$1` or `${name}` for what was found."""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from tasks.reads.block import Block, Texts
from tasks.reads.step import ReadError
from tasks.reads.steps.targets import read_called, wrong_read
from tasks.reads.texts import each

if TYPE_CHECKING:
    import regex

Pattern: TypeAlias = "regex.Pattern[bytes]"
Match: TypeAlias = "regex.Match[bytes]"
Found = TypeVar("Found")
LIMIT_S = 10.0
"""For one text; an expression that goes back and forth may take for ever [s]."""
_REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<braced>[^}]*)\}|(?P<bare>\w+))", re.ASCII)


def pattern_of(written: str) -> Pattern:
    """The expression over bytes.

    Raises:
        ValueError: It is no regular expression; one line.
    """
    import regex  # takes 50 ms, and few runs need it

    try:
        return regex.compile(written.encode("utf-8"))
    except regex.error as error:
        raise ValueError(f"{written!r} is not a regular expression: {error}") from error


def readable(written: str) -> str:
    """The expression as it is, checked for a parameter of a step."""
    pattern_of(written)
    return written


def in_time(find: Callable[..., Found], block: Block, segment: str, texts: Texts) -> list[Found]:
    """What a method of a pattern gives for the text of each molecule.

    Args:
        find: Takes a text, and the seconds that it may take as `timeout`.

    Raises:
        ReadError: One takes too long.
    """
    found: list[Found] = []
    try:
        for text in each(texts):
            found.append(find(text, timeout=LIMIT_S))  # noqa: PERF401 -- their number counts
    except TimeoutError:
        raise _too_long(block, segment, len(found)) from None
    return found


def _too_long(block: Block, segment: str, row: int) -> ReadError:
    told = (
        f"{read_called(block, segment, row)}: the regular expression takes longer than "
        f"{LIMIT_S:g} s; expected one without repeats of repeats, such as (a+)+"
    )
    return wrong_read(block, segment, row, told)


def expander(written: str, pattern: Pattern) -> Callable[[Match], bytes]:
    """What gives the text for a match; groups that do not exist, or did not match, are empty.

    Args:
        written: With `$0`, `$1`, `$name`, `${name}`, and `$$` for a dollar.
        pattern: Whose groups they are.
    """
    parts = [part for part in _parts(written) if _is_known(part, pattern)]
    if all(isinstance(part, bytes) for part in parts):
        text = b"".join(part for part in parts if isinstance(part, bytes))
        return lambda _: text
    return lambda match: b"".join(
        [part if isinstance(part, bytes) else match[part] or b"" for part in parts]
    )


def _parts(written: str) -> Sequence[bytes | int | str]:
    """Text as bytes; a group as its number or its name."""
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
    return [part for part in parts if part != b""]


def _is_known(part: bytes | int | str, pattern: Pattern) -> bool:
    if isinstance(part, int):
        return part <= pattern.groups
    return isinstance(part, bytes) or part in pattern.groupindex
