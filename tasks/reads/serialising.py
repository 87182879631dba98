"""Blocks of molecules as the text of FASTQ and FASTA files, or as records of BAM."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from blocks.errors import InputError
from tasks.reads.bam_reading import LETTERS
from tasks.reads.block import Bytes, Integers, Reads
from tasks.reads.kernels import bam_records, records

Format = Literal["fastq", "fasta", "bam"]
BAM_HEADER_TEXT = b"@HD\tVN:1.6\tSO:unsorted\n@PG\tID:seqloom\tPN:seqloom\n"
BAM_HEADER = b"BAM\1" + len(BAM_HEADER_TEXT).to_bytes(4, "little") + BAM_HEADER_TEXT + bytes(4)
LONGEST_BAM_NAME = 254
BLANK = 32
UNMAPPED, OF_SEVERAL, FIRST, LAST = 4, 1 | 8, 64, 128
"""Flags of BAM; the mate of an unmapped read is unmapped, too."""


@dataclass(frozen=True, slots=True)
class Text:
    """Molecules written one after the other."""

    bytes: Bytes
    ends: Integers
    """Where each molecule ends; shape (n,)."""


def _codes() -> Bytes:
    codes = np.full(256, 15, np.uint8)  # N, as for any unknown letter
    for code, letter in enumerate(LETTERS.tobytes()):
        codes[letter] = code
        codes[bytes([letter]).lower()[0]] = code
    return codes


CODES = _codes()


def serialised(segments: Sequence[Reads], kind: Format) -> Text:
    """Each molecule with the reads of these segments in turn."""
    comments = [_name_lengths(reads) if kind == "bam" else reads.name.length for reads in segments]
    sizes = [_sizes(reads, short, kind) for reads, short in zip(segments, comments, strict=True)]
    ends = np.cumsum(sum(sizes[1:], sizes[0]))
    total = int(ends[-1]) if len(ends) else 0
    out = np.zeros(total, np.uint8) if kind == "bam" else np.empty(total, np.uint8)
    place = ends - sum(sizes[1:], sizes[0])
    for number, (reads, short) in enumerate(zip(segments, comments, strict=True)):
        if kind == "fastq":
            _write_fastq(reads, place, out)
        elif kind == "fasta":
            _write_fasta(reads, place, out)
        else:
            _write_bam(reads, short, _flags(number, len(segments)), place, out)
        place = place + sizes[number]
    return Text(out, ends)


def _name_lengths(reads: Reads) -> Integers:
    """Lengths of the names without their comments."""
    name = reads.name
    lengths = np.empty(len(name), np.int64)
    bam_records.length_before(name.buffer, name.start, name.length, BLANK, lengths)
    wrong = np.flatnonzero((lengths > LONGEST_BAM_NAME) | (lengths == 0))
    if len(wrong):
        raise InputError(
            f"read named {name[int(wrong[0])].decode('latin-1')!r}: its name has"
            f" {lengths[wrong[0]]} letters; expected 1 to {LONGEST_BAM_NAME} for BAM"
        )
    return lengths


def _sizes(reads: Reads, short: Integers, kind: Format) -> Integers:
    """Bytes that each read will take."""
    name, length = reads.name.length, reads.sequence.length
    if reads.quality.length is not length and not np.array_equal(reads.quality.length, length):
        raise ValueError("a step left qualities that are not as long as the sequences")
    if kind == "fastq":
        return name + 2 * length + 6
    if kind == "fasta":
        return name + length + 3
    comment = np.where(name > short, 3 + (name - short - 1) + 1, 0)
    return bam_records.FIXED + short + 1 + (length + 1) // 2 + length + comment


def _write_fastq(reads: Reads, place: Integers, out: Bytes) -> None:
    name, sequence, quality = reads.name, reads.sequence, reads.quality
    records.write_fastq(
        name.buffer,
        name.start,
        name.length,
        sequence.buffer,
        sequence.start,
        sequence.length,
        quality.buffer,
        quality.start,
        name.buffer is sequence.buffer and name.buffer is quality.buffer,
        place,
        out,
    )


def _write_fasta(reads: Reads, place: Integers, out: Bytes) -> None:
    name, sequence = reads.name, reads.sequence
    records.write_fasta(
        name.buffer,
        name.start,
        name.length,
        sequence.buffer,
        sequence.start,
        sequence.length,
        place,
        out,
    )


def _flags(number: int, count: int) -> int:
    """Flags of BAM for one of several reads of a molecule in one file."""
    if count == 1:
        return UNMAPPED
    ends = (FIRST if number == 0 else 0) | (LAST if number == count - 1 else 0)
    return UNMAPPED | OF_SEVERAL | ends


def _write_bam(reads: Reads, short: Integers, flags: int, place: Integers, out: Bytes) -> None:
    name, sequence, quality = reads.name, reads.sequence, reads.quality
    bam_records.write_bam(
        name.buffer,
        name.start,
        short,
        name.length,
        sequence.buffer,
        sequence.start,
        sequence.length,
        quality.buffer,
        quality.start,
        CODES,
        flags,
        place,
        out,
    )
