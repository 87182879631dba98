"""Files of reads, written and read."""

import struct
from pathlib import Path

from tasks.reads.compression import BGZF_END, compressor
from tasks.reads.formats import ReadOptions
from tasks.reads.reading import BlockReader, Source
from tests.reads.blocks import texts

Read = tuple[str, str, str]


def read(
    *files: Path | str | tuple[Path, ...],
    segments: tuple[str, ...] = (),
    size: int = 100,
    options: ReadOptions | None = None,
    chunk_bytes: int = 8 << 20,
) -> dict[str, list[Read]]:
    """All reads, by segment."""
    given_files = tuple(
        tuple(map(str, each)) if isinstance(each, tuple) else (str(each),) for each in files
    )
    names = segments or tuple(f"read{n + 1}" for n in range(len(files)))
    source = Source(names, given_files, options or ReadOptions())
    reader = BlockReader(source, size, chunk_bytes)
    found: dict[str, list[Read]] = {name: [] for name in names}
    seen = 0
    try:
        for number, block in enumerate(reader):
            assert block.number == number
            assert block.index.tolist() == list(range(seen, seen + len(block)))
            assert 0 < len(block) <= size
            seen += len(block)
            for name, reads in block.segments.items():
                columns = (texts(reads.name), texts(reads.sequence), texts(reads.quality))
                found[name] += list(zip(*columns, strict=True))
    finally:
        reader.close()
    return found


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def fastq(reads: list[Read], newline: str = "\n") -> bytes:
    return "".join(
        f"@{name}{newline}{bases}{newline}+{newline}{quality}{newline}"
        for name, bases, quality in reads
    ).encode()


def bgzf(content: bytes) -> bytes:
    return compressor("bgzf")(content) + BGZF_END


def bam(records: list[tuple[str, str, list[int], int]]) -> bytes:
    """By the definition of the format: (name, sequence, scores, reference)."""
    text = b"@HD\tVN:1.6\n"
    out = b"BAM\1" + struct.pack("<i", len(text)) + text + struct.pack("<i", 1)
    out += struct.pack("<i", 5) + b"chr1\0" + struct.pack("<i", 1000)
    for name, sequence, scores, reference in records:
        codes = ["=ACMGRSVTWYHKDBN".index(letter) for letter in sequence] + [0]
        packed = bytes(codes[n] << 4 | codes[n + 1] for n in range(0, len(sequence), 2))
        sizes = (len(name) + 1, 0, 0, 1, 4, len(sequence))
        head = struct.pack("<iiBBHHHiiii", reference, -1, *sizes, -1, -1, 0)
        # one operation of a CIGAR stands between name and sequence
        whole = head + name.encode() + b"\0" + struct.pack("<I", 16) + packed + bytes(scores)
        whole += b"RGZx\0"
        out += struct.pack("<i", len(whole)) + whole
    return bgzf(out)
