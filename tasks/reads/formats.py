"""From an opened file to chunks of reads: FASTQ, FASTA and BAM, each told by its first bytes.

Every reader holds one buffer at a time, fills it until it has the records of one chunk, and takes
what is left over into the next buffer. Problems name file, record and, for FASTQ, line.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from blocks.errors import InputError
from tasks.reads.bam_reading import bam_chunks
from tasks.reads.block import Bytes, Reads, Texts
from tasks.reads.complaints import fasta_complaint, fastq_complaint
from tasks.reads.kernels import records
from tasks.reads.window import EXTRA, FIRST_GUESS, Limits, Window, broken, column

Format = Literal["fastq", "fasta", "bam"]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What has to be known of files that are not FASTQ."""

    fake_quality: int | None = None
    """Byte that stands for each quality of a FASTA file."""
    mapped: bool | None = None
    """Take the mapped reads of a BAM file."""
    unmapped: bool | None = None
    """Take the unmapped reads of a BAM file."""


def sniff(window: Window) -> Format:
    """What a file holds.

    Raises:
        InputError: Nothing, or nothing known.
    """
    window.restart(window.end, EXTRA)
    window.fill(4)
    head = window.buffer[: min(window.end, 4)].tobytes()
    if window.broken:
        raise broken(window, 0)
    if not head:
        raise InputError(f"{window.file.address}: the file is empty; expected reads")
    if head == b"BAM\1":
        return "bam"
    if head[:1] == b">":
        return "fasta"
    if head[:1] == b"@":
        return "fastq"
    raise InputError(
        f"{window.file.address}: record 1 (line 1): expected '@' at the begin of a FASTQ record,"
        f" found {head[:1]!r}; the file holds neither FASTQ nor FASTA nor BAM"
    )


Parse = Callable[[Bytes, int, int, int, bool, records.Columns], tuple[int, int, int]]


def _text_chunks(
    window: Window, limits: Limits, parse: Parse, complain: Callable[[Window, int, int, int], str]
) -> Iterator[tuple[Bytes, records.Columns]]:
    """Buffer and columns of each chunk of a FASTQ or FASTA file."""
    done, place, average = 0, 0, float(FIRST_GUESS)
    while True:
        wanted = min(limits.size, int(limits.records * average * 1.02) + EXTRA)
        window.restart(place, wanted)
        columns = np.empty((limits.records, 5), np.int64)
        count = place = 0
        while True:
            window.fill(wanted)
            more, place, status = parse(
                window.buffer,
                place,
                window.end,
                limits.records - count,
                window.final,
                columns[count:],
            )
            count += more
            full = count == limits.records or (count and window.end >= limits.size)
            if status > records.MORE or window.final or window.broken or full:
                break
            left = (limits.records - count) * (place / count if count else average)
            wanted = (
                max(2 * window.end, EXTRA)
                if not count
                else min(max(limits.size, window.end + EXTRA), window.end + int(left) + EXTRA)
            )
        if count:
            average = max(1.0, place / count)
            yield window.buffer, columns[:count]
        done += count
        if status > records.MORE:
            raise InputError(complain(window, place, status, done))
        if window.broken and (count == 0 or status == records.MORE):
            raise broken(window, done, 4 * done if parse is records.parse_fastq else 0)
        if window.final and place >= window.end:
            return


def _names(buffer: Bytes, columns: records.Columns) -> Texts:
    return Texts(buffer, column(columns, records.NAME), column(columns, records.NAME_LENGTH))


def fastq_chunks(window: Window, limits: Limits) -> Iterator[Reads]:
    """Reads of a FASTQ file.

    Raises:
        InputError: A record is wrong; those in front of it came before.
    """
    for buffer, columns in _text_chunks(window, limits, records.parse_fastq, fastq_complaint):
        length = column(columns, records.LENGTH)
        yield Reads(
            _names(buffer, columns),
            Texts(buffer, column(columns, records.SEQUENCE), length),
            Texts(buffer, column(columns, records.QUALITY), length),
        )


def fasta_chunks(window: Window, limits: Limits, fake_quality: int) -> Iterator[Reads]:
    """Reads of a FASTA file, each with the same quality throughout.

    Raises:
        InputError: A record is wrong; those in front of it came before.
    """
    for buffer, columns in _text_chunks(window, limits, records.parse_fasta, fasta_complaint):
        length = column(columns, records.LENGTH)
        quality = np.full(int(length.max()) + records.PADDING, fake_quality, np.uint8)
        yield Reads(
            _names(buffer, columns),
            Texts(buffer, column(columns, records.SEQUENCE), length),
            Texts(quality, np.zeros(len(length), np.int64), length),
        )


def chunks(window: Window, kind: Format, limits: Limits, options: ReadOptions) -> Iterator[Reads]:
    """Reads of an opened file.

    Raises:
        InputError: An option is missing, or a record is wrong.
    """
    address = window.file.address
    if kind == "fastq":
        return fastq_chunks(window, limits)
    if kind == "fasta":
        if options.fake_quality is None:
            raise InputError(f"{address}: is FASTA; expected fasta_fake_quality to be set")
        return fasta_chunks(window, limits, options.fake_quality)
    if options.mapped is None or options.unmapped is None:
        raise InputError(
            f"{address}: is BAM; expected bam_include_mapped and bam_include_unmapped to be set"
        )
    return bam_chunks(window, limits, options.mapped, options.unmapped)
