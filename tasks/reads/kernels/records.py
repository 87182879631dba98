"""Records of FASTQ and FASTA files: where their texts lie in a buffer, and how they are written.

The parser looks for the end of the name and of the sequence, and jumps over the quality, which is
as long as the sequence. Buffers that are parsed need `PADDING` bytes behind their end.
"""

# ruff: noqa: PLR0917, PLR1714 -- kernels take plain arrays, these many; numba has no set of numbers

import numpy as np

from tasks.reads.block import Bytes, Integers
from tasks.reads.kernels.jit import inlined, kernel
from tasks.reads.kernels.words import copy_bytes, find_byte, has_control, load64, low_bits

Columns = np.ndarray[tuple[int, int], np.dtype[np.int64]]
"""One row for each record: start and length of the name, of the sequence, start of the quality."""

PADDING = 64
NAME, NAME_LENGTH, SEQUENCE, LENGTH, QUALITY = range(5)
FINE, MORE, NO_AT, NO_PLUS, LENGTHS, CUT_OFF, NO_NAME, BAD_BASE, BAD_QUALITY, BAD_NAME = range(10)
"""How parsing ended; `MORE`: the last record is not whole yet."""

NEWLINE, RETURN, AT, PLUS, GREATER = 10, 13, 64, 43, 62
OTHER_LENGTH, UNKNOWN = -1, -2
ONES = np.uint64(0x0101_0101_0101_0101)
TOPS = np.uint64(0x8080_8080_8080_8080)
UP = np.uint64(0x5F5F_5F5F_5F5F_5F5F)
"""Added to a byte, it sets the top bit of those from 33 on."""


@inlined
def _is_printable(buffer: Bytes, start: int, length: int) -> bool:
    """Whether all bytes lie in 33..126; eight at a time."""
    faults = np.uint64(0)
    whole = length >> 3
    for word in range(whole):
        value = load64(buffer, start + 8 * word)
        faults |= value | (value + ONES) | ~(value + UP)
    rest = length - 8 * whole
    if rest > 0:
        value = load64(buffer, start + 8 * whole)
        faults |= (value | (value + ONES) | ~(value + UP)) & low_bits(8 * rest)
    printable: bool = (faults & TOPS) == np.uint64(0)
    return printable


@inlined
def _blank_to_end(buffer: Bytes, begin: int, end: int) -> bool:
    for place in range(begin, end):
        if buffer[place] != NEWLINE and buffer[place] != RETURN:
            return False
    return True


@inlined
def _without_return(buffer: Bytes, begin: int, end: int) -> int:
    """Length of a line that ends before `end`."""
    if end > begin and buffer[end - 1] == RETURN:
        return end - 1 - begin
    return end - begin


@inlined
def _behind_quality(buffer: Bytes, begin: int, length: int, end: int, final: bool) -> int:
    """Where the next record begins; UNKNOWN: more bytes are needed to know."""
    stop = begin + length
    if stop < end and buffer[stop] == NEWLINE:
        return stop + 1
    if stop + 1 < end and buffer[stop] == RETURN and buffer[stop + 1] == NEWLINE:
        return stop + 2
    if stop < end and not (stop + 1 == end and buffer[stop] == RETURN):
        return OTHER_LENGTH
    if find_byte(buffer, begin, end, NEWLINE) >= 0:
        return OTHER_LENGTH
    if not final:
        return UNKNOWN
    return end if stop <= end else OTHER_LENGTH


@kernel
def parse_fastq(  # noqa: C901, PLR0912 -- one pass, one branch for each way to be wrong
    buffer: Bytes, begin: int, end: int, most: int, final: bool, columns: Columns
) -> tuple[int, int, int]:
    """Number of whole records, where the next one begins, and how parsing ended.

    Args:
        most: Records at most.
        final: Nothing follows behind `end`.
        columns: Filled; at least `most` rows.
    """
    count = 0
    place = begin
    while count < most:
        if place >= end:
            return count, place, FINE if final else MORE
        if buffer[place] != AT:
            if _blank_to_end(buffer, place, end):
                return (count, end, FINE) if final else (count, place, MORE)
            return count, place, NO_AT
        first = find_byte(buffer, place, end, NEWLINE)
        second = -1 if first < 0 else find_byte(buffer, first + 1, end, NEWLINE)
        if second < 0 or second + 1 >= end:
            return count, place, CUT_OFF if final else MORE
        name_length = _without_return(buffer, place + 1, first)
        length = _without_return(buffer, first + 1, second)
        if buffer[second + 1] != PLUS:
            return count, place, NO_PLUS
        third = second + 2
        if third >= end or buffer[third] != NEWLINE:
            third = find_byte(buffer, second + 1, end, NEWLINE)
            if third < 0:
                return count, place, CUT_OFF if final else MORE
        behind = _behind_quality(buffer, third + 1, length, end, final)
        if behind == UNKNOWN:
            return count, place, MORE
        if behind == OTHER_LENGTH:
            return count, place, LENGTHS
        if name_length == 0:
            return count, place, NO_NAME
        if has_control(buffer, place + 1, name_length):
            return count, place, BAD_NAME
        if not _is_printable(buffer, first + 1, length):
            return count, place, BAD_BASE
        if not _is_printable(buffer, third + 1, length):
            if find_byte(buffer, third + 1, third + 1 + length, NEWLINE) >= 0:
                return count, place, LENGTHS
            return count, place, BAD_QUALITY
        columns[count, 0] = place + 1
        columns[count, 1] = name_length
        columns[count, 2] = first + 1
        columns[count, 3] = length
        columns[count, 4] = third + 1
        count += 1
        place = behind
    return count, place, FINE


