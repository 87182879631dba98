# ruff: noqa: E501 -- a table of messages
import bz2
import contextlib
import gzip
import io
import lzma
import os
import subprocess
import sys
import threading
from pathlib import Path

import dnaio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import InputError
from tasks.reads.compression import compressor
from tasks.reads.decompression import InputFile
from tasks.reads.formats import ReadOptions, fastq_chunks
from tasks.reads.kernels import records
from tasks.reads.reading import BlockReader, Source
from tasks.reads.window import Limits, Window
from tests.reads.read_files import Read, bam, bgzf, fastq, read, write

TWO = b"@a 1\nACGT\n+\nIIII\n@b\nTT\n+b\n#~\n"
EXPECTED = [("a 1", "ACGT", "IIII"), ("b", "TT", "#~")]


def zstd(content: bytes) -> bytes:
    return compressor("zstd")(content)


@pytest.mark.parametrize(
    "packed",
    [
        lambda text: text,
        gzip.compress,
        lambda text: gzip.compress(text[:10]) + gzip.compress(text[10:]),
        lambda text: gzip.compress(text) + bytes(100),
        bgzf,
        zstd,
        lambda text: zstd(text[:7]) + zstd(text[7:]),
        bz2.compress,
        lzma.compress,
    ],
    ids=["plain", "gzip", "members", "padded", "bgzf", "zstd", "frames", "bz2", "xz"],
)
def test_a_file_is_inflated_by_what_it_holds_not_by_its_name(packed, tmp_path: Path) -> None:
    assert read(write(tmp_path / "x.txt", packed(TWO)))["read1"] == EXPECTED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TWO.replace(b"\n", b"\r\n"), EXPECTED),
        (TWO.removesuffix(b"\n"), EXPECTED),
        (TWO.replace(b"\n", b"\r\n").removesuffix(b"\n"), EXPECTED),
        (TWO + b"\n\n", EXPECTED),
        (b"@a\n\n+\n\n@b\nA\n+\nI\n", [("a", "", ""), ("b", "A", "I")]),
        (b"@a\nA\n+\n@\n@b\nC\n+\n@\n", [("a", "A", "@"), ("b", "C", "@")]),
        (b"@a\nAC\n+\n@\x7e\n", [("a", "AC", "@~")]),
        (b"@a\tb c~ and more\nA\n+\nI\n", [("a\tb c~ and more", "A", "I")]),
        (b"@\xff~\xc3\xa4~ 0\nA\n+\nI\n", [("\xff~\xc3\xa4~ 0", "A", "I")]),
    ],
    ids=[
        "crlf",
        "no end",
        "crlf no end",
        "blank end",
        "empty reads",
        "quality @",
        "tilde",
        "tab in name",
        "umlaut in name",
    ],
)
def test_valid_files_are_read(text: bytes, expected: list[Read], tmp_path: Path) -> None:
    assert read(write(tmp_path / "x.fq", text))["read1"] == expected


GOOD = b"@ok\nACGT\n+\nIIII\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "x.fq: the file is empty; expected reads"),
        (b"hello\n", "x.fq: record 1 (line 1): expected '@'"),
        (GOOD + b"b\nA\n+\nI\n", "record 2 (line 5): expected '@' at the begin of a record, found 'b'"),
        (GOOD + b"\n" + GOOD, "record 2 (line 5): expected '@' at the begin of a record, found ''"),
        (GOOD + b"@\nA\n+\nI\n", "record 2 (line 5): empty name"),
        (GOOD + b"@b\0c\nA\n+\nI\n", "record 2 (line 5): control character in read named 'b\\x00c': byte 0 at position 2; expected letters that can be printed"),
        (GOOD + b"@b\x1b[1m\nA\n+\nI\n", "record 2 (line 5): control character in read named 'b\\x1b[1m': byte 27"),
        (GOOD + b"@reads and more\x7f\nA\n+\nI\n", "record 2 (line 5): control character in read named 'reads and more\\x7f': byte 127 at position 15"),
        (GOOD + b"@b\rc\nA\n+\nI\n", "record 2 (line 5): control character in read named 'b\\rc': byte 13"),
        (GOOD + b"@b\nA C\n+\nIII\n", "record 2 (line 6): invalid base in read named 'b': byte 32 at position 2"),
        (GOOD + b"@b\nACG\n-\nIII\n", "record 2 (line 7): expected '+' after the sequence"),
        (GOOD + b"@b\nAC\nG\n+\nIII\n", "record 2 (line 7): expected '+' after the sequence"),
        (GOOD + b"@b\nACG\n+\nII\n", "record 2 (line 8): sequence and quality differ in length; expected the same length, found 3 and 2"),
        (GOOD + b"@b\nACG\n+\nIIII\n", "record 2 (line 8): sequence and quality differ in length"),
        (GOOD + b"@b\nACG\n+\nI\n@c\nA\n+\nI\n", "record 2 (line 8): sequence and quality differ"),
        (GOOD + b"@b\nACG\n+\nI\tI\n", "record 2 (line 8): invalid quality in read named 'b': byte 9 at position 2; expected 33..126"),
        (GOOD + b"@b\nACG\n+\nII\x7f\n", "record 2 (line 8): invalid quality"),
        (GOOD + b"@b\nACG\n+\nII\xc3\n", "record 2 (line 8): invalid quality"),
        (GOOD + b"@b\nACG\n+\n", "record 2 (line 8): sequence and quality differ in length"),
        (GOOD + b"@b\nACG\n", "record 2 (line 6): the file ends within a record (incomplete final read)"),
        (GOOD + b"@b", "record 2 (line 5): the file ends within a record"),
        (GOOD + b"@abc\nACGTAC\n+\n\n@abc\nA\n+\nI\n", "record 2 (line 8): sequence and quality differ"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 2, 100])
