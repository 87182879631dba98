"""Parts of the names of files, as configurations give them: they lead into no other folder."""

from typing import Annotated

from pydantic import AfterValidator

EXPECTED = "a text without '/', '\\' and ':'"


def leads_elsewhere(part: str) -> bool:
    """Whether a file's name with this in it may be a path, here or on another system."""
    return any(letter in part for letter in "/\\:")


def _checked(part: str) -> str:
    if leads_elsewhere(part):
        raise ValueError(f"invalid value {part!r}; expected {EXPECTED}")
    return part


def _not_empty(part: str) -> str:
    if not part:
        raise ValueError("it is empty; expected at least one character")
    return part


NamePart = Annotated[str, AfterValidator(_checked)]
"""A part of a file's name; may be empty."""
Ending = Annotated[NamePart, AfterValidator(_not_empty)]
"""What a file's name ends with, or what stands between its parts: not empty."""
