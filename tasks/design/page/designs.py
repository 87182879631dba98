"""The best designs: scores, and sequences with what differs from the parent."""

from collections.abc import Iterator

import numpy as np
from markupsafe import Markup
from rapidfuzz.distance import Levenshtein

from tasks.design.page.content import DesignPage
from tasks.report.number_text import counted
from tasks.report.page import Section
from tasks.report.svg import WRAP
from tasks.report.tables import MAX_ROWS, data_table

MAX_RESIDUES = 60_000
"""Residues printed in the table of top designs."""
OPEN_SEQUENCES = 3
_MARKED = {"": Markup("{}"), "b": Markup("<b>{}</b>"), "i": Markup("<i>{}</i>")}


def top_designs(data: DesignPage) -> Section:
    """Scores of each top design, and below them its sequence."""
    if not len(data.top):
        return Section("Top designs", "top", Markup("<p>No design was kept.</p>"))
    sequences = [str(s) for s in data.top["sequence"].head(MAX_ROWS)]
    printed = np.cumsum([len(s) for s in sequences]) <= MAX_RESIDUES
    details = [
        _details(sequence, data.parent, opened=i < OPEN_SEQUENCES)
        if fits
        else Markup('<span class="note">{:,} residues, not printed</span>').format(len(sequence))
        for i, (sequence, fits) in enumerate(zip(sequences, printed.tolist(), strict=True))
    ]
    first = ["rank", "id"]
    rest = [c for c in data.top.columns if c not in {*first, "sequence"}]
    body = data_table(
        data.top[first + rest], label="top designs", where=data.table_file, details=details
    )
    notes = []
    if data.parent:
        notes.append(
            "Residues that differ from the parent are marked; an orange edge follows a deletion."
        )
    if "pareto_front" in data.top:
        notes.append("A Pareto ranking goes by front, then from the ends of each front inwards.")
    return Section("Top designs", "top", body, " ".join(notes))


def _details(sequence: str, parent: str, *, opened: bool) -> Markup:
    changes = mutations(sequence, parent) if parent else []
    listed = " ".join(changes[:12]) + (" …" if len(changes) > 12 else "")  # noqa: PLR2004
    summary = f"{counted(len(changes), 'change')}: {listed}" if changes else "no change"
    return Markup("<details{}><summary>{}</summary>{}</details>").format(
        Markup(" open") if opened else "",
        summary if parent else f"{len(sequence):,} residues",
        sequence_block(sequence, parent),
    )


def mutations(sequence: str, parent: str) -> list[str]:
    """Changes that make `sequence` of `parent`, 1-based: A12G, A12del, 12_13insGS.

    Sequences of one length are compared position by position, others by the fewest edits.
    """
    found = []
    for tag, start, end, begin, stop in _differences(sequence, parent):
        if tag == "insert":
            found.append(f"{start}_{start + 1}ins{sequence[begin:stop]}")
        elif tag == "delete":
            last = f"_{parent[end - 1]}{end}" if end - start > 1 else ""
            found.append(f"{parent[start]}{start + 1}{last}del")
        else:
            pairs = zip(parent[start:end], sequence[begin:stop], strict=True)
            found += [f"{a}{start + 1 + i}{b}" for i, (a, b) in enumerate(pairs)]
    return found


def sequence_block(sequence: str, parent: str = "") -> Markup:
    """The sequence in rows of 60 below a ruler of 1-based positions, changes marked.

    Residues that differ from `parent` are bold; one that follows a deletion has an edge.
    """
    classes = [""] * (len(sequence) + 1)
    for tag, _, _, begin, stop in _differences(sequence, parent) if parent else ():
        if tag == "delete":
            classes[begin] = "i"
        else:
            classes[begin:stop] = ["b"] * (stop - begin)
    width = len(str(len(sequence)))
    lines = []
    for start in range(0, len(sequence), WRAP):
        end = min(start + WRAP, len(sequence))
        ticks = "".join(f"{i:>10}" for i in range(start + 10, end + 1, 10))
        lines.append(Markup('<span class="ruler">{} {}</span>').format(" " * width, ticks))
        runs, at = [], start
        while at < end:
            stop = next((k for k in range(at, end) if classes[k] != classes[at]), end)
            tag, text = classes[at], sequence[at:stop]
            runs.append(_MARKED[tag].format(text))
            at = stop
        number = Markup('<span class="ruler">{}</span> ').format(f"{start + 1:>{width}}")
        lines.append(number + Markup().join(runs))
    return Markup('<pre class="sequence">{}</pre>').format(Markup("\n").join(lines))


def _differences(sequence: str, parent: str) -> Iterator[tuple[str, int, int, int, int]]:
    """(operation, parent start, parent end, start, end); same length means same positions."""
    if len(sequence) == len(parent):
        changed = (i for i, (a, b) in enumerate(zip(parent, sequence, strict=True)) if a != b)
        yield from (("replace", i, i + 1, i, i + 1) for i in changed)
        return
    for op in Levenshtein.opcodes(parent, sequence):
        if op.tag != "equal":
            yield op.tag, op.src_start, op.src_end, op.dest_start, op.dest_end
