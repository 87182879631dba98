"""One self-contained HTML page per run: frame, tables and SVG charts, for every pipeline.

The page asks the network for nothing and opens from a disk; its security policy names its own
style and script by hash, so nothing that came in with the data can run.  Every function returns
`Markup` and escapes what it is given; charts summarise before they draw, so the page stays small
whatever the table behind it.  Colours are classes of the style sheet, which knows light and dark.
"""

import base64
import hashlib
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from numpy.typing import ArrayLike, NDArray

from blocks.errors import InputError

MAX_ROWS = 200
"""Rows of a table that are printed."""
MAX_BINS = 60
MAX_POINTS = 1_500
"""Points drawn one by one; more are counted in bins."""
MAX_TIPS = 3_000
"""Cells of a heat map that tell their value under the pointer."""
WRAP = 60
"""Positions in one row of a logo or heat map."""
LEVELS = 9
ABSENT = "–"  # noqa: RUF001 -- the dash that tables print for a missing value
MINUS = "\N{MINUS SIGN}"
AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
_HUGE = 1e150  # ranges of such numbers overflow; they are left out like infinities


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the page, reached as `#anchor`."""

    title: str
    anchor: str
    body: Markup
    note: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.anchor):
            raise InputError(
                f"section {self.title!r}: anchor {self.anchor!r}; expected a-z, 0-9 and -"
            )


class Point(NamedTuple):
    """A point of a scatter plot that is drawn for itself."""

    x: float
    y: float
    label: str


@cache
def _templates() -> Environment:
    return Environment(loader=PackageLoader("tasks"), autoescape=True, undefined=StrictUndefined)


def _csp_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def page(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """The whole HTML document.

    Raises:
        InputError: Two sections have the same anchor.
    """
    anchors = [section.anchor for section in sections]
    if twice := sorted({anchor for anchor in anchors if anchors.count(anchor) > 1}):
        raise InputError(f"page {title!r}: anchor {twice[0]!r} used twice; expected it once")
    style = _templates().get_template("page.css.j2").render()
    script = _templates().get_template("page.js.j2").render()
    return (
        _templates()
        .get_template("page.html.j2")
        .render(
            title=title,
            subtitle=subtitle,
            sections=sections,
            style=Markup(style),  # noqa: S704 -- our own file
            script=Markup(script),  # noqa: S704 -- our own file
            style_hash=_csp_hash(style),
            script_hash=_csp_hash(script),
        )
    )


# ------------------------------------------------------------------------- numbers as text


def plain_number(value: float) -> str:
    """`value` as people read it: whole numbers with separators, others with four digits."""
    if not math.isfinite(value):
        return ABSENT if math.isnan(value) else ("∞" if value > 0 else f"{MINUS}∞")
    if value == round(value) and abs(value) < 1e15:  # noqa: PLR2004 -- exact in a float
        text = f"{value:,.0f}"
    elif abs(value) >= 1_000 and abs(value) < 1e15:  # noqa: PLR2004 -- digits are grouped
        text = f"{value:,.1f}"
    else:
        text = f"{value:.4g}"
    text = re.sub(r"e([+-])0*", r"e\1", text).replace("e+", "e")
    return ("0" if text == "-0" else text).replace("-", MINUS)


def duration(seconds: float) -> str:
    """A time span in two units, such as `2 h 5 min`."""
    if not math.isfinite(seconds):
        return ABSENT
    if seconds < 60:  # noqa: PLR2004 -- one minute
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004
    whole = round(seconds)
    for size, unit, part_size, part in ((86400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part_size} {part}"
    return f"{whole // 60} min {whole % 60} s"


def _decimals(values: NDArray[np.float64]) -> int | None:
    """Decimals that suit a whole column; None where its numbers differ too much in size."""
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    if not len(sizes) or np.all(sizes == np.round(sizes)):
        return 0 if not len(sizes) or sizes.max() < 1e15 else None  # noqa: PLR2004
    decimals = max(0, min(6, 3 - math.floor(math.log10(sizes.max()))))
    lost = np.mean(sizes < 0.5 * 10.0**-decimals)
    return None if lost > 0.1 or sizes.max() >= 1e15 else decimals  # noqa: PLR2004


def _column_texts(values: NDArray[np.float64]) -> list[str]:
    decimals = _decimals(values)
    return [
        plain_number(v)
        if decimals is None or not math.isfinite(v)
        else f"{round(v, decimals) + 0.0:,.{decimals}f}".replace("-", MINUS)
        for v in values.tolist()
    ]


def _is_numeric(column: "pd.Series[Any]") -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _floats(values: ArrayLike) -> NDArray[np.float64]:
    """`values` as float64; missing ones are NaN."""
    if isinstance(values, pd.Series):
        return values.to_numpy(np.float64, na_value=np.nan)
    return np.asarray(values, np.float64)


def _text(value: object) -> str:
    """One cell that is not a number."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ABSENT
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | float | np.number):
        return plain_number(float(value))
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return ", ".join(str(item) for item in value)
    return str(value)


