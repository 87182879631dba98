"""What is wrong with a record of FASTQ or FASTA, with file, record and line."""

from tasks.reads.kernels import records
from tasks.reads.window import Window

LINE = {
    records.NO_AT: (0, "expected '@' at the begin of a record"),
    records.NO_NAME: (0, "empty name; expected a name behind '@'"),
    records.BAD_NAME: (0, "control character"),
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


def _control(line: bytes) -> str:
    """The first byte that no name may hold, with its place."""
    at = next(n for n, byte in enumerate(line) if byte == 127 or (byte < 32 and byte != 9))  # noqa: PLR2004
    return f"byte {line[at]} at position {at}; expected letters that can be printed"


def fastq_complaint(window: Window, place: int, status: int, done: int) -> str:
    """File, record, line, and what is wrong with the record that begins there."""
    lines = _lines(window, place)
    offset, what = LINE[status]
    if status == records.CUT_OFF:
        offset = len([line for line in lines if line]) - 1
    where = f"{window.file.address}: record {done + 1} (line {4 * done + offset + 1})"
    read = f"in read named {_shown(lines[0][1:])}"
    if status == records.NO_AT:
        return f"{where}: {what}, found {_shown(lines[0])}"
    if status == records.BAD_NAME:
        return f"{where}: {what} {read}: {_control(lines[0])}"
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


def fasta_complaint(window: Window, place: int, status: int, done: int) -> str:
    """File, record, and what is wrong with the record that begins there."""
    what = {
        records.NO_AT: "expected '>' at the begin of a record",
        records.NO_NAME: "empty name; expected a name behind '>'",
        records.BAD_NAME: "control character in the name; expected letters that can be printed",
        records.BAD_BASE: "invalid base; expected letters",
    }[status]
    return (
        f"{window.file.address}: record {done + 1}: {what}, at {_shown(_lines(window, place)[0])}"
    )
