"""Inputs of a reference: tables of any kind, releases of ECOD, and all that can be wrong."""

import gzip
import io

import pandas as pd
import pytest

from blocks.errors import InputError, InputProblems
from tasks.domains.reference_model import EcodSource, ReferenceParams, TableColumns, TableSource
from tasks.domains.reference_reading import read_reference

DOMAINS = ">d1 first\nMKVLA\nAGIVG\n>d2\nmkvla\n>d3\nMKVL\n"
TABLE = (
    "domain_id\tsource_chain\trange\tclassification\n"
    "d1\t1abc_A\t1-5,11-15\tc.1.1.1\n"
    "d2\t1abc_A\t6-10\ta.4.5\n"
    "d3\t1abc_a\t1-4\tb.1.1.1\n"
)
CHAINS = ">1abc_A\nMKVLAMKVLAAGIVG\n>1abc_a\nMKVL\n"


def read(domains=DOMAINS, table=TABLE, chains=CHAINS, chain_table="", name="table.tsv", **options):
    given = {"domains": domains, "table": table, "chains": chains, "chain_table": chain_table}
    names = {"domains": "d.fasta", "table": name, "chains": "c.fasta", "chain_table": "chains.csv"}
    files = {
        field: (names[field], io.BytesIO(text if isinstance(text, bytes) else text.encode()))
        for field, text in given.items()
        if text
    }
    source = TableSource(**{field: names[field] for field in files}, **options)
    return read_reference(source, files)


def test_domains_and_chains_with_ranges_classes_and_lengths():
    found = read()

    assert found.domains.to_dict("list") == {
        "domain_id": ["d1", "d2", "d3"],
        "source_chain": ["1abc_A", "1abc_A", "1abc_a"],
        "range": ["1-5,11-15", "6-10", "1-4"],
        "length": [10, 5, 4],
        "classification": ["c.1.1.1", "a.4.5", "b.1.1.1"],
        "sequence": ["MKVLAAGIVG", "MKVLA", "MKVL"],
    }
    assert found.chains.to_dict("list") == {
        "chain_id": ["1abc_A", "1abc_A", "1abc_a"],
        "length": [15, 15, 4],
        "domain_id": ["d1", "d2", "d3"],
        "range": ["1-5,11-15", "6-10", "1-4"],
        "classification": ["c.1.1.1", "a.4.5", "b.1.1.1"],
    }
    assert found.notes == ()


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
def test_tables_of_other_kinds_are_the_same(kind):
    frame = pd.read_csv(io.StringIO(TABLE), sep="\t", dtype=str)
    text = frame.to_csv(index=False).encode()
    content = {"csv": text, "csv.gz": gzip.compress(text), "parquet": frame.to_parquet()}[kind]

    assert read(table=content, name=f"table.{kind}").chains.equals(read().chains)


def test_without_chains_there_are_domains_only():
    found = read(chains="")

    assert len(found.domains) == 3
    assert len(found.chains) == len(found.chain_sequences) == 0
    assert list(found.chains.columns) == list(read().chains.columns)


def test_columns_may_have_other_names_and_chains_a_table_of_their_own():
    table = "id,from,class\nd1,1abcA,c.1\nd2,1abcA,a.4.5\nd3,1abca,b.1.1.1\n"
    chain_table = (
        'chain_id,domain_id,range,class\n1abc_A,d1,"1-5,11-15",\n1abc_A,other,6-10,d.58.7.1\n'
    )

    found = read(
        table=table, name="t.csv", chain_table=chain_table,
        columns=TableColumns(domain="id", chain="from", range="", classification="class"),
        chain_columns=TableColumns(chain="chain_id", classification="class"),
    )  # fmt: skip

    assert found.domains["range"].tolist() == ["1-5,11-15", "", ""]
    assert found.chains["domain_id"].tolist() == ["d1", "other"]
    assert found.chains["classification"].tolist() == ["c.1", "d.58.7.1"]
    assert found.chain_sequences["id"].tolist() == ["1abc_A"]
    assert found.notes == (
        "2 domains have no range: d2, d3",
        "1 chains without domains in the tables were left out: 1abc_a",
    )