# ------------------------------------------------------------------------------- tables


class _Cell(NamedTuple):
    text: str
    numeric: bool = False
    value: str = ""
    full: str = ""
    bar: str | None = None


_LONGEST = 90


def _cells(column: "pd.Series[Any]", bar: bool) -> list[_Cell]:
    if not _is_numeric(column):
        texts = [_text(value) for value in column.tolist()]
        return [
            _Cell(text) if len(text) <= _LONGEST else _Cell(f"{text[: _LONGEST - 1]}…", full=text)
            for text in texts
        ]
    values = _floats(column)
    most = max(values[np.isfinite(values)].max(initial=0.0), 1e-300)
    return [
        _Cell(
            text,
            numeric=True,
            value="" if math.isnan(value) else f"{value:.10g}",
            bar=_at(100 * max(value, 0.0) / most) if bar and math.isfinite(value) else None,
        )
        for text, value in zip(_column_texts(values), values.tolist(), strict=True)
    ]


def _left_out(total: int, shown: int, where: str) -> str:
    if total <= shown:
        return ""
    rest = f"The first {shown:,} of {total:,} rows; {total - shown:,} more"
    return f"{rest} in {where}." if where else f"{rest}."


def data_table(
    frame: pd.DataFrame,
    *,
    label: str = "table",
    max_rows: int = MAX_ROWS,
    total: int | None = None,
    where: str = "",
    bars: Collection[str] = (),
    details: Sequence[Markup] | None = None,
) -> Markup:
    """A table that sorts by a click on its heads.

    Args:
        frame: Rows in the order they are shown.
        label: What the table is, for screen readers.
        max_rows: Most rows printed; a note counts the rest.
        total: Rows there are where `frame` is already a part of them.
        where: File that holds all rows, named in the note.
        bars: Numeric columns that get a bar from 0 to their largest value.
        details: One piece per row, printed below it over the whole width.
    """
    shown = frame.head(max_rows)
    columns = [_cells(shown.iloc[:, i], name in bars) for i, name in enumerate(shown.columns)]
    numeric = [_is_numeric(shown.iloc[:, i]) for i in range(shown.shape[1])]
    heads = [{"name": str(n), "numeric": r} for n, r in zip(shown.columns, numeric, strict=True)]
    html = (
        _templates()
        .get_template("table.html.j2")
        .render(
            label=label,
            columns=heads,
            rows=list(zip(*columns, strict=True)),
            details=details[: len(shown)] if details else None,
            sortable=len(shown) > 1,
            more=_left_out(len(frame) if total is None else total, len(shown), where),
        )
    )
    return Markup(html)  # noqa: S704 -- the template escapes


_MARKDOWN = re.compile(r"([\\`*_\[\]|~#!])")


def markdown_table(frame: pd.DataFrame, *, max_rows: int = MAX_ROWS) -> str:
    """`frame` as a Markdown table; text is escaped, so ids stay text in every viewer."""
    shown = frame.head(max_rows)

    def safe(text: str) -> str:
        return _MARKDOWN.sub(r"\\\1", str(escape(" ".join(text.split()))))

    columns = [_cells(shown.iloc[:, i], bar=False) for i in range(shown.shape[1])]
    rule = ["---:" if _is_numeric(shown.iloc[:, i]) else "---" for i in range(shown.shape[1])]
    rows = [[safe(str(name)) for name in shown.columns], rule]
    rows += [[safe(cell.full or cell.text) for cell in row] for row in zip(*columns, strict=True)]
    more = _left_out(len(frame), len(shown), "")
    return "".join(f"| {' | '.join(row)} |\n" for row in rows) + (f"\n{more}\n" if more else "")


def key_numbers(numbers: Mapping[str, float | str]) -> Markup:
    """The figures that matter, as tiles: name -> number or text with its unit."""
    tiles = [
        Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(
            name, value if isinstance(value, str) else plain_number(float(value))
        )
        for name, value in numbers.items()
    ]
    return Markup('<dl class="numbers">{}</dl>').format(Markup().join(tiles))


class FunnelRow(NamedTuple):
    """What one stage did with its items."""

    stage: str
    items_in: int
    dropped: int
    failed: int
    items_out: int


