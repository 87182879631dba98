"""Stretches along many sequences, with what speaks for them below.

The rows lie in the page as compact JSON and are drawn when they are looked at, a page of them at a
time: thousands of sequences cost the browser no more than a few.
"""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import orjson
from markupsafe import Markup

from tasks.report.rendering import rendered

MAX_ROWS = 10_000
"""Most sequences of a page; each takes some 1,200 bytes."""


class Line(TypedDict):
    """One alignment that supports a part."""

    source: int
    """Index into `sources`."""
    target: str
    segments: list[int]
    text: str
    """Its scores."""


class Part(TypedDict):
    """One stretch."""

    name: str
    """Printed on it; "" where there is none."""
    group: str
    """Parts of a group have one colour."""
    title: str
    segments: list[int]
    """Start and end of each segment, one after the other; 0-based, half-open."""
    strength: float
    """0..1: how sure it is."""
    words: list[str]
    lines: list[Line]


class Row(TypedDict):
    """One sequence."""

    id: str
    length: int
    kind: str
    covered: float
    note: str
    parts: list[Part]


def packed(row: Row) -> bytes:
    """A row as the page holds it: a tenth of the memory while others are still to come."""
    return orjson.dumps(row)


def tracks(
    rows: Sequence[bytes],
    kinds: Mapping[str, str],
    sources: Sequence[str],
    *,
    total: int,
    where: str,
) -> Markup:
    """The sequences with their parts; searched, filtered and turned over by the page itself.

    Args:
        rows: As `packed` gives them; the first `MAX_ROWS` are shown.
        kinds: What rows can be filtered by -> its text.
        total: Number of all rows.
        where: Files that hold all of them.
    """
    shown = [orjson.Fragment(row) for row in rows[:MAX_ROWS]]
    content = orjson.dumps({"rows": shown, "groups": dict(kinds), "sources": list(sources)})
    text = content.decode().replace("<", "\\u003c").replace("&", "\\u0026")
    more = f"The first {len(shown):,} of {total:,}; all stand in {where}."
    html = rendered(
        "tracks.html.j2",
        data=Markup(text),  # noqa: S704 -- JSON in which nothing can end the element
        kinds=list(kinds.items()),
        kind_label="outcome",
        parts_label="domains",
        placeholder="name, class, reference",
        where=where,
        more=more if total > len(shown) else "",
    )
    return Markup(html)  # noqa: S704 -- the template escapes
