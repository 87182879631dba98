"""Files of a folder and of an S3 prefix, told apart by version."""

import os
import time

import fsspec
import pytest
from s3fs import S3FileSystem

from blocks.errors import InputError, ServiceError
from blocks.file_versions import files_in, is_young


def names(place, *patterns, **options):
    found = files_in(str(place), patterns or ("*",), **options)
    return [one.uri.removeprefix(f"{place}/") for one in found]


def test_files_are_listed_by_pattern_without_unfinished_ones(tmp_path):
    for name in ("b.fa", "a.fa", "a.fa.part", ".hidden.fa", "x.TMP", "a.txt", "run/c.fa"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)

    assert names(tmp_path, "*.fa") == ["a.fa", "b.fa"]
    assert names(tmp_path, "*.fa", recursive=True) == ["a.fa", "b.fa", "run/c.fa"]
    assert names(tmp_path, "run/*", "*.txt", recursive=True) == ["a.txt", "run/c.fa"]


def test_a_file_that_changes_has_another_version_and_one_that_is_only_read_has_not(tmp_path):
    file = tmp_path / "a.fa"
    file.write_text(">a\n")
    (first,) = files_in(str(tmp_path))
    file.read_text()
    file.chmod(0o600)
    (same,) = files_in(str(tmp_path))
    os.utime(file, (1, 1))
    (touched,) = files_in(str(tmp_path))
    with file.open("a") as more:
        more.write("MKV\n")
    (longer,) = files_in(str(tmp_path))

    assert first.version == same.version
    assert len({first.version, touched.version, longer.version}) == 3
    assert (first.bytes, longer.bytes) == (3, 7)


def test_a_file_is_young_by_any_of_its_stamps(tmp_path):
    file = tmp_path / "a.fa"
    file.write_text(">a\n")
    os.utime(file, (1, 1))  # as by `cp -p`: only the time of its state is of now
    (found,) = files_in(str(tmp_path))

    assert is_young(found, 60)
    assert not is_young(found, 0)
    assert abs(found.changed - time.time()) < 60


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder; expected"):
        list(files_in(f"{tmp_path}/nowhere"))


@pytest.mark.tool
def test_an_object_of_s3_is_known_by_its_content(s3_server):
    place = f"{s3_server}/versions"
    filesystem, path = fsspec.core.url_to_fs(place)
    filesystem.pipe_file(f"{path}/a.fa", b">a\n")
    filesystem.pipe_file(f"{path}/b.fa.part", b">b\n")
    (first,) = files_in(place)
    filesystem.pipe_file(f"{path}/a.fa", b">a\n")
    (again,) = files_in(place)
    filesystem.pipe_file(f"{path}/a.fa", b">c\n")
    (other,) = files_in(place)

    assert first.uri == f"{place}/a.fa"
    assert first.version == again.version != other.version
    assert is_young(first, 60)


@pytest.mark.tool
def test_an_empty_prefix_has_no_files_and_a_missing_bucket_is_named(s3_server):
    assert list(files_in(f"{s3_server}/nothing/here")) == []
    with pytest.raises(InputError, match="no such bucket"):
        list(files_in("s3://nobody/here"))


@pytest.fixture
def fresh_connections():
    """None of another test's server, and none is left to the next one."""
    S3FileSystem.clear_instance_cache()
    yield
    S3FileSystem.clear_instance_cache()


def test_storage_that_does_not_answer_may_do_so_later(monkeypatch, fresh_connections):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    with pytest.raises(ServiceError, match="s3://silent/x"):
        list(files_in("s3://silent/x"))
