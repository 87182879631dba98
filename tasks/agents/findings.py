"""What can be said of tables without a model: sentences, each with the places that it rests on.

The sentences are made of what stands at those places; whether they say what stands there is
checked afterwards, as it is for a model's.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tasks.agents.evidence import Figure, Found, Place, resolve
from tasks.agents.model import SynthesisParams
from tasks.agents.table_data import Cell, TableData, is_missing, is_number
from tasks.parameters import Record
from tasks.text.number_support import CITATION, Unit

FEW = 12
"""Different texts that make the categories of a column."""
SHOWN_CATEGORIES = 4
SHOWN_COLUMNS = 4
"""Columns of a best row, and columns of figures of a table."""
LONGEST_NAME = 60
_NAMING = frozenset({"id", "number", "rank", "item", "row", "index", "seed"})
"""Columns whose figures say nothing."""


_SHARES = frozenset({"share", "completeness", "consistency", "naming", "validity"})
_ODD = {
    "missing": "without a value",
    "mixed types": "with another type than most",
    "outliers": "far outside of the quartiles",
    "double rows": "like an earlier one",
}
"""Anomaly -> what a sentence says of its rows."""


class Sentence(Record):
    """One sentence and what it cites."""

    section: str
    text: str
    """Without citations."""
    places: tuple[Place, ...]


Tables = Mapping[str, TableData]


def sentences(
    sources: Sequence[TableData], made: Sequence[TableData], params: SynthesisParams
) -> list[Sentence]:
    """All that is said, the most important first, at most as many as asked for.

    Args:
        sources: The tables under review.
        made: What the processors found out: `entities`, `telling`, `anomalies`, `quality`, …
    """
    tables = {one.name: one for one in (*sources, *made)}
    by_name = {one.name: one for one in made}
    told: list[Iterable[Sentence]] = []
    for one in sources:
        told += [_run(one, tables), _best(one, tables, params.best_rows)]
    told += [_categories(one, tables) for one in sources]
    told += [_figures(one, tables) for one in sources]
    told += [_texts(by_name, tables), _quality(by_name, tables)]
    parts = [list(part) for part in told]
    return _fairly(parts, params.sentences)


def _fairly(parts: list[list[Sentence]], most: int) -> list[Sentence]:
    """The first sentences of each part before the second ones; in the order of the parts."""
    ranked = [
        (place, number, sentence)
        for number, part in enumerate(parts)
        for place, sentence in enumerate(part)
    ]
    kept = sorted(ranked, key=lambda one: one[:2])[:most]
    return [one[2] for one in sorted(kept, key=lambda one: (one[1], one[0]))]


def shown(value: Cell, unit: Unit = "") -> str:
    """A cell as a sentence says it.

    >>> shown(1987), shown(0.96973, "share"), shown(1.5e-7), shown(43.512, "%"), shown(None)
    ('1,987', '97.0 %', '1.5e-7', '43.51 %', 'nothing')
    """
    if is_missing(value):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not is_number(value):
        text = " ".join(str(value).split())
        return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}…"
    if unit == "share":
        return f"{_rounded(100 * value, decimals=1)} %"
    return f"{_rounded(value)} %" if unit == "%" else _rounded(value)


def _rounded(value: float, decimals: int | None = None) -> str:
    if float(value).is_integer() and abs(value) < 1e15:  # noqa: PLR2004 -- exact in a float
        return f"{value:,.0f}"
    if decimals is not None and abs(value) >= 1:
        return f"{value:,.{decimals}f}"
    if abs(value) >= 1_000:  # noqa: PLR2004 -- digits are grouped
        return f"{value:,.1f}"
    text = f"{value:.4g}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else text


def _cell(found: Found, name: str) -> str:
    """A cell, or a figure; fractions are told in percent only where they are surely shares."""
    unit = found.units.get(name, "")
    return shown(found.values[name], "" if unit == "share" and name not in _SHARES else unit)


def _run(table: TableData, tables: Tables) -> Iterator[Sentence]:
    """What a run's manifest counts, or how many rows there are."""
    if not table.name.endswith(" run") or len(table.rows) != 1:
        place = Place(table=table.name, figures=("rows",))
        count = len(table.rows)
        what = f"{table.about}s" if count != 1 else table.about
        yield Sentence(
            section="Overview", text=f"{table.name} has {count:,} {what}.", places=(place,)
        )
        return
    names = [
        name
        for name, cell in table.rows[0].items()
        if is_number(cell) and not name.endswith("_s") and name != "seed"
    ]
    top = [name for name in names if "." not in name and (table.rows[0][name] or name == "failed")]
    for group in _groups(top, 8):
        place = Place(table=table.name, row=1, columns=tuple(group))
        found = resolve(place, tables)
        said = _listed([f"{name.replace('_', ' ')} {_cell(found, name)}" for name in group])
        yield Sentence(section="Overview", text=f"The {table.name} counts {said}.", places=(place,))
    parts = {name.partition(".")[0] for name in names if "." in name}
    for part in sorted(parts):
        inner = [name for name in names if name.startswith(f"{part}.")]
        inner.sort(key=lambda name: -float(table.rows[0][name]))
        place = Place(table=table.name, row=1, columns=tuple(inner[:SHOWN_CATEGORIES]))
        found = resolve(place, tables)
        said = _listed(
            [f"“{name.partition('.')[2]}” {_cell(found, name)}" for name in place.columns]
        )
        more = "" if len(inner) <= SHOWN_CATEGORIES else ", and fewer of others"
        text = f"Of {part} the {table.name} tells {said}{more}."
        yield Sentence(section="Overview", text=text, places=(place,))


