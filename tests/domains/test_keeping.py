"""Searches through the store: what is asked, what is kept, what is said of each protein."""

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest

from blocks import database
from blocks.batch_items import open_batch
from blocks.errors import SeqloomError, ToolError
from blocks.evidence_store import EvidenceStore, Search
from tasks.domains.calls import Protein
from tasks.domains.evidence import evidence_frame
from tasks.domains.keeping import Asking, Kept, begin_searches, evidence_of, kept_search, rows_of
from tasks.domains.outcome import STAGES, Limits

SEARCH = Search.of("domain_blast", reference="r")
PROTEINS = [Protein(f"p{n}", "MKV" * n, f"digest{n}") for n in range(1, 5)]
TWIN = Protein("twin", "MKV", "digest1")


class Program:
    """Finds one hit for each protein but those in `crash`; notes what it was asked for."""

    def __init__(self, crash: tuple[str, ...] = (), status: int = 139) -> None:
        self.crash, self.status = crash, status
        self.asked: list[list[str]] = []
        self.limits: list[float] = []

    def ask(self, proteins, left: float) -> pd.DataFrame:
        self.asked.append([one.id for one in proteins])
        self.limits.append(left)
        if any(one.id in self.crash for one in proteins):
            raise ToolError("blastp", self.status, "crashed")
        return evidence_frame([hit(one.id) for one in proteins])


def hit(protein: str) -> dict[str, object]:
    return {
        "protein": protein, "source": "domain_blast", "program": "blastp", "target": "d1",
        "query_starts": [0], "target_starts": [0], "block_lengths": [3], "identities": 3,
        "evalue": 0.0, "bitscore": 9.0, "probability": float("nan"), "hsp_count": 1,
    }  # fmt: skip


@pytest.fixture
def kept(tmp_path) -> Kept:
    engine = database.engine(f"sqlite:///{tmp_path}/x.db")
    batch = open_batch(engine, "b", "domains", STAGES, None)
    batch.add([(one.id, one.digest) for one in [*PROTEINS, TWIN]])
    yield Kept(EvidenceStore(engine, str(tmp_path / "storage")), batch, tmp_path / "locks")
    database.close_connections()


def search(kept, program, proteins=PROTEINS, *, at_once=100, stage_s=60.0, until=None, **others):
    limits = Limits(stage_s=stage_s, until=until or time.time() + 60, **others)
    asking = Asking("domain_blast", SEARCH, program.ask, rows_of, at_once)
    return kept_search(asking, proteins, kept, limits)


def states(kept) -> dict[str, str]:
    names = [one.id for one in PROTEINS]
    return {
        name: found.get("domain_blast", "") for name, found in kept.batch.stages_of(names).items()
    }


def test_what_is_stored_is_not_asked_again(kept):
    search(kept, Program(), PROTEINS[:2])
    program = Program()
    found = search(kept, program)

    assert program.asked == [["digest3", "digest4"]]
    assert found.places.keys() == {one.digest for one in PROTEINS}
    assert (found.counts.cached, found.counts.computed) == (2, 2)
    assert set(states(kept).values()) == {"done"}


def test_one_sequence_is_searched_once_and_found_for_all_its_ids(kept):
    program = Program()
    found = search(kept, program, [PROTEINS[0], TWIN])

    assert program.asked == [["digest1"]]
    frame = evidence_of({"x": found.places}, [PROTEINS[0], TWIN], kept.store)
    assert frame["protein"].tolist() == ["p1", "twin"]
    assert [list(cell) for cell in frame["query_starts"]] == [[0], [0]]


def test_a_protein_that_crashes_the_program_fails_alone(kept):
    found = search(kept, Program(crash=("digest3",)))

    assert found.failed == {"digest3": "blastp exited with status 139: crashed"}
    assert found.places.keys() == {"digest1", "digest2", "digest4"}
    assert (found.counts.items_in, found.counts.items_failed) == (4, 1)
    assert states(kept) == {"p1": "done", "p2": "done", "p3": "failed", "p4": "done"}
    assert [(one.item, one.error) for one in kept.batch.items(failed=True)] == [
        ("p3", "blastp exited with status 139: crashed")
    ]


