"""The page of one design run: what went in, what came out, why, and where it lies."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from blocks.errors import InputProblems, Problem
from tasks import report
from tasks.report import FunnelRow, Point, Section

MAX_COLUMNS = 48
"""Distributions drawn."""
MAX_POSITIONS = 900
"""Positions in the logo and the heat map."""
MAX_FRONT = 300
MAX_RESIDUES = 60_000
"""Residues printed in the table of top designs."""
OPEN_SEQUENCES = 3
PROPERTY_ORDER = "GAVLIMPFWYSTCNQHKRDE"
"""Rows of the heat map: neighbours are alike."""
_ORDER = [report.AMINO_ACIDS.index(letter) for letter in PROPERTY_ORDER]
_REQUIRED = {
    "table": ("item", "id", "outcome"),
    "top": ("rank", "id", "sequence"),
    "funnel": ("stage", "items_in", "dropped", "failed", "items_out"),
}


@dataclass(frozen=True, slots=True)
class DesignPage:
    """Everything the page shows, already small or in columns."""

    run_name: str
    started: str
    seconds: float
    parent_id: str
    parent: str
    """Sequence of the parent; "" if there is none."""
    table: pd.DataFrame
    """All items: item, id, numeric columns, outcome (kept, dropped or failed)."""
    top: pd.DataFrame
    """Ranked designs to show: rank, id, sequence, score columns."""
    objectives: list[tuple[str, str]]
    """(column, "maximise", "minimise" or "target"), the most important first."""
    funnel: pd.DataFrame
    """stage, items_in, dropped, failed, items_out."""
    stages: pd.DataFrame
    """stage, kind, needs, items, cached, computed, seconds."""
    near_misses: pd.DataFrame
    what_if: dict[str, pd.DataFrame]
    """Rule such as "profile_bits >= 120" -> threshold, kept_then, gained."""
    diversity: dict[str, float]
    position_counts: NDArray[np.int64] | None
    """Residues of the kept designs per position, (L, 20), columns ACDEFGHIKLMNPQRSTVWY."""
    versions: dict[str, str]
    methods: pd.DataFrame
    """column, method, version, source; unit where it is known."""
    files: list[tuple[str, str]]
    """(path relative to the page, what it is)."""
    warnings: list[str]

    def __post_init__(self) -> None:
        problems = [
            Problem(f"page of {self.run_name}, {name}", f"no column {column!r}", "it")
            for name, columns in _REQUIRED.items()
            for column in columns
            if column not in getattr(self, name).columns
        ]
        counts = self.position_counts
        if counts is not None and (counts.ndim != 2 or counts.shape[1] != len(_ORDER)):  # noqa: PLR2004 -- a matrix
            problems.append(
                Problem(f"page of {self.run_name}, position_counts", f"{counts.shape}", "(L, 20)")
            )
        if problems:
            raise InputProblems(problems)


def design_page(data: DesignPage) -> str:
    """The HTML document of one design run; parts without content are left out."""
    builders = (
        _summary,
        _funnel,
        _plan,
        _distributions,
        _pareto,
        _logo,
        _positions,
        _diversity,
        _near_misses,
        _what_if,
        _top,
        _methods,
        _warnings,
        _files,
    )
    sections = [section for build in builders if (section := build(data)) is not None]
    subtitle = f"Started {data.started} · took {report.duration(data.seconds)}"
    return report.page(f"Design run {data.run_name}", subtitle, sections)


def _counted(count: int, one: str) -> str:
    return f"{count:,} {one}" if count == 1 else f"{count:,} {one}s"


def _summary(data: DesignPage) -> Section:
    """One sentence with the outcome, then the figures behind it."""
    outcome = data.table["outcome"].value_counts()
    kept, dropped, failed = (int(outcome.get(k, 0)) for k in ("kept", "dropped", "failed"))
    origin = f" from {data.parent_id} ({len(data.parent):,} residues)" if data.parent else ""
    lead = Markup(
        '<p class="lead">{} of {}{} were kept in {}; {:,} were dropped and {:,} failed.{}{}</p>'
    ).format(
        f"{kept:,}",
        _counted(len(data.table), "design"),
        origin,
        report.duration(data.seconds),
        dropped,
        failed,
        _best(data),
        Markup(' <a href="#warnings">{}</a>.').format(_counted(len(data.warnings), "warning"))
        if data.warnings
        else "",
    )
    total = max(len(data.table), 1)
    numbers: dict[str, float | str] = {
        "designs made": len(data.table),
        "kept": kept,
        "share kept": f"{100 * kept / total:.3g} %",
        "failed": failed,
        "run time": report.duration(data.seconds),
    }
    if data.parent:
        numbers["parent length [aa]"] = len(data.parent)
    numbers |= _changed_positions(data)
    for column, direction in data.objectives[:2]:
        if column in data.top and len(data.top) and direction != "target":
            values = data.top[column].to_numpy(np.float64, na_value=np.nan)
            pick = np.fmax.reduce if direction == "maximise" else np.fmin.reduce
            numbers[f"best {column}"] = float(pick(values))
    return Section("Summary", "summary", lead + report.key_numbers(numbers))


def _best(data: DesignPage) -> str:
    if not len(data.top):
        return ""
    first = data.top.iloc[0]
    scores = [
        f"{column} {report.plain_number(float(first[column]))}"
        for column, _ in data.objectives
        if column in data.top and not pd.isna(first[column])
    ]
    return f" Ranked first: {first['id']}{' with ' if scores else ''}{', '.join(scores)}."


def _changed_positions(data: DesignPage) -> dict[str, float | str]:
    counts = data.position_counts
    if counts is None or len(counts) != len(data.parent):
        return {}
    same = _parent_cells(data.parent)
    others = counts.sum(axis=1)
    others[[i for _, i in same]] -= counts[[i for _, i in same], [k for k, _ in same]]
    return {"positions changed": f"{np.count_nonzero(others):,} of {len(counts):,}"}


def _parent_cells(parent: str) -> list[tuple[int, int]]:
    """(letter, position) of each standard residue of the parent."""
    return [
        (report.AMINO_ACIDS.index(letter), i)
        for i, letter in enumerate(parent)
        if letter in report.AMINO_ACIDS
    ]


def _funnel(data: DesignPage) -> Section | None:
    columns = [data.funnel[name].tolist() for name in _REQUIRED["funnel"]]
    rows = [
        FunnelRow(str(stage), int(into), int(dropped), int(failed), int(out))
        for stage, into, dropped, failed, out in zip(*columns, strict=True)
    ]
    body = report.funnel_chart(rows)
    return Section("Items per stage", "funnel", body) if rows else None


def _plan(data: DesignPage) -> Section | None:
    if not len(data.stages):
        return None
    frame = data.stages.rename(columns={"seconds": "time [s]"})
    body = report.data_table(frame, label="stages of the run", bars=("time [s]",))
    note = "Cached items were taken from an earlier run. Stages without a common need run at once."
    return Section("Execution plan and times", "plan", body, note)


def _numeric_columns(table: pd.DataFrame) -> list[str]:
    numeric = table.select_dtypes("number").columns
    return [str(name) for name in numeric if name not in {"item", "rank", "seed"}]


def _parent_row(data: DesignPage) -> "pd.Series | None":
    rows = data.table[data.table["id"] == data.parent_id] if data.parent_id else data.table[:0]
    return rows.iloc[0] if len(rows) else None


def _distributions(data: DesignPage) -> Section | None:
    """Every numeric column, all items against the kept ones."""
    names = _numeric_columns(data.table)
    if not names or not len(data.table):
        return None
    units = {}
    if {"column", "unit"} <= set(data.methods.columns):
        units = dict(zip(data.methods["column"], data.methods["unit"].fillna(""), strict=True))
    kept = (data.table["outcome"] == "kept").to_numpy(bool)
    parent = _parent_row(data)
    charts = []
    for name in names[:MAX_COLUMNS]:
        values = data.table[name].to_numpy(np.float64, na_value=np.nan)
        marks = {} if parent is None or pd.isna(parent[name]) else {"parent": float(parent[name])}
        groups = {"all": values, "kept": values[kept]}
        charts.append(report.histogram(name, groups, unit=units.get(name, ""), marks=marks))
    note = "Share of the items per bin; each group adds up to 100 %."
    if len(names) > MAX_COLUMNS:
        note += f" The first {MAX_COLUMNS} of {len(names)} columns."
    body = Markup('<div class="grid">{}</div>').format(Markup().join(charts))
    return Section("Distributions", "distributions", body, note)


def front_mask(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """True for points that no other exceeds in one coordinate and equals in the other.

    Both coordinates are maximised; of equal points the first counts, and NaN is never on the front.
    """
    known = np.isfinite(x) & np.isfinite(y)
    rows = np.flatnonzero(known)
    order = rows[np.lexsort((-y[rows], -x[rows]))]
    best = np.concatenate([[-np.inf], np.maximum.accumulate(y[order])[:-1]])[: len(order)]
    mask = np.zeros(len(x), bool)
    mask[order[y[order] > best]] = True
    return mask


def _pareto(data: DesignPage) -> Section | None:
    """The kept designs in the plane of the first two objectives."""
    known = [(c, d) for c, d in data.objectives if c in _numeric_columns(data.table)][:2]
    if len(known) < 2:  # noqa: PLR2004 -- two axes
        return None
    kept = data.table[data.table["outcome"] == "kept"]
    if not len(kept):
        return None
    x, y = (kept[column].to_numpy(np.float64, na_value=np.nan) for column, _ in known)
    front: list[Point] = []
    note = f"{known[0][0]} ({known[0][1]}) against {known[1][0]} ({known[1][1]})."
    if all(direction != "target" for _, direction in known):
        sx, sy = (1.0 if direction == "maximise" else -1.0 for _, direction in known)
        on = np.flatnonzero(front_mask(sx * x, sy * y))
        if len(on) > MAX_FRONT:
            note += f" {MAX_FRONT} of {len(on):,} designs on the front are drawn."
            on = on[np.linspace(0, len(on) - 1, MAX_FRONT).astype(int)]
        ids = kept["id"].to_numpy()
        front = [Point(float(x[i]), float(y[i]), str(ids[i])) for i in on]
    marks = []
    if (parent := _parent_row(data)) is not None:
        px, py = (float(parent[c]) if not pd.isna(parent[c]) else np.nan for c, _ in known)
        marks = [Point(px, py, f"parent {data.parent_id}")]
    names = (known[0][0], known[1][0])
    body = report.scatter(x, y, names=names, front=front, marks=marks, what="kept designs")
    return Section("Trade-off of objectives", "pareto", body, note)


def _residue_counts(sequences: list[str]) -> NDArray[np.int64] | None:
    """Residues per position, (L, 20); None where lengths differ."""
    if not sequences or not sequences[0] or len({len(s) for s in sequences}) > 1:
        return None
    letters = np.array([list(s) for s in sequences])
    return np.stack([(letters == a).sum(axis=0) for a in report.AMINO_ACIDS], axis=1)


def _logo(data: DesignPage) -> Section | None:
    counts = _residue_counts([str(s) for s in data.top["sequence"]])
    who = f"The {len(data.top):,} top designs"
    if counts is None:
        counts, who = data.position_counts, "All kept designs (the top designs differ in length)"
    if counts is None or not len(counts):
        return None
    parent = data.parent if len(data.parent) == len(counts) else ""
    note = f"{who}; corrected for the number of sequences."
    if parent:
        note += " Below the stacks: the parent."
    body = report.logo(counts[:MAX_POSITIONS], reference=parent[:MAX_POSITIONS])
    return Section("Sequence logo", "logo", body, note + _cut(len(counts)))


def _cut(length: int) -> str:
    return f" The first {MAX_POSITIONS} of {length:,} positions." if length > MAX_POSITIONS else ""


def _positions(data: DesignPage) -> Section | None:
    """How many kept designs carry which residue where, the parent's own left out."""
    if data.position_counts is None or not len(data.position_counts):
        return None
    counts = data.position_counts.astype(np.float64)
    same = _parent_cells(data.parent) if len(data.parent) == len(counts) else []
    for letter, position in same:
        counts[position, letter] = np.nan
    body = report.heat_map(
        counts[:MAX_POSITIONS, _ORDER].T,
        list(PROPERTY_ORDER),
        [str(i + 1) for i in range(min(len(counts), MAX_POSITIONS))],
        value_name="kept designs",
        marks={(_ORDER.index(k), i) for k, i in same if i < MAX_POSITIONS},
        mark_name="residue of the parent" if same else "",
    )
    note = "Kept designs that carry a residue at a position, on a logarithmic scale."
    return Section("Mutations by position", "positions", body, note + _cut(len(counts)))


