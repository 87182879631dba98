"""What programs write, read: literal outputs, and outputs that are not whole."""

import io

import pandas as pd
import pytest

from blocks.errors import InputProblems, ToolError
from tasks.domains.blast import COLUMNS, blastp_argv, makeblastdb_argv, read_blast
from tasks.domains.calls import Protein
from tasks.domains.evidence import EVIDENCE_COLUMNS
from tasks.domains.hhsuite import hhsearch_argv, read_hhr
from tasks.domains.queries import checked_queries, chunks
from tasks.domains.search_settings import BlastSettings, HhsearchSettings
from tests.domains.trace_back import trace_back

HEAD = """# BLASTP 2.12.0+
# Query: {query}
# Database: domains
"""
HEADINGS = (
    "# Fields: query acc.ver, subject acc.ver, q. start, q. end, s. start, s. end, identical,"
    " evalue, bit score, BTOP\n"
)


def row(query, target, q, t, query_seq, target_seq, evalue="1e-20"):  # noqa: PLR0917 -- a line
    """A line of `-outfmt 7`; `q` and `t` are the first positions, 1-based."""
    pairs = list(zip(query_seq, target_seq, strict=True))
    identical = sum(a == b for a, b in pairs)
    q_end = q + len(query_seq.replace("-", "")) - 1
    t_end = t + len(target_seq.replace("-", "")) - 1
    btop = trace_back(query_seq, target_seq)
    cells = [query, target, q, q_end, t, t_end, identical, evalue, "50.0", btop]
    return "\t".join(map(str, cells)) + "\n"


def output(*results, processed=None):
    """An output with one list of lines for each query."""
    text = ""
    for number, lines in enumerate(results, start=1):
        text += HEAD.format(query=f"q{number:06d}") + (HEADINGS if lines else "")
        text += f"# {len(lines)} hits found\n" + "".join(lines)
    return text + f"# BLAST processed {processed or len(results)} queries\n"


def queries(*ids):
    return checked_queries([Protein(name, "MKVLAAGIVG" * 30, "") for name in ids])


def read(text, *ids):
    return read_blast(
        io.BytesIO(text.encode(errors="surrogateescape")), queries(*ids), "domain_blast"
    )


def test_an_alignment_becomes_gap_free_blocks_counted_from_zero():
    found = read(output([row("q000001", "d1", 11, 3, "MKV--LAAG", "MRVQQL-AG")]), "p")

    assert tuple(found.columns) == EVIDENCE_COLUMNS
    (one,) = found.to_dict("records")
    assert (one["query_starts"], one["target_starts"]) == ([10, 13, 15], [2, 7, 8])
    assert one["block_lengths"] == [3, 1, 2]
    assert (one["identities"], one["evalue"], one["hsp_count"]) == (5, 1e-20, 1)
    assert (one["program"], one["source"], one["target"]) == ("blastp", "domain_blast", "d1")


def test_an_evalue_of_zero_stays_zero():
    found = read(output([row("q000001", "d1", 1, 1, "MKV", "MKV", evalue="0.0")]), "p")

    assert found["evalue"].tolist() == [0.0]


def test_collinear_hsps_are_one_row_and_others_are_rows_of_their_own():
    first = row("q000001", "d1", 1, 1, "MKVLAAGIVGMKVLAAGIVG", "MKVLAAGIVGMKVLAAGIVG")
    behind = row("q000001", "d1", 61, 41, "MKVLAAGIVGMKV", "MKVLAAGIVGMKV", evalue="1e-5")
    again = row("q000001", "d1", 101, 1, "MKVLAAGIVGMKV", "MKVLAAGIVGMKV", evalue="1e-4")

    found = read(output([first, behind, again]), "p")

    assert found["hsp_count"].tolist() == [2, 1]
    assert found["query_starts"].tolist() == [[0, 60], [100]]


@pytest.mark.parametrize("name", ["1abc A|x", "sp|P1|A B", "a", "A", "é;'", "q000002", "-out"])
def test_any_id_of_a_protein_comes_back(name):
    found = read(output([], [row("q000002", "1ABC_a", 1, 1, "MK", "MK")]), "other", name)

    assert found["protein"].tolist() == [name]
    assert found["target"].tolist() == ["1ABC_a"]


