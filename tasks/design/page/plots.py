"""Charts of all designs: distributions, trade-off of objectives, residues by position."""

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from tasks.design.diversity import position_counts
from tasks.design.page.content import DesignPage
from tasks.report.heat_map import heat_map
from tasks.report.histogram import histogram
from tasks.report.logo import AMINO_ACIDS, logo
from tasks.report.page import Section
from tasks.report.scatter import Point, scatter

MAX_COLUMNS = 48
"""Distributions drawn."""
MAX_POSITIONS = 900
"""Positions in the logo and the heat map."""
MAX_FRONT = 300
PROPERTY_ORDER = "GAVLIMPFWYSTCNQHKRDE"
"""Rows of the heat map: neighbours are alike."""
_ORDER = [AMINO_ACIDS.index(letter) for letter in PROPERTY_ORDER]


def distributions(data: DesignPage) -> Section | None:
    """Every numeric column, all items against the kept ones."""
    numeric = _numeric_columns(data.table)
    names = [name for name in numeric if data.table[name].min() < data.table[name].max()]
    if not names or not len(data.table):
        return None
    units = {}
    if {"column", "unit"} <= set(data.methods.columns):
        units = dict(zip(data.methods["column"], data.methods["unit"].fillna(""), strict=True))
    kept = (data.table["outcome"] == "kept").to_numpy(bool)
    parent = data.parent_row
    charts = []
    for name in names[:MAX_COLUMNS]:
        values = data.table[name].to_numpy(np.float64, na_value=np.nan)
        marks = {} if parent is None or pd.isna(parent[name]) else {"parent": float(parent[name])}
        groups = {"all": values, "kept": values[kept]}
        charts.append(histogram(name, groups, unit=units.get(name, ""), marks=marks))
    note = "Share of the items per bin; each group adds up to 100 %."
    if len(names) > MAX_COLUMNS:
        note += f" The first {MAX_COLUMNS} of {len(names)} columns."
    body = Markup('<div class="grid">{}</div>').format(Markup().join(charts))
    return Section("Distributions", "distributions", body, note)


def _numeric_columns(table: pd.DataFrame) -> list[str]:
    numeric = table.select_dtypes("number").columns
    return [str(name) for name in numeric if name not in {"item", "rank", "seed"}]


def pareto(data: DesignPage) -> Section | None:
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
    if (parent := data.parent_row) is not None:
        px, py = (float(parent[c]) if not pd.isna(parent[c]) else np.nan for c, _ in known)
        marks = [Point(px, py, f"parent {data.parent_id}")]
    names = (known[0][0], known[1][0])
    body = scatter(x, y, names=names, front=front, marks=marks, what="kept designs")
    return Section("Trade-off of objectives", "pareto", body, note)


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


def sequence_logo(data: DesignPage) -> Section | None:
    """Residues of the top designs; of all kept ones where the top designs differ in length."""
    sequences = [str(s) for s in data.top["sequence"]]
    counts, who = data.position_counts, "All kept designs (the top designs differ in length)"
    if len({len(s) for s in sequences}) == 1:
        counts, who = position_counts(sequences), f"The {len(sequences):,} top designs"
    if counts is None or not len(counts):
        return None
    parent = data.parent if len(data.parent) == len(counts) else ""
    note = f"{who}; corrected for the number of sequences."
    if parent:
        note += " Below the stacks: the parent."
    body = logo(counts[:MAX_POSITIONS], reference=parent[:MAX_POSITIONS])
    return Section("Sequence logo", "logo", body, note + _cut(len(counts)))


def mutations_by_position(data: DesignPage) -> Section | None:
    """How many kept designs carry which residue where, the parent's own left out."""
    if data.position_counts is None or not len(data.position_counts):
        return None
    counts = data.position_counts.astype(np.float64)
    same = data.parent_cells if len(data.parent) == len(counts) else []
    for letter, position in same:
        counts[position, letter] = np.nan
    body = heat_map(
        counts[:MAX_POSITIONS, _ORDER].T,
        list(PROPERTY_ORDER),
        [str(i + 1) for i in range(min(len(counts), MAX_POSITIONS))],
        value_name="kept designs",
        marks={(_ORDER.index(k), i) for k, i in same if i < MAX_POSITIONS},
        mark_name="residue of the parent" if same else "",
    )
    note = "Kept designs that carry a residue at a position, on a logarithmic scale."
    return Section("Mutations by position", "positions", body, note + _cut(len(counts)))


def _cut(length: int) -> str:
    return f" The first {MAX_POSITIONS} of {length:,} positions." if length > MAX_POSITIONS else ""