@kernel
def parse_fasta(  # noqa: C901, PLR0912 -- as above
    buffer: Bytes, begin: int, end: int, most: int, final: bool, columns: Columns
) -> tuple[int, int, int]:
    """As `parse_fastq`; joins the lines of a sequence in the buffer; the quality is not set."""
    count = 0
    place = begin
    while count < most:
        while place < end and (buffer[place] == NEWLINE or buffer[place] == RETURN):
            place += 1
        if place >= end:
            return count, place, FINE if final else MORE
        if buffer[place] != GREATER:
            return count, place, NO_AT
        stop = place + 1
        while True:  # the next '>' that begins a line
            stop = find_byte(buffer, stop, end, GREATER)
            if stop < 0 or buffer[stop - 1] == NEWLINE:
                break
            stop += 1
        if stop < 0:
            if not final:
                return count, place, MORE
            stop = end
        first = find_byte(buffer, place, stop, NEWLINE)
        if first < 0:
            first = stop
        name_length = _without_return(buffer, place + 1, first)
        if name_length == 0:
            return count, place, NO_NAME
        if has_control(buffer, place + 1, name_length):
            return count, place, BAD_NAME
        length = 0
        for source in range(first + 1, stop):
            letter = buffer[source]
            if letter != NEWLINE and letter != RETURN:
                if letter <= 32 or letter >= 127:  # noqa: PLR2004 -- what can be printed
                    return count, place, BAD_BASE
                length += 1
        columns[count, 0] = place + 1
        columns[count, 1] = name_length
        columns[count, 2] = first + 1
        columns[count, 3] = length
        columns[count, 4] = 0
        target = first + 1
        for source in range(first + 1, stop):  # only now: a record is whole or untouched
            letter = buffer[source]
            if letter != NEWLINE and letter != RETURN:
                buffer[target] = letter
                target += 1
        count += 1
        place = stop
    return count, place, FINE


@inlined
def _is_as_read(
    buffer: Bytes, name: int, name_length: int, sequence: int, length: int, quality: int
) -> bool:
    """Whether the record lies in the buffer as it will be written."""
    return (
        sequence == name + name_length + 1
        and quality == sequence + length + 3
        and name > 0
        and quality + length < len(buffer)
        and buffer[name - 1] == AT
        and buffer[sequence - 1] == NEWLINE
        and buffer[quality - 3] == NEWLINE
        and buffer[quality - 2] == PLUS
        and buffer[quality - 1] == NEWLINE
        and buffer[quality + length] == NEWLINE
    )


@inlined
def _write_record(
    names: Bytes,
    name: int,
    name_length: int,
    sequences: Bytes,
    sequence: int,
    length: int,
    qualities: Bytes,
    quality: int,
    out: Bytes,
    at: int,
) -> None:
    out[at] = AT
    copy_bytes(out, at + 1, names, name, name_length)
    at += 1 + name_length
    out[at] = NEWLINE
    copy_bytes(out, at + 1, sequences, sequence, length)
    at += 1 + length
    out[at] = NEWLINE
    out[at + 1] = PLUS
    out[at + 2] = NEWLINE
    copy_bytes(out, at + 3, qualities, quality, length)
    out[at + 3 + length] = NEWLINE


@kernel
def write_fastq(
    names: Bytes,
    name_start: Integers,
    name_length: Integers,
    sequences: Bytes,
    sequence_start: Integers,
    length: Integers,
    qualities: Bytes,
    quality_start: Integers,
    one_buffer: bool,
    place: Integers,
    out: Bytes,
) -> None:
    """Write each record to its place in `out`.

    Records that lie in their buffer as they were read are copied whole, and neighbours at once.

    Args:
        one_buffer: All three buffers are the same.
        place: One for each record.
    """
    run = -1  # begin of the neighbours that are to be copied
    run_at = 0
    run_end = 0
    for i in range(len(place)):
        begin = name_start[i] - 1
        end = quality_start[i] + length[i] + 1
        whole = one_buffer and _is_as_read(
            names, name_start[i], name_length[i], sequence_start[i], length[i], quality_start[i]
        )
        if run >= 0 and whole and begin == run_end and place[i] == run_at + run_end - run:
            run_end = end
            continue
        if run >= 0:
            copy_bytes(out, run_at, names, run, run_end - run)
            run = -1
        if whole:
            run = begin
            run_end = end
            run_at = place[i]
        else:
            _write_record(
                names,
                name_start[i],
                name_length[i],
                sequences,
                sequence_start[i],
                length[i],
                qualities,
                quality_start[i],
                out,
                place[i],
            )
    if run >= 0:
        copy_bytes(out, run_at, names, run, run_end - run)


@kernel
def write_fasta(
    names: Bytes,
    name_start: Integers,
    name_length: Integers,
    sequences: Bytes,
    sequence_start: Integers,
    length: Integers,
    place: Integers,
    out: Bytes,
) -> None:
    """Write each record to its place in `out`, the sequence on one line."""
    for i in range(len(place)):
        at = place[i]
        out[at] = GREATER
        copy_bytes(out, at + 1, names, name_start[i], name_length[i])
        at += 1 + name_length[i]
        out[at] = NEWLINE
        copy_bytes(out, at + 1, sequences, sequence_start[i], length[i])
        out[at + 1 + length[i]] = NEWLINE
