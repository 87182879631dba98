"""Parts of a reference, made by the real programs, and taken over where nothing changed."""

import subprocess
from pathlib import Path

import pytest

from blocks.errors import InputError, InputProblems, ToolError
from tasks.domains.ffindex import Entries, unequal_names, write_entries
from tasks.domains.hhsuite_building import build_hhsuite
from tasks.domains.parts import PartContent, finish_part, is_part, part_folder, similar_parts
from tasks.domains.profile_building import build_profiles
from tasks.domains.profiles import depth
from tasks.domains.reference_model import (
    GivenProfiles,
    HhsuiteParams,
    JackhmmerProfiles,
    MmseqsProfiles,
)
from tests.domains.small_reference import EXAMPLE, content

FRAME = content().domains
DOMAINS = dict(zip(FRAME["domain_id"], FRAME["sequence"], strict=True))
FEW = {name: DOMAINS[name] for name in ("d0aa1a1", "d0ab1a1", "d0ac1a1", "d0ae1a2")}
UNIVERSE = [EXAMPLE / "domains.fasta", EXAMPLE / "chains.fasta"]
KINDS = {
    "mmseqs": MmseqsProfiles(rounds=2),
    "jackhmmer": JackhmmerProfiles(rounds=2),
}


def profiles(place: Path, domains=FEW, params=KINDS["jackhmmer"], settings="s", part="profiles-1"):
    return build_profiles(
        place / part, domains, UNIVERSE, params=params, settings=settings, threads=1,
        time_limit_s=300,
    )  # fmt: skip


def hhsuite(place: Path, params: HhsuiteParams, part="hhsuite-1", made_of="profiles-1"):
    lengths = {
        name: len(DOMAINS.get(name, "M" * 80)) for name in Entries.of(place / made_of / "a3m")
    }
    return build_hhsuite(
        place / part, place / made_of, lengths, params=params, settings="s", threads=2,
        time_limit_s=300,
    )  # fmt: skip


@pytest.mark.tool
@pytest.mark.parametrize("kind", KINDS)
def test_each_domain_gets_an_alignment_that_begins_with_itself(tmp_path, kind):
    made = profiles(tmp_path, params=KINDS[kind])

    entries = {
        name: text.decode() for name, text in Entries.of(tmp_path / "profiles-1/a3m").items()
    }
    assert list(entries) == sorted(FEW)
    for name, text in entries.items():
        assert text.startswith(f">{name}\n{FEW[name]}\n")
        assert "\t" not in text
    assert depth(entries["d0ab1a1"]) >= 3  # its family is among those that were searched
    assert made.counts["made"] == 4
    assert made.counts["mean_depth"] == sum(map(depth, entries.values())) / 4


def test_an_added_domain_is_searched_alone_and_a_renamed_one_not_at_all(tmp_path):
    first = profiles(tmp_path)
    changed = FEW | {"d0af1a2": DOMAINS["d0af1a2"], "renamed": FEW["d0aa1a1"]}
    del changed["d0aa1a1"]

    second = profiles(tmp_path, changed, part="profiles-2")

    assert (first.counts["made"], first.counts["taken_over"]) == (4, 0)
    assert (second.counts["made"], second.counts["taken_over"]) == (1, 4)
    texts = dict(Entries.of(tmp_path / "profiles-2" / "a3m").items())
    assert texts["renamed"].startswith(b">renamed\n")
    assert sorted(texts) == sorted(changed)


def test_other_settings_take_over_nothing(tmp_path):
    profiles(tmp_path)

    assert profiles(tmp_path, settings="t", part="profiles-2").counts["taken_over"] == 0


def test_given_alignments_are_taken_as_they_are(tmp_path):
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "a.a3m").write_text(">whatever words\nMKV\n>h\nMaaK-\n")
    (tmp_path / "given" / "b").write_text(">b\nMK\n")

    profiles(tmp_path, {"a": "MKV", "b": "MK"}, GivenProfiles(folder=str(tmp_path / "given")))

    assert dict(Entries.of(tmp_path / "profiles-1" / "a3m").items()) == {
        "a": b">a\nMKV\n>h\nMaaK-\n",
        "b": b">b\nMK\n",
    }


def test_all_that_is_wrong_with_given_alignments_is_told(tmp_path):
    (tmp_path / "a.a3m").write_text(">a\nMKL\n")
    (tmp_path / "b.a3m").write_text(">b\nMK\n>h\nM\n")
    (tmp_path / "c.a3m").write_bytes(b">c\nM\xff\n")

    with pytest.raises(InputProblems) as caught:
        profiles(
            tmp_path, {"a": "MKV", "b": "MK", "c": "M", "d": "M"},
            GivenProfiles(folder=str(tmp_path)),
        )  # fmt: skip

    assert str(caught.value).splitlines() == [
        f"{tmp_path}/a.a3m: its first record is not the domain's sequence; "
        "expected the domain's alignment (a3m)",
        f"{tmp_path}/b.a3m: record 2 has 1 columns, the first one 2; "
        "expected the domain's alignment (a3m)",
        f"{tmp_path}/c.a3m: is no text; expected an alignment (a3m)",
        f"{tmp_path}, domain 'd': no file; expected d.a3m",
    ]
    assert not is_part(tmp_path / "profiles-1")
    with pytest.raises(InputError, match="no such folder; expected one with alignments"):
        profiles(tmp_path, {"a": "M"}, GivenProfiles(folder=str(tmp_path / "gone")))


