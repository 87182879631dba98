import hashlib
from pathlib import Path

import fsspec
import pandas as pd
import pytest

from blocks.errors import InputError
from blocks.storage import Storage, fetch, iter_table, read_bytes, read_table, refer
from deployments import looks
from deployments.doctor import checks
from deployments.looks import Check

FRAME = pd.DataFrame({"item": [1, 2, 3], "id": ["a", "b", "c"], "bits": [1.5, float("nan"), 3.0]})


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.tool)])
def storage(request, tmp_path):
    if request.param == "local":
        return Storage(tmp_path / "root")
    return Storage(f"{request.getfixturevalue('s3_server')}/root")


def test_equal_content_is_one_object(storage):
    first, second = storage.put_bytes(b"MKV", ".txt"), storage.put_bytes(b"MKV", ".txt")

    assert first == second
    assert first.digest == hashlib.sha256(b"MKV").hexdigest()
    assert (first.bytes, read_bytes(first)) == (3, b"MKV")


@pytest.mark.tool
def test_the_doctor_writes_to_s3_and_leaves_nothing(s3_server, monkeypatch):
    monkeypatch.setenv("SEQLOOM_STORAGE", f"{s3_server}/doctor")

    found = looks.look_storage(Check("storage", False, "", "results of stages"))

    assert (found.ok, found.found) == (True, f"{s3_server}/doctor")
    assert fsspec.filesystem("s3").find("bucket/doctor") == []


@pytest.mark.tool
def test_the_doctor_does_not_take_a_bucket_that_is_not_there_for_a_good_one(s3_server, monkeypatch):
    monkeypatch.setenv("SEQLOOM_STORAGE", "s3://nowhere/root")

    (found,) = (check for check in checks() if check.name == "storage")

    assert (found.mark, found.optional) == ("FAILED", False)
    assert "AWS_ENDPOINT_URL" in found.remedy


def test_table_comes_back_as_it_was(storage):
    table = storage.write_table(FRAME)

    assert (table.rows, table.columns) == (3, ("item", "id", "bits"))
    pd.testing.assert_frame_equal(read_table(table), FRAME)
    assert list(read_table(table, ["bits", "item"]).columns) == ["bits", "item"]


def test_table_written_in_parts_streams_back_in_batches(storage):
    with storage.table_writer() as (writer, done):
        writer.write(FRAME)
        writer.write(FRAME.assign(item=FRAME["item"] + 3))

    batches = list(iter_table(done[0], ["item"], batch_rows=4))

    assert [batch["item"].tolist() for batch in batches] == [[1, 2, 3, 4], [5, 6]]


def test_fetched_file_is_a_local_path(storage, tmp_path):
    ref = storage.put_bytes(b">a\nMKV\n", ".fasta")

    assert fetch(ref, tmp_path).read_bytes() == b">a\nMKV\n"


def test_digest_of_a_table_does_not_depend_on_the_root(tmp_path):
    here, there = Storage(tmp_path / "a"), Storage(tmp_path / "b")

    assert here.write_table(FRAME).digest == there.write_table(FRAME).digest


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    storage = Storage(tmp_path / "root")

    def half() -> None:
        with storage.table_writer() as (writer, _):
            writer.write(FRAME)
            writer.write(FRAME.drop(columns="item"))

    with pytest.raises(ValueError, match="item"):
        half()

    assert [path for path in (tmp_path / "root").rglob("*") if path.is_file()] == []


def test_stored_result_that_is_gone_says_what_to_do(tmp_path):
    ref = Storage(tmp_path / "root").put_bytes(b"x", ".txt")
    Path(ref.uri).unlink()

    with pytest.raises(InputError, match="a stored result is gone"):
        read_bytes(ref)


def test_reference_follows_the_content(tmp_path):
    path = tmp_path / "a.fasta"
    path.write_text(">a\nMKV\n")
    before = refer("a.fasta", str(tmp_path))
    path.write_text(">a\nMKI\n")

    assert refer(str(path)).digest != before.digest


@pytest.mark.parametrize(
    ("name", "message"),
    [("missing.fasta", "no such file"), ("", "is a folder"), ("nope://x", "cannot be read")],
)
def test_what_cannot_be_read_is_named(tmp_path, name, message):
    with pytest.raises(InputError, match=message):
        refer(name, str(tmp_path))
