"""Unmapped and mapped records of BAM as reads."""

import gzip
from pathlib import Path

import pytest

from blocks.errors import InputError
from tasks.reads.formats import ReadOptions
from tests.reads.read_files import Read, bam, read, write

BAM = [("a", "ACGTN", [0, 1, 2, 3, 93], -1), ("b", "AC", [255, 255], -1), ("c", "T", [30], 0)]


@pytest.mark.parametrize(
    ("mapped", "unmapped", "expected"),
    [
        (True, True, [("a", "ACGTN", '!"#$~'), ("b", "AC", "!!"), ("c", "T", "?")]),
        (True, False, [("c", "T", "?")]),
        (False, True, [("a", "ACGTN", '!"#$~'), ("b", "AC", "!!")]),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 100])
def test_bam_records_are_chosen_and_unpacked(
    mapped: bool, unmapped: bool, expected: list[Read], size: int, tmp_path: Path
) -> None:
    path = write(tmp_path / "x.bam", bam(BAM))
    options = ReadOptions(mapped=mapped, unmapped=unmapped)
    assert read(path, options=options, size=size)["read1"] == expected


def test_a_cut_bam_is_an_error_or_ends_between_two_blocks(tmp_path: Path) -> None:
    content = gzip.decompress(bam(BAM))
    header = len(content) - len(content[content.index(b"chr1") + 9 :])
    packed = gzip.compress(content[:header]) + gzip.compress(content[header:])
    options = ReadOptions(mapped=True, unmapped=True)
    between = len(gzip.compress(content[:header]))
    for size in range(1, len(packed)):
        path = write(tmp_path / "x.bam", packed[:size])
        if size == between:
            assert not read(path, options=options)["read1"]
        else:
            with pytest.raises(InputError, match=r"x\.bam: "):
                read(path, options=options)


def test_bam_needs_a_choice_and_whole_records(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="bam_include_mapped"):
        read(write(tmp_path / "x.bam", bam(BAM)))
    content = gzip.decompress(bam(BAM))
    options = ReadOptions(mapped=True, unmapped=True)
    with pytest.raises(InputError, match="record 3: the record of BAM is damaged"):
        read(write(tmp_path / "y.bam", gzip.compress(content[:-3])), options=options)
