"""References from parameters to folders, with real programs and a real Prefect server."""

import json
import shutil
from pathlib import Path

import pytest

from blocks.errors import InputError, InputProblems, ToolError
from flows.reference import build, plan
from tasks.domains.reference import open_reference
from tasks.domains.reference_model import ReferenceParams
from tasks.domains.reference_parts import find_reference
from tests.domains.small_reference import EXAMPLE

pytestmark = pytest.mark.tool
engine = [pytest.mark.engine, pytest.mark.usefixtures("prefect_server")]
JACKHMMER = {"kind": "jackhmmer", "rounds": 1, "sequences": str(EXAMPLE / "chains.fasta")}


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """The files of the example, to be changed."""
    folder = tmp_path / "inputs"
    shutil.copytree(EXAMPLE, folder)
    return folder


def params(inputs: Path, **others) -> ReferenceParams:
    source = {
        "kind": "table",
        "domains": str(inputs / "domains.fasta"),
        "table": str(inputs / "domains.tsv"),
        "chains": str(inputs / "chains.fasta"),
    }
    content = {
        "name": "small", "source": source, "profiles": JACKHMMER, "hhsuite": {"hmms": False},
        "folder": str(inputs.parent / "references"), **others,
    }  # fmt: skip
    return ReferenceParams.model_validate(content)


def to_do(inputs: Path, **others) -> list[str]:
    """Parts that a build would make."""
    _, frame = plan(params(inputs, **others))
    return frame["part"][frame["to do"] == "make"].tolist()


ALL = ["tables", "blast domains", "blast chains", "profiles", "hhsuite"]


class TestBuilding:
    pytestmark = engine

    def test_a_reference_is_whole_and_each_part_is_made_once(self, inputs):
        assert to_do(inputs) == ALL

        first = build(params(inputs))
        reference = open_reference(first.folder)

        assert (first.parts_made, first.parts_there) == (5, 0)
        assert reference.folder.name == f"small-{first.fingerprint}"
        assert Path(first.folder).readlink() == Path(reference.folder.name)
        manifest = reference.manifest
        assert (manifest.domains, manifest.chains, manifest.hhsuite) == (41, 19, True)
        assert manifest.levels == ("class", "fold", "superfamily", "family")
        assert manifest.states == "placeholder"
        assert set(manifest.versions) == {"makeblastdb", "jackhmmer", "hhsearch"}
        assert set(manifest.inputs) == {"domains", "table", "chains"}
        assert reference.tables.chain_by_id["0ae1_A"].domains[0].segments == ((0, 75), (183, 246))
        assert to_do(inputs) == []
        second = build(params(inputs))
        assert (second.parts_made, second.parts_there) == (0, 5)
        assert second.fingerprint == first.fingerprint
        names = {path.name for path in Path(first.folder).parent.iterdir()}
        assert names == {".parts", "small", f"small-{first.fingerprint}"}

    def test_only_what_changed_is_made_again_and_the_older_reference_stays(self, inputs):
        first = build(params(inputs))
        other = {"profiles": {**JACKHMMER, "rounds": 2}}

        assert to_do(inputs, **other) == ["profiles", "hhsuite"]
        assert to_do(inputs, hhsuite={"hmms": True}) == ["hhsuite"]
        assert to_do(inputs, blast=False) == []
        text = (inputs / "domains.fasta").read_text() + ">new1\nMKVLAAGIVGLLVAGAVAAGRAAGLEV\n"
        (inputs / "domains.fasta").write_text(text)
        with (inputs / "domains.tsv").open("a") as file:
            file.write("new1\t9xyz_A\t\tc.1.1.1\n")
        assert to_do(inputs) == ["tables", "blast domains", "profiles", "hhsuite"]

        second = build(params(inputs))

        assert (second.domains, second.parts_made, second.parts_there) == (42, 4, 1)
        assert second.fingerprint != first.fingerprint
        assert open_reference(first.folder).manifest.domains == 42
        older = Path(first.folder).with_name(f"small-{first.fingerprint}")
        assert open_reference(older).manifest.domains == 41
        part = next(Path(first.folder).parent.glob(".parts/profiles-*"))
        counts = [
            json.loads((path / "PART.json").read_text())["counts"]
            for path in part.parent.glob("profiles-*")
        ]
        assert sorted((one["made"], one["taken_over"]) for one in counts) == [(1, 41), (41, 0)]

    def test_a_part_that_was_lost_is_made_again(self, inputs):
        first = build(params(inputs, profiles={"kind": "none"}))
        shutil.rmtree(next(Path(first.folder).parent.glob(".parts/tables-*")))

        again = build(params(inputs, profiles={"kind": "none"}))

        assert (first.parts_made, again.parts_made, again.parts_there) == (3, 1, 2)
        assert not open_reference(again.folder).manifest.hhsuite
        assert again.fingerprint == first.fingerprint

    def test_a_build_that_fails_leaves_the_reference_as_it_was(self, inputs, monkeypatch):
        first = build(params(inputs, profiles={"kind": "none"}))
        text = (inputs / "domains.tsv").read_text()
        (inputs / "domains.tsv").write_text(text.replace("x.1.1.1", "x.1.1.6"))
        from tasks.domains import reference_stages

        def fails(*_: object) -> None:
            raise ToolError("makeblastdb", 1, "no room")

        monkeypatch.setattr(reference_stages.reference_parts, "build_tables", fails)
        with pytest.raises(ToolError, match="no room"):
            build(params(inputs, profiles={"kind": "none"}))

        assert open_reference(first.folder).manifest.fingerprint == first.fingerprint
        names = {path.name for path in Path(first.folder).parent.iterdir()}
        assert names == {".parts", "small", f"small-{first.fingerprint}"}

    def test_a_dry_run_says_what_is_to_be_done(self, inputs):
        result = build(params(inputs, dry_run=True))

        assert [row["part"] for row in result.plan] == ALL
        assert {row["to do"] for row in result.plan} == {"make"}
        assert not Path(params(inputs).folder).exists()