def test_malformed_records_are_named_by_file_record_and_line(
    text: bytes, message: str, size: int, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as raised:
        read(write(tmp_path / "x.fq", text), size=size)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert str(tmp_path / "x.fq") in str(raised.value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: packed[:-9],
        lambda packed: packed[:-5] + bytes(5),
        lambda packed: packed + b"rubbish behind the end",
        lambda packed: packed[: len(packed) // 2],
        lambda packed: packed[:3000] + b"\xff" * 200 + packed[3200:],
    ],
    ids=["cut", "checksum", "rubbish", "half", "deflate"],
)
def test_damaged_gzip_is_an_error_that_names_the_last_good_record(damage, tmp_path: Path) -> None:
    reads = [(f"r{n}", "ACGT" * 30, "I" * 120) for n in range(2000)]
    packed = gzip.compress(fastq(reads), 1)
    with pytest.raises(InputError, match=r"x\.fq: .*(behind record \d+ \(line \d+\)|in the first)"):
        read(write(tmp_path / "x.fq", damage(packed)))


def test_cut_zstd_is_an_error(tmp_path: Path) -> None:
    packed = zstd(fastq([(f"r{n}", "ACGT" * 30, "I" * 120) for n in range(100)]))
    with pytest.raises(InputError, match="compressed data end too early"):
        read(write(tmp_path / "x.fq", packed[:-5]))


def test_reads_before_a_damage_still_come_out(tmp_path: Path) -> None:
    path = write(tmp_path / "x.fq", GOOD * 3 + b"@b\n")
    reader = BlockReader(Source(("read1",), ((str(path),),)), 10)
    blocks = iter(reader)
    assert len(next(blocks)) == 3
    with pytest.raises(InputError, match="record 4"):
        next(blocks)
    reader.close()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.fq: could not open file: there is no such file"):
        read(tmp_path / "none.fq")
    with pytest.raises(InputError, match="is a folder"):
        read(tmp_path)


@pytest.mark.parametrize(("short", "long"), [(0, 1), (1, 0)])
def test_different_numbers_of_mates_are_noticed_at_once(
    short: int, long: int, tmp_path: Path
) -> None:
    counts = {short: 10, long: 50_000}
    files = [write(tmp_path / f"{n}.fq", GOOD * counts[n]) for n in (0, 1)]
    with pytest.raises(InputError) as raised:
        read(*files, size=7)
    assert "segments hold different numbers of reads" in str(raised.value)
    assert f"{short}.fq) holds 10 reads" in str(raised.value)
    assert f"{long}.fq) holds more" in str(raised.value)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read read")]


def test_lanes_follow_each_other(tmp_path: Path) -> None:
    one = write(tmp_path / "1.fq", GOOD)
    two = write(tmp_path / "2.fq.gz", gzip.compress(TWO))
    assert [name for name, *_ in read((one, two))["read1"]] == ["ok", "a 1", "b"]


def test_formats_do_not_mix_within_a_segment(tmp_path: Path) -> None:
    one, two = write(tmp_path / "1.fq", GOOD), write(tmp_path / "2.fa", b">a\nAC\n")
    with pytest.raises(InputError, match=r"Segment 'read1' mixes input formats: fastq in .*fasta"):
        read((one, two), options=ReadOptions(fake_quality=66))


def test_interleaved_reads_are_dealt_out(tmp_path: Path) -> None:
    path = write(tmp_path / "x.fq", fastq([(f"r{n}", "A" * n, "I" * n) for n in range(6)]))
    found = read(path, segments=("read1", "read2", "index1"), size=1)
    assert [name for name, *_ in found["read1"]] == ["r0", "r3"]
    assert found["index1"] == [("r2", "AA", "II"), ("r5", "AAAAA", "IIIII")]


def test_an_unpaired_rest_of_an_interleaved_file_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "x.fq", GOOD * 5)
    with pytest.raises(InputError, match=r"record 5: the last molecule has 1 of 2 reads"):
        read(path, segments=("read1", "read2"))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_fasta_lines_are_joined_and_get_a_quality(newline: str, tmp_path: Path) -> None:
    text = ">a x>y\nAC\nGT\n\nA\n>b\n>c\nTTT".replace("\n", newline).encode()
    found = read(write(tmp_path / "x.fa", text), options=ReadOptions(fake_quality=66), size=2)
    assert found["read1"] == [("a x>y", "ACGTA", "BBBBB"), ("b", "", ""), ("c", "TTT", "BBB")]