def funnel_chart(rows: Sequence[FunnelRow]) -> Markup:
    """How many items each stage took, dropped, lost and handed on; bars share one scale."""
    most = max((max(row.items_in, row.items_out) for row in rows), default=0) or 1
    lines = []
    for row in rows:
        start, bars = 0.0, []
        for kind, count in (("keep", row.items_out), ("fail", row.failed), ("drop", row.dropped)):
            if not count:
                continue
            # a thin line for the few: a stage that kept 20 of 100,000 must not look empty
            width = max(100 * count / most, 0.4)
            bars.append(_RECT.format(kind, _at(start), "0", _at(width), "8"))
            start += width
        numbers = [
            Markup('<td class="r">{}</td>').format(plain_number(count))
            for count in (row.dropped, row.failed, row.items_out)
        ]
        lines.append(
            Markup(
                '<tr><td>{}</td><td class="r">{}</td><td class="track"><svg viewBox="0 0 100 8" '
                'preserveAspectRatio="none" aria-hidden="true">{}</svg></td>{}</tr>'
            ).format(row.stage, plain_number(row.items_in), Markup().join(bars), _join(numbers))
        )
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="items per stage">'
        '<table class="funnel"><thead><tr><th scope="col">stage</th>'
        '<th scope="col" class="r">in</th><th scope="col" class="track"><span class="hidden">'
        'share</span></th><th scope="col" class="r">dropped</th><th scope="col" class="r">failed'
        '</th><th scope="col" class="r">out</th></tr></thead><tbody>{}</tbody></table></div>'
        '<p class="note"><span class="key keep"></span>out &ensp;<span class="key fail"></span>'
        'failed &ensp;<span class="key drop"></span>dropped</p>'
    ).format(_join(lines))


def choice(label: str, panels: Mapping[str, Markup]) -> Markup:
    """A list to choose one of `panels` from; without a script, all are shown."""
    options = _join([Markup("<option>{}</option>").format(name) for name in panels])
    bodies = _join(
        [
            Markup('<div class="panel"><h3>{}</h3>{}</div>').format(name, body)
            for name, body in panels.items()
        ]
    )
    return Markup(
        '<div class="choice"><label hidden>{} <select>{}</select></label>{}</div>'
    ).format(label, options, bodies)


# ------------------------------------------------------------------------------- charts

_RECT = Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>')
_TEXT = Markup('<text class="{}" x="{}" y="{}">{}</text>')


def _join(parts: Sequence[Markup]) -> Markup:
    return Markup().join(parts)


def _at(value: float) -> str:
    """A coordinate, short."""
    return f"{round(value, 1):g}"


def _svg(width: float, height: float, label: str, parts: Sequence[Markup]) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _at(width), _at(height), label, _join(parts)
    )


def _figure(kind: str, caption: Markup, *drawings: Markup) -> Markup:
    return Markup(
        '<figure class="{}"><div class="scroll" tabindex="0" role="region" aria-label="chart">'
        "{}</div><figcaption>{}</figcaption></figure>"
    ).format(kind, _join(drawings), caption)


def _key(kind: str, text: str) -> Markup:
    return Markup('<span><span class="key {}"></span>{}</span>').format(kind, text)


