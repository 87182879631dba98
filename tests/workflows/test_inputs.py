"""What conditions may ask of the files that inputs name."""

from tasks.workflows.facts import Facts
from tasks.workflows.inputs import about_inputs
from tests.workflows.declared import declaration


def test_sizes_and_rows_of_files_are_known(tmp_path):
    sheet, fasta = tmp_path / "sheet.csv", tmp_path / "some.fasta"
    sheet.write_text("sample,round\na,0\n\nb,1\n")
    fasta.write_text(">a\nMK\n>b\nMK\n>c\nMK\n")
    other = tmp_path / "other.bin"
    other.write_bytes(b"12345")
    about = about_inputs(
        {"sheet": str(sheet), "fasta": str(fasta), "other": str(other), "n": 3, "text": "a\0b",
         "folder": str(tmp_path), "gone": str(tmp_path / "gone.csv"), "empty": ""}
    )  # fmt: skip
    assert about == {
        "sheet.bytes": 22, "sheet.rows": 2, "fasta.bytes": 18, "fasta.rows": 3, "other.bytes": 5,
    }  # fmt: skip


def test_relative_files_lie_in_the_folder_of_data(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQLOOM_DATA", str(tmp_path))
    (tmp_path / "x.tsv").write_text("a\nb\n")
    assert about_inputs({"x": "x.tsv"})["x.rows"] == 1


def test_conditions_see_them():
    declared = declaration(
        {"name": "a"}, inputs={"sheet": "s.csv"},
        conditions={"many": "`sheet.rows` > 5", "big": "`sheet.bytes` > 5"},
    )  # fmt: skip
    facts = Facts(declared, {"sheet.rows": 9}, {})
    assert facts.holds(["many", "not big"])
