"""A reference of a published release of ECOD, built as it comes; the domains are invented."""

from pathlib import Path

import pytest

from blocks.errors import InputProblems
from flows.reference import build, plan
from tasks.domains.reference import open_reference
from tasks.domains.reference_model import ReferenceParams

pytestmark = pytest.mark.tool
HEADER = (
    "#/data/ecod/database_versions/v000/ecod.develop000.domains.txt\n"
    "#ECOD version develop000\n"
    "#Domain list version 1.6\n"
    "#Grishin lab (http://prodata.swmed.edu/ecod)\n"
    "#uid\tecod_domain_id\tmanual_rep\tf_id\tpdb\tchain\tpdb_range\tseqid_range\tunp_acc\t"
    "arch_name\tx_name\th_name\tt_name\tf_name\tasm_status\tligand\n"
)
NAMES = (
    'NO_UNP\tbeta barrels\t"cradle loop barrel"\t"RIFT-related"\t"acid protease"\tF_UNCLASSIFIED'
)
LIST = HEADER + "".join(
    f"{row}\t{NAMES}\tNOT_DOMAIN_ASSEMBLY\tNO_LIGANDS_4A\n"
    for row in (
        "000000001\te0aaaA1\tMANUAL_REP\t1.1.1.28\t0aaa\tA\tA:203-214\tA:1-12",
        "000000002\te0aaaA2\tAUTO_NONREP\t2007.4.1\t0aaa\tA\tA:215-226\tA:13-24",
        "000000003\te0baaA1\tMANUAL_REP\t11.1.1.2\t0baa\tA\tA:-2-3,A:16-21\tA:1-6,A:19-24",
        "000000004\te0baaA2\tAUTO_NONREP\t304.9.1.5\t0baa\tA\tA:4P-15\tA:7-18",
        "000000005\te0caaAAa1\tAUTO_NONREP\t1.1.1.28\t0caa\tAAa\tAAa:1-12\tAAa:1-12",
        "000000006\te0daaa1\tAUTO_NONREP\t5.1.4.1\t0daa\ta\ta:1-12\ta:1-12",
        "000000007\te0eaa.1\tMANUAL_REP\t1.1.1.1\t0eaa\t.\tP:1-6,B:1-6\tP:1-6,B:1-6",
        "000000008\te0faaA1\tAUTO_NONREP\t5.1.4.1\t0faa\tA\tA:1-12\tA:1-12",
    )
)
FASTA = (
    ">000000001|e0aaaA1|1.1.1.28|A:1-12\nMKVLAAGIVGLW\n"
    ">000000002|e0aaaA2|2007.4.1|A:13-24\nDERTSYPQNHKC\n"
    ">000000003|e0baaA1|11.1.1.2|A:1-6,A:19-24\nGSWFKEIYHLQV\n"
    ">000000004|e0baaA2|304.9.1.5|A:7-18\nPTNDWRMCAEFK\n"
    ">000000005|e0caaAAa1|1.1.1.28|AAa:1-12\nMKILSAGIVGMW\n"
    ">000000006|e0daaa1|5.1.4.1|a:1-12\nQHYWNPRDTEKL\n"
    ">000000007|e0eaa.1|1.1.1.1|P:1-6,B:1-6\nVFCGSMTKALEI\n"
    ">000000008|e0faaA1|5.1.4.1|A:1-12\nQHFWNPKDTERL\n"
)
CHAINS = (
    ">0aaa_A\nMKVLAAGIVGLWDERTSYPQNHKC\n"
    ">0baa_A\nGSWFKEPTNDWRMCAEFKIYHLQV\n"
    ">0caa_AAa\nMKILSAGIVGMW\n"
    ">0daa_a\nQHYWNPRDTEKL\n"
)


def params(folder: Path, listed: str = LIST, chains: str = CHAINS) -> ReferenceParams:
    """A release in a folder; BLAST only."""
    source = {"kind": "ecod"}
    for field, name, text in (
        ("domains", "ecod.latest.F70.fasta.txt", FASTA),
        ("table", "ecod.latest.domains.txt", listed),
        ("chains", "chains.fasta", chains),
    ):
        if text:
            (folder / name).write_text(text)
            source[field] = str(folder / name)
    content = {"name": "ecod", "source": source, "profiles": {"kind": "none"}}
    return ReferenceParams.model_validate({**content, "folder": str(folder / "references")})


@pytest.mark.engine
@pytest.mark.usefixtures("prefect_server")
def test_a_release_is_built_as_it_comes(tmp_path):
    made = open_reference(build(params(tmp_path)).folder)

    assert made.manifest.levels == ("X", "H", "T", "F")
    assert (made.manifest.domains, made.manifest.chains) == (8, 4)
    assert (made.manifest.blast_domains, made.manifest.blast_chains) == (True, True)
    assert not made.manifest.hhsuite
    columns = ["domain_id", "source_chain", "range", "classification"]
    assert made.tables.domains[columns].to_numpy().tolist() == [
        ["e0aaaA1", "0aaa_A", "1-12", "1.1.1.28"],
        ["e0aaaA2", "0aaa_A", "13-24", "2007.4.1"],
        ["e0baaA1", "0baa_A", "1-6,19-24", "11.1.1.2"],
        ["e0baaA2", "0baa_A", "7-18", "304.9.1.5"],
        ["e0caaAAa1", "0caa_AAa", "1-12", "1.1.1.28"],
        ["e0daaa1", "0daa_a", "1-12", "5.1.4.1"],
        ["e0eaa.1", "0eaa_.", "P:1-6,B:1-6", "1.1.1.1"],
        ["e0faaA1", "0faa_A", "1-12", "5.1.4.1"],
    ]
    (outer, inner) = made.tables.chain_by_id["0baa_A"].domains
    assert (outer.segments, inner.segments) == (((0, 6), (18, 24)), ((6, 18),))
    assert outer.classification == ("11", "11.1", "11.1.1", "11.1.1.2")
    assert made.tables.chain_by_id["0aaa_A"].domains[1].classification == (
        "2007",
        "2007.4",
        "2007.4.1",
    )
    assert "1 domains span several chains; no chain tells them: e0eaa.1" in made.manifest.notes
    told = "1 chains of the table have no sequence and are not searched as a whole: 0faa_A"
    assert told in made.manifest.notes


ROW_8 = "ecod.latest.domains.txt, row 8"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("A:1-6,A:19-24\t", "A:1-6,A:19-\t", f"{ROW_8}, domain 'e0baaA1', range: "),
        ("\t11.1.1.2\t", "\t11.1..2\t", f"{ROW_8}, domain 'e0baaA1': class '11.1..2'; "),
        ("000000003\te0baaA1\t", "000000003 e0baaA1 ", f"{ROW_8}: is not whole, begins with "),
        ("\te0baaA1\tMANUAL", "\te0baaA1\n\tMANUAL", f"{ROW_8}: is not whole, begins with "),
    ],
    ids=["range", "class", "blanks", "cut"],
)
@pytest.mark.parametrize("chains", [CHAINS, ""], ids=["chains", "domains-only"])
def test_a_row_that_is_not_as_published_is_told_with_its_place(tmp_path, old, new, message, chains):
    assert LIST.count(old) == 1

    with pytest.raises(InputProblems) as caught:
        plan(params(tmp_path, LIST.replace(old, new), chains))

    assert str(caught.value).startswith(message)
