"""Searches with the real programs against a reference of 41 domains."""

import shutil
from pathlib import Path

import pandas as pd
import psutil
import pytest

from blocks.errors import InputError, InputProblems, ToolError
from tasks.domains import reference_parts, searching
from tasks.domains.calls import Protein
from tasks.domains.dividing import AT_LIMIT
from tasks.domains.profiles import depth
from tasks.domains.reference import Reference, changed_files, open_reference
from tasks.domains.reference_model import HhsuiteParams, JackhmmerProfiles
from tasks.domains.search_settings import (
    BlastSettings,
    HhsearchSettings,
    ProfileSettings,
    SearchSettings,
)
from tasks.domains.searching import (
    blast_engine,
    build_profile,
    search_blast,
    search_hhsuite,
    search_versions,
)
from tests.domains.small_reference import built, built_hhsuite, content, proteins

SETTINGS = SearchSettings(blast=BlastSettings(evalue=0.002))
PHMMER = SearchSettings(blast=BlastSettings(engine="phmmer", evalue=0.002))


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return built(tmp_path_factory.mktemp("reference"))


def superfamilies(reference, frame, protein, source="domain_blast"):
    """Superfamilies of the domains that were found for a protein."""
    rows = frame[(frame["protein"] == protein) & (frame["source"] == source)]
    domains = reference.tables.domain_by_id
    return {domains[target].classification[2] for target in rows["target"]}


@pytest.mark.tool
@pytest.mark.parametrize("settings", [SETTINGS, PHMMER], ids=["blastp", "phmmer"])
def test_domains_and_chains_are_found_and_the_program_says_which_it_is(reference, settings):
    asked = [*proteins("pair", "orphan", "peptide"), Protein("odd | name", "wwwww", "")]

    domains = search_blast(asked, reference, "domain_blast", settings)
    chains = search_blast(asked, reference, "chain_blast", settings)

    assert set(domains["protein"]) == {"pair"}
    assert superfamilies(reference, domains, "pair") == {"x.1.1", "x.2.1"}
    assert set(chains["target"]) >= {"0aa1_A", "0ab1_A", "0ac1_A"}
    assert set(domains["program"]) == {"blastp" if settings is SETTINGS else "phmmer"}
    assert (domains["evalue"] <= 0.002).all()
    for row in chains.itertuples():
        length = reference.tables.chain_by_id[row.target].length
        assert (
            max(s + n for s, n in zip(row.target_starts, row.block_lengths, strict=True)) <= length
        )


@pytest.mark.tool
@pytest.mark.parametrize("settings", [SETTINGS, PHMMER], ids=["blastp", "phmmer"])
def test_identities_are_those_of_the_sequences(reference, settings):
    (protein,) = proteins("pair")
    found = search_blast([protein], reference, "chain_blast", settings)
    sequences = dict(
        record.split("\n", 1)
        for record in reference.fasta("chain_blast").read_text().split(">")[1:]
    )

    for row in found.itertuples():
        target = sequences[row.target].replace("\n", "")
        blocks = zip(row.query_starts, row.target_starts, row.block_lengths, strict=True)
        same = sum(protein.sequence[q + i] == target[t + i] for q, t, n in blocks for i in range(n))
        assert abs(same - row.identities) <= (0 if row.hsp_count == 1 else 3)


@pytest.mark.tool
def test_a_domain_of_the_reference_finds_itself_with_evalue_zero_or_nearly(reference):
    text = reference.fasta("chain_blast").read_text().split(">")[1]
    name, _, sequence = text.partition("\n")
    found = search_blast(
        [Protein(name, sequence.replace("\n", "").lower(), "")], reference, "chain_blast", SETTINGS
    )

    best = found.sort_values("evalue").iloc[0]
    assert best["target"] == name
    assert best["evalue"] < 1e-100
    assert best["identities"] == sum(best["block_lengths"])


@pytest.mark.tool
def test_hhsearch_finds_what_blast_does_not(reference):
    (protein,) = proteins("remote")
    blast = search_blast([protein], reference, "domain_blast", SETTINGS)

    alignment = build_profile(protein, reference, SETTINGS)
    found = search_hhsuite(protein, alignment, reference, SETTINGS)

    assert superfamilies(reference, blast, "remote") == {"x.1.1"}
    assert superfamilies(reference, found, "remote", "hhsearch") >= {"x.1.1", "y.2.1"}
    assert found["probability"].between(0.2, 1).all()
    assert set(found["protein"]) == {"remote"}


