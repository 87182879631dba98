"""The page of a review: the summary with its sources, what each agent found, and how long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from tasks.agents.checking import Kept, Summary
from tasks.agents.outcome import Performance, Sheet
from tasks.report.number_text import ABSENT, duration
from tasks.report.page import Section, key_numbers, page
from tasks.report.svg import joined
from tasks.report.tables import data_table

SHOWN_ROWS = 100
_FOUND = {
    "entities": "What texts name",
    "telling": "Sentences that tell most",
    "text_figures": "Texts",
    "structure": "How records are built",
    "changes": "What was made uniform",
    "quality": "How good the tables are",
    "violations": "Records that break a rule",
    "anomalies": "What is odd",
    "column_figures": "Columns",
}
"""Table -> its heading, in the order of the page."""
CONFIDENCE = (
    "The confidence of the summary is the lower end of the 95 % interval of the share of what was "
    "written that was found, times the share of cells that hold something, times the share of "
    "those that have the type of most of their column. Of extract it is the same interval of the "
    "share of matches that no other one overlaps and that stand in the text; of transform "
    "completeness times consistency; of analyse the consistency; of validate the share of records "
    "that break no rule."
)
CHECKED = (
    "Each number, date and name with digits was looked up in the places that its sentence cites: "
    "equal, or rounded to the digits that are written. That a sentence says the right thing about "
    "a number is not checked."
)


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """What the page shows."""

    title: str
    subtitle: str
    seconds: float
    summary: Summary
    confidence: float
    notes: Sequence[str]
    agents: pd.DataFrame
    frames: Mapping[str, pd.DataFrame]
    sheets: Sequence[Sheet]
    measured: Performance
    facts: Mapping[str, str]
    """Parameters and versions."""
    files: Sequence[str]


def review_page(shown: ReviewPage) -> str:
    """The whole HTML document."""
    sections = [
        Section("Summary", "summary", _summary(shown), CHECKED),
        Section("Sources", "sources", _sources(shown)),
    ]
    if shown.summary.dropped:
        frame = pd.DataFrame([one.model_dump() for one in shown.summary.dropped])
        table = data_table(frame[["text", "reason"]], label="sentences that were left out")
        sections.append(Section("Left out", "left-out", table))
    sections.append(
        Section("Agents", "agents", data_table(shown.agents, label="agents"), CONFIDENCE)
    )
    sections.append(Section("Found", "found", _found(shown)))
    sections.append(Section("Performance", "performance", _performance(shown.measured)))
    facts = pd.DataFrame({"what": list(shown.facts), "value": list(shown.facts.values())})
    sections += [
        Section("Files", "files", _files(shown.files)),
        Section("How", "how", data_table(facts, label="parameters and versions", max_rows=500)),
    ]
    return page(shown.title, shown.subtitle, sections, styles=["review"])


def _summary(shown: ReviewPage) -> Markup:
    summary = shown.summary
    numbers: dict[str, float | str] = {
        "sentences": len(summary.kept),
        "numbers and names, all found": summary.numbers,
        "sentences left out": len(summary.dropped),
        "confidence": f"{shown.confidence:.2f}",
        "written by": summary.by,
        "took": duration(shown.seconds),
    }
    parts = [key_numbers(numbers)]
    parts += [Markup('<p class="note">{}</p>').format(note) for note in shown.notes]
    for section in dict.fromkeys(one.section for one in summary.kept):
        said = [_sentence(one) for one in summary.kept if one.section == section]
        head = Markup("<h3>{}</h3>").format(section)
        parts.append(Markup('{}<ul class="said">{}</ul>').format(head, joined(said)))
    return joined(parts)


def _sentence(one: Kept) -> Markup:
    marks = [
        Markup('<a href="#source-{0}" class="cite">{0}</a>').format(number)
        for number in one.citations
    ]
    return Markup("<li>{} {}</li>").format(one.text, joined(marks))


def _sources(shown: ReviewPage) -> Markup:
    items = [
        Markup('<li id="source-{}" value="{}">{}</li>').format(one.number, one.number, one.told)
        for one in shown.summary.citations
    ]
    tables = pd.DataFrame(
        [
            {"table": one.name, "rows": one.rows, "of": one.pipeline or ABSENT, "from": one.origin}
            for one in shown.sheets
        ]
    )
    cited = Markup('<ol class="sources">{}</ol>').format(joined(items))
    return joined([data_table(tables, label="tables"), Markup("<h3>Cited places</h3>"), cited])


def _found(shown: ReviewPage) -> Markup:
    parts = []
    for name, title in _FOUND.items():
        frame = shown.frames.get(name)
        if frame is None:
            continue
        table = data_table(frame, label=title, max_rows=SHOWN_ROWS, where=f"tables/{name}.parquet")
        head = Markup("<summary>{} <span class='note'>{:,}</span></summary>").format(
            title, len(frame)
        )
        open_ = Markup(" open") if name == "quality" else Markup()
        parts.append(Markup("<details{}>{}{}</details>").format(open_, head, table))
    return Markup('<div class="found">{}</div>').format(joined(parts))


def _performance(measured: Performance) -> Markup:
    if not measured.stages:
        return Markup('<p class="note">Not measured: the run had no record in the ledger.</p>')
    stages = pd.DataFrame(list(measured.stages))
    parts = [data_table(stages, label="stages of this run", bars=("wall_s",))]
    if measured.runs.get("runs"):
        runs = pd.DataFrame([measured.runs])
        parts += [
            Markup("<h3>Earlier runs</h3>"),
            data_table(runs, label="earlier runs [s]"),
            data_table(pd.DataFrame(list(measured.history)), label="stages of earlier runs [s]"),
            Markup(
                '<p class="note">Wall times [s] of stages that were computed, not taken from the '
                "caches. CPU time is that of the whole process while a stage ran: stages that run "
                "side by side share it.</p>"
            ),
        ]
    else:
        parts.append(Markup('<p class="note">No earlier runs to compare with.</p>'))
    return joined(parts)


def _files(files: Sequence[str]) -> Markup:
    items = [Markup('<li><a href="{0}">{0}</a></li>').format(name) for name in files]
    return Markup("<ul>{}</ul>").format(joined(items))