def _diversity(data: DesignPage) -> Section | None:
    if not data.diversity:
        return None
    return Section("Diversity", "diversity", report.key_numbers(data.diversity))


def _near_misses(data: DesignPage) -> Section | None:
    if not len(data.near_misses):
        return None
    body = report.data_table(data.near_misses, label="near misses", where=_table_file(data))
    return Section("Near misses", "near-misses", body, "Dropped designs that came closest.")


def _table_file(data: DesignPage) -> str:
    """The first file that looks like a table, for notes on left-out rows."""
    suffixes = (".parquet", ".csv", ".tsv", ".csv.gz", ".tsv.gz")
    return next((path for path, _ in data.files if path.endswith(suffixes)), "")


def _what_if(data: DesignPage) -> Section | None:
    panels = {
        rule: report.data_table(frame, label=f"what if: {rule}", bars=("kept_then",))
        for rule, frame in data.what_if.items()
        if len(frame)
    }
    note = "How many designs would be kept if one threshold were another and all else the same."
    body = report.choice("Rule", panels)
    return Section("What if", "what-if", body, note) if panels else None


def _top(data: DesignPage) -> Section:
    """Scores of each top design, and below them its sequence."""
    if not len(data.top):
        return Section("Top designs", "top", Markup("<p>No design was kept.</p>"))
    sequences = [str(s) for s in data.top["sequence"].head(report.MAX_ROWS)]
    printed = np.cumsum([len(s) for s in sequences]) <= MAX_RESIDUES
    details = [
        _sequence_details(sequence, data.parent, opened=i < OPEN_SEQUENCES)
        if fits
        else Markup('<span class="note">{:,} residues, not printed</span>').format(len(sequence))
        for i, (sequence, fits) in enumerate(zip(sequences, printed.tolist(), strict=True))
    ]
    first = ["rank", "id"]
    rest = [c for c in data.top.columns if c not in {*first, "sequence"}]
    where = _table_file(data)
    body = report.data_table(
        data.top[first + rest], label="top designs", where=where, details=details
    )
    note = "Residues that differ from the parent are marked; an orange edge follows a deletion."
    return Section("Top designs", "top", body, note if data.parent else "")


