"""From an opened file to chunks of reads: FASTQ, FASTA and BAM, each told by its first bytes.

Every reader holds one buffer at a time, fills it until it has the records of one chunk, and takes
what is left over into the next buffer. Problems name file, record and, for FASTQ, line.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from blocks.errors import InputError
from tasks.reads.block import Bytes, Integers, Reads, Texts
from tasks.reads.decompression import InputFile, broken_errors
from tasks.reads.kernels import bam_records, records

Format = Literal["fastq", "fasta", "bam"]
LETTERS = np.frombuffer(b"=ACMGRSVTWYHKDBN", np.uint8).copy()
"""What the four-bit codes of BAM stand for."""
FIRST_GUESS = 400
"""Bytes of a record, before one was seen."""
EXTRA = 1 << 16


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a chunk holds."""

    records: int
    size: int
    """Bytes; at least one record is read whatever its length."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What has to be known of files that are not FASTQ."""

    fake_quality: int | None = None
    """Byte that stands for each quality of a FASTA file."""
    mapped: bool | None = None
    """Take the mapped reads of a BAM file."""
    unmapped: bool | None = None
    """Take the unmapped reads of a BAM file."""


class Window:
    """A stretch of a file in memory."""

    def __init__(self, file: InputFile) -> None:
        self.file = file
        self.buffer: Bytes = np.empty(0, np.uint8)
        self.end = 0
        self.final = False
        self.broken: Exception | None = None

    def restart(self, begin: int, wanted: int) -> None:
        """A new buffer, which starts with what was left from `begin` on."""
        rest = self.end - begin
        old = self.buffer
        self.buffer = np.empty(max(wanted, rest) + records.PADDING, np.uint8)
        self.buffer[:rest] = old[begin : self.end]
        self.end = rest

    def fill(self, wanted: int) -> None:
        """Read until there are that many bytes, or none are left, or reading fails."""
        if wanted > len(self.buffer) - records.PADDING:
            old = self.buffer
            self.buffer = np.empty(wanted + wanted // 8 + records.PADDING, np.uint8)
            self.buffer[: self.end] = old[: self.end]
        view = memoryview(self.buffer)  # type: ignore[arg-type]  # arrays have the buffer protocol
        while self.end < wanted and not self.final and self.broken is None:
            try:
                count = self.file.read_into(view[self.end : wanted])
            except broken_errors() as error:
                self.broken = error
                return
            self.final = count == 0
            self.end += count


def _broken(window: Window, done: int) -> InputError:
    """The complaint about a file that cannot be read to its end."""
    error = window.broken
    what = (
        "compressed data end too early"
        if isinstance(error, EOFError)
        else f"cannot be read ({error})"
    )
    where = f"behind record {done}" if done else "before the first record ends"
    return InputError(f"{window.file.address}: {what}, {where}")


def sniff(window: Window) -> Format:
    """What a file holds.

    Raises:
        InputError: Nothing, or nothing known.
    """
    window.restart(window.end, EXTRA)
    window.fill(4)
    head = window.buffer[: min(window.end, 4)].tobytes()
    if window.broken:
        raise _broken(window, 0)
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
            raise _broken(window, done)
        if window.final and place >= window.end:
            return


LINE = {
    records.NO_AT: (0, "expected '@' at the begin of a record"),
    records.NO_NAME: (0, "empty name; expected a name behind '@'"),
    records.BAD_BASE: (1, "invalid base"),
    records.NO_PLUS: (2, "expected '+' after the sequence; it has to stand on one line"),
    records.LENGTHS: (3, "sequence and quality differ in length; expected the same length"),
    records.BAD_QUALITY: (3, "invalid quality"),
    records.CUT_OFF: (0, "the file ends within a record (incomplete final read)"),
}
"""Line within the record, from 0, and what is wrong."""


def _lines(window: Window, place: int) -> list[bytes]:
    """The lines of the record that begins there, as far as they are in memory."""
    text = window.buffer[place : min(window.end, place + (4 << 20))].tobytes()
    lines = text.split(b"\n", 4)
    return [line.removesuffix(b"\r") for line in lines[:4]]


def _shown(text: bytes) -> str:
    """A text for a message, not too long."""
    short = text if len(text) <= 60 else text[:57] + b"..."  # noqa: PLR2004 -- fits a line
    return ascii(short.decode("latin-1"))


def _fastq_complaint(window: Window, place: int, status: int, done: int) -> str:
    """File, record, line, and what is wrong with the record that begins there."""
    lines = _lines(window, place)
    offset, what = LINE[status]
    if status == records.CUT_OFF:
        offset = len([line for line in lines if line]) - 1
    where = f"{window.file.address}: record {done + 1} (line {4 * done + offset + 1})"
    read = f"in read named {_shown(lines[0][1:])}"
    if status == records.NO_AT:
        return f"{where}: {what}, found {_shown(lines[0])}"
    if status in {records.BAD_BASE, records.BAD_QUALITY}:
        text = lines[offset]
        column, byte = next(
            ((n, byte) for n, byte in enumerate(text) if not 33 <= byte <= 126),  # noqa: PLR2004
            (0, 0),
        )
        expected = "a letter" if status == records.BAD_BASE else "33..126 ('!' to '~')"
        found = f"byte {byte} at position {column + 1}; expected {expected}"
        return f"{where}: {what} {read}: {found}"
    if status == records.LENGTHS and len(lines) == 4:  # noqa: PLR2004 -- all lines of a record
        return f"{where}: {what}, found {len(lines[1])} and {len(lines[3])}, {read}"
    if status == records.NO_PLUS and len(lines) > 2:  # noqa: PLR2004 -- there is a third line
        return f"{where}: {what}; found {_shown(lines[2])}, {read}"
    return f"{where}: {what}" + ("" if status == records.NO_NAME else f", {read}")


def _fasta_complaint(window: Window, place: int, status: int, done: int) -> str:
    """File, record, and what is wrong with the record that begins there."""
    what = {
        records.NO_AT: "expected '>' at the begin of a record",
        records.NO_NAME: "empty name; expected a name behind '>'",
        records.BAD_BASE: "invalid base; expected letters",
    }[status]
    return (
        f"{window.file.address}: record {done + 1}: {what}, at {_shown(_lines(window, place)[0])}"
    )


def _column(columns: records.Columns, number: int) -> Integers:
    return np.ascontiguousarray(columns[:, number])


def _names(buffer: Bytes, columns: records.Columns) -> Texts:
    return Texts(buffer, _column(columns, records.NAME), _column(columns, records.NAME_LENGTH))


def fastq_chunks(window: Window, limits: Limits) -> Iterator[Reads]:
    """Reads of a FASTQ file.

    Raises:
        InputError: A record is wrong; those in front of it came before.
    """
    for buffer, columns in _text_chunks(window, limits, records.parse_fastq, _fastq_complaint):
        length = _column(columns, records.LENGTH)
        yield Reads(
            _names(buffer, columns),
            Texts(buffer, _column(columns, records.SEQUENCE), length),
            Texts(buffer, _column(columns, records.QUALITY), length),
        )


def fasta_chunks(window: Window, limits: Limits, fake_quality: int) -> Iterator[Reads]:
    """Reads of a FASTA file, each with the same quality throughout.

    Raises:
        InputError: A record is wrong; those in front of it came before.
    """
    for buffer, columns in _text_chunks(window, limits, records.parse_fasta, _fasta_complaint):
        length = _column(columns, records.LENGTH)
        quality = np.full(int(length.max()) + records.PADDING, fake_quality, np.uint8)
        yield Reads(
            _names(buffer, columns),
            Texts(buffer, _column(columns, records.SEQUENCE), length),
            Texts(quality, np.zeros(len(length), np.int64), length),
        )


def _behind_bam_header(window: Window) -> int:
    """Where the first record begins; what stands in front is in memory."""

    def number(at: int) -> int:
        window.fill(at + 4)
        if window.end < at + 4:
            raise (
                _broken(window, 0)
                if window.broken
                else InputError(f"{window.file.address}: the file ends within the header of BAM")
            )
        (value,) = struct.unpack("<i", window.buffer[at : at + 4].tobytes())
        if not 0 <= value <= bam_records.LARGEST:
            raise InputError(f"{window.file.address}: the header of BAM is damaged")
        return int(value)

    place = 8 + number(4)
    references = number(place)
    place += 4
    for _ in range(references):
        place += 4 + number(place) + 4
    window.fill(place)
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
            if place > 0 or window.final or window.broken or status == bam_records.BROKEN:
                break
            wanted = 2 * window.end
        if count:
            yield _unpacked(window, columns[:count], done)
        done += seen
        if status == bam_records.BROKEN or (window.final and status == bam_records.MORE):
            raise InputError(
                f"{window.file.address}: record {done + 1}: the record of BAM is damaged"
            )
        if window.broken and status == bam_records.MORE:
            raise _broken(window, done)
        if window.final and place >= window.end:
            return


def _unpacked(window: Window, columns: records.Columns, done: int) -> Reads:
    """A chunk from packed records."""
    length = _column(columns, 3)
    place = np.cumsum(length) - length
    total = int(length.sum()) + records.PADDING
    sequences, qualities = np.zeros(total, np.uint8), np.zeros(total, np.uint8)
    bad = bam_records.unpack_bam(
        window.buffer,
        _column(columns, 2),
        length,
        _column(columns, 4),
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
        Texts(window.buffer, _column(columns, 0), _column(columns, 1)),
        Texts(sequences, place, length),
        Texts(qualities, place, length),
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
