"""Summary and partition of a protein as XML of the kind that ECOD's tools read.

Attribute names are those of that format; levels of the hierarchy are attributes too: `x_group` and
so on where the reference has ECOD's levels, else their own names (`superfamily`).
"""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from tasks.domains.calls import Annotation, DomainCall, DomainEvidence
from tasks.domains.ranges import range_text
from tasks.domains.rows import flags

ECOD_GROUPS = {"X": "x_group", "H": "h_group", "T": "t_group", "F": "f_group"}


def summary_xml(
    protein: str,
    sequence: str,
    evidence: Sequence[Mapping[str, Any]],
    metadata: Mapping[str, str],
) -> bytes:
    """`domain_summary`: all evidence of a protein.

    Args:
        evidence: Its rows, as `tasks.domains.rows.evidence_texts` makes them.
    """
    root = Element("domain_summary", version="1.0")
    entry = SubElement(root, "protein", id=protein, length=str(len(sequence)))
    SubElement(entry, "sequence").text = sequence
    hits = SubElement(entry, "evidence", count=str(len(evidence)))
    for row in evidence:
        scores = {
            name: _number(row[name])
            for name in ("probability", "evalue", "bitscore")
            if row[name] == row[name]  # NaN is not itself
        }
        texts = ("program", "target", "query_range", "target_range", "hsp_count")
        told = {name: str(row[name]) for name in texts}
        identity = _number(row["identities"] / max(row["aligned"], 1))
        SubElement(
            hits, "hit", {"type": str(row["source"]), **told, **scores, "identity": identity}
        )
    SubElement(entry, "metadata", dict(metadata))
    return _text(root)


def partition_xml(
    annotation: Annotation, metadata: Mapping[str, str], parameters: Mapping[str, object]
) -> bytes:
    """`domain_partition`: the domains of a protein and what is left over."""
    root = Element(
        "domain_partition",
        id=annotation.protein,
        reference=metadata.get("reference", ""),
        outcome=annotation.outcome,
        is_classified=_truth(any(domain.classification for domain in annotation.domains)),
        is_peptide=_truth(annotation.outcome == "peptide"),
    )
    about = SubElement(root, "metadata")
    SubElement(about, "version", dict(metadata))
    given = SubElement(about, "parameters")
    for name, value in parameters.items():
        SubElement(given, "parameter", name=name, value=str(value))
    SubElement(
        about,
        "statistics",
        sequence_length=str(annotation.length),
        domain_count=str(len(annotation.domains)),
        total_coverage=_number(annotation.assigned / max(annotation.length, 1)),
        residues_assigned=str(annotation.assigned),
        evidence_count=str(annotation.evidence_count),
    )
    domains = SubElement(root, "domains", count=str(len(annotation.domains)))
    for domain in annotation.domains:
        _add_domain(domains, annotation.protein, domain)
    left = SubElement(root, "unassigned", count=str(len(annotation.unassigned)))
    for one in annotation.unassigned:
        stretch = {"range": range_text(one.segments), "reason": one.reason, "detail": one.detail}
        SubElement(left, "stretch", stretch)
    return _text(root)


def _add_domain(domains: Element, protein: str, domain: DomainCall) -> None:
    groups = {
        ECOD_GROUPS.get(level.name, level.name): level.value
        for level in domain.levels
        if level.value
    }
    added = SubElement(
        domains,
        "domain",
        {
            "id": f"{protein}_d{domain.number}",
            "range": range_text(domain.segments),
            "family": domain.classification,
            "source": domain.source,
            "confidence": _number(domain.confidence),
            "evidence_count": str(domain.evidence_count),
            "is_discontinuous": _truth(domain.is_discontinuous),
            "is_fragment": _truth(domain.is_fragment),
            "reference_ecod_domain_id": domain.reference_domain,
            **groups,
        },
    )
    for place, one in enumerate(domain.evidence):
        name = "evidence" if place else "primary_evidence"
        SubElement(added, name, _evidence(one, domain.reference_length, flags(domain), place))


def _evidence(
    one: DomainEvidence, reference_length: int, quality: Sequence[str], place: int
) -> dict[str, str]:
    found = {
        "source_type": one.source,
        "source_id": one.target,
        "domain_id": one.domain,
        "evalue": _number(one.evalue),
        "evidence_range": range_text(one.query_segments),
        "hit_range": range_text(one.target_segments),
        "reference_coverage": _number(one.coverage),
        "identity": _number(one.identity),
    }
    if one.probability is not None:
        found["hh_probability"] = _number(one.probability)
    if not place:
        found |= {"reference_length": str(reference_length), "quality_flags": ",".join(quality)}
    return found


def _number(value: float) -> str:
    return f"{value:.4g}"


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _text(root: Element) -> bytes:
    indent(root)
    content: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"
