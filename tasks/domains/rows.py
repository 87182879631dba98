"""Annotations as rows of tables and as JSON; here positions become 1-based and inclusive."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from tasks.domains.calls import ANNOTATION, Annotation, DomainCall
from tasks.domains.flat_blocks import flat_blocks, range_texts
from tasks.domains.ranges import range_text, size

PROTEIN_COLUMNS = (
    "protein", "length", "length_class", "outcome", "domains", "assigned", "coverage",
    "evidence", "reason", "description", "source",
)  # fmt: skip
UNASSIGNED_COLUMNS = ("protein", "range", "length", "reason", "detail")
FAILED_COLUMNS = ("id", "sequence", "description", "stage", "error")
EVIDENCE_TEXTS = ("protein", "source", "program", "target", "query_range", "target_range")
EVIDENCE_NUMBERS = ("identities", "aligned", "evalue", "bitscore", "probability", "hsp_count")


def domain_columns(levels: Sequence[str]) -> tuple[str, ...]:
    """Columns of a row per domain; each level of the hierarchy has its name and its confidence."""
    named = [column for level in levels for column in (level, f"{level}_confidence")]
    return (
        "protein", "number", "range", "length", "classification", *named, "confidence", "source",
        "reference_domain", "reference_length", "evalue", "probability", "coverage", "identity",
        "evidence", "flags",
    )  # fmt: skip


def domain_rows(annotation: Annotation) -> Iterator[dict[str, Any]]:
    """A row per domain, with `domain_columns`; E-value and the like are the best alignment's."""
    for domain in annotation.domains:
        best = domain.evidence[0] if domain.evidence else None
        row: dict[str, Any] = {
            "protein": annotation.protein,
            "number": domain.number,
            "range": range_text(domain.segments),
            "length": size(domain.segments),
            "classification": domain.classification,
        }
        for level in domain.levels:
            row[level.name] = level.value or ""
            row[f"{level.name}_confidence"] = round(level.confidence, 4)
        yield row | {
            "confidence": round(domain.confidence, 4),
            "source": domain.source,
            "reference_domain": domain.reference_domain,
            "reference_length": domain.reference_length,
            "evalue": best.evalue if best else None,
            "probability": best.probability if best else None,
            "coverage": round(best.coverage, 4) if best else None,
            "identity": round(best.identity, 4) if best else None,
            "evidence": domain.evidence_count,
            "flags": ",".join(flags(domain)),
        }


def flags(domain: DomainCall) -> list[str]:
    """What is special about a domain."""
    told = {
        "unclassified": not domain.classification,
        "fragment": domain.is_fragment,
        "discontinuous": domain.is_discontinuous,
        "extended": bool(domain.extended_start or domain.extended_end),
    }
    return [name for name, holds in told.items() if holds]


def protein_row(annotation: Annotation) -> dict[str, Any]:
    """How a protein ended; length class, description and source come from its input."""
    left = max(annotation.unassigned, key=lambda one: size(one.segments), default=None)
    return {
        "protein": annotation.protein,
        "length": annotation.length,
        "outcome": annotation.outcome,
        "domains": len(annotation.domains),
        "assigned": annotation.assigned,
        "coverage": round(annotation.assigned / annotation.length, 4) if annotation.length else 0.0,
        "evidence": annotation.evidence_count,
        "reason": left.reason if left and annotation.outcome != "classified" else "",
    }


def unassigned_rows(annotation: Annotation) -> Iterator[dict[str, Any]]:
    """A row per stretch without a domain."""
    for one in annotation.unassigned:
        yield {
            "protein": annotation.protein,
            "range": range_text(one.segments),
            "length": size(one.segments),
            "reason": one.reason,
            "detail": one.detail,
        }


def annotation_json(annotation: Annotation) -> dict[str, Any]:
    """An annotation for programs: the record's fields, with ranges as text."""
    content: dict[str, Any] = ANNOTATION.dump_python(annotation)
    for domain in content["domains"]:
        domain["range"] = range_text(domain.pop("segments"))
        for one in domain["evidence"]:
            del one["row"]
            one["query_range"] = range_text(one.pop("query_segments"))
            one["target_range"] = range_text(one.pop("target_segments"))
    for stretch in content["unassigned"]:
        stretch["range"] = range_text(stretch.pop("segments"))
    return content


def evidence_texts(evidence: pd.DataFrame) -> pd.DataFrame:
    """Evidence for people: aligned stretches as ranges, the columns that are aligned counted."""
    blocks = flat_blocks(evidence)
    made = evidence[["protein", "source", "program", "target"]].copy()
    for side, starts in (("query", blocks.query), ("target", blocks.target)):
        texts = range_texts(starts, blocks.length, blocks.bounds)
        made[f"{side}_range"] = pd.Series(texts, index=made.index, dtype="str")
    made["aligned"] = blocks.columns
    for name in EVIDENCE_NUMBERS:
        if name != "aligned":
            made[name] = evidence[name]
    return made[[*EVIDENCE_TEXTS, *EVIDENCE_NUMBERS]]