def _sequence_details(sequence: str, parent: str, *, opened: bool) -> Markup:
    changes = mutations(sequence, parent) if parent else []
    listed = " ".join(changes[:12]) + (" …" if len(changes) > 12 else "")  # noqa: PLR2004
    summary = f"{_counted(len(changes), 'change')}: {listed}" if changes else "no change"
    return Markup("<details{}><summary>{}</summary>{}</details>").format(
        Markup(" open") if opened else "",
        summary if parent else f"{len(sequence):,} residues",
        sequence_block(sequence, parent),
    )


def _differences(sequence: str, parent: str) -> Iterator[tuple[str, int, int, int, int]]:
    """(operation, parent start, parent end, start, end); same length means same positions."""
    if len(sequence) == len(parent):
        changed = (i for i, (a, b) in enumerate(zip(parent, sequence, strict=True)) if a != b)
        yield from (("replace", i, i + 1, i, i + 1) for i in changed)
        return
    for op in Levenshtein.opcodes(parent, sequence):
        if op.tag != "equal":
            yield op.tag, op.src_start, op.src_end, op.dest_start, op.dest_end


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


_MARKED = {"": Markup("{}"), "b": Markup("<b>{}</b>"), "i": Markup("<i>{}</i>")}


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
    for start in range(0, len(sequence), report.WRAP):
        end = min(start + report.WRAP, len(sequence))
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


