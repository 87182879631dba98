"""The page of a batch: how its proteins ended, and the domains of each along its sequence."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
from markupsafe import Markup

from tasks.domains.calibration_bins import expected_frame
from tasks.domains.calls import Annotation, DomainCall, DomainEvidence
from tasks.domains.ranges import Segments, range_text
from tasks.domains.rows import flags
from tasks.report.histogram import histogram
from tasks.report.number_text import counted
from tasks.report.page import Section, key_numbers, page
from tasks.report.svg import joined
from tasks.report.tables import data_table
from tasks.report.tracks import MAX_ROWS, Line, Part, Row, tracks

OUTCOMES = {
    "classified": "classified",
    "partly": "partly",
    "unclassified": "unclassified",
    "rejected": "evidence too weak",
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
SOURCES = ("chain_blast", "domain_blast", "hhsearch")
MAX_LINES = 5
"""Alignments drawn below a domain; the tables hold them all."""
TOP_CLASSES = 20
MAX_FAILED = 200
FEWEST = 20
"""Values that make a distribution."""


@dataclass(slots=True)
class Gathered:
    """What the page needs of the proteins, taken in one after the other."""

    homology_level: int
    rows: list[Row] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    """Class at the level of homology -> domains."""
    sources: Counter[str] = field(default_factory=Counter)
    coverage: list[float] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)
    residues: int = 0
    assigned: int = 0

    @property
    def proteins(self) -> int:
        """All that were taken in."""
        return self.outcomes.total()

    def add(self, annotation: Annotation) -> None:
        """Take in a protein."""
        self.outcomes[annotation.outcome] += 1
        self.coverage.append(annotation.assigned / max(annotation.length, 1))
        self.residues += annotation.length
        self.assigned += annotation.assigned
        for domain in annotation.domains:
            self.confidence.append(domain.confidence)
            self.classes[group_of(domain, self.homology_level)] += 1
            self.sources[domain.source] += 1
        if len(self.rows) < MAX_ROWS:
            self.rows.append(track_of(annotation, self.homology_level))

    def add_failed(self, protein: str, length: int, stage: str, error: str) -> None:
        """Take in a protein without a result."""
        self.outcomes["failed"] += 1
        note = f"{stage}: {error}"
        if len(self.failures) < MAX_FAILED:
            self.failures.append({"protein": protein, "stage": stage, "error": error})
        if len(self.rows) < MAX_ROWS:
            self.rows.append(
                Row(id=protein, length=length, kind="failed", covered=0.0, note=note, parts=[])
            )


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


def group_of(domain: DomainCall, level: int) -> str:
    """The class of a domain at a level; "" where it is not certain."""
    if level >= len(domain.levels):
        return domain.classification
    return domain.levels[level].value or ""


def track_of(annotation: Annotation, homology_level: int) -> Row:
    """A protein as the page draws it."""
    left = "; ".join(
        f"{range_text(one.segments)}: {one.reason.replace('_', ' ')}"
        + (f" ({one.detail})" if one.detail else "")
        for one in annotation.unassigned
    )
    return Row(
        id=annotation.protein,
        length=annotation.length,
        kind=annotation.outcome,
        covered=round(annotation.assigned / max(annotation.length, 1), 3),
        note=f"Without a domain: {left}." if left else "",
        parts=[_part(domain, homology_level) for domain in annotation.domains],
    )


def _part(domain: DomainCall, homology_level: int) -> Part:
    named = domain.classification or "unclassified"
    words = [
        f"confidence {domain.confidence:.2f}",
        f"reference {domain.reference_domain}",
        *flags(domain),
    ]
    sure = [f"{one.name} {one.confidence:.2f}" for one in domain.levels if one.value]
    if sure:
        words.append(f"classes {' '.join(sure)}")
    return Part(
        name=domain.classification,
        group=group_of(domain, homology_level),
        title=f"{domain.number}. {named}",
        segments=_flat(domain.segments),
        strength=round(domain.confidence, 3),
        words=words,
        lines=[_line(one) for one in domain.evidence[:MAX_LINES]],
    )


def _line(one: DomainEvidence) -> Line:
    scores = [f"E {one.evalue:.1g}"]
    if one.probability is not None:
        scores = [f"prob. {100 * one.probability:.0f} %"]
    scores += [f"cov. {100 * one.coverage:.0f} %", f"id. {100 * one.identity:.0f} %"]
    source = SOURCES.index(one.source) if one.source in SOURCES else 0
    return Line(
        source=source, target=one.target, segments=_flat(one.query_segments), text=", ".join(scores)
    )


def _flat(segments: Segments) -> list[int]:
    return [position for segment in segments for position in segment]


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
            "A colour for each class at the level of homology, the stronger the surer; open a "
            "protein for its evidence. All positions count from 1.",
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
    return page(f"Domains: {shown.batch}", shown.subtitle, sections, parts=("tracks",))


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