def test_the_plan_tells_counts_and_what_is_remarkable(inputs):
    with (inputs / "chains.fasta").open("a") as file:
        file.write(">9abc_A\nMKVL\n")

    text, _ = plan(params(inputs))

    assert text.splitlines() == [
        f"41 domains, 19 chains, into {inputs.parent / 'references'}",
        "1 chains without domains in the tables were left out: 9abc_A",
    ]


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (
            {"source": {"kind": "table", "domains": "no.fa", "table": "no.tsv"}},
            "no.fa: no such file",
        ),
        ({"profiles": {"kind": "given", "folder": "nowhere"}}, "nowhere: no such folder; expected"),
        ({"profiles": {"kind": "mmseqs", "sequences": "no.fa"}}, "no.fa: no such file"),
    ],
    ids=["inputs", "alignments", "sequences"],
)
def test_what_is_missing_is_told_before_anything_is_made(inputs, others, message):
    with pytest.raises(InputError, match=message):
        plan(params(inputs, **others))
    assert not Path(params(inputs).folder).exists()


@pytest.mark.parametrize(
    ("profiles", "blast", "message"),
    [
        ({"kind": "mmseqs"}, False, r"^mmseqs: no such program; .*apt-get install mmseqs2$"),
        (JACKHMMER, False, r"^hhsearch: no such program; .*apt-get install hhsuite$"),
        ({"kind": "none"}, True, r"^makeblastdb: no such program; .*install ncbi-blast\+$"),
    ],
    ids=["mmseqs", "hhsearch", "makeblastdb"],
)
def test_a_program_that_is_missing_is_told_with_its_package(
    inputs, monkeypatch, profiles, blast, message
):
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(InputError, match=message):
        plan(params(inputs, profiles=profiles, blast=blast))


def test_all_that_is_wrong_with_the_inputs_is_told_before_anything_is_made(inputs):
    text = (inputs / "domains.tsv").read_text()
    text = text.replace("\t1-93\t", "\t1-999\t", 1).replace("\t97-218\t", "\t218-97\t")
    (inputs / "domains.tsv").write_text(text)

    with pytest.raises(InputProblems) as caught:
        plan(params(inputs))

    assert len(str(caught.value).splitlines()) == 2


def test_a_name_that_is_taken_is_told(inputs):
    taken = inputs.parent / "references" / "small"
    taken.mkdir(parents=True)

    with pytest.raises(InputError, match="is there, and no link to a reference"):
        plan(params(inputs))


def test_a_reference_is_found_by_path_or_name(tmp_path):
    for folder in (tmp_path / "here", tmp_path / "references" / "named"):
        folder.mkdir(parents=True)
        (folder / "REFERENCE.json").write_text("{}")

    place = tmp_path / "references"
    assert find_reference(str(tmp_path / "here"), place) == tmp_path / "here"
    assert find_reference("named", place) == place / "named"
    with pytest.raises(InputError, match=r"other: no reference here nor in .*references; expected"):
        find_reference("other", place)