@pytest.mark.tool
def test_stored_profiles_do_not_change_what_is_found(reference, tmp_path):
    (protein,) = proteins("remote")
    alignment = build_profile(protein, reference, SETTINGS)
    other = built(tmp_path, blast=False, hhsuite=HhsuiteParams(hmms=True))

    found = [search_hhsuite(protein, alignment, one, SETTINGS) for one in (reference, other)]

    assert (other.folder / "hhsuite" / "reference_hhm.ffdata").stat().st_size > 10_000
    pd.testing.assert_frame_equal(*found)


@pytest.mark.tool
def test_without_a_hit_hhsearch_has_no_evidence(reference):
    (peptide,) = proteins("peptide")
    settings = SearchSettings(
        profiles=ProfileSettings(method="single"), hhsearch=HhsearchSettings(min_probability=0.9)
    )

    alignment = build_profile(peptide, reference, settings)

    assert alignment == f">q000001\n{peptide.sequence}\n"
    assert len(search_hhsuite(peptide, alignment, reference, settings)) == 0


@pytest.mark.tool
def test_nothing_asked_is_nothing_found(reference):
    assert len(search_blast([], reference, "domain_blast", SETTINGS)) == 0


@pytest.mark.tool
def test_wrong_letters_stop_a_search_before_the_program(reference, monkeypatch):
    monkeypatch.setattr(searching, "run_program", pytest.fail)

    with pytest.raises(InputProblems, match="protein 'p', position 4: letter '1'"):
        search_blast([Protein("p", "MKV1", "")], reference, "domain_blast", SETTINGS)


@pytest.mark.tool
def test_a_program_that_runs_too_long_is_killed(reference):
    slow = SearchSettings(blast=BlastSettings(time_limit_s=0.01))

    with pytest.raises(ToolError, match=r"blastp.*killed at its time limit of 0.01 s"):
        search_blast(proteins(), reference, "domain_blast", slow)