@pytest.mark.tool
def test_the_database_has_equal_entries_and_real_states_where_they_are_asked_for(tmp_path):
    profiles(tmp_path)

    made = hhsuite(tmp_path, HhsuiteParams(hmms=True, states="cstranslate"))

    parts = {
        part: Entries.of(tmp_path / "hhsuite-1" / f"reference_{part}")
        for part in ("a3m", "hhm", "cs219")
    }
    assert unequal_names(parts) == ""
    states = dict(parts["cs219"].items())
    assert all(len(set(text)) > 5 for text in states.values())  # no placeholder
    assert {name: len(text) for name, text in states.items()} == {n: len(s) for n, s in FEW.items()}
    assert all(text.startswith(b"HHsearch 1.5\nNAME  ") for _, text in parts["hhm"].items())
    assert made.counts == {"entries": 4, "taken_over": 0}
    query = tmp_path / "q.a3m"
    query.write_bytes(dict(parts["a3m"].items())["d0ab1a1"])
    found = subprocess.run(
        ["hhblits", "-i", query, "-d", tmp_path / "hhsuite-1/reference", "-n", "1", "-o", "stdout",
         "-v", "0"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "d0ac1a1" in found.stdout


@pytest.mark.tool
def test_profiles_of_alignments_that_did_not_change_are_taken_over(tmp_path):
    profiles(tmp_path, params=KINDS["jackhmmer"])
    profiles(tmp_path, FEW | {"d0af1a2": DOMAINS["d0af1a2"]}, part="profiles-2")
    hhsuite(tmp_path, HhsuiteParams())

    again = hhsuite(tmp_path, HhsuiteParams(), part="hhsuite-2", made_of="profiles-2")

    assert again.counts == {"entries": 5, "taken_over": 4}
    one, other = (
        dict(Entries.of(tmp_path / part / "reference_hhm").items())
        for part in ("hhsuite-1", "hhsuite-2")
    )
    assert {name: other[name] for name in one} == one


@pytest.mark.tool
def test_a_database_in_which_a_search_finds_nothing_is_not_taken(tmp_path, monkeypatch):
    from tasks.domains import hhsuite_building

    profiles(tmp_path)
    empty = hhsuite_building.read_hhr("Query x\n\n No Hit  \n", "x")
    monkeypatch.setattr(hhsuite_building, "read_hhr", lambda _text, _name: empty)

    with pytest.raises(ToolError, match=r"finds nothing, not d0.* itself"):
        hhsuite(tmp_path, HhsuiteParams(hmms=False))
    assert not (tmp_path / "hhsuite-1").exists()


@pytest.mark.tool
def test_an_alignment_of_which_no_profile_can_be_made_is_named(tmp_path, monkeypatch):
    from tasks.domains import hhsuite_building

    profiles(tmp_path)
    monkeypatch.setattr(
        hhsuite_building, "hhmake_argv", lambda source, out: ["cp", f"{source}.ffdata", "/dev/null"]
    )

    with pytest.raises(ToolError, match="nothing was made of the alignment of d0"):
        hhsuite(tmp_path, HhsuiteParams())
    assert not (tmp_path / "hhsuite-1").exists()


def test_a_part_that_fails_leaves_nothing_and_the_one_before_stays(tmp_path):
    with part_folder(tmp_path / "blast-1") as folder:
        finish_part(folder, PartContent(notes=("whole",)))

    def fail() -> None:
        with part_folder(tmp_path / "blast-1") as half:
            (half / "half").write_text("")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert is_part(tmp_path / "blast-1")
    assert [path.name for path in tmp_path.iterdir()] == ["blast-1"]


def test_what_a_killed_build_left_is_cleared_away(tmp_path):
    (tmp_path / ".blast-1.x8d2").mkdir()
    (tmp_path / ".blast-1.x8d2" / "half").write_text("")
    (tmp_path / ".blast-2.other").mkdir()

    with part_folder(tmp_path / "blast-1") as folder:
        finish_part(folder, PartContent())

    assert sorted(path.name for path in tmp_path.iterdir()) == [".blast-2.other", "blast-1"]


def test_only_whole_parts_of_the_same_kind_and_settings_are_similar(tmp_path):
    for name, settings in (("a-1", "x"), ("a-2", "x"), ("a-3", "y"), ("b-1", "x")):
        with part_folder(tmp_path / name) as folder:
            finish_part(folder, PartContent(settings=settings))
    (tmp_path / "a-4").mkdir()

    assert similar_parts(tmp_path / "a-1", "x") == [tmp_path / "a-2"]


def test_entries_come_back_and_differences_are_named(tmp_path):
    write_entries(tmp_path / "one", [("b", b"2\n"), ("B", b""), ("a", b"1")])
    write_entries(tmp_path / "two", [("a", b"1"), ("b", b"2")])
    one, two = Entries.of(tmp_path / "one"), Entries.of(tmp_path / "two")

    assert dict(one.items()) == {"B": b"", "a": b"1", "b": b"2\n"}
    assert list(one) == ["B", "a", "b"]
    assert list(one.items(["b"])) == [("b", b"2\n")]
    assert unequal_names({"a3m": one, "hhm": two}) == "B is in a3m, not in hhm"
    (tmp_path / "one.ffindex").write_text("a\tx\t1\n")
    with pytest.raises(ToolError, match="is no entry"):
        Entries.of(tmp_path / "one")
