"""Chunks of reads from a BAM file."""

import struct
from collections.abc import Iterator

import numpy as np

from blocks.errors import InputError
from tasks.reads.block import Reads, Texts
from tasks.reads.kernels import bam_records, records
from tasks.reads.window import EXTRA, FIRST_GUESS, Limits, Window, broken, column

LETTERS = np.frombuffer(b"=ACMGRSVTWYHKDBN", np.uint8).copy()
"""What the four-bit codes of BAM stand for."""


def _behind_bam_header(window: Window) -> int:
    """Where the first record begins; what stands in front is in memory."""

    def read(to: int) -> None:
        window.fill(to)
        if window.end < to:
            raise (
                broken(window, 0)
                if window.broken
                else InputError(f"{window.file.address}: the file ends within the header of BAM")
            )

    def number(at: int) -> int:
        read(at + 4)
        (value,) = struct.unpack("<i", window.buffer[at : at + 4].tobytes())
        if not 0 <= value <= bam_records.LARGEST:
            raise InputError(f"{window.file.address}: the header of BAM is damaged")
        return int(value)

    place = 8 + number(4)
    references = number(place)
    place += 4
    for _ in range(references):
        place += 4 + number(place) + 4
    read(place)
    return place


def bam_chunks(window: Window, limits: Limits, mapped: bool, unmapped: bool) -> Iterator[Reads]:
    """Reads of a BAM file, as they stand there (mapped ones as they lie on the reference).

    Raises:
        InputError: A record is damaged; those in front of it came before.
    """
    place = _behind_bam_header(window)
    done = 0
    while True:
        wanted = min(limits.size, limits.records * FIRST_GUESS) + EXTRA
        window.restart(place, wanted)
        columns = np.empty((limits.records, 5), np.int64)
        place = 0
        while True:
            window.fill(wanted)
            count, place, status, seen = bam_records.parse_bam(
                window.buffer, 0, window.end, limits.records, mapped, unmapped, columns
            )
            if place > 0 or window.final or window.broken or status >= bam_records.BROKEN:
                break
            wanted = 2 * window.end
        if count:
            yield _unpacked(window, columns[:count], done)
        done += seen
        if status == bam_records.BAD_NAME:
            raise InputError(
                f"{window.file.address}: record {done + 1}: a control character in the name;"
                " expected letters that can be printed"
            )
        if status == bam_records.BROKEN or (window.final and status == bam_records.MORE):
            raise InputError(
                f"{window.file.address}: record {done + 1}: the record of BAM is damaged"
            )
        if window.broken and (status == bam_records.MORE or place >= window.end):
            raise broken(window, done)
        if window.final and place >= window.end:
            return


def _unpacked(window: Window, columns: records.Columns, done: int) -> Reads:
    """A chunk from packed records."""
    length = column(columns, 3)
    place = np.cumsum(length) - length
    total = int(length.sum()) + records.PADDING
    sequences, qualities = np.zeros(total, np.uint8), np.zeros(total, np.uint8)
    bad = bam_records.unpack_bam(
        window.buffer,
        column(columns, 2),
        length,
        column(columns, 4),
        LETTERS,
        place,
        sequences,
        qualities,
    )
    if bad >= 0:
        raise InputError(
            f"{window.file.address}: record {done + bad + 1}: a quality above 93; expected 0 to 93"
        )
    return Reads(
        Texts(window.buffer, column(columns, 0), column(columns, 1)),
        Texts(sequences, place, length),
        Texts(qualities, place, length),
    )
