"""What a step works on, as configurations write it: a segment, `All`, `name:segment`, `tag:label`.

Where a configuration names no segment and there is only one, it is that one. And on which
molecules: those for which a tag is true.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from blocks.errors import InputError
from tasks.reads.block import Block, Mask, Numbers, Regions, Strings, Tag, Truths
from tasks.reads.step import ReadError, Surroundings, TagKind, TagUse

ALL = "All"
SHOWN = 200
"""Letters of a text in a message."""
KINDS: tuple[TagKind, ...] = ("location", "string", "numeric", "bool")


@dataclass(frozen=True, slots=True)
class Target:
    """Texts that a step works on."""

    kind: Literal["segment", "name", "tag"]
    what: str
    """Name of a segment, "" for the only one, `All`, or a tag's label."""


def target_of(written: str) -> Target:
    """The target that `seg`, `All`, `name:seg`, `name:All` or `tag:label` means."""
    kind, colon, what = written.partition(":")
    if colon and kind.strip().lower() == "tag":
        return Target("tag", what.strip())
    if colon and kind.strip().lower() == "name":
        return Target("name", _whole(what.strip()))
    return Target("segment", _whole(written))


def _whole(name: str) -> str:
    return ALL if name.lower() == "all" else name


def segment_problems(
    written: str | None, around: Surroundings, field: str = "segment", *, whole: bool = False
) -> list[str]:
    """What is wrong with the name of a segment; [] if nothing.

    Args:
        written: None: not given.
        whole: Whether `All` may stand there.
    """
    known = ", ".join(repr(name) for name in around.segments) + (f" or {ALL!r}" if whole else "")
    if written is None:
        one = len(around.segments) == 1
        return [] if one else [f"{field}: missing; expected a segment: {known}"]
    if _whole(written) == ALL:
        return [] if whole else [f"{field}: 'all' segments are not valid here; expected {known}"]
    if written in around.segments:
        return []
    return [f"{field}: segment {written!r} is not in [input]; expected {known}"]


def target_problems(written: str, around: Surroundings, field: str) -> list[str]:
    """What is wrong with a target; [] if nothing. Tags are checked through `target_uses`."""
    target = target_of(written)
    if target.kind == "tag":
        return [] if target.what else [f"{field}: no label after 'tag:'; expected tag:<label>"]
    return segment_problems(target.what or None, around, field, whole=True)


def target_uses(written: str, kinds: tuple[TagKind, ...], field: str) -> tuple[TagUse, ...]:
    """The tag that a target is, if it is one."""
    target = target_of(written)
    return (TagUse(target.what, kinds, field),) if target.kind == "tag" else ()


def segments_of(written: str | None, around: Surroundings) -> tuple[str, ...]:
    """The segments that a name stands for, in the order of the input.

    Raises:
        InputError: See `segment_problems`.
    """
    problems = segment_problems(written, around, whole=True)
    if problems:
        raise InputError(problems[0])
    if written is not None and _whole(written) == ALL:
        return around.segments
    return (written or around.segments[0],)


def segment_of(written: str | None, around: Surroundings) -> str:
    """The one segment that a name stands for.

    Raises:
        InputError: See `segment_problems`.
    """
    problems = segment_problems(written, around)
    if problems:
        raise InputError(problems[0])
    return written or around.segments[0]


def truth_of(tag: Tag) -> Mask:
    """Where a tag is true: Bool as it is, Numeric not 0, the others where present; shape (n,)."""
    match tag:
        case Truths(value=value):
            return value
        case Strings(present=present):
            return present
        case Regions(first=first):
            return first[1:] > first[:-1]
        case Numbers(value=number):
            return np.asarray(~np.isnan(number) & (number != 0))


def condition_uses(if_tag: str | None) -> Sequence[TagUse]:
    """The tag that a condition reads."""
    return () if if_tag is None else (TagUse(if_tag.removeprefix("!"), KINDS, "if_tag"),)


def condition(block: Block, if_tag: str | None) -> Mask | None:
    """Molecules for which `label`, or `!label`, holds; None without a condition."""
    if if_tag is None:
        return None
    truth = truth_of(block.tags[if_tag.removeprefix("!")])
    return ~truth if if_tag.startswith("!") else truth


def wrong_read(block: Block, segment: str, row: int, told: str) -> ReadError:
    """An error about a read, to which the engine adds its file and record."""
    return ReadError(told, segment, int(block.index[row]))


def read_called(block: Block, segment: str, row: int) -> str:
    """How messages call a read: its number in the input, from 1, its segment and its name."""
    name = block.segments[segment].name[row].decode("utf-8", "backslashreplace")
    return f"read {int(block.index[row]) + 1} of {segment} ({name!r})"


def shown(text: bytes) -> str:
    """A text in one line of a message."""
    whole = repr(text[:SHOWN])[1:]
    return whole + (" ..." if len(text) > SHOWN else "")