def test_without_hits_there_is_an_empty_frame_of_the_same_types():
    nothing = read(output([], []), "p", "r")
    some = read(output([row("q000001", "d1", 1, 1, "MK", "MK")]), "p")

    assert len(nothing) == 0
    pd.testing.assert_series_equal(nothing.dtypes, some.dtypes)


WHOLE = output([row("q000001", "d1", 1, 1, "MKV", "MKV")], [row("q000002", "d2", 1, 1, "MK", "MK")])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "its output is cut: it ends with 'nothing'"),
        (WHOLE[:-30], "its output is cut"),
        (WHOLE[: WHOLE.index("# BLAST processed")], "its output is cut"),
        (output([], processed=7), "its output is cut"),
        (WHOLE.replace("q000002", "q000009"), "q000009"),
        (WHOLE.replace("\t50.0\t", "\tfifty\t"), "cannot be read"),
        (WHOLE.replace("\t50.0\t3", "\t50.0\t2M"), "cannot be read"),
        (WHOLE.replace("# 1 hits", "# 2 hits"), "tells 4 alignments, 2 are there"),
        (WHOLE.replace("# 1 hits", "# one hits"), "tells 0 alignments, 2 are there"),
        (WHOLE.replace("BTOP", "BOTTOM"), "cannot be read"),
        (WHOLE.replace("\t50.0\t3", "\t50.0\t\udcff3"), "cannot be read"),
    ],
    ids=["empty", "half", "no-end", "others", "strange", "letters", "ragged", "lost", "no-number",
         "no-column", "bytes"],
)  # fmt: skip
def test_an_output_that_is_not_whole_is_an_error_and_not_no_evidence(text, message):
    with pytest.raises(ToolError, match=message):
        read(text, "p", "r")


def test_a_query_that_is_missing_in_the_middle_is_noticed():
    text = output([]).replace("processed 1", "processed 2")

    with pytest.raises(ToolError, match="1 of 2 queries"):
        read(text, "p", "r")


def test_proteins_are_checked_before_any_program_sees_them():
    proteins = [
        Protein("good", "MKV", ""),
        Protein("lower", "mkvx", ""),
        Protein("empty", "", ""),
        Protein("gap", "MK-V", ""),
        Protein("good", "MKV", ""),
    ]

    with pytest.raises(InputProblems) as caught:
        checked_queries(proteins)

    assert str(caught.value).splitlines() == [
        "protein 'empty': no sequence; expected at least one residue",
        "protein 'gap', position 3: letter '-'; expected letters of protein "
        "(ACDEFGHIKLMNPQRSTVWYBJOUXZ)",
        "protein 'good': stands twice; expected each protein once",
    ]


def test_programs_get_neutral_names_and_capitals():
    assert checked_queries([Protein("x y|z", "mkV", "")]).fasta() == ">q000001\nMKV\n"


def test_chunks_keep_the_order():
    proteins = [Protein(str(number), "M", "") for number in range(5)]

    assert [[one.id for one in chunk] for chunk in chunks(proteins, 2)] == [
        ["0", "1"],
        ["2", "3"],
        ["4"],
    ]


def test_command_lines_are_lists_with_every_limit(tmp_path):
    argv = blastp_argv(tmp_path / "q", tmp_path / "d", tmp_path / "o", BlastSettings(evalue=1), 3)
    pairs = dict(zip(argv[1::2], argv[2::2], strict=True))

    assert pairs["-evalue"] == "1"
    assert pairs["-num_threads"] == "3"
    assert pairs["-max_target_seqs"] == "5000"
    assert pairs["-outfmt"] == f"7 {COLUMNS}"
    assert "-parse_seqids" not in makeblastdb_argv(tmp_path / "f", tmp_path / "d", "t")
    hh = hhsearch_argv(tmp_path / "q", tmp_path / "d", tmp_path / "o", HhsearchSettings(), 2)
    assert hh[hh.index("-p") + 1] == "20"
    assert hh[hh.index("-Z") + 1] == hh[hh.index("-B") + 1]
    assert "-glob" not in hh


