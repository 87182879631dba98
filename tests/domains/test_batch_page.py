"""The page of a batch: what it holds, and that nothing of the data can run in it."""

import json
import re

import pandas as pd

from tasks.domains.batch_page import BatchPage, batch_page
from tasks.domains.calibration_bins import expected_frame
from tasks.domains.gathered import Gathered
from tasks.report.tracks import packed, tracks
from tests.domains.calls import annotation, domain


def made(*proteins, failed=()) -> str:
    gathered = Gathered(homology_level=2)
    for one in proteins:
        gathered.add(one)
    for one in failed:
        gathered.add_failed(*one)
    shown = BatchPage(
        batch="b", subtitle="s", seconds=1.0, levels=("class", "fold", "superfamily", "family"),
        calibration=pd.DataFrame({"score from": [0.9], "share": [0.95]}), calibration_note="n",
        notes=["a note"], facts={"mode": "FULL"}, files=["domains.tsv"],
    )  # fmt: skip
    return batch_page(shown, gathered)


def data(html: str) -> dict:
    (text,) = re.findall(r'<script type="application/json">(.*?)</script>', html)
    return json.loads(text)


def test_each_protein_is_there_with_domains_and_evidence():
    content = data(made(annotation(), failed=[("x", 9, "hhsearch", "crashed")]))

    first, second = content["rows"]
    assert (first["id"], first["kind"], first["covered"]) == ("p<1>", "partly", 0.53)
    (part,) = first["parts"]
    assert (part["group"], part["segments"]) == ("c.47.1", [159, 320, 349, 400])
    assert part["lines"][0]["text"] == "prob. 100 %, cov. 90 %, id. 25 %"
    assert (second["kind"], second["note"]) == ("failed", "hhsearch: crashed")


def test_names_cannot_end_the_data():
    html = made(annotation(protein="</script><script>alert(1)</script>"))

    assert "alert(1)</script>" not in html
    assert data(html)["rows"][0]["id"] == "</script><script>alert(1)</script>"


def test_counts_by_outcome_and_group():
    html = made(annotation(), annotation(domains=(domain(levels=(), classification=""),)))

    assert re.search(r"partly.*?2", html, re.DOTALL)
    assert "c.47.1" in html
    assert "not certain" in html


def test_more_rows_than_a_page_takes_are_counted(monkeypatch):
    monkeypatch.setattr("tasks.report.tracks.MAX_ROWS", 2)
    row = {"id": "a", "length": 3, "kind": "k", "covered": 0.0, "note": "", "parts": []}

    html = tracks([packed(row)] * 5, {"k": "kind"}, [], total=5, where="all.tsv")

    assert "The first 2 of 5; all stand in all.tsv." in html
    assert len(data(html)["rows"]) == 2


def test_expected_right_is_the_sum_of_confidences():
    assert expected_frame([0.96, 1.0, 0.55, 0.91, 0.91]).to_numpy().tolist() == [
        ["0.95 to 1", 2, 2], ["0.9 to 0.95", 2, 2], ["0.5 to 0.6", 1, 1],
    ]  # fmt: skip
