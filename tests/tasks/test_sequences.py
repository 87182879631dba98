import gzip
import io

import pandas as pd
import pytest

from blocks.errors import InputError, InputProblems
from tasks.sequence_files import fasta_text, format_of, read_sequences
from tasks.sequences import Layout, from_list


def read(content: bytes, name: str, layout: Layout = Layout()) -> pd.DataFrame:
    return pd.concat(list(read_sequences(io.BytesIO(content), name, "auto", layout)))


def problems_of(content: bytes, name: str, layout: Layout = Layout()) -> list[str]:
    with pytest.raises(InputProblems) as caught:
        read(content, name, layout)
    return [str(problem) for problem in caught.value.problems]


FASTA = b">a first one\nMKV\nLL\n>b\nmkv*\n>a\nMKV\n"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(FASTA, id="plain"),
        pytest.param(FASTA.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(b"\xef\xbb\xbf" + FASTA, id="BOM"),
        pytest.param(gzip.compress(FASTA), id="gzip"),
        pytest.param(b"\n\n" + FASTA + b"\n", id="blank lines"),
        pytest.param(FASTA.rstrip(b"\n"), id="no final newline"),
    ],
)
def test_fasta_keeps_ids_headers_duplicates_and_order(content):
    frame = read(content, "x.fasta")

    assert frame["id"].tolist() == ["a", "b", "a"]
    assert frame["description"].tolist() == ["first one", "", ""]
    assert frame["sequence"].tolist() == ["MKVLL", "MKV", "MKV"]


def test_table_keeps_further_columns():
    frame = read(b"id,plate,sequence\nx,007,MKV\n\n# comment\ny,,MKI\n", "x.csv")

    assert frame.to_dict("list") == {
        "id": ["x", "y"],
        "description": ["", ""],
        "sequence": ["MKV", "MKI"],
        "plate": ["007", ""],
    }


def test_quoted_cells_may_hold_separators():
    assert read(b'id,note,sequence\nx,"a, b",MKV\n', "x.csv")["note"].tolist() == ["a, b"]


def test_chains_are_joined_and_kept():
    layout = Layout(chains=("heavy", "light"))

    frame = read(b"id\theavy\tlight\nab1\tQVQ\tDIQ\n", "x.tsv", layout)

    assert frame.iloc[0].to_dict() == {
        "id": "ab1",
        "description": "",
        "sequence": "QVQ:DIQ",
        "heavy": "QVQ",
        "light": "DIQ",
    }


def test_parquet_reads_like_a_table(tmp_path):
    path = tmp_path / "x.parquet"
    pd.DataFrame({"id": ["x"], "sequence": ["MKV"], "tm": [48.5]}).to_parquet(path)

    assert read(path.read_bytes(), "x.parquet")["tm"].tolist() == [48.5]


@pytest.mark.parametrize(
    ("alphabet", "sequence", "fine"),
    [("dna", "ACGTN", True), ("dna", "ACGU", False), ("rna", "ACGU", True), ("rna", "ACGT", False)],
)
def test_alphabets(alphabet, sequence, fine):
    layout = Layout(alphabet=alphabet)
    if fine:
        assert from_list([sequence], layout)["sequence"].tolist() == [sequence]
    else:
        with pytest.raises(InputProblems, match=f"letters of {alphabet}"):
            from_list([sequence], layout)


def test_all_problems_are_reported_at_once_with_row_and_column():
    content = b"id,sequence\na,MKV\n\nb,MK1\nc,\nd e,MKV\ne\n"

    assert problems_of(content, "x.csv") == [
        "x.csv, row 7: 1 cells; expected 2 cells",
        "x.csv, row 4, sequence, position 3: letter '1'; "
        "expected letters of protein (ACDEFGHIKLMNPQRSTVWYBJOUXZ)",
        "x.csv, row 5, sequence: empty; expected letters of protein (ACDEFGHIKLMNPQRSTVWYBJOUXZ)",
        "x.csv, row 6, id: 'd e'; expected a name without blanks",
    ]


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        pytest.param(b"", "x.fasta", "no records; expected at least one", id="empty"),
        pytest.param(b"MKV\n", "x.fasta", "'MKV'; expected `>` and a name", id="no header"),
        pytest.param(b">\nMKV\n", "x.fasta", "record 1, id: none; expected a name", id="no name"),
        pytest.param(
            b">" + b"x" * 1_001 + b"\nMKV\n",
            "x.fasta",
            "id: 1,001 letters; expected",
            id="long name",
        ),
        pytest.param(b">a\n>b\nMKV\n", "x.fasta", "(a), sequence: empty", id="no residues"),
        pytest.param(b">a\nMK-V\n", "x.fasta", "letter '-'", id="gap"),
        pytest.param(gzip.compress(FASTA)[:-12], "x.gz.fa", "broken gzip", id="truncated gzip"),
        pytest.param(b">\xe4\nMKV\n", "x.fasta", "is not UTF-8", id="Latin-1"),
        pytest.param(b"name,seq\na,MKV\n", "x.csv", "no column 'sequence'", id="no column"),
        pytest.param(b"id,id,sequence\na,b,M\n", "x.csv", "column 'id' twice", id="column twice"),
        pytest.param(b"\n#\n", "x.csv", "no rows", id="only comments"),
        pytest.param(b"id,sequence\n", "x.csv", "no records", id="only a header"),
        pytest.param(b'id,sequence\na,"MKV\n', "x.csv", "unexpected end of data", id="open quote"),
        pytest.param(b"PAR1", "x.parquet", "not a Parquet file", id="broken Parquet"),
    ],
)
def test_what_is_wrong_is_said(content, name, message):
    assert any(message in problem for problem in problems_of(content, name))


def test_aligned_sequences_are_taken_where_asked_for():
    assert read(b">a\nMK-V.\n", "x.fa", Layout(gaps=True))["sequence"].tolist() == ["MK-V."]


def test_problems_beyond_the_first_thousand_are_counted():
    content = b"id,sequence\n" + b"a,1\n" * 1_005

    assert problems_of(content, "x.csv")[-1].startswith("input: 5 further problems")


def test_unknown_format_lists_the_known_ones():
    with pytest.raises(InputError, match=r"expected one of \.fasta"):
        format_of("sequences.docx")


def test_written_fasta_reads_back():
    text = "".join(fasta_text(["a", "b"], ["M" * 130, "K"]))

    frame = read(text.encode(), "x.fasta")

    assert frame["sequence"].tolist() == ["M" * 130, "K"]
    assert max(map(len, text.splitlines())) == 60