def _times(count: str) -> str:
    return "1 time" if count == "1" else f"{count} times"


def _groups(names: Sequence[str], size: int) -> Iterator[list[str]]:
    for at in range(0, len(names), size):
        yield list(names[at : at + size])


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _best(table: TableData, tables: Tables, most: int) -> Iterator[Sentence]:
    """The best rows by the column that says so."""
    if table.best not in table.columns:
        return
    down = table.goal == "maximise"
    ranked = [
        (float(cell), number)
        for number, cell in enumerate(table.column(table.best), start=1)
        if is_number(cell)
    ]
    ranked.sort(key=lambda pair: (-pair[0] if down else pair[0], pair[1]))
    wanted = [name for name in table.told if name in table.columns and name != table.best]
    columns = wanted or _telling_columns(table)
    for place_, (_, number) in enumerate(ranked[:most]):
        place = Place(table=table.name, row=number, columns=(table.best, *columns))
        found = resolve(place, tables)
        said = _listed([f"{column} {_cell(found, column)}" for column in place.columns])
        name = f"{table.about} {found.label}" if found.label else f"row {number:,}"
        best = f"The best {table.about} is {found.label or name}"
        text = f"{best if place_ == 0 else f'Next comes {name}'}: {said}."
        yield Sentence(section="Best", text=text, places=(place,))


def _telling_columns(table: TableData) -> list[str]:
    """Columns of numbers that differ between rows, those with the fewest gaps first."""
    found = []
    for at, name in enumerate(table.columns):
        plain = name.rsplit(".", 1)[-1].casefold() in _NAMING or name == table.id_column
        if plain or name == table.best or table.kind(name) != "number":
            continue
        numbers = table.numbers(name)
        if len(numbers) == len(table.present(name)) and numbers.min() < numbers.max():
            found.append((len(table.rows) - len(numbers), at, name))
    return [name for _, _, name in sorted(found)[:SHOWN_COLUMNS]]


def _categories(table: TableData, tables: Tables) -> Iterator[Sentence]:
    """How often the values of columns with few different texts occur."""
    for name in table.columns:
        if name == table.id_column or table.kind(name) not in ("text", "truth"):
            continue
        counts = Counter(str(cell) for cell in table.present(name))
        if not 1 < len(counts) <= FEW or max(map(len, counts)) > LONGEST_NAME:
            continue
        if len(counts) > len(table.rows) / 2:
            continue
        top = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:SHOWN_CATEGORIES]
        places = tuple(
            Place(table=table.name, columns=(name,), figures=("equal", "share"), equals=value)
            for value, _ in top
        )
        found = [resolve(place, tables) for place in places]
        said = [
            f"“{shown(place.equals)}” {_times(_cell(one, 'equal'))} ({_cell(one, 'share')})"
            for place, one in zip(places, found, strict=True)
        ]
        more = "" if len(counts) <= len(top) else ", others less often"
        text = f"In {table.name}, {name} is {_listed(said)}{more}."
        yield Sentence(section="Groups", text=text, places=places)