@pytest.mark.tool
def test_a_database_that_was_cut_or_lost_is_told_before_the_search(reference, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(reference.folder, copy)
    (copy / "blast" / "domains.psq").write_bytes(b"x")
    with pytest.raises(InputError, match=r"domains.psq: has 1 bytes, its manifest tells \d+"):
        open_reference(copy)

    (copy / "blast" / "domains.psq").unlink()
    with pytest.raises(InputError, match=r"domains.psq: is missing; .*build it again"):
        open_reference(copy)


@pytest.mark.tool
def test_a_database_that_is_gone_during_the_run_is_an_error(reference, tmp_path):
    shutil.copytree(reference.folder, tmp_path / "copy")
    opened = open_reference(tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "blast")
    shutil.rmtree(tmp_path / "copy" / "hhsuite")

    with pytest.raises(ToolError, match="blastp exited with status 2"):
        search_blast(proteins("pair"), opened, "domain_blast", SETTINGS)
    with pytest.raises(InputError, match=r"reference_a3m.ffdata: no such file"):
        search_hhsuite(proteins("pair")[0], ">q\nMKV\n", opened, SETTINGS)


@pytest.mark.tool
def test_a_changed_file_is_found_by_its_digest(reference, tmp_path):
    shutil.copytree(reference.folder, tmp_path / "copy")
    path = tmp_path / "copy" / "domains.fasta"
    path.write_bytes(path.read_bytes().replace(b"A", b"C", 1))

    assert changed_files(open_reference(tmp_path / "copy")) == ["domains.fasta"]
    assert changed_files(reference) == []


def without_programs(monkeypatch, tmp_path):
    """Nothing on PATH but the shell that starts programs."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "bash").symlink_to(str(shutil.which("bash")))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def test_without_blast_phmmer_serves_and_hhsearch_names_its_package(tmp_path, monkeypatch):
    without_programs(monkeypatch, tmp_path)
    reference = built(tmp_path, blast=False, profiles=None)

    found = search_blast(proteins("pair"), reference, "domain_blast", SETTINGS)

    assert set(found["program"]) == {"phmmer"}
    assert list(search_versions(reference, SETTINGS, hhsearch=False)) == ["phmmer"]
    with pytest.raises(InputError, match=r"^hhsearch: no such program; .*apt-get install hhsuite$"):
        search_versions(reference, SETTINGS, hhsearch=True)
    with pytest.raises(InputError, match=r"has no HH-suite database; .*BLAST_ONLY"):
        reference.require_hhsuite()


def test_blastp_that_is_asked_for_must_be_there(tmp_path, monkeypatch):
    reference = built(tmp_path, blast=False, profiles=None)
    asked = SearchSettings(blast=BlastSettings(engine="blastp"))
    with pytest.raises(InputError, match=r"has no BLAST database; .*or phmmer"):
        blast_engine(reference, asked)

    without_programs(monkeypatch, tmp_path)
    with pytest.raises(InputError, match=r"^blastp: no such program; .*install ncbi-blast\+$"):
        blast_engine(reference, asked)


def test_a_folder_that_is_no_reference_is_told(tmp_path):
    with pytest.raises(InputError, match=r"has no REFERENCE.json; expected a folder that"):
        open_reference(tmp_path)

    (tmp_path / "REFERENCE.json").write_text('{"format": 9}')
    with pytest.raises(InputError, match=r"has format 9; expected 1: build the reference again"):
        open_reference(tmp_path)

    (tmp_path / "REFERENCE.json").write_text('{"format": 1')
    with pytest.raises(InputError, match=r"REFERENCE.json: cannot be read"):
        open_reference(tmp_path)


def test_hhblits_needs_a_database(tmp_path):
    with pytest.raises(ValueError, match="database is empty"):
        ProfileSettings(method="hhblits")
    with pytest.raises(InputError, match=r"uniref_a3m.ffdata: no such file; expected an HH-suite"):
        searching.require_hh_database(Path(tmp_path, "uniref"))


@pytest.mark.tool
def test_hhblits_makes_an_alignment_from_a_database_with_real_states(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQLOOM_DATA", str(tmp_path))
    tables = tmp_path / "tables-1"
    reference_parts.build_tables(tables, content())
    states = HhsuiteParams(hmms=False, states="cstranslate")
    built_hhsuite(tmp_path, tables, JackhmmerProfiles(rounds=1), states)
    reference = built(tmp_path / "other", blast=False, profiles=None)
    settings = SearchSettings(
        profiles=ProfileSettings(method="hhblits", database="hhsuite-1/reference", rounds=1)
    )
    (protein,) = proteins("pair")

    alignment = build_profile(protein, reference, settings)

    assert alignment.startswith(f">q000001\n{protein.sequence}\n")
    assert depth(alignment) > 3
    told = search_versions(reference, settings, hhsearch=True)["hhblits"]
    assert "database reference of " in told


def test_sequences_for_profiles_may_be_ones_own_and_decide_the_version(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQLOOM_DATA", str(tmp_path))
    monkeypatch.setattr(searching, "require_programs", lambda *_: None)
    monkeypatch.setattr(searching, "program_version", lambda name: "3.3.0")
    reference = built(tmp_path / "reference", blast=False, profiles=None)
    (protein,) = proteins("pair")
    (tmp_path / "own.fasta").write_text(f">h\n{protein.sequence[20:]}\n>odd\nWWWWWWWWWWWWWWW\n")
    settings = SearchSettings(profiles=ProfileSettings(sequences="own.fasta"))

    alignment = build_profile(protein, reference, settings)
    before = search_versions(reference, settings, hhsearch=True)["jackhmmer"]
    (tmp_path / "own.fasta").write_text(">h\nMKV\n")

    assert alignment.count(">") == 2
    assert search_versions(reference, settings, hhsearch=True)["jackhmmer"] != before
    missing = SearchSettings(profiles=ProfileSettings(sequences="none.fasta"))
    with pytest.raises(InputError, match=r"none.fasta: no such file; expected"):
        build_profile(protein, reference, missing)
    (tmp_path / "own.fasta").write_text("no fasta")
    with pytest.raises(InputError, match=r"own.fasta: .*; expected sequences in FASTA"):
        build_profile(protein, reference, settings)


@pytest.mark.tool
def test_hhsearch_that_runs_too_long_is_killed(reference):
    slow = SearchSettings(hhsearch=HhsearchSettings(time_limit_s=0.01))

    with pytest.raises(ToolError, match=r"hhsearch.*killed at its time limit of 0.01 s"):
        search_hhsuite(proteins("pair")[0], ">q\nMKV\n", reference, slow)


@pytest.mark.parametrize(
    ("program", "search"),
    [
        ("phmmer", lambda *given: search_blast(proteins(), given[0], "domain_blast", given[1])),
        ("jackhmmer", lambda *given: build_profile(proteins("pair")[0], *given)),
    ],
    ids=["phmmer", "jackhmmer"],
)
def test_pyhmmer_that_runs_too_long_is_killed(reference, program, search):
    slow = SearchSettings(
        blast=BlastSettings(engine="phmmer", time_limit_s=0.2),
        profiles=ProfileSettings(time_limit_s=0.2),
    )
    message = rf"^{program} .*killed at its time limit of 0.2 s"
    with pytest.raises(ToolError, match=message) as told:
        search(reference, slow)

    assert told.value.status == AT_LIMIT
    left = [" ".join(one.cmdline()) for one in psutil.Process().children(recursive=True)]
    assert not [one for one in left if "tasks.domains.hmmer" in one]