def _methods(data: DesignPage) -> Section | None:
    body = Markup()
    if len(data.methods):
        body += report.data_table(data.methods, label="methods")
    if data.versions:
        frame = pd.DataFrame(list(data.versions.items()), columns=["program", "version"])
        body += Markup("<h3>Versions</h3>{}").format(report.data_table(frame, label="versions"))
    return Section("Methods and versions", "methods", body) if body else None


def _warnings(data: DesignPage) -> Section | None:
    if not data.warnings:
        return None
    items = Markup().join(Markup("<li>{}</li>").format(text) for text in data.warnings)
    return Section("Warnings", "warnings", Markup('<ul class="warnings">{}</ul>').format(items))


def _files(data: DesignPage) -> Section | None:
    """Links to what lies beside the page; other addresses are text, whatever they say."""
    if not data.files:
        return None
    rows = []
    for path, what in data.files:
        name = Markup("<code>{}</code>").format(path)
        if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|/|\\", path):
            name = Markup('<a href="./{}">{}</a>').format(quote(path), name)
        rows.append(Markup("<tr><td>{}</td><td>{}</td></tr>").format(name, what))
    body = Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="files"><table><thead><tr>'
        '<th scope="col">file</th><th scope="col">content</th></tr></thead>'
        "<tbody>{}</tbody></table></div>"
    ).format(Markup().join(rows))
    return Section("Files", "files", body)
