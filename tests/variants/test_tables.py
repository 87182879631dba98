"""Tables that runs over variants read: what is wrong is told with its place."""

import json

import pytest

from blocks.errors import InputError
from tasks.variants.jobs import job_of, protein_of
from tasks.variants.model import VariantsParams
from tasks.variants.sample_table import read_domains, read_samples
from tasks.variants.scoring import Sample

SHEET = "sample,fastq_1,round,replicate\nb,b1.fq,0,1\nb,b2.fq,0,1\na,a.fq,1,1\n"


def test_a_sheet_may_have_lanes_and_other_columns():
    assert read_samples(SHEET, "s.csv") == (Sample("b", 0, 1), Sample("a", 1, 1))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sample,round\na,0\n", "s.csv, row 1: no column 'replicate'; expected the columns sample"),
        ("sample,round,replicate\n", "s.csv: no rows below the head; expected 1 at least"),
        (SHEET.replace("0,1", "zero,1", 1), "s.csv, row 2, column round: 'zero'; expected a whole"),
        (SHEET.replace("b2.fq,0", "b2.fq,1"), "row 3: sample 'b' with another round or replicate"),
        (
            "sample,round,replicate\na,0,1\n",
            "replicate 1 has the rounds \\[0\\]; expected at least",
        ),
    ],
)
def test_a_sheet_that_does_not_fit_is_told(text, told):
    with pytest.raises(InputError, match=told):
        read_samples(text, "s.csv")


def test_domains_are_read_as_half_open_stretches():
    text = "protein\tnumber\trange\tclassification\np\t1\t1-5,8-9\tx.1\np\t2\t10-12\ty.1\n"
    assert read_domains(text, "d.tsv") == [("x.1", [(0, 5), (7, 9)]), ("y.1", [(9, 12)])]
    with pytest.raises(InputError, match="2 proteins; expected the parent only"):
        read_domains(text.replace("p\t2", "q\t2"), "d.tsv")
    with pytest.raises(InputError, match="expected such as 1-95,101-220"):
        read_domains(text.replace("10-12", "ten"), "d.tsv")
    assert read_domains(text.splitlines()[0] + "\n", "d.tsv") == []


def params(tmp_path, **others) -> VariantsParams:
    (tmp_path / "s.csv").write_text(SHEET)
    (tmp_path / "p.fna").write_text(">parent\nATGAAAGCTTGG\n")
    content = {"counts": str(tmp_path), "samples": str(tmp_path / "s.csv"), "first_residue": 2,
               "parent": str(tmp_path / "p.fna"), "length_nt": 9}  # fmt: skip
    return VariantsParams.model_validate(content | others)


def counts(tmp_path, *samples: str) -> None:
    for name in samples:
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}_region.qr.json").write_text(json.dumps({"AAAGCTTGG": 50}))


def test_all_counts_that_are_missing_are_told_together(tmp_path):
    with pytest.raises(InputError) as raised:
        job_of(params(tmp_path))
    lines = str(raised.value).splitlines()
    assert [line.split(": ")[0].rsplit("/", 1)[-1] for line in lines] == [
        "b_region.qr.json", "a_region.qr.json",
    ]  # fmt: skip


def test_a_job_depends_on_contents_and_not_on_places(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        counts(folder, "a", "b")
    assert job_of(params(one)).identity() == job_of(params(other)).identity()
    changed = job_of(params(one, min_count=99)).identity()
    assert changed != job_of(params(other)).identity()


def test_a_region_beyond_the_parent_is_told(tmp_path):
    counts(tmp_path, "a", "b")
    with pytest.raises(InputError, match="ends at residue 5; expected at most 4"):
        job_of(params(tmp_path, length_nt=12))


def test_a_protein_is_found_by_its_id(tmp_path):
    fasta = tmp_path / "some.fasta"
    fasta.write_text(">a\nMK\n>b\nMW\n")
    assert (protein_of(str(fasta), ""), protein_of(str(fasta), "b")) == ("MK", "MW")
    with pytest.raises(InputError, match="no record 'c'"):
        protein_of(str(fasta), "c")
