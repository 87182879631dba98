"""What is taken as input, and what is said about what is not."""

import gzip
import io

import pandas as pd
import pytest

from blocks.errors import InputError, InputProblems
from tasks.domains.initialise import Source, Tally, length_class, read_proteins, read_sheet

M = "MKVLAAGIVG"


def read(files: dict[str, str | bytes]) -> tuple[pd.DataFrame, Tally, list[str]]:
    """Proteins, counts and problems of some files."""

    def opened(place: str) -> io.BytesIO:
        if place not in files:
            raise InputError(f"{place}: no such file; expected a path or URI that exists")
        content = files[place]
        return io.BytesIO(content.encode() if isinstance(content, str) else content)

    tally = Tally()
    sources = [Source(name) for name in files] or [Source("gone.fa")]
    frames = list(
        read_proteins(sources, opened, lambda s: [f"digest of {one}" for one in s], tally)
    )
    frame = pd.concat(frames) if frames else pd.DataFrame()
    return frame, tally, [str(one) for problems in tally.refused.values() for one in problems]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f">a first\n{M}\n>b\n{M}{M}\n", id="plain"),
        pytest.param(f">a first\r\n{M}\r\n>b\r\n{M}{M}\r\n", id="CRLF"),
        pytest.param(f">a first\n{M.lower()}\n>b\n{M}\n{M.lower()}*\n", id="lower case, stop"),
        pytest.param(gzip.compress(f">a first\n{M}\n>b\n{M}{M}".encode()), id="gzip"),
    ],
)
def test_the_same_proteins_however_they_are_written(text):
    frame, tally, problems = read({"x.fa": text})

    assert frame["id"].tolist() == ["a", "b"]
    assert frame["sequence"].tolist() == [M, M + M]
    assert frame["source"].tolist() == ["x.fa"] * 2
    assert (tally.records, problems) == (2, [])


def test_all_problems_of_all_files_are_told_at_once():
    _, _, problems = read(
        {
            "x.fa": f">a\nMKV1LA\n>b\n\n>c\n{M}\n",
            "y.fa": "MKV\n",
            "z.fa": "",
            "w.csv": "id,seq\na,MKV\n",
        }
    )

    assert problems == [
        "x.fa, record 1 (a), sequence, position 4: letter '1'; expected letters of protein "
        "(ACDEFGHIKLMNPQRSTVWYBJOUXZ)",
        "x.fa, record 2 (b), sequence: empty; expected letters of protein "
        "(ACDEFGHIKLMNPQRSTVWYBJOUXZ)",
        "y.fa, first line: 'MKV'; expected `>` and a name (FASTA)",
        "z.fa: no records; expected at least one sequence",
        "w.csv, header: no column 'sequence' among id, seq; expected a column 'sequence'",
    ]


def test_a_missing_file_is_one_line():
    assert read({})[2] == ["gone.fa: no such file; expected a path or URI that exists"]


def test_sequences_of_nucleotides_are_counted_and_one_is_named():
    dna = "ACGTN" * 12
    _, tally, problems = read({"x.fa": f">a\n{M * 6}\n>b\n{dna}\n>short\nACGT\n>c\n{dna}{dna}\n"})

    assert (tally.nucleotides, tally.first_nucleotides, problems) == (2, "b", [])


def test_a_record_that_comes_twice_is_kept_once_and_counted():
    frame, tally, problems = read({"x.fa": f">a\n{M}\n>a\n{M}\n", "y.fa": f">a\n{M}\n>b\n{M}\n"})

    assert frame["id"].tolist() == ["a", "b"]
    assert (tally.records, tally.repeated, problems) == (4, 2, [])


def test_an_id_with_two_sequences_is_a_problem():
    _, _, problems = read({"x.fa": f">a\n{M}\n", "y.fa": f">a\n{M}{M}\n"})

    assert problems == [
        "y.fa, a: id 'a' has another sequence in x.fa; expected one sequence for each id"
    ]


def test_a_bad_file_leaves_the_others_alone():
    frame, tally, _ = read({"x.fa": f">a\n{M}\n", "y.fa": ">b\nM-K\n"})

    assert frame.loc[frame["source"] == "x.fa", "id"].tolist() == ["a"]
    assert list(tally.refused) == ["y.fa"]


@pytest.mark.parametrize(
    ("length", "expected"),
    [(0, "peptide"), (29, "peptide"), (30, "short"), (100, "medium"), (999, "long")],
)
def test_classes_of_length(length, expected):
    assert length_class(length, peptide_below=30) == expected


def test_a_sheet_names_samples_and_files():
    assert read_sheet("sample,fasta,tissue\ns1,a.fa,heart\n\ns2,b.fa,\n", "s.csv") == (
        Source("a.fa", "s1"),
        Source("b.fa", "s2"),
    )


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("sample,file\n", ["s.csv, header: no column 'fasta'; expected a head: sample,fasta"]),
        ("sample,fasta\n", ["s.csv: no samples; expected a row for each file"]),
        (
            "sample,fasta\ns 1,a.fa\ns2\ns3,a.fa\n",
            [
                "s.csv, row 2, column sample: 's 1'; expected a name without blanks",
                "s.csv, row 3, column fasta: empty; expected a file of proteins",
                "s.csv, row 4, column fasta: a.fa twice; expected each file once",
            ],
        ),
    ],
    ids=["no column", "no rows", "wrong cells"],
)
def test_a_wrong_sheet_is_told_with_its_rows(text, lines):
    with pytest.raises(InputProblems) as caught:
        read_sheet(text, "s.csv")

    assert str(caught.value).splitlines() == lines