def _usable(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.isfinite(values) & (np.abs(values) < _HUGE)


@dataclass(frozen=True, slots=True)
class _Axis:
    """Linear map from values to coordinates."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    """Values are decimal logarithms; tick labels are the numbers themselves."""

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[tuple[float, str]]:
        """Coordinate and text of at most `count + 1` round values inside the range."""
        raw = (self.high - self.low) / count
        raw = max(raw, 1.0) if self.log else raw  # whole powers of ten
        size = 10.0 ** math.floor(math.log10(raw))
        step = next((m * size for m in (1, 2, 5) if m * size >= raw), 10 * size)
        values = np.arange(math.ceil(self.low / step), math.floor(self.high / step + 1e-9) + 1)
        digits = -math.floor(math.log10(step))
        places = [round(v, digits) + 0.0 for v in (values * step).tolist()]
        slack = 1e-9 * (self.high - self.low)  # rounding must not lose the end of the axis
        inside = [v for v in places if self.low - slack <= v <= self.high + slack]
        return [(self(v), self._label(v, digits)) for v in inside]

    def _label(self, value: float, digits: int) -> str:
        """Text of a tick: as many decimals as the step between ticks has."""
        if self.log or digits > 5 or abs(value) >= 1e7:  # noqa: PLR2004 -- too long for an axis
            return plain_number(10.0**value if self.log else value)
        return f"{value:,.{max(digits, 0)}f}".replace("-", MINUS)


def _axis_of(values: NDArray[np.float64], start: float, end: float) -> _Axis:
    """Axis that holds all `values` with a little air."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    air = 0.04 * (high - low) or max(abs(low) * 0.05, 0.5)
    return _Axis(low - air, high + air, start, end)


def _bin_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges of at most `MAX_BINS` equal bins (Freedman-Diaconis).

    Values that lie on a grid (counts, multiples of 1/150) get bins of whole grid steps: others
    would hold now one grid point, now two, and look like a comb.
    """
    low, high = float(values.min()), float(values.max())
    span = high - low
    if span <= 1e-12 * max(abs(low), abs(high)):
        half = abs(low) * 0.05 or 0.5
        return np.linspace(low - half, low + half, 12)
    steps = np.diff(np.unique(np.round((values - low) / span, 9)))
    if len(steps) < _GRID:
        grid = steps / steps.min()
        count = round(1 / steps.min())
        if count < _GRID and np.abs(grid - np.round(grid)).max() < 1e-3:  # noqa: PLR2004
            width = span / count
            per_bin = math.ceil((count + 1) / MAX_BINS)
            edges = low + width * (per_bin * np.arange(math.ceil((count + 1) / per_bin) + 1) - 0.5)
            return np.asarray(edges, np.float64)
    quartiles = np.percentile(values, [25, 75])
    width = 2 * (quartiles[1] - quartiles[0]) / len(values) ** (1 / 3)
    bins = MAX_BINS if width <= 0 else math.ceil(min(span / width, MAX_BINS))
    return np.linspace(low, high, max(bins, 10) + 1)


_GRID = 5_000
"""Most grid points that are looked for."""


def histogram(
    name: str,
    groups: Mapping[str, ArrayLike],
    *,
    unit: str = "",
    marks: Mapping[str, float] | None = None,
) -> Markup:
    """Distributions over one another: share of each group's values per bin.

    Args:
        name: What was measured.
        groups: Group -> values; missing and infinite ones are left out and counted.  The first
            group is filled, the others are outlined.
        unit: Printed behind the name.
        marks: Label -> value of a vertical line.
    """
    title = f"{name} [{unit}]" if unit else name
    values = {group: _floats(array) for group, array in groups.items()}
    finite = {group: array[_usable(array)] for group, array in values.items()}
    lines = {label: v for label, v in (marks or {}).items() if _usable(np.array([v]))[0]}
    missing = {group: len(values[group]) - len(array) for group, array in finite.items()}
    pooled = np.concatenate([*finite.values(), list(lines.values())])
    log = bool(len(pooled)) and pooled.min() > 0 and pooled.max() > _LOG_FROM * pooled.min()
    caption = [Markup("<b>{}{}</b>").format(title, ", logarithmic axis" if log else "")]
    for i, (group, array) in enumerate(finite.items()):
        middle = f", median {plain_number(float(np.median(array)))}" if len(array) else ""
        left_out = f", {missing[group]:,} without a value" if missing[group] else ""
        caption.append(_key(f"g{min(i, 4)}", f"{group}: {len(array):,}{middle}{left_out}"))
    if not any(map(len, finite.values())):
        return _figure("short", _join(caption), Markup('<p class="note">No values.</p>'))
    caption += [
        Markup('<span><span class="key at"></span>{}: {}</span>').format(label, plain_number(value))
        for label, value in lines.items()
    ]
    parts = _distributions(finite, lines, log=log)
    return _figure("short", _join(caption), _svg(320, 164, f"distribution of {title}", parts))


_LOG_FROM = 1e4
"""Positive values whose largest is this many times the smallest get a logarithmic axis."""


def _distributions(
    groups: Mapping[str, NDArray[np.float64]], lines: Mapping[str, float], *, log: bool
) -> list[Markup]:
    """Axes, one stepped outline per group that has values, and the marked lines."""
    drawn = {group: np.log10(array) if log else array for group, array in groups.items()}
    marked = {label: math.log10(v) if log else v for label, v in lines.items()}
    edges = _bin_edges(np.concatenate(list(drawn.values())))
    span = np.concatenate([edges, list(marked.values())])
    x = _Axis(float(span.min()), float(span.max()), 34, 304, log)
    shares = [100 * np.histogram(array, edges)[0] / max(len(array), 1) for array in drawn.values()]
    y = _Axis(0, max(float(share.max()) for share in shares) * 1.05, 140, 8)
    parts = _frame(x, y, ticks=(4, 3), percent=True)
    for i, share in enumerate(shares):
        if share.any():
            path = _steps([x(e) for e in edges.tolist()], [y(s) for s in share.tolist()], 140)
            shape = Markup('<path class="{} g{}" d="{}"/>')
            parts += [shape.format(kind, min(i, 4), path) for kind in ("area", "line")[: i + 1]]
    shape = Markup('<path class="at" d="M{} 8V140"><title>{}</title></path>')
    parts += [shape.format(_at(x(marked[k])), f"{k}: {plain_number(lines[k])}") for k in marked]
    return parts


def _steps(edges: Sequence[float], tops: Sequence[float], floor: float) -> str:
    """Path of a stepped outline that starts and ends on the floor."""
    steps = [f"V{_at(t)}H{_at(e)}" for t, e in zip(tops, edges[1:], strict=True)]
    return f"M{_at(edges[0])} {_at(floor)}{''.join(steps)}V{_at(floor)}"


def _frame(
    x: _Axis, y: _Axis, ticks: tuple[int, int] = (6, 5), *, percent: bool = False
) -> list[Markup]:
    """Axes with tick labels and faint horizontal rules."""
    parts = []
    for place, text in y.ticks(ticks[1]):
        rule = Markup('<path class="rule" d="M{} {}H{}"/>')
        parts.append(rule.format(_at(x.start), _at(place), _at(x.end)))
        text_y = f"{text} %" if percent else text
        parts.append(_TEXT.format("end", _at(x.start - 6), _at(place + 4), text_y))
    for place, text in x.ticks(ticks[0]):
        tick = Markup('<path class="axis" d="M{} {}v4"/>')
        parts.append(tick.format(_at(place), _at(y.start)))
        parts.append(_TEXT.format("middle", _at(place), _at(y.start + 17), text))
    axis = Markup('<path class="axis" d="M{} {}H{}"/>')
    parts.append(axis.format(_at(x.start), _at(y.start), _at(x.end)))
    return parts


def scatter(
    x: ArrayLike,
    y: ArrayLike,
    *,
    names: tuple[str, str],
    front: Sequence[Point] = (),
    marks: Sequence[Point] = (),
    what: str = "items",
    front_name: str = "Pareto front",
) -> Markup:
    """Two measures against each other: few items as points, many as counts in bins.

    Args:
        x: Values, shape (n,); pairs with a missing one are left out.
        y: Values, shape (n,).
        names: Of the two axes.
        front: Items drawn for themselves, with their label under the pointer.
        marks: Reference items, drawn as labelled diamonds.
        what: What the items are called in the legend.
        front_name: What the `front` is called in the legend.
    """
    xs, ys = _floats(x), _floats(y)
    both = _usable(xs) & _usable(ys)
    xs, ys = xs[both], ys[both]
    singles = [p for p in (*front, *marks) if _usable(np.array([p.x, p.y])).all()]
    ax = _axis_of(np.concatenate([xs, [p.x for p in singles]]), 64, 680)
    ay = _axis_of(np.concatenate([ys, [p.y for p in singles]]), 390, 30)
    caption, cloud = _cloud(xs, ys, (ax, ay), what)
    parts = [*_frame(ax, ay), *cloud]
    for kind, points, shape in (("front", front, _CIRCLE), ("mark", marks, _DIAMOND)):
        parts += [
            shape.format(kind, _at(ax(p.x)), _at(ay(p.y)), p.label) for p in points if p in singles
        ]
    if front:
        caption.append(_key("front", f"{front_name}: {len(front):,}"))
    caption += [_key("mark", p.label) for p in marks if p in singles]
    parts.append(_TEXT.format("name end", "690", "426", names[0]))
    parts.append(_TEXT.format("name", "6", "14", names[1]))
    drawing = _svg(700, 432, f"{names[1]} against {names[0]}", parts)
    return _figure("frame", _join(caption), drawing)


def _cloud(
    xs: NDArray[np.float64], ys: NDArray[np.float64], axes: tuple[_Axis, _Axis], what: str
) -> tuple[list[Markup], list[Markup]]:
    """Legend and drawing of many items: points, or bins coloured by their count."""
    ax, ay = axes
    if len(xs) <= MAX_POINTS:
        path = "".join(
            f"M{_at(ax(x))} {_at(ay(y))}h0" for x, y in zip(xs.tolist(), ys.tolist(), strict=True)
        )
        points = Markup('<path class="points" d="{}"/>').format(path)
        return [_key("g1", f"{len(xs):,} {what}")], [points]
    counts = np.histogram2d(xs, ys, (MAX_BINS, 40), [(ax.low, ax.high), (ay.low, ay.high)])[0]
    size = ((ax.end - ax.start) / MAX_BINS, (ay.start - ay.end) / 40)
    cells = _merged_cells(_levels(counts.T[::-1]), "s", (ax.start, ay.end), size)
    return [_legend("s", f"{len(xs):,} {what}, per bin", 1, float(counts.max()))], cells


_CIRCLE = Markup('<circle class="{}" cx="{}" cy="{}" r="4.5"><title>{}</title></circle>')
_DIAMOND = Markup('<path class="{}" d="M{} {}m0-8l8 8l-8 8l-8-8z"><title>{}</title></path>')


def _levels(matrix: NDArray[np.float64], *, diverging: bool = False) -> NDArray[np.int64]:
    """Colour class 0-8 of each value, -1 where there is none; counts on a logarithmic scale."""
    known = np.isfinite(matrix)
    filled = np.where(known, matrix, 0.0)
    most = float(np.abs(filled).max(initial=0.0)) or 1.0
    if diverging:
        level = np.rint((filled / most + 1) / 2 * (LEVELS - 1))
    else:
        known &= filled > 0
        level = np.log1p(np.maximum(filled, 0)) / np.log1p(most) * (LEVELS - 1)
    return np.where(known, level, -1).astype(np.int64)


def _legend(scale: str, text: str, low: float, high: float) -> Markup:
    rects = [
        Markup('<rect class="{}{}" x="{}" width="10.3" height="8"/>').format(scale, i, 10 * i)
        for i in range(LEVELS)
    ]
    return Markup(
        '<span>{}: {}<svg class="scale" viewBox="0 0 90 8" preserveAspectRatio="none" '
        'aria-hidden="true">{}</svg>{}</span>'
    ).format(text, plain_number(low), _join(rects), plain_number(high))


def _merged_cells(
    levels: NDArray[np.int64], scale: str, corner: tuple[float, float], size: tuple[float, float]
) -> list[Markup]:
    """One path per colour; neighbours in a row are one rectangle."""
    (left, top), (width, height) = corner, size
    paths: dict[int, list[str]] = {}
    for i, row in enumerate(levels.tolist()):
        j = 0
        while j < len(row):
            end = next((k for k in range(j, len(row)) if row[k] != row[j]), len(row))
            if row[j] >= 0:
                box = f"h{_at((end - j) * width)}v{_at(height)}h{_at((j - end) * width)}z"
                start = f"M{_at(left + j * width)} {_at(top + i * height)}"
                paths.setdefault(row[j], []).append(start + box)
            j = end
    shape = Markup('<path class="{}{}" d="{}"/>')
    return [shape.format(scale, level, "".join(paths[level])) for level in sorted(paths)]


def heat_map(
    matrix: ArrayLike,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    *,
    value_name: str = "count",
    diverging: bool = False,
    marks: Collection[tuple[int, int]] = (),
    mark_name: str = "",
) -> Markup:
    """Matrix as colours, folded after 60 columns.

    Args:
        matrix: Shape (rows, columns); NaN leaves a cell empty, and so does 0 unless `diverging`.
        row_labels: One per row.
        column_labels: One per column.
        value_name: What the numbers are.
        diverging: Colours run from blue over neutral (0) to orange, instead of counts on a
            logarithmic scale.
        marks: Cells (row, column) that get a dot.
        mark_name: What the dot means.
    """
    values = _floats(matrix)
    if values.shape != (len(row_labels), len(column_labels)):
        raise InputError(
            f"heat map: matrix {values.shape}; "
            f"expected {(len(row_labels), len(column_labels))} as there are labels"
        )
    levels, scale = _levels(values, diverging=diverging), "d" if diverging else "s"
    tips = int((levels >= 0).sum()) <= MAX_TIPS
    panels = []
    for begin in range(0, len(column_labels), WRAP):
        part = slice(begin, begin + WRAP)
        here = {(r, c - begin) for r, c in marks if begin <= c < begin + WRAP}
        parts = [*_heat_labels(row_labels, column_labels[part], len(column_labels), begin)]
        parts += _merged_cells(levels[:, part], scale, (_LEFT, 16), (_STEP, _ROW))
        if tips:
            parts += _tips(values[:, part], levels[:, part], row_labels, column_labels[part])
        dots = [
            f"M{_at(_LEFT + (c + 0.5) * _STEP)} {_at(16 + (r + 0.5) * _ROW)}h0"
            for r, c in sorted(here)
        ]
        parts.append(Markup('<path class="dots" d="{}"/>').format("".join(dots)))
        label = f"{value_name}, columns {begin + 1} to {begin + len(column_labels[part])}"
        panels.append(_svg(_WIDE, 18 + _ROW * len(row_labels), label, parts))
    finite = values[np.isfinite(values)]
    most = float(np.abs(finite).max(initial=0.0))
    caption = _legend(scale, value_name, -most if diverging else min(1.0, most), most)
    if mark_name:
        caption += _key("dot", mark_name)
    return _figure("panels", caption, *panels)


_LEFT, _STEP, _ROW = 40.0, 16.0, 12.0
_WIDE = _LEFT + WRAP * _STEP + 4


def _heat_labels(
    rows: Sequence[str], columns: Sequence[str], total: int, begin: int
) -> list[Markup]:
    """Row names, the empty ground, and every column name or every tenth."""
    few = total * max((len(name) for name in columns), default=0) <= WRAP
    ground = _RECT.format(
        "blank", _at(_LEFT), "16", _at(_STEP * len(columns)), _at(_ROW * len(rows))
    )
    names = [
        _TEXT.format("mono end", _at(_LEFT - 6), _at(16 + (i + 0.5) * _ROW + 3.5), name)
        for i, name in enumerate(rows)
    ]
    heads = [
        _TEXT.format("middle", _at(_LEFT + (j + 0.5) * _STEP), "11", name)
        for j, name in enumerate(columns)
        if few or begin + j == 0 or (begin + j + 1) % 10 == 0
    ]
    return [ground, *names, *heads]


def _tips(
    values: NDArray[np.float64],
    levels: NDArray[np.int64],
    rows: Sequence[str],
    columns: Sequence[str],
) -> list[Markup]:
    """Invisible rectangles that tell a cell's value under the pointer."""
    shape = Markup(
        '<rect x="{}" y="{}" width="16" height="12" fill-opacity="0"><title>{}</title></rect>'
    )
    return [
        shape.format(
            _at(_LEFT + j * _STEP),
            _at(16 + i * _ROW),
            f"{columns[j]} {rows[i]}: {plain_number(float(values[i, j]))}",
        )
        for i, j in np.argwhere(levels >= 0).tolist()
    ]


# ------------------------------------------------------------------------- sequence logo

_LETTERS = {
    "A": "M0 100L38 0H62L100 100H79L71 76H29L21 100ZM35 58H65L50 16Z",
    "C": "M100 30L80 36C76 24 67 18 54 18C33 18 21 30 21 50S33 82 54 82C68 82 77 75 80 63L100 69"
    "C95 89 78 100 54 100C20 100 0 81 0 50S20 0 54 0C78 0 94 11 100 30Z",
    "D": "M0 0H44C80 0 100 20 100 50S80 100 44 100H0ZM20 19V81H43C67 81 79 70 79 50S67 19 43 19Z",
    "E": "M0 0H96V19H20V39H88V57H20V81H98V100H0Z",
    "F": "M0 0H97V19H20V41H88V60H20V100H0Z",
    "G": "M99 29L79 35C75 24 67 18 54 18C33 18 21 30 21 50S33 82 54 82C65 82 74 80 80 76V62H55V45"
    "H100V86C88 95 73 100 54 100C20 100 0 81 0 50S20 0 54 0C78 0 93 10 99 29Z",
    "H": "M0 0H20V39H80V0H100V100H80V58H20V100H0Z",
    "I": "M20 0H80V18H60V82H80V100H20V82H40V18H20Z",
    "K": "M0 0H20V42L74 0H100L52 40L100 100H75L37 52L20 66V100H0Z",
    "L": "M0 0H20V81H96V100H0Z",
    "M": "M0 100V0H24L50 66L76 0H100V100H81V32L58 92H42L19 32V100Z",
    "N": "M0 100V0H22L80 68V0H100V100H78L20 32V100Z",
    "P": "M0 0H58C85 0 100 11 100 32S85 64 58 64H20V100H0ZM20 19V46H56C72 46 79 41 79 32.5"
    "S72 19 56 19Z",
    "Q": "M50 0C20 0 0 20 0 48S20 96 50 96S100 76 100 48S80 0 50 0ZM50 18C69 18 79 30 79 48"
    "S69 78 50 78S21 66 21 48S31 18 50 18ZM52 62L77 100H100L74 62Z",
    "R": "M0 0H58C84 0 100 10 100 29C100 46 88 54 74 57L100 100H77L53 59H20V100H0Z"
    "M20 18V42H56C72 42 79 37 79 30C79 22 72 18 56 18Z",
    "S": "M96 28L76 33C73 22 65 17 50 17C33 17 24 21 24 28C24 37 36 38 54 41C82 46 100 52 100 70"
    "C100 90 80 100 50 100C20 100 3 90 0 69L21 65C24 77 33 83 50 83C69 83 79 79 79 71"
    "C79 62 68 61 48 57C20 52 4 46 4 29C4 10 22 0 50 0C78 0 92 9 96 28Z",
    "T": "M0 0H100V19H60V100H40V19H0Z",
    "V": "M0 0H22L50 78L78 0H100L62 100H38Z",
    "W": "M0 0H18L29 70L42 8H58L71 70L82 0H100L82 100H61L50 42L39 100H18Z",
    "Y": "M0 0H23L50 40L77 0H100L60 57V100H40V57Z",
}
"""Outline of each letter in a box of 100 by 100.  Not text: the height of a letter is its
information, whatever fonts the reader has."""
_KINDS = {
    **dict.fromkeys("DE", "acid"),
    **dict.fromkeys("KRH", "basic"),
    **dict.fromkeys("GSTYC", "polar"),
    **dict.fromkeys("NQ", "amide"),
}
_BITS = math.log2(len(AMINO_ACIDS))


def information_heights(counts: ArrayLike) -> NDArray[np.float64]:
    """Height of each letter of a sequence logo [bits], with the correction for few sequences.

    Args:
        counts: Residues per position, shape (L, 20); gaps are simply not counted.

    Returns:
        Shape (L, 20); 0 where nothing was counted.

    Source:
        Schneider & Stephens 1990, doi:10.1093/nar/18.20.6097: frequency times
        log2(20) - entropy - 19 / (2 n ln 2), not below 0.
    """
    numbers = _floats(counts)
    depth = numbers.sum(axis=1, keepdims=True)
    shares = np.divide(numbers, depth, out=np.zeros_like(numbers), where=depth > 0)
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    entropy = -(shares * logs).sum(axis=1, keepdims=True)
    few = np.divide(
        numbers.shape[1] - 1,
        2 * math.log(2) * depth,
        out=np.full_like(depth, _BITS),
        where=depth > 0,
    )
    information: NDArray[np.float64] = math.log2(numbers.shape[1]) - entropy - few
    heights: NDArray[np.float64] = shares * np.maximum(information, 0)
    return heights


def logo(counts: ArrayLike, *, reference: str = "", first: int = 1) -> Markup:
    """Sequence logo of proteins, folded after 60 positions.

    Args:
        counts: Residues per position, shape (L, 20), columns ACDEFGHIKLMNPQRSTVWY.
        reference: Sequence of length L printed below the stacks; "" for none.
        first: Number printed at the first position.
    """
    heights = information_heights(counts)
    if heights.shape[1] != len(AMINO_ACIDS) or (reference and len(reference) != len(heights)):
        raise InputError(
            f"logo: counts {heights.shape}, reference of {len(reference)}; expected (L, 20) and L"
        )
    height = 96.0
    y = _Axis(0, _BITS, 8 + height, 8)
    panels = []
    for begin in range(0, len(heights), WRAP):
        stacks = heights[begin : begin + WRAP]
        parts = [_TEXT.format("end", _at(_LEFT - 6), _at(y(t) + 4), str(t)) for t in (0, 2, 4)]
        parts.append(
            Markup('<path class="axis" d="M{} 8V104H{}"/>').format(
                _at(_LEFT), _at(_LEFT + _STEP * len(stacks))
            )
        )
        parts.append(Markup('<text transform="translate(12 64) rotate(-90)">bits</text>'))
        for j, stack in enumerate(stacks):
            parts += _stack(stack, _LEFT + j * _STEP + 1, y)
            middle = _at(_LEFT + (j + 0.5) * _STEP)
            if reference:
                parts.append(_TEXT.format("mono middle", middle, "117", reference[begin + j]))
            number = first + begin + j
            if j == 0 or number % 10 == 0:
                parts.append(_TEXT.format("middle", middle, "131", str(number)))
        label = f"sequence logo, positions {first + begin} to {first + begin + len(stacks) - 1}"
        panels.append(_svg(_WIDE, 134, label, parts))
    return _figure("panels", _LOGO_KEY, *panels)


_LOGO_KEY = Markup(
    "<span>Stack height: information [bits]. Colours: "
    "D E acidic (orange), K R H basic (blue), G S T Y C polar (green), N Q amide (pink), "
    "others hydrophobic.</span>"
)


def _stack(heights: NDArray[np.float64], left: float, y: _Axis) -> list[Markup]:
    """The letters of one position, the tallest on top."""
    shape = Markup('<path class="letter {}" transform="matrix(.14 0 0 {} {} {})" d="{}"/>')
    parts, base = [], 0.0
    for k in np.argsort(heights, kind="stable").tolist():
        tall = float(heights[k]) * (y.start - y.end) / _BITS
        if tall >= 0.5:  # noqa: PLR2004 -- less than half a pixel is not seen
            letter = AMINO_ACIDS[k]
            top = y.start - base - tall
            parts.append(
                shape.format(
                    _KINDS.get(letter, "plain"),
                    f"{tall / 100:.4f}",
                    _at(left),
                    _at(top),
                    _LETTERS[letter],
                )
            )
        base += tall
    return parts