HHR = """Query         q000001
Match_columns 84
No_of_seqs    3 out of 7
Neff          1.6
Searched_HMMs 41
Date          Wed Nov 25 03:43:59 2026
Command       hhsearch -i q.a3m -d ref -o q.hhr

 No Hit                             Prob E-value P-value  Score    SS Cols Query HMM  Template HMM
  1 a_name_that_is_cut_at_30_lette 100.0   2E-57 4.8E-59  291.3   0.0   11    1-11      3-13  (84)
  2 d2                              98.5 1.2E-45 2.8E-47  134.2   0.0    4   20-23      5-8   (84)
  3 d2                              96.1 1.2E-05 2.8E-07   34.2   0.0    4   30-33     15-18  (84)
  4 d2                              31.0     1.2 2.8E-03   14.2   0.0    4   40-43     25-28  (84)

No 1
>a_name_that_is_cut_at_30_letters_in_the_table some words
Probab=100.00  E-value=2e-57  Score=291.31  Aligned_cols=11  Identities=100%  Similarity=1.476  Sum_probs=83.0  Template_Neff=1.717

Q q000001           1 GIKV--FGH    7 (84)
Q Consensus         1 ~~~~--~~~    7 (84)
                      ||||  |++
T Consensus         3 ~~~~~~~~-   10 (84)
T a_name_that_is    3 GIKVAAFG-   10 (84)
Confidence            7999  99

Q q000001           8 PASI   11 (84)
Q Consensus         8 P~S~   11 (84)
                      |+|+
T Consensus        11 p~s~   14 (84)
T a_name_that_is   11 PASI   14 (84)
Confidence            9999


No 2
>d2
Probab=98.50  E-value=1.2e-45  Score=134.21  Aligned_cols=4  Identities=50%  Similarity=1.476  Sum_probs=83.0  Template_Neff=1.717

Q q000001          20 GIKV   23 (84)
Q Consensus        20 ~~~~   23 (84)
                      ||||
T Consensus         5 ~~~~    8 (84)
T d2                5 GIAA    8 (84)
Confidence            7999


No 3
>d2
Probab=96.10  E-value=1.2e-05  Score=34.21  Aligned_cols=4  Identities=50%  Similarity=1.476  Sum_probs=83.0  Template_Neff=1.717

Q q000001          30 GIKV   33 (84)
Q Consensus        30 ~~~~   33 (84)
                      ||||
T Consensus        15 ~~~~   18 (84)
T d2               15 GIAA   18 (84)
Confidence            7999


No 4
>d2
Probab=31.00  E-value=1.2  Score=14.21  Aligned_cols=4  Identities=50%  Similarity=1.476  Sum_probs=83.0  Template_Neff=1.717

Q q000001          40 GIKV   43 (84)
Q Consensus        40 ~~~~   43 (84)
                      ||||
T Consensus        25 ~~~~   28 (84)
T d2               25 GIAA   28 (84)
Confidence            7999


"""  # noqa: E501 -- as the program writes it


def test_an_output_of_hhsearch_keeps_probabilities_gaps_and_whole_names():
    found = read_hhr(HHR, "p")
    whole = found[found["target"] == "a_name_that_is_cut_at_30_letters_in_the_table"]

    (one,) = whole.to_dict("records")
    assert (one["probability"], one["evalue"], one["bitscore"]) == (1.0, 2e-57, 291.31)
    assert (one["query_starts"], one["target_starts"]) == ([0, 4, 7], [2, 8, 10])
    assert one["block_lengths"] == [4, 2, 4]
    assert one["identities"] == 10
    assert (one["protein"], one["source"], one["program"]) == ("p", "hhsearch", "hhsearch")


def test_likely_alignments_with_one_template_are_joined_and_unlikely_ones_stay_apart():
    found = read_hhr(HHR, "p")
    parts = found[found["target"] == "d2"].sort_values("probability", ascending=False)

    assert parts["probability"].tolist() == [0.985, 0.31]
    assert parts["hsp_count"].tolist() == [2, 1]
    assert parts["query_starts"].tolist() == [[19, 29], [39]]


def test_an_output_without_hits_is_no_error():
    nothing = HHR[: HHR.index("  1 a_name")]

    assert len(read_hhr(nothing, "p")) == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        HHR[:100],
        HHR[: HHR.index("No 1\n")],
        HHR[: HHR.index("No 3")],
        HHR[: HHR.index("   8 PASI")],
        HHR.replace("Q q000001          20 GIKV   23", "Q q000001          20 GIKV   29"),
        HHR.replace("Probab=98.50", "Probab=ninety"),
        HHR.replace("Query  ", "Quary  "),
    ],
    ids=["empty", "head", "table", "half", "within", "wrong-end", "letters", "other"],
)
def test_an_output_of_hhsearch_that_is_not_whole_is_an_error(text):
    with pytest.raises(ToolError, match="its output"):
        read_hhr(text, "p")
