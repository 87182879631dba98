"""Annotations as tables, JSON and XML: 1-based inclusive ranges, nothing lost."""

from xml.etree import ElementTree as ET

import pandas as pd
import pytest

from tasks.domains.ecod_xml import EcodXml, hit_lines
from tasks.domains.flat_blocks import BLOCKS
from tasks.domains.rows import (
    annotation_json,
    domain_columns,
    domain_rows,
    evidence_texts,
    protein_row,
    unassigned_rows,
)
from tests.domains.calls import FRAME, annotation, domain, evidence


def parsed(content: bytes) -> ET.Element:
    return ET.fromstring(content)  # noqa: S314 -- our own


SCOP = ("class", "fold", "superfamily", "family")


def test_a_row_per_domain():
    (row,) = domain_rows(annotation())

    assert set(row) == set(domain_columns(SCOP))
    assert row["range"] == "160-320,350-400"
    assert (row["length"], row["classification"], row["superfamily"]) == (212, "c.47.1", "c.47.1")
    assert (row["family"], row["family_confidence"]) == ("", 0.4)
    assert (row["evalue"], row["probability"], row["coverage"]) == (1e-20, 0.995, 0.9)
    assert row["flags"] == "discontinuous,extended"


def test_a_domain_without_a_class_says_so():
    (row,) = domain_rows(annotation(domains=(domain(classification="", is_fragment=True),)))

    assert row["flags"] == "unclassified,fragment,discontinuous,extended"


@pytest.mark.parametrize(
    ("outcome", "reason"), [("partly", "weak_hits"), ("classified", "")], ids=str
)
def test_a_row_per_protein_tells_why_most_of_the_rest_is_empty(outcome, reason):
    row = protein_row(annotation(outcome=outcome))

    assert (row["outcome"], row["reason"], row["coverage"]) == (outcome, reason, 0.53)


def test_a_row_per_stretch_without_a_domain():
    assert [(one["range"], one["length"]) for one in unassigned_rows(annotation())] == [
        ("1-159", 159), ("321-349", 29),
    ]  # fmt: skip


def test_json_has_ranges_as_texts_and_no_places_in_frames():
    content = annotation_json(annotation())

    (one,) = content["domains"][0]["evidence"]
    assert (one["query_range"], one["target_range"]) == ("160-320,350-400", "1-212")
    assert "row" not in one
    assert "segments" not in str(content)


def test_evidence_joins_blocks_that_touch():
    (row,) = evidence_texts(FRAME).to_dict("records")

    assert row["query_range"] == "160-320,350-400"
    assert row["target_range"] == "1-11,15-164,162-212"
    assert (row["aligned"], row["evalue"]) == (212, 0.0)


def test_xml_of_a_summary():
    hits = hit_lines(evidence_texts(FRAME))
    root = parsed(EcodXml({"batch_id": 'a & "b"\n'}, {}).summary("p<1>", "MKV", hits))

    assert root.find("protein/metadata").attrib == {"batch_id": 'a & "b"\n'}
    assert root.find("protein/sequence").text == "MKV"
    assert root.find("protein").attrib == {"id": "p<1>", "length": "3"}
    (hit,) = root.iter("hit")
    assert hit.attrib == {
        "type": "domain_blast", "program": "blastp", "target": "d1xyza1",
        "query_range": "160-320,350-400", "target_range": "1-11,15-164,162-212", "evalue": "0",
        "bitscore": "300.5", "identity": "0.25", "hsp_count": "2",
    }  # fmt: skip


def test_names_of_the_reference_are_escaped_in_a_summary():
    told = 'd<1>&"x"'
    hits = hit_lines(evidence_texts(FRAME.assign(target=told, probability=0.5)))
    root = parsed(EcodXml({}, {}).summary("p", "MKV", hits))

    (hit,) = root.iter("hit")
    assert (hit.get("target"), hit.get("probability")) == (told, "0.5")


def test_rows_with_many_blocks_with_one_and_with_none_keep_their_ranges():
    lists = [([0, 5, 10], [5, 6, 20], [5, 4, 1]), ([], [], []), ([7], [0], [3]), ([10], [3], [2])]
    blocks = [dict(zip(BLOCKS, one, strict=True)) for one in lists]
    frame = pd.concat([FRAME] * len(lists), ignore_index=True).assign(
        **{name: [one[name] for one in blocks] for name in BLOCKS}
    )

    made = evidence_texts(frame)

    assert made["query_range"].tolist() == ["1-9,11-11", "", "8-10", "11-12"]
    assert made["target_range"].tolist() == ["6-10,7-10,21-21", "", "1-3", "4-5"]
    assert made["aligned"].tolist() == [10, 0, 3, 2]


def test_xml_of_a_partition():
    two = (evidence(), evidence(source="domain_blast", probability=None, bitscore=50.0))
    made = annotation(domains=(domain(evidence=two),))
    root = parsed(EcodXml({"reference": "scop"}, {"min_domain": 25}).partition(made))

    assert (root.get("id"), root.get("is_classified"), root.get("reference")) == (
        "p<1>", "true", "scop",
    )  # fmt: skip
    (found,) = root.iter("domain")
    assert (found.get("range"), found.get("superfamily"), found.get("family")) == (
        "160-320,350-400", "c.47.1", "c.47.1",
    )  # fmt: skip
    assert found.find("primary_evidence").get("hh_probability") == "0.995"
    assert found.find("evidence").get("hh_probability") is None
    assert [one.get("reason") for one in root.iter("stretch")] == ["weak_hits", "short"]
    assert root.find("metadata/parameters/parameter").attrib == {
        "name": "min_domain",
        "value": "25",
    }


def test_xml_of_a_protein_without_anything_is_well_formed():
    made = annotation(domains=(), unassigned=())
    root = parsed(EcodXml({}, {}).partition(made))

    assert [(one.tag, one.get("count"), len(one)) for one in root[1:]] == [
        ("domains", "0", 0), ("unassigned", "0", 0),
    ]  # fmt: skip
    assert parsed(EcodXml({}, {}).summary("p", "", [])).find("protein/evidence").get("count") == "0"