def _figures(table: TableData, tables: Tables) -> Iterator[Sentence]:
    """Range and mean of columns of numbers."""
    if len(table.rows) < 2:  # noqa: PLR2004 -- one row has no range
        return
    wanted: tuple[Figure, ...] = ("median", "mean", "min", "max")
    for name in _telling_columns(table):
        place = Place(table=table.name, columns=(name,), figures=wanted)
        found = resolve(place, tables)
        values = {key: _cell(found, key) for key in wanted}
        text = (
            f"{name} of {table.name} lies between {values['min']} and {values['max']}, with a"
            f" median of {values['median']} and a mean of {values['mean']}."
        )
        yield Sentence(section="Figures", text=text, places=(place,))


def _texts(made: Tables, tables: Tables) -> Iterator[Sentence]:
    """What texts name, and the sentences that tell most."""
    entities = made.get("entities")
    if entities is not None and entities.rows:
        counts = Counter(str(row["kind"]) for row in entities.rows)
        for group in _groups([kind for kind, _ in counts.most_common(6)], 3):
            places = tuple(
                Place(table="entities", columns=("kind",), figures=("equal",), equals=kind)
                for kind in group
            )
            said = [f"{place.equals} {_cell(resolve(place, tables), 'equal')}" for place in places]
            yield Sentence(
                section="Texts", text=f"Mentions by kind: {_listed(said)}.", places=places
            )
    telling = made.get("telling")
    for row in telling.rows if telling is not None else ():
        field = re.sub(r"\[\d+\]$", "", str(row["field"]))
        source = Place(table=str(row["table"]), row=int(row["row"]), columns=(field,))
        name = str(row["id"]) or f"row {row['row']}"
        quoted = CITATION.sub(lambda match: f" ({match[1]})", str(row["text"])).rstrip(".")
        text = f"{row['table']}, {name}, says: “{quoted}”."
        yield Sentence(section="Texts", text=text, places=(source,))


def _quality(made: Tables, tables: Tables) -> Iterator[Sentence]:
    """How whole the tables are, what is odd, and which rules are broken."""
    quality = made.get("quality")
    for number, row in enumerate(quality.rows if quality is not None else (), start=1):
        columns = ("records", "broken") if row["broken"] else ("records",)
        place = Place(table="quality", row=number, columns=("table", "completeness", *columns))
        found = resolve(place, tables)
        text = f"{_cell(found, 'completeness')} of the cells of {row['table']} hold something"
        if row["broken"]:
            text += (
                f"; {_cell(found, 'broken')} of its {_cell(found, 'records')} records break a rule"
            )
        yield Sentence(section="Quality", text=f"{text}.", places=(place,))
    odd = made.get("anomalies")
    ranked = sorted(
        enumerate(odd.rows if odd is not None else (), start=1),
        key=lambda pair: (-float(pair[1]["share"]), pair[0]),
    )
    for number, row in ranked:
        if row["anomaly"] == "missing" and math.isclose(float(row["share"]), 1):
            continue
        told = ("table", "column", "anomaly", "rows", "share")
        place = Place(table="anomalies", row=number, columns=told)
        found = resolve(place, tables)
        where = f"column {row['column']} of {row['table']}" if row["column"] else str(row["table"])
        rows = "row" if row["rows"] == 1 else "rows"
        count = f"{_cell(found, 'rows')} {rows} ({_cell(found, 'share')})"
        text = f"In {where}: {count} {_ODD[str(row['anomaly'])]}."
        yield Sentence(section="Quality", text=text, places=(place,))
