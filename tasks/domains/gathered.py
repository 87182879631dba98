"""What the page of a batch shows of its proteins, taken in one after the other."""

from collections import Counter
from dataclasses import dataclass, field

from tasks.domains.calls import Annotation, DomainCall, DomainEvidence
from tasks.domains.ranges import Segments, range_text
from tasks.domains.rows import flags
from tasks.report.tracks import MAX_ROWS, Line, Part, Row, packed

SOURCES = ("chain_blast", "domain_blast", "hhsearch")
MAX_LINES = 5
"""Alignments drawn below a domain; the tables hold them all."""
MAX_FAILED = 200


@dataclass(slots=True)
class Gathered:
    """What the page needs of the proteins, taken in one after the other."""

    homology_level: int
    rows: list[bytes] = field(default_factory=list)
    """As the page takes them."""
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
            self.rows.append(packed(track_of(annotation, self.homology_level)))

    def add_failed(self, protein: str, length: int, stage: str, error: str) -> None:
        """Take in a protein without a result."""
        self.outcomes["failed"] += 1
        note = f"{stage}: {error}"
        if len(self.failures) < MAX_FAILED:
            self.failures.append({"protein": protein, "stage": stage, "error": error})
        if len(self.rows) < MAX_ROWS:
            row = Row(id=protein, length=length, kind="failed", covered=0.0, note=note, parts=[])
            self.rows.append(packed(row))


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
