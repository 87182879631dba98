"""Summary and partition of a protein as XML of the kind that ECOD's tools read.

Attribute names are those of that format; levels of the hierarchy are attributes too: `x_group` and
so on where the reference has ECOD's levels, else their own names (`superfamily`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from math import isnan

import pandas as pd

from tasks.domains.calls import Annotation, DomainCall, DomainEvidence
from tasks.domains.ranges import range_text
from tasks.domains.rows import flags
from tasks.domains.xml_lines import XmlLines, attribute

HIT_TEXTS = ("program", "target", "query_range", "target_range", "hsp_count")
HIT_SCORES = ("probability", "evalue", "bitscore", "identity")
ECOD_GROUPS = {"X": "x_group", "H": "h_group", "T": "t_group", "F": "f_group"}


@dataclass(frozen=True)
class EcodXml:
    """The documents of one batch; what is the same in all of them is made once."""

    metadata: Mapping[str, str]
    parameters: Mapping[str, object]
    """Of the partition."""

    def summary(self, protein: str, sequence: str, hits: Sequence[str]) -> bytes:
        """`domain_summary`: all evidence of a protein, as `hit_lines` makes it."""
        xml = XmlLines()
        xml.open("domain_summary", {"version": "1.0"})
        xml.open("protein", {"id": protein, "length": str(len(sequence))})
        xml.text("sequence", sequence)
        with _group(xml, "evidence", len(hits)):
            xml.insert("".join(hits))
        xml.empty("metadata", self.metadata)
        return xml.document()

    def partition(self, annotation: Annotation) -> bytes:
        """`domain_partition`: the domains of a protein and what is left over."""
        xml = XmlLines()
        root = {
            "id": annotation.protein,
            "reference": self.metadata.get("reference", ""),
            "outcome": annotation.outcome,
            "is_classified": _truth(any(one.classification for one in annotation.domains)),
            "is_peptide": _truth(annotation.outcome == "peptide"),
        }
        xml.open("domain_partition", root)
        xml.open("metadata", {})
        xml.insert(self._about)
        xml.empty("statistics", _statistics(annotation))
        xml.close()
        with _group(xml, "domains", len(annotation.domains)):
            for domain in annotation.domains:
                _add_domain(xml, annotation.protein, domain)
        with _group(xml, "unassigned", len(annotation.unassigned)):
            for one in annotation.unassigned:
                stretch = range_text(one.segments)
                told = {"range": stretch, "reason": one.reason, "detail": one.detail}
                xml.empty("stretch", told)
        return xml.document()

    @cached_property
    def _about(self) -> str:
        """Versions and parameters, as they stand in each partition."""
        xml = XmlLines(depth=2)
        xml.empty("version", self.metadata)
        given = [{"name": name, "value": str(value)} for name, value in self.parameters.items()]
        xml.open("parameters", {})
        for one in given:
            xml.empty("parameter", one)
        xml.close()
        return str(xml)


@contextmanager
def _group(xml: XmlLines, name: str, count: int) -> Iterator[None]:
    """An element with the number of its members, which the block adds; an empty one without."""
    if not count:
        xml.empty(name, {"count": "0"})
        yield
        return
    xml.open(name, {"count": str(count)})
    yield
    xml.close()


def hit_lines(evidence: pd.DataFrame) -> list[str]:
    """Each row of evidence as it stands in its protein's summary; made column by column.

    Args:
        evidence: As `tasks.domains.rows.evidence_texts` makes it.
    """
    frame = evidence.assign(
        type=evidence["source"],
        target=[attribute(target) for target in evidence["target"].tolist()],
        identity=evidence["identities"] / evidence["aligned"].clip(lower=1),
    )
    columns = [
        [f' {name}="{value}"' for value in frame[name].tolist()] for name in ("type", *HIT_TEXTS)
    ]
    columns += [  # NaN: a score that the program does not give
        ["" if isnan(value) else f' {name}="{_number(value)}"' for value in frame[name].tolist()]
        for name in HIT_SCORES
    ]
    return [f"      <hit{''.join(parts)} />\n" for parts in zip(*columns, strict=True)]


def _statistics(annotation: Annotation) -> dict[str, str]:
    return {
        "sequence_length": str(annotation.length),
        "domain_count": str(len(annotation.domains)),
        "total_coverage": _number(annotation.assigned / max(annotation.length, 1)),
        "residues_assigned": str(annotation.assigned),
        "evidence_count": str(annotation.evidence_count),
    }


def _add_domain(xml: XmlLines, protein: str, domain: DomainCall) -> None:
    groups = {
        ECOD_GROUPS.get(level.name, level.name): level.value
        for level in domain.levels
        if level.value
    }
    xml.open(
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
        xml.empty(name, _evidence(one, domain.reference_length, flags(domain), place))
    xml.close()


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
