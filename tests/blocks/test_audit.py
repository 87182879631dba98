"""The audit: lines stay as they were written, or `verify` names the first that did not."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from blocks.audit import Audit, AuditError


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    """An audit of five lines."""
    made = Audit(tmp_path)
    for number in range(5):
        made.append({"caller": "alice", "number": number})
    return made


def test_what_was_written_is_whole_and_told_in_order(audit: Audit) -> None:
    assert audit.verify().lines == 5
    assert [one["number"] for one in audit.records()] == [0, 1, 2, 3, 4]
    assert audit.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("tamper", "line", "fault"),
    [
        (lambda lines: [lines[0], lines[1].replace(b"alice", b"bobby"), *lines[2:]], 2, "digest"),
        (lambda lines: [*lines[:4], lines[4].replace(b":4", b":5")], 5, "digest differs"),
        (lambda lines: lines[:2] + lines[3:], 3, "does not follow"),
        (lambda lines: lines[1:], 1, "does not follow"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], 2, "does not follow"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], 3, "does not follow"),
        (lambda lines: [*lines[:3], b"{}\n", *lines[3:]], 4, "digest differs"),
        (lambda lines: [*lines[:3], b"\n", *lines[3:]], 4, "digest differs"),
        (lambda lines: [*lines[:4], lines[4][:-1]], 5, "is not whole"),
        (lambda lines: [*lines[:4], b"x" * 100_000], 5, "is not whole"),
        (lambda lines: [*lines[:4], b"\xff\0" + lines[4]], 5, "digest differs"),
    ],
)  # fmt: skip
def test_the_first_line_that_was_tampered_with_is_named(audit: Audit, tamper, line, fault) -> None:
    lines = audit.path.read_bytes().splitlines(keepends=True)
    audit.path.write_bytes(b"".join(tamper(lines)))

    with pytest.raises(AuditError, match=fault) as told:
        audit.verify()
    assert told.value.line == line
    assert str(told.value).startswith(f"{audit.path}, line {line}: ")


def test_a_new_chain_in_the_place_of_the_old_one_and_a_lost_end_are_found_by_the_digest(
    audit: Audit,
) -> None:
    told = audit.verify().digest
    lines = audit.path.read_bytes().splitlines(keepends=True)
    audit.append({"later": 1})
    assert audit.verify(expected=told).lines == 6
    audit.path.write_bytes(b"".join(lines[:4]))
    assert audit.verify().lines == 4

    with pytest.raises(AuditError, match="did not come") as lost:
        audit.verify(expected=told)
    assert lost.value.line == 5


def test_what_callers_say_stays_on_one_line_and_is_masked(tmp_path: Path) -> None:
    audit = Audit(tmp_path)

    audit.append({"said": 'x"}\n{"line":2,"caller":"root"}\r\u2028', "to": "jane@example.org"})

    assert len(audit.path.read_bytes().splitlines()) == 1
    assert audit.path.read_bytes().isascii()
    (found,) = audit.records()
    assert found["said"] == 'x"}\n{"line":2,"caller":"root"}\r\u2028'
    assert found["to"] == "***"


def test_a_line_that_a_crash_cut_short_is_told_and_the_next_ones_are_kept(audit: Audit) -> None:
    with audit.path.open("ab") as file:
        file.write(b'{"line":6,"at"')

    audit.append({"number": 6})

    assert json.loads(audit.path.read_bytes().splitlines()[-1])["number"] == 6
    with pytest.raises(AuditError) as told:
        audit.verify()
    assert told.value.line == 6


def test_a_full_disk_leaves_no_half_line(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:20]))
    with pytest.raises(OSError, match="only 20 of"):
        audit.append({"number": 5})
    monkeypatch.undo()

    audit.append({"number": 5})

    assert audit.verify().lines == 6


def _write_some(folder: Path, process: int) -> None:
    for number in range(50):
        Audit(folder).append({"process": process, "number": number, "text": "x" * 500})


def test_processes_that_write_at_once_make_one_chain(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_some, args=(tmp_path, n)) for n in range(2)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()

    assert Audit(tmp_path).verify().lines == 100
    found = [(one["process"], one["number"]) for one in Audit(tmp_path).records()]
    assert sorted(found) == [(n, m) for n in range(2) for m in range(50)]


def test_nothing_is_a_whole_audit(tmp_path: Path) -> None:
    assert Audit(tmp_path).verify().lines == 0
