"""Parts of the names of files, as configurations give them: they lead into no other folder."""

import re
from typing import Annotated

from pydantic import AfterValidator

EXPECTED = "a text without '/', '\\', ':' and control characters"
UNNAMEABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
"""Control characters, and halves of characters, which JSON can write: no file is called so."""


def leads_elsewhere(part: str) -> bool:
    """Whether a file's name with this in it may be a path, here or elsewhere, or is none."""
    return any(letter in part for letter in "/\\:") or bool(UNNAMEABLE.search(part))


def _checked(part: str) -> str:
    if leads_elsewhere(part):
        raise ValueError(f"invalid value {part!r}; expected {EXPECTED}")
    return part


def _nameable(path: str) -> str:
    if UNNAMEABLE.search(path):
        raise ValueError(f"invalid value {path!r}; expected a text without control characters")
    return path


def _not_empty(part: str) -> str:
    if not part:
        raise ValueError("it is empty; expected at least one character")
    return part


NamePart = Annotated[str, AfterValidator(_checked)]
"""A part of a file's name; may be empty."""
Ending = Annotated[NamePart, AfterValidator(_not_empty)]
"""What a file's name ends with, or what stands between its parts: not empty."""
Place = Annotated[str, AfterValidator(_nameable)]
"""A path, or the begin of one."""
