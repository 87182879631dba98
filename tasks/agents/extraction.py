"""What the records name, how they are built, and what their texts say most of all.

Entities are found by patterns and lists of terms; each has its table, row, field and place in the
text (characters, 0-based and half-open), in the order of the records. None overlaps another: the
longest one stays, so a number inside of a date is none.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.agents.table_data import TableData, is_missing, kind_of
from tasks.text.patterns import Found, Kind, known, terms, without_overlaps
from tasks.text.textrank import MOST_SENTENCES, ranks
from tasks.text.words import paragraph_spans, sentence_spans, telling_words, words

ENTITY_COLUMNS = ("table", "row", "id", "field", "start", "end", "kind", "text", "by")
SHORTEST_TEXT = 6
"""Words that make a text of a cell."""
SHORTEST_SENTENCE = 4
TOLD_SENTENCES = 5
"""Most telling sentences of a table."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Text:
    """A text in a table."""

    table: str
    row: int
    """From 1."""
    id: str
    field: str
    text: str


def texts_of(table: TableData) -> Iterator[Text]:
    """All texts of a table, row by row; those of a list one by one, as `field[0]`."""
    for number, row in enumerate(table.rows, start=1):
        for field, cell in row.items():
            texts = (
                {f"{field}[{n}]": text for n, text in enumerate(cell)}
                if (isinstance(cell, list))
                else {field: cell}
            )
            for name, text in texts.items():
                if isinstance(text, str) and text.strip():
                    yield Text(table.name, number, table.label(number), name, text)


def entities(texts: Sequence[Text], kinds: Sequence[Kind], own: Sequence[str] = ()) -> list[Row]:
    """What the texts name; rows of `ENTITY_COLUMNS`."""
    find = terms("term", own) if own else None
    rows = []
    for one in texts:
        found = [*known(one.text, kinds), *(find(one.text) if find else ())]
        rows += [entity_row(one, mention) for mention in without_overlaps(found)]
    return rows


def entity_row(text: Text, found: Found) -> Row:
    """A mention as a row of the table of entities."""
    place = (text.table, text.row, text.id, text.field, found.start, found.end)
    return dict(zip(ENTITY_COLUMNS, (*place, found.kind, found.text, found.by), strict=True))


def together(found: Sequence[Row], more: Sequence[Row], tables: Sequence[str]) -> list[Row]:
    """Mentions in the order of the records; of `more` only those that overlap nothing."""
    taken: dict[tuple[Any, ...], list[tuple[int, int]]] = {}
    for row in found:
        place = (row["table"], row["row"], row["field"])
        taken.setdefault(place, []).append((row["start"], row["end"]))
    kept = list(found)
    for row in more:
        spans = taken.setdefault((row["table"], row["row"], row["field"]), [])
        if not any(row["start"] < end and begin < row["end"] for begin, end in spans):
            spans.append((row["start"], row["end"]))
            kept.append(row)
    order = {name: number for number, name in enumerate(tables)}
    kept.sort(key=lambda row: (order[row["table"]], row["row"], row["field"], row["start"]))
    return kept


def claimed(texts: Sequence[Text], kinds: Sequence[Kind]) -> int:
    """How often a pattern matched, whether or not its match was kept."""
    return sum(sum(1 for _ in known(one.text, kinds)) for one in texts)


def structure(name: str, records: Sequence[Mapping[str, Any]]) -> list[Row]:
    """A row for each path of nested records: how often it is there, of which types, how deep.

    Items of lists have the path `field[]`.
    """
    types: dict[str, Counter[str]] = {}
    sizes: dict[str, list[int]] = {}
    for record in records:
        for path, value in _walk(record, ""):
            types.setdefault(path, Counter())[_type(value)] += 1
            if isinstance(value, dict | list):
                sizes.setdefault(path, []).append(len(value))
    rows = []
    for path, counts in types.items():
        held = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        rows.append(
            {
                "table": name,
                "path": path,
                "values": counts.total(),
                "types": ", ".join(f"{kind} {count}" for kind, count in held),
                "one_type": sum(kind != "null" for kind in counts) <= 1,
                "depth": path.count(".") + path.count("[]") + 1,
                "largest": max(sizes.get(path, [0])),
            }
        )
    return rows


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 -- JSON
    if isinstance(value, Mapping):
        for name, inner in value.items():
            at = f"{path}.{name}" if path else str(name)
            yield at, inner
            yield from _walk(inner, at)
    elif isinstance(value, list):
        for inner in value:
            yield f"{path}[]", inner
            yield from _walk(inner, f"{path}[]")


def _type(value: Any) -> str:  # noqa: ANN401 -- JSON
    if isinstance(value, Mapping):
        return "object"
    return "null" if is_missing(value) and not isinstance(value, str) else str(kind_of(value))


def text_figures(texts: Sequence[Text]) -> list[Row]:
    """Sizes of the texts of each field."""
    by_field: dict[tuple[str, str], list[str]] = {}
    for one in texts:
        by_field.setdefault((one.table, one.field), []).append(one.text)
    rows = []
    for (table, field), said in by_field.items():
        counts = [len(words(text)) for text in said]
        if max(counts) < SHORTEST_TEXT:
            continue
        sentences = sum(sum(1 for _ in sentence_spans(text)) for text in said)
        rows.append(
            {
                "table": table,
                "field": field,
                "texts": len(said),
                "characters": sum(map(len, said)),
                "words": sum(counts),
                "sentences": sentences,
                "paragraphs": sum(sum(1 for _ in paragraph_spans(text)) for text in said),
                "words_a_sentence": sum(counts) / sentences if sentences else None,
            }
        )
    return rows


def telling(texts: Sequence[Text], most: int = TOLD_SENTENCES) -> list[Row]:
    """The sentences that share most with the others of their table (TextRank), best first.

    Of a table with very many sentences the first ones are looked at.
    """
    found: list[tuple[Text, int, int]] = []
    for one in texts:
        for begin, end in sentence_spans(one.text):
            if len(words(one.text[begin:end])) >= SHORTEST_SENTENCE:
                found.append((one, begin, end))
    found = found[:MOST_SENTENCES]
    if len(found) <= 1:
        return []
    rank = ranks([telling_words(one.text[begin:end]) for one, begin, end in found])
    best = sorted(range(len(found)), key=lambda place: (-rank[place], place))
    rows, seen = [], set()
    for place in best:
        one, begin, end = found[place]
        said = " ".join(one.text[begin:end].split())
        if said in seen:
            continue
        seen.add(said)
        at = {"table": one.table, "row": one.row, "id": one.id, "field": one.field}
        rows.append({**at, "start": begin, "end": end, "rank": float(rank[place]), "text": said})
        if len(rows) == most:
            break
    return rows
