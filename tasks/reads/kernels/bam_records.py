"""Records of BAM files: where they lie in a buffer, and their texts as in FASTQ."""

# ruff: noqa: PLR0917 -- kernels take plain arrays, and these many

import numpy as np

from tasks.reads.block import Bytes, Integers
from tasks.reads.kernels.jit import inlined, kernel
from tasks.reads.kernels.words import copy_bytes, find_byte, has_control

FIXED = 36
"""Bytes of a record in front of its name, with the field that tells its size."""
LARGEST = 1 << 30
FINE, MORE, BROKEN, BAD_NAME = range(4)
NO_QUALITY = 255
LOWEST_QUALITY = 33
HIGHEST_SCORE = 93


@inlined
def _int32(buffer: Bytes, at: int) -> int:
    value = (
        np.int64(buffer[at])
        | (np.int64(buffer[at + 1]) << 8)
        | (np.int64(buffer[at + 2]) << 16)
        | (np.int64(buffer[at + 3]) << 24)
    )
    return value - (1 << 32) if value >= (1 << 31) else value  # type: ignore[return-value]


@kernel
def parse_bam(
    buffer: Bytes,
    begin: int,
    end: int,
    most: int,
    mapped: bool,
    unmapped: bool,
    columns: np.ndarray[tuple[int, int], np.dtype[np.int64]],
) -> tuple[int, int, int, int]:
    """Chosen records, where the next one begins, how parsing ended, and records that were seen.

    Args:
        mapped: Take records that lie on a reference sequence.
        unmapped: Take the others.
        columns: Filled: start and length of the name, start and length of the packed sequence,
            start of the quality.
    """
    count = 0
    seen = 0
    place = begin
    while count < most:
        if place + FIXED > end:
            return count, place, FINE if place == end else MORE, seen
        size = _int32(buffer, place)
        name_size = np.int64(buffer[place + 12])
        operations = np.int64(buffer[place + 16]) | (np.int64(buffer[place + 17]) << 8)
        length = _int32(buffer, place + 20)
        name = place + FIXED
        sequence = name + name_size + 4 * operations
        quality = sequence + (length + 1) // 2
        if size < FIXED - 4 or size > LARGEST or length < 0 or name_size < 1:
            return count, place, BROKEN, seen
        if quality + length > place + 4 + size:
            return count, place, BROKEN, seen
        if place + 4 + size > end:
            return count, place, MORE, seen
        if has_control(buffer, name, int(name_size - 1)):
            return count, place, BAD_NAME, seen
        lies = _int32(buffer, place + 4) >= 0
        seen += 1
        if (lies and mapped) or (not lies and unmapped):
            columns[count, 0] = name
            columns[count, 1] = name_size - 1
            columns[count, 2] = sequence
            columns[count, 3] = length
            columns[count, 4] = quality
            count += 1
        place += 4 + size
    return count, place, FINE, seen


@kernel
def unpack_bam(
    buffer: Bytes,
    packed: Integers,
    length: Integers,
    scores: Integers,
    letters: Bytes,
    place: Integers,
    sequences: Bytes,
    qualities: Bytes,
) -> int:
    """Write the letters and the qualities of each record to their places.

    Args:
        letters: The sixteen that a code stands for.

    Returns:
        The first record with a quality above 93, or -1.
    """
    bad = -1
    for i in range(len(place)):
        for k in range(length[i]):
            pair = np.int64(buffer[packed[i] + (k >> 1)])
            code = pair & 15 if k & 1 else pair >> 4
            sequences[place[i] + k] = letters[code]
        missing = length[i] > 0 and buffer[scores[i]] == NO_QUALITY
        for k in range(length[i]):
            score = np.int64(0) if missing else np.int64(buffer[scores[i] + k])
            if score > HIGHEST_SCORE and bad < 0:
                bad = i
            qualities[place[i] + k] = LOWEST_QUALITY + score
    return bad


@inlined
def _put32(out: Bytes, at: int, value: int) -> None:
    for k in range(4):
        out[at + k] = (value >> (8 * k)) & 255


@kernel
def write_bam(
    names: Bytes,
    name_start: Integers,
    name_length: Integers,
    whole_name: Integers,
    sequences: Bytes,
    sequence_start: Integers,
    length: Integers,
    qualities: Bytes,
    quality_start: Integers,
    codes: Bytes,
    flags: int,
    place: Integers,
    out: Bytes,
) -> None:
    """Write each record, unmapped, to its place in `out`, which is all zeros.

    Args:
        name_length: Of the name without the comment.
        whole_name: Length with the comment, which becomes the field CO.
        codes: Four bits for each of the 256 letters.
        flags: The same for all.
    """
    for i in range(len(place)):
        at = place[i]
        count = length[i]
        comment = whole_name[i] - name_length[i] - 1
        size = FIXED - 4 + name_length[i] + 1 + (count + 1) // 2 + count
        if comment >= 0:
            size += 3 + comment + 1
        _put32(out, at, size)
        _put32(out, at + 4, -1)
        _put32(out, at + 8, -1)
        out[at + 12] = name_length[i] + 1
        out[at + 13] = 255  # no mapping quality
        out[at + 14] = 4680 & 255  # the bin of unmapped records
        out[at + 15] = 4680 >> 8
        out[at + 18] = flags & 255
        out[at + 19] = flags >> 8
        _put32(out, at + 20, count)
        _put32(out, at + 24, -1)
        _put32(out, at + 28, -1)
        at += FIXED
        copy_bytes(out, at, names, name_start[i], name_length[i])
        at += name_length[i] + 1
        for k in range(count):
            code = np.int64(codes[sequences[sequence_start[i] + k]])
            out[at + (k >> 1)] |= code if k & 1 else code << 4
        at += (count + 1) // 2
        for k in range(count):
            score = np.int64(qualities[quality_start[i] + k]) - LOWEST_QUALITY
            out[at + k] = np.uint8(max(score, np.int64(0)))
        at += count
        if comment >= 0:
            out[at] = 67  # C
            out[at + 1] = 79  # O
            out[at + 2] = 90  # Z, a text
            copy_bytes(out, at + 3, names, name_start[i] + name_length[i] + 1, comment)


@kernel
def length_before(
    buffer: Bytes, start: Integers, length: Integers, byte: int, found: Integers
) -> None:
    """Length of each text in front of the first such byte; of the whole text if there is none."""
    for i in range(len(start)):
        place = find_byte(buffer, start[i], start[i] + length[i], byte)
        found[i] = length[i] if place < 0 else place - start[i]