def test_chains_that_differ_in_letter_case_or_have_long_names_stay_apart():
    table = TABLE.replace("d2\t1abc_A\t6-10", "d2\t1abc_AAa\t1-5")

    found = read(table=table, chains=CHAINS + ">1abc_AAa\nMKVLA\n")

    assert found.chain_sequences["id"].tolist() == ["1abc_A", "1abc_a", "1abc_AAa"]
    assert found.chains["chain_id"].tolist() == ["1abc_A", "1abc_a", "1abc_AAa"]


def test_what_is_only_remarkable_is_noted():
    table = TABLE.replace("\t6-10\ta.4.5", "\t5-12\t").replace("1abc_a", "2xyz_B")

    assert read(table=table).notes == (
        "1 domains have a sequence of another length than their range: d2",
        "1 domains have no class: d2",
        "1 chains of the table have no sequence and are not searched as a whole: 2xyz_B",
        "1 chains have domains that share residues: 1abc_A",
        "1 chains without domains in the tables were left out: 1abc_a",
    )


def test_everything_that_is_wrong_is_told_at_once():
    table = TABLE.replace("d1\t", "d9\t").replace("a.4.5", "a..5").replace("1-4", "1-9")

    with pytest.raises(InputProblems) as caught:
        read(table=table)

    told = [(one.where.partition(", range")[0], one.what) for one in caught.value.problems]
    assert told == [
        ("table.tsv, row 2, domain 'd9'", "no sequence"),
        ("d.fasta, d1", "has no row in the table of domains"),
        ("table.tsv, row 3, domain 'd2'", "class 'a..5'"),
        ("table.tsv, row 4, domain 'd3'", "'1-9' ends behind the chain"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "note"),
    [
        ("6-10", "5-9", "other letters than their chain has in their range"),
        ("6-10", "6-9,8-10", "a range that names residues twice"),
        ("6-10", "", "no range"),
    ],
    ids=["shifted", "twice", "none"],
)
def test_a_range_that_may_be_wrong_is_noted_with_its_domain(old, new, note):
    table = TABLE.replace(f"\t{old}\t", f"\t{new}\t")

    assert read(table=table).notes[0] == f"1 domains have {note}: d2"


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        (
            {"table": TABLE + "d1\t1abc_A\t1-4\tc.1\nd9\t1abc_A\t1-4\tc.1\n"},
            [
                "table.tsv, row 5, domain 'd1': stands twice; expected each domain once",
                "table.tsv, row 6, domain 'd9': no sequence; expected one in d.fasta",
            ],
        ),
        (
            {"domains": DOMAINS + ">d7\nMKV\n>d2\nMK\n"},
            [
                "d.fasta, d2: stands twice; expected each id once",
                "d.fasta, d7: has no row in the table of domains; expected one row",
            ],
        ),
        (
            {"domains": DOMAINS.replace("MKVLA\nAGIVG", "MK-LA\nAG1VG")},
            [
                "d.fasta, record 1 (d1), sequence, position 3: letter '-'; "
                "expected letters of protein (ACDEFGHIKLMNPQRSTVWYBJOUXZ)"
            ],
        ),
        (
            {"table": TABLE.replace("6-10", "6-16")},
            [
                "table.tsv, row 3, domain 'd2', range: '6-16' ends behind the chain; "
                "expected positions in it: chain '1abc_A' has 15 residues"
            ],
        ),
        (
            {"table": TABLE.replace("6-10", "10-6").replace("1-4", "0-4")},
            [
                "table.tsv, row 3, domain 'd2', range: '10-6'; expected first <= last, from 1 on",
                "table.tsv, row 4, domain 'd3', range: '0-4'; expected first <= last, from 1 on",
            ],
        ),
        (
            {"table": TABLE.replace("6-10", "six")},
            [
                "table.tsv, row 3, domain 'd2', range: 'six'; "
                "expected positions such as 10-150,200-220"
            ],
        ),
        (
            {"table": TABLE.replace("c.1.1.1", "c.1.1.1.1").replace("a.4.5", "a..5")},
            [
                "table.tsv, row 2, domain 'd1': class 'c.1.1.1.1'; expected at most 4 levels of "
                "letters and digits with dots between",
                "table.tsv, row 3, domain 'd2': class 'a..5'; expected at most 4 levels of "
                "letters and digits with dots between",
            ],
        ),
        (
            {
                "domains": DOMAINS.replace(">d3", ">d/3"),
                "table": TABLE.replace("d3", "d/3"),
                "chains": CHAINS + f">{'x' * 31}\nMKV\n",
            },
            [
                "table.tsv, row 4, domain 'd/3': cannot be an id; expected up to 30 letters, "
                "digits and _ . : + -, the first a letter or digit, the last no dot",
                f"c.fasta, chain '{'x' * 31}': cannot be an id; expected up to 30 letters, "
                "digits and _ . : + -, the first a letter or digit, the last no dot",
            ],
        ),
        (
            {"domains": DOMAINS.replace(">d3", ">d3."), "table": TABLE.replace("d3", "d3.")},
            [
                "table.tsv, row 4, domain 'd3.': cannot be an id; expected up to 30 letters, "
                "digits and _ . : + -, the first a letter or digit, the last no dot",
            ],
        ),
        (
            {"chain_table": "chain_id,domain_id,range,classification\n7xyz_A,d1,1-3,c.1\n"},
            ["chains.csv, row 2, chain '7xyz_A': no sequence; expected one in the FASTA"],
        ),
        ({"domains": "MKV"}, ["d.fasta, first line: 'MKV'; expected `>` and a name (FASTA)"]),
    ],
    ids=["table", "fasta", "letters", "behind", "order", "words", "class", "ids", "dot", "chains",
         "text"],
)  # fmt: skip
def test_all_that_is_wrong_is_told_with_its_place(changes, lines):
    with pytest.raises(InputProblems) as caught:
        read(**changes)

    told = str(caught.value).splitlines()
    assert [line for line in told if line in lines] == lines
    assert all("has no row" in line or "no sequence" in line for line in told if line not in lines)