def test_fasta_needs_a_quality(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected fasta_fake_quality"):
        read(write(tmp_path / "x.fa", b">a\nAC\n"))


def test_reads_of_a_million_bases_go_through(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    reads = [
        (f"r{n}", rng.choice(list("ACGT"), size).tobytes().decode("utf-32-le"), "I" * size)
        for n, size in enumerate((1_000_000, 3, 700_000))
    ]
    path = write(tmp_path / "x.fq", fastq(reads))
    assert read(path, chunk_bytes=1 << 16)["read1"] == reads


read_texts = st.tuples(
    st.text("abc /1@+", min_size=1, max_size=9),
    st.integers(0, 40).flatmap(
        lambda n: st.tuples(
            st.text("ACGTN", min_size=n, max_size=n), st.text("!@+I~", min_size=n, max_size=n)
        )
    ),
).map(lambda pair: (pair[0], *pair[1]))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(read_texts, min_size=1, max_size=30),
    st.integers(1, 40),
    st.integers(1, 400),
    st.sampled_from(["\n", "\r\n"]),
)
def test_any_reads_come_out_as_dnaio_reads_them(
    tmp_path_factory, reads: list[Read], size: int, chunk_bytes: int, newline: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "x.fq"
    path.write_bytes(fastq(reads, newline))
    assert read(path, size=size, chunk_bytes=chunk_bytes)["read1"] == reads
    with dnaio.open(path) as oracle:
        assert [(one.name, one.sequence, one.qualities) for one in oracle] == reads


class Trickle:
    """A file that gives a few bytes at a time."""

    address = "trickle"

    def __init__(self, content: bytes, step: int) -> None:
        self._left = io.BytesIO(content)
        self._step = step

    def read_into(self, into: memoryview) -> int:
        return self._left.readinto(into[: self._step])


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=60), st.integers(1, 5))
def test_no_bytes_make_the_parser_hang_or_crash(rubbish: bytes, size: int) -> None:
    window = Window(Trickle(GOOD + rubbish, 3))  # type: ignore[arg-type]
    with contextlib.suppress(InputError):
        for reads in fastq_chunks(window, Limits(size, 16)):
            assert len(reads.name) <= size


def test_the_compiled_parser_does_what_its_text_says() -> None:
    buffer = np.frombuffer(TWO * 3 + bytes(records.PADDING), np.uint8).copy()
    code = (
        "import numpy as np, sys; from tasks.reads.kernels import records;"
        "buffer = np.frombuffer(sys.stdin.buffer.read(), np.uint8).copy();"
        "columns = np.zeros((9, 5), np.int64);"
        "end = len(buffer) - records.PADDING;"
        "print(records.parse_fastq(buffer, 0, end, 9, True, columns), columns.tolist())"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code],
            input=buffer.tobytes(),
            capture_output=True,
            check=True,
            env={**os.environ, "NUMBA_DISABLE_JIT": flag},
        ).stdout
        for flag in ("0", "1")
    ]
    assert said[0] == said[1]
    assert b"(6, " in said[0]


def test_standard_input_and_pipes_are_read(tmp_path: Path) -> None:
    code = (
        "from tasks.reads.reading import *;"
        "print(sum(len(b) for b in BlockReader(Source(('read1',), (('-',),)), 10)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=gzip.compress(TWO), capture_output=True, check=True
    )
    assert done.stdout == b"2\n"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(TWO,))
    writer.start()
    assert read(pipe)["read1"] == EXPECTED
    writer.join()


def test_addresses_go_through_fsspec() -> None:
    import fsspec

    with fsspec.open("memory://reads/x.fq.gz", "wb") as file:
        file.write(gzip.compress(TWO))
    assert read("memory://reads/x.fq.gz")["read1"] == EXPECTED
    with pytest.raises(InputError, match="could not open"):
        InputFile("memory://reads/none.fq")


def test_the_place_of_a_read_names_its_file(tmp_path: Path) -> None:
    one, two = write(tmp_path / "1.fq", GOOD), write(tmp_path / "2.fq", TWO)
    reader = BlockReader(Source(("read1",), ((str(one), str(two)),)), 10)
    assert sum(len(block) for block in reader) == 3
    assert reader.place("read1", 2) == f"{two}: record 2"
    reader.close()


def test_control_characters_in_names_are_refused_in_every_format(tmp_path: Path) -> None:
    options = ReadOptions(fake_quality=66, mapped=True, unmapped=True)
    fasta, packed = (
        b">a\nAC\n>b\0\nAC\n",
        bam([("a\tb", "AC", [3, 3], -1), ("b\x1b", "A", [3], -1)]),
    )

    with pytest.raises(InputError, match=r"x\.fa: record 2: control character in the name"):
        read(write(tmp_path / "x.fa", fasta), options=options)
    with pytest.raises(InputError, match=r"x\.bam: record 2: a control character in the name"):
        read(write(tmp_path / "x.bam", packed), options=options)
