"""Columns of texts put together from pieces of others, a whole column at a time."""

from collections.abc import Iterable, Sequence

import numpy as np

from tasks.reads.block import Bytes, Integers, Mask, Regions, Texts
from tasks.reads.kernels.texts import find_first, first_with, lay

MARGIN = 16
"""Bytes behind the last text, so that kernels may read words."""


def empty_buffer(size: int) -> Bytes:
    """A buffer of that many bytes, with a margin behind it."""
    buffer = np.empty(size + MARGIN, np.uint8)
    buffer[size:] = 0
    return buffer


def column(values: Sequence[bytes]) -> Texts:
    """The given texts, one behind the other."""
    length = np.fromiter((len(value) for value in values), np.int64, len(values))
    buffer = np.frombuffer(bytearray(b"".join(values) + bytes(MARGIN)), np.uint8)
    return Texts(buffer, np.cumsum(length) - length, length)


def repeated(value: bytes, count: int) -> Texts:
    """The same text `count` times."""
    one = column([value])
    return Texts(one.buffer, np.zeros(count, np.int64), np.full(count, len(value), np.int64))


def cut(texts: Texts, start: Integers, length: Integers) -> Texts:
    """A piece of each text; it shares the buffer."""
    return Texts(texts.buffer, texts.start + start, length)


def where(mask: Mask, texts: Texts) -> Texts:
    """The texts where the mask is true, empty ones elsewhere."""
    return Texts(texts.buffer, texts.start, np.where(mask, texts.length, 0))


def put(into: Bytes, at: Integers, texts: Texts) -> None:
    """Copy each text to its place in a buffer that the caller made."""
    lay(into, at, texts.buffer, texts.start, texts.length)


def assemble(parts: Sequence[Texts]) -> Texts:
    """Each row's parts glued together."""
    length: Integers = np.add.reduce([part.length for part in parts])
    start = np.cumsum(length) - length
    buffer = empty_buffer(int(length.sum()))
    at = start
    for part in parts:
        put(buffer, at, part)
        at = at + part.length
    return Texts(buffer, start, length)


def compact(texts: Texts) -> Texts:
    """The same texts in a buffer of their own, one behind the other."""
    return assemble([texts])


def stacked(columns: Sequence[Texts]) -> Texts:
    """The texts of several columns below each other; columns of one buffer keep it."""
    length = np.concatenate([each.length for each in columns])
    buffer = columns[0].buffer
    if all(each.buffer is buffer for each in columns):
        return Texts(buffer, np.concatenate([each.start for each in columns]), length)
    start = np.cumsum(length) - length
    buffer = empty_buffer(int(length.sum()))
    row = 0
    for each in columns:
        put(buffer, start[row : row + len(each)], each)
        row += len(each)
    return Texts(buffer, start, length)


def joined(regions: Regions, separator: bytes) -> Texts:
    """The texts of each molecule's regions with a separator between them; empty without regions."""
    counts = np.diff(regions.first)
    if np.all(counts == 1):
        return regions.text
    ends = np.concatenate([[0], np.cumsum(regions.text.length + len(separator))])
    length = np.maximum(ends[regions.first[1:]] - ends[regions.first[:-1]] - len(separator), 0)
    start = np.cumsum(length) - length
    owner = np.repeat(np.arange(len(counts)), counts)
    at = ends[:-1] - ends[regions.first[:-1]][owner] + start[owner]
    buffer = empty_buffer(int(length.sum()))
    put(buffer, at, regions.text)
    inner = np.flatnonzero(owner[1:] == owner[:-1])
    put(buffer, (at + regions.text.length)[inner], repeated(separator, len(inner)))
    return Texts(buffer, start, length)


def find(texts: Texts, byte: int) -> Integers:
    """Where the byte stands first in each text; the text's length where it does not."""
    into = np.empty(len(texts), np.int64)
    find_first(texts.buffer, texts.start, texts.length, byte, into)
    return into


def holding(texts: Texts, letters: Iterable[int]) -> int | None:
    """The first text that holds one of the bytes."""
    wanted = np.zeros(256, np.bool_)
    wanted[list(letters)] = True
    found = first_with(texts.buffer, texts.start, texts.length, wanted)
    return None if found < 0 else found


def listed(texts: Texts) -> list[bytes]:
    """All texts as Python values; for what has no column form, such as regular expressions."""
    whole = texts.buffer.tobytes()
    ends = texts.start + texts.length
    return [
        whole[begin:end] for begin, end in zip(texts.start.tolist(), ends.tolist(), strict=True)
    ]