@pytest.mark.parametrize(
    ("table", "name", "message"),
    [
        ("", "t.tsv", "t.tsv: no rows; expected a header and at least one"),
        ("domain_id\trange\n", "t.tsv", "no column 'source_chain' among domain_id, range"),
        (TABLE.split("\n", maxsplit=1)[0], "t.tsv", "t.tsv: no rows; expected at least one"),
        (TABLE + "d1\ta\tb\tc\td\n", "t.tsv", "Expected 4 fields in line 5, saw 5"),
        (b"\xff\xfe\x00", "t.csv", "expected a table in UTF-8"),
        (b"PAR1", "t.parquet", "t.parquet: not a Parquet file"),
    ],
    ids=["empty", "column", "header", "ragged", "bytes", "parquet"],
)
def test_a_table_that_cannot_be_read_is_told(table, name, message):
    if not table:
        table = b"\n"
    with pytest.raises(InputError, match=message):
        read(table=table, name=name)


ECOD_LIST = (
    "#/data/ecod/database_versions/v291/ecod.develop291.domains.txt\n"
    "#ECOD version develop291\n"
    "#Domain list version 1.6\n"
    "#uid\tecod_domain_id\tmanual_rep\tf_id\tpdb\tchain\tpdb_range\tseqid_range\tunp_acc\t"
    "arch_name\tx_name\th_name\tt_name\tf_name\tasm_status\tligand\n"
    "000000267\te1udzA1\tMANUAL_REP\t1.1.1.28\t1udz\tA\tA:203-205\tA:4-6\tP56690\tbeta barrels\t"
    '"cradle loop barrel"\t"RIFT-related"\t"acid protease"\tEF1\tNOT_DOMAIN_ASSEMBLY\tNO_LIGANDS\n'
    "000000011\te1htr.1\tMANUAL_REP\t1.1.1\t1htr\t.\tP:1-3,B:1-2\tP:1-3,B:1-2\tNO_UNP\t"
    "beta barrels\tx\th\tt\tF_UNCLASSIFIED\tNOT_DOMAIN_ASSEMBLY\tNO_LIGANDS\n"
    "000000300\te8abcAAa2\tAUTO_NONREP\t2.1.1\t8abc\tAAa\tAAa:1-4,AAa:9-10\tAAa:1-4,AAa:9-10\t"
    "NO_UNP\ta\tx\th\tt\tF\tN\tN\n"
    "000000301\te9zzzA1\tAUTO_NONREP\t2.1.1\t9zzz\tA\tA:1-4\tA:1-4\tNO_UNP\ta\tx\th\tt\tF\tN\tN\n"
)
ECOD_FASTA = (
    ">000000267|e1udzA1|1.1.1.28|A:4-6\nMKV\n"
    ">000000011|e1htr.1|1.1.1|P:1-3,B:1-2\nMKVLA\n"
    ">000000300|e8abcAAa2|2.1.1|AAa:1-4,AAa:9-10\nMKVLGG\n"
)
ECOD_CHAINS = ">1udz_A mol:protein\nAAAMKVAA\n>8abc_AAa\nMKVLAAAAGG\n"


