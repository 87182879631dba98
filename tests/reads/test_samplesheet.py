"""Samplesheets: what is read from them, and what is told about wrong ones."""

import pytest

from blocks.errors import InputError, InputProblems
from tasks.reads.run_files import TAKEN
from tasks.reads.samplesheet import Sample, read_samplesheet


def told(text: str, source: str = "sheet.csv", **others) -> list[str]:
    with pytest.raises(InputProblems) as caught:
        read_samplesheet(text, source, **others)
    return [str(problem) for problem in caught.value.problems]


def test_repeated_samples_are_lanes_in_the_order_of_the_sheet():
    sheet = "sample,fastq_1,fastq_2,lane\na,a1_1,a1_2,1\nb,b_1,b_2,1\na,a2_1,a2_2,2\n"

    assert read_samplesheet(sheet, "sheet.csv") == (
        Sample("a", {"read1": ("a1_1", "a2_1"), "read2": ("a1_2", "a2_2")}),
        Sample("b", {"read1": ("b_1",), "read2": ("b_2",)}),
    )


def test_single_reads_and_indices():
    sheet = "sample,fastq_1,fastq_2,index_1\na,a_1,,i_1\n"

    assert read_samplesheet(sheet, "s.csv") == (
        Sample("a", {"read1": ("a_1",), "index1": ("i_1",)}),
    )


def test_a_sheet_of_excel_is_read():
    sheet = '\ufeffsample,fastq_1,strandedness\r\n"a", a 1.fq ,auto\r\n\r\n'

    assert read_samplesheet(sheet, "s.csv") == (Sample("a", {"read1": ("a 1.fq",)}),)


def test_tabs_separate_in_tsv():
    assert read_samplesheet("sample\tfastq_1\na\tx\n", "s.tsv")[0].files == {"read1": ("x",)}


def test_everything_that_is_wrong_is_told_at_once_with_row_and_column():
    sheet = "sample,fastq_1,fastq_2\na,1,2\n,3,\na b,,4\na,5,\na,1,6\nc,7\nd,gone,8\n"

    assert told(sheet, wrong=lambda name: "no such file" if name == "gone" else "") == [
        "sheet.csv, row 3, column sample: empty; expected letters, digits, '.', '_' and '-', a"
        " letter or digit first, 100 at most",
        "sheet.csv, row 4, column sample: 'a b' cannot be a file's name; expected letters, digits,"
        " '.', '_' and '-', a letter or digit first, 100 at most",
        "sheet.csv, row 4, column fastq_1: empty; expected a FASTQ file",
        "sheet.csv, row 5: fastq_1, but row 2 of sample 'a' has fastq_1 and fastq_2; expected the"
        " same columns in all rows of a sample",
        "sheet.csv, row 6, column fastq_1: 1 stands in row 2, column fastq_1 already; expected each"
        " file once",
        "sheet.csv, row 7: 2 cells; expected 3, as in the head",
        "sheet.csv, row 8, column fastq_1: gone: no such file; expected a file that can be read",
    ]


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        ("", "row 1: the sheet is empty"),
        ("name,fastq_1\na,b\n", "row 1: no column 'sample'"),
        ("sample,fastq_1,fastq_1\na,b,c\n", "row 1: column 'fastq_1' twice"),
        ("sample,fastq_1\n", "row 2: no samples"),
    ],
)
def test_a_sheet_without_rows_or_columns_is_refused(sheet, message):
    assert told(sheet)[0].startswith(f"sheet.csv, {message}")


def test_a_sheet_in_utf16_is_told_as_such():
    with pytest.raises(InputError, match=r"sheet\.csv: holds NUL characters; expected .* UTF-8"):
        read_samplesheet("s\0a\0m\0p\0l\0e\0", "sheet.csv")


@pytest.mark.parametrize("name", ["../a", ".hidden", "a/b", "a" * 101])
def test_names_that_leave_the_folder_or_hide_in_it_are_refused(name):
    assert "cannot be a file's name" in told(f"sample,fastq_1\n{name},x\n")[0]


@pytest.mark.parametrize(
    "name", [*sorted(TAKEN), "Report.HTML", "run.json", "MULTIQC", "Latest", "FAILED.csv"]
)
def test_names_of_what_a_run_writes_beside_its_samples_are_refused(name):
    assert told(f"sample,fastq_1\na,x\n{name},y\n") == [
        f"sheet.csv, row 3, column sample: {name!r} is what a run calls a file of its own; expected"
        " another name"
    ]


def test_a_cell_without_an_end_is_one_line():
    with pytest.raises(InputError) as caught:
        read_samplesheet(f"sample,fastq_1\na,{200_000 * 'x'}\n", "sheet.csv")

    assert str(caught.value) == (
        "sheet.csv, row 2: a cell of more than 131,072 letters; expected a table of short cells"
    )


def test_long_cells_are_shown_shortened():
    sheet = f"sample,fastq_1\n{100_000 * 'a'},{100_000 * 'x'}\n"

    assert max(map(len, told(sheet, wrong=lambda _: "no such file"))) < 250


def test_a_file_spelt_in_two_ways_is_the_same_file():
    assert told("sample,fastq_1\na,x.fq\na,./x.fq\n") == [
        "sheet.csv, row 3, column fastq_1: ./x.fq stands in row 2, column fastq_1 already; expected"
        " each file once"
    ]
