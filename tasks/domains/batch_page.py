"""The page of a batch: how its proteins ended, and the domains of each along its sequence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from tasks.domains.calibration_bins import expected_frame
from tasks.domains.gathered import SOURCES, Gathered
from tasks.report.histogram import histogram
from tasks.report.number_text import counted
from tasks.report.page import Section, key_numbers, page
from tasks.report.svg import joined
from tasks.report.tables import data_table
from tasks.report.tracks import tracks

OUTCOMES = {
    "classified": "classified",
    "partly": "partly",
    "unclassified": "unclassified",
    "rejected": "rejected: evidence too weak",
    "no_evidence": "no evidence",
    "peptide": "peptide",
    "failed": "failed",
}
"""Outcome -> what the page calls it, in the order of the table."""
MEANING = {
    "classified": "all domains have a class, nothing long enough for another one is left",
    "partly": "some of it has a classified domain",
    "unclassified": "domains without a certain class",
    "rejected": "what was found is too weak for a domain",
    "no_evidence": "nothing was found",
    "peptide": "too short to be searched",
    "failed": "a stage failed; the reason stands in failed.csv",
}
TOP_CLASSES = 20
FEWEST = 20
"""Values that make a distribution."""


@dataclass(frozen=True, slots=True)
class BatchPage:
    """What the page shows besides the proteins."""

    batch: str
    subtitle: str
    seconds: float
    levels: tuple[str, ...]
    calibration: pd.DataFrame
    """How often domains were right where the truth is known, by score."""
    calibration_note: str
    notes: Sequence[str]
    facts: Mapping[str, str]
    """Parameters, versions, reference."""
    files: Sequence[str]
    """Names relative to the page."""


def batch_page(shown: BatchPage, gathered: Gathered) -> str:
    """The whole HTML document."""
    sections = [
        Section("Outcome", "outcome", _outcome(shown, gathered)),
        Section(
            "Proteins",
            "proteins",
            tracks(
                gathered.rows,
                {name: text for name, text in OUTCOMES.items() if gathered.outcomes[name]},
                [name.replace("_", " ") for name in SOURCES],
                total=gathered.proteins,
                where="domains.tsv and proteins.tsv",
            ),
            "Within a protein each class at the level of homology has its colour, the stronger the "
            "surer; open a protein for its evidence. All positions count from 1.",
        ),
        Section("Coverage and confidence", "confidence", _confidence(shown, gathered)),
    ]
    if gathered.classes:
        sections.append(Section("Classes", "classes", _classes(shown, gathered)))
    if gathered.failures:
        table = data_table(
            pd.DataFrame(gathered.failures), label="failed proteins", where="failed.csv"
        )
        note = "failed.csv is an input: with `proteins: failed` only these are done again."
        sections.append(Section("Failed", "failed", table, note))
    facts = pd.DataFrame({"what": list(shown.facts), "value": list(shown.facts.values())})
    sections += [
        Section("Files", "files", _files(shown.files)),
        Section("How", "how", data_table(facts, label="parameters and versions", max_rows=500)),
    ]
    return page(
        f"Domains: {shown.batch}", shown.subtitle, sections, styles=["tracks"], scripts=["tracks"]
    )


def outcome_frame(outcomes: Mapping[str, int]) -> pd.DataFrame:
    """A row for each outcome that occurs."""
    rows = [
        {"outcome": text, "proteins": outcomes[name], "meaning": MEANING[name]}
        for name, text in OUTCOMES.items()
        if outcomes.get(name)
    ]
    return pd.DataFrame(rows, columns=["outcome", "proteins", "meaning"])


def _outcome(shown: BatchPage, gathered: Gathered) -> Markup:
    numbers: dict[str, float | str] = {
        "proteins": gathered.proteins,
        "domains": len(gathered.confidence),
        "residues in domains": f"{100 * gathered.assigned / max(gathered.residues, 1):.1f} %",
        "failed": gathered.outcomes["failed"],
        "took": f"{shown.seconds:,.1f} s",
    }
    frame = outcome_frame(gathered.outcomes)
    notes = [Markup('<p class="note">{}</p>').format(note) for note in shown.notes]
    table = data_table(frame, label="proteins by outcome", bars=("proteins",))
    return joined([key_numbers(numbers), table, *notes])


def _confidence(shown: BatchPage, gathered: Gathered) -> Markup:
    values = {
        "share of a protein in domains": ("proteins", gathered.coverage),
        "confidence of domains": ("domains", gathered.confidence),
    }
    charts = [
        histogram(name, {group: numbers})
        for name, (group, numbers) in values.items()
        if len(numbers) >= FEWEST
    ]
    note = Markup('<p class="note">Too few for a distribution.</p>')
    parts = [Markup('<div class="grid">{}</div>').format(joined(charts)) if charts else note]
    if gathered.confidence:
        parts += [
            Markup("<h3>What the confidence means</h3>"),
            data_table(expected_frame(gathered.confidence), label="confidence in this batch"),
            Markup('<p class="note">{}</p>').format(shown.calibration_note),
            data_table(shown.calibration, label="calibration of confidence"),
        ]
    return joined(parts)


def _classes(shown: BatchPage, gathered: Gathered) -> Markup:
    level = min(gathered.homology_level, len(shown.levels) - 1)
    top = gathered.classes.most_common(TOP_CLASSES)
    frame = pd.DataFrame(
        {
            shown.levels[level]: [name or "not certain" for name, _ in top],
            "domains": [count for _, count in top],
        }
    )
    told = f"{counted(len(gathered.classes), 'group')} at this level."
    sources = ", ".join(
        f"{count:,} by {name.replace('_', ' ')}" for name, count in gathered.sources.most_common()
    )
    note = Markup('<p class="note">{} Domains found {}.</p>').format(told, sources)
    return joined([data_table(frame, label="classes", bars=("domains",)), note])


def _files(files: Sequence[str]) -> Markup:
    items = [Markup('<li><a href="{0}">{0}</a></li>').format(name) for name in files]
    return Markup("<ul>{}</ul>").format(joined(items))