def read_ecod(table=ECOD_LIST, fasta=ECOD_FASTA, chains=ECOD_CHAINS):
    given = {"table": table, "domains": fasta, "chains": chains}
    names = {"table": "ecod.latest.domains.txt", "domains": "ecod.latest.F70.fasta.txt"}
    files = {
        field: (names.get(field, "c.fa"), io.BytesIO(text.encode()))
        for field, text in given.items()
        if text
    }
    return read_reference(EcodSource(domains="d", table="t", chains="c"), files)


def test_a_release_of_ecod_is_read_as_it_comes():
    found = read_ecod()

    assert found.domains.to_dict("list") == {
        "domain_id": ["e1udzA1", "e1htr.1", "e8abcAAa2"],
        "source_chain": ["1udz_A", "1htr_.", "8abc_AAa"],
        "range": ["4-6", "P:1-3,B:1-2", "1-4,9-10"],
        "length": [3, 5, 6],
        "classification": ["1.1.1.28", "1.1.1", "2.1.1"],
        "sequence": ["MKV", "MKVLA", "MKVLGG"],
    }
    assert found.chains[["chain_id", "domain_id", "range"]].to_numpy().tolist() == [
        ["1udz_A", "e1udzA1", "4-6"],
        ["8abc_AAa", "e8abcAAa2", "1-4,9-10"],
    ]
    assert "1 domains of the list have no sequence in the FASTA file: e9zzzA1" in found.notes
    assert "1 domains span several chains; no chain tells them: e1htr.1" in found.notes


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("#uid\t", "uid\t"),
        ("\tf_id\t", "\tt_id\t"),
        ("#ECOD version develop291\n", "# ECOD Domain List\n#\n"),
    ],
    ids=["header-without-sign", "older-column", "other-comments"],
)
def test_releases_that_differ_in_their_headers_are_read_alike(old, new):
    assert read_ecod(table=ECOD_LIST.replace(old, new)).domains.equals(read_ecod().domains)


@pytest.mark.parametrize(
    "fasta",
    [
        ECOD_FASTA.replace("|A:4-6", "").replace("000000267|", "1|"),
        ECOD_FASTA.replace("000000267|e1udzA1|1.1.1.28|A:4-6", "e1udzA1 uid:000000267"),
        ECOD_FASTA.replace("000000267|e1udzA1|1.1.1.28|A:4-6", "000000267"),
    ],
    ids=["short", "name-first", "number-only"],
)
def test_headers_of_other_releases_are_known_by_id_or_number(fasta):
    assert read_ecod(fasta=fasta).domains["domain_id"].tolist() == [
        "e1udzA1",
        "e1htr.1",
        "e8abcAAa2",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"table": "a\tb\n1\t2\n"}, "ecod.latest.domains.txt: has no header; expected ECOD's list"),
        (
            {"table": ECOD_LIST.split("000000267", maxsplit=1)[0]},
            "no domains; expected ECOD",
        ),
        (
            {"fasta": ECOD_FASTA + ">7|e7xxxA1|1.1.1\nMK\n"},
            "F70.fasta.txt, 7|e7xxxA1|1.1.1: is not",
        ),
    ],
    ids=["header", "empty", "unknown"],
)
def test_what_is_no_release_of_ecod_is_told(change, message):
    with pytest.raises(InputError) as caught:
        read_ecod(**change)

    assert message in str(caught.value)


def test_the_form_refuses_names_that_cannot_be_folders():
    with pytest.raises(ValueError, match=r"name: '../x'; expected up to 60 letters"):
        ReferenceParams(name="../x", source=TableSource(domains="d", table="t"))
    with pytest.raises(ValueError, match="expected names, each once"):
        TableSource(domains="d", table="t", levels=("X", "X"))
