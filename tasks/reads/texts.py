"""Columns of texts made from others: changed letters, glued ends, joined and compact columns."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from tasks.reads.block import Bytes, Integers, Mask, Texts
from tasks.reads.kernels.edits import enclose, pick, rewrite

NOTHING = np.empty(0, np.uint8)
IDENTITY = np.arange(256, dtype=np.uint8)


def table_of(letters: str, become: str) -> Bytes:
    """What each byte becomes: those of `letters` their partner in `become`, others themselves."""
    table = IDENTITY.copy()
    table[_bytes(letters)] = _bytes(become)
    return table


def _bytes(text: str) -> Bytes:
    return np.frombuffer(text.encode("ascii"), np.uint8)


UPPER = table_of("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
LOWER = table_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
COMPLEMENT = table_of("ACGTURYKMBVDHacgturykmbvdh", "TGCAAYRMKVBHDtgcaayrmkvbhd")
"""Of bases and IUPAC codes; U becomes A; what is none stays."""


def translated(
    texts: Texts,
    table: Bytes,
    rows: Mask | None = None,
    *,
    backwards: bool = False,
    head: Integers | None = None,
) -> Texts:
    """The texts with each letter replaced through a table, and read from the end if `backwards`.

    Args:
        table: Byte value -> new byte; shape (256,).
        rows: Texts to change; None: all.
        head: How many letters at the start of each text are replaced; None: all.
    """
    into_start, into = _space(texts.length)
    chosen = _chosen(texts, rows)
    if head is None:
        rewrite(*_plain(texts), chosen, table, backwards, into, into_start)
    else:
        rewrite(*_plain(texts), chosen, IDENTITY, False, into, into_start)
        rewrite(texts.buffer, texts.start, head, chosen, table, backwards, into, into_start)
    return Texts(into, into_start, texts.length)


def complemented(texts: Texts, rows: Mask | None = None) -> Texts:
    """The texts as they read on the other strand; only those of `rows` if given."""
    return translated(texts, COMPLEMENT, rows, backwards=True)


def enclosed(
    texts: Texts, front: bytes = b"", back: bytes = b"", rows: Mask | None = None
) -> Texts:
    """The texts with something before and behind them; only those of `rows` if given."""
    chosen = _chosen(texts, rows)
    length = texts.length + chosen * (len(front) + len(back))
    into_start, into = _space(length)
    before, behind = (np.array(bytearray(end), np.uint8) for end in (front, back))
    enclose(*_plain(texts), chosen, before, behind, into, into_start)
    return Texts(into, into_start, length)


def compact(texts: Texts) -> Texts:
    """The same texts in a buffer that holds nothing else."""
    return enclosed(texts)


def joined(columns: Sequence[Texts]) -> Texts:
    """The texts of several columns, one column behind the other."""
    whole = [compact(texts) for texts in columns]
    offsets = np.cumsum([0, *(len(texts.buffer) for texts in whole)])
    return Texts(
        np.concatenate([NOTHING, *(texts.buffer for texts in whole)]),
        np.concatenate([_none(), *(t.start + o for t, o in zip(whole, offsets, strict=False))]),
        np.concatenate([_none(), *(texts.length for texts in whole)]),
    )


def either(one: Texts, other: Texts, rows: Mask) -> Texts:
    """The text of `other` for the rows that are marked, of `one` elsewhere."""
    length = np.where(rows, other.length, one.length)
    into_start, into = _space(length)
    pick(one.buffer, one.start, other.buffer, other.start, length, rows, into, into_start)
    return Texts(into, into_start, length)


def column_of(values: Iterable[bytes]) -> Texts:
    """A column of these texts."""
    parts = list(values)
    length = np.fromiter(map(len, parts), np.int64, len(parts))
    buffer = np.array(bytearray(b"".join(parts)), np.uint8)
    return Texts(buffer, np.cumsum(length) - length, length)


def each(texts: Texts) -> Iterator[bytes]:
    """The texts one after the other, for what only Python can do."""
    whole = compact(texts)
    together = whole.buffer.tobytes()
    for begin, length in zip(whole.start.tolist(), whole.length.tolist(), strict=True):
        yield together[begin : begin + length]


def _none() -> Integers:
    return np.empty(0, np.int64)


def _plain(texts: Texts) -> tuple[Bytes, Integers, Integers]:
    return texts.buffer, texts.start, texts.length


def _chosen(texts: Texts, rows: Mask | None) -> Mask:
    return np.ones(len(texts), np.bool_) if rows is None else rows


def _space(length: Integers) -> tuple[Integers, Bytes]:
    """Where texts of these lengths begin when they follow each other, and room for them."""
    ends = np.cumsum(length)
    return ends - length, np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