def test_what_failed_is_asked_again_and_nothing_else(kept):
    search(kept, Program(crash=("digest3",)))
    program = Program()
    found = search(kept, program)

    assert program.asked == [["digest3"]]
    assert found.failed == {}


def test_each_call_is_stored_before_the_next_one(kept):
    class Killed(Program):
        def ask(self, proteins, left):
            if proteins[0].id == "digest3":
                raise KeyboardInterrupt
            return super().ask(proteins, left)

    with pytest.raises(KeyboardInterrupt):
        search(kept, Killed(), at_once=1)
    program = Program()
    search(kept, program, at_once=1)

    assert program.asked == [["digest3"], ["digest4"]]


def test_without_continuing_the_first_failure_is_raised_and_stored(kept):
    with pytest.raises(SeqloomError, match=r"^p3, domain_blast: blastp exited with status 139"):
        search(kept, Program(crash=("digest3",)), continue_on_error=False)

    assert states(kept)["p3"] == "failed"
    assert states(kept)["p1"] == "done"


def test_after_the_end_of_the_run_nothing_is_begun(kept):
    program = Program()
    found = search(kept, program, until=time.time() - 1)

    assert program.asked == []
    assert set(found.failed.values()) == {"not begun: the time limit of the run was reached"}


def test_a_program_gets_no_more_time_than_the_stage_has(kept):
    program = Program()
    search(kept, program, stage_s=0.5, until=time.time() + 1_000)

    assert 0 < program.limits[0] <= 0.5


def test_a_stage_that_took_its_time_begins_nothing_more(kept):
    class Slow(Program):
        def ask(self, proteins, left):
            time.sleep(1.1)
            return super().ask(proteins, left)

    found = search(kept, Slow(), at_once=1, stage_s=1)

    assert found.places.keys() == {"digest1"}
    assert found.failed["digest2"] == "not begun: the time limit of a stage, 1 s, was reached"


@pytest.fixture
def full_disk(tmp_path):
    """A file system of 1 MB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mounting is not possible here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(place: Path) -> None:
    with (place / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(os.urandom(1 << 12)):
            pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_full_disk_loses_nothing_that_was_stored(kept, full_disk):
    small = Kept(EvidenceStore(kept.store.engine, str(full_disk)), kept.batch, kept.locks)
    search(small, Program(), PROTEINS[:2], at_once=1)
    fill(full_disk)

    with pytest.raises(SeqloomError, match=r"cannot be written .No space left on device"):
        search(small, Program(), at_once=1)

    (full_disk / "filler").unlink()
    program = Program()
    found = search(small, program, at_once=1)
    assert program.asked == [["digest3"], ["digest4"]]
    assert len(evidence_of({"x": found.places}, PROTEINS, small.store)) == 4


def test_after_a_failure_that_ends_the_run_nothing_is_asked(kept):
    with pytest.raises(SeqloomError, match=r"p1, domain_blast: blastp .* crashed"):
        search(kept, Program(crash=("digest1",)), PROTEINS[:2], continue_on_error=False)
    program = Program()

    with pytest.raises(SeqloomError, match=r"p1, domain_blast: blastp .* crashed"):
        search(kept, program, PROTEINS[2:], continue_on_error=False)
    begin_searches(kept.batch)
    search(kept, program, PROTEINS[2:], continue_on_error=False)

    assert program.asked == [["digest3", "digest4"]]


def test_what_a_run_leaves_unfinished_waits_for_the_next_one(kept):
    kept.batch.record("domain_blast", "done", ["p1"])
    kept.batch.record("chain_blast", "running", ["p1", "p2"])

    kept.batch.halt()

    assert [one.state for one in kept.batch.items()] == ["pending"] * len([*PROTEINS, TWIN])
    assert kept.batch.stages_of(["p1", "p2"]) == {"p1": {"domain_blast": "done"}, "p2": {}}
