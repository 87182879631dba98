"""Documents in zips: all of them, in order, in files of a bounded number."""

from zipfile import ZipFile

import pytest

from tasks.domains import archive
from tasks.domains.archive import Archive


@pytest.mark.parametrize(
    ("documents", "files"), [(0, [0]), (2, [2]), (3, [3]), (7, [3, 3, 1])], ids=str
)
def test_a_further_file_begins_when_one_is_full(documents, files, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "PER_FILE", 3)
    with Archive("some", lambda name: tmp_path / name) as made:
        for number in range(documents):
            made.add(f"{number}.xml", b"<a/>" * number)

    names = ["some.zip", "some-2.zip", "some-3.zip"][: len(files)]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    entries = [ZipFile(tmp_path / name).infolist() for name in names]
    found = [(one.filename, one.file_size) for of_file in entries for one in of_file]
    assert found == [(f"{number}.xml", 4 * number) for number in range(documents)]
    assert [len(of_file) for of_file in entries] == files
