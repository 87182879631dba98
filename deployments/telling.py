"""What commands print: results to standard output, everything else to standard error.

Telling something never changes what came of the work: where standard error takes nothing, it is
left out; a pipe whose reader has had enough ends the output, and is no failure.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, TextIO

from cyclopts import Parameter

from blocks.errors import InputError

AsJson = Annotated[
    bool,
    Parameter(name="--json", negative="", help="print JSON for programs", show_default=False),
]


def put(text: str) -> None:
    """Print a result, at once.

    Raises:
        InputError: There is no standard output.
        OSError: It takes no more, as on a full disk.
    """
    with _standard_output() as stream:
        stream.write(f"{text}\n")
        stream.flush()


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows under the names of the first one, in columns; there must be one."""
    lines = [{name: name for name in rows[0]}, *rows]
    widths = {name: max(len(line[name]) for line in lines) for name in rows[0]}
    return "\n".join("  ".join(line[n].ljust(widths[n]) for n in widths).rstrip() for line in lines)


def put_lines(lines: Iterable[bytes]) -> None:
    """Print lines as they come, until there are no more or nobody reads them.

    Raises:
        InputError: There is no standard output.
        OSError: It takes no more, as on a full disk.
    """
    with _standard_output() as stream:
        for line in lines:
            stream.buffer.write(line)
        stream.buffer.flush()


def settle(*, told: bool) -> bool:
    """Whether standard output took all that was printed; whose reader has had enough, did.

    Args:
        told: Why the command failed is said already.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _discard(sys.stdout)
    except OSError as error:
        _discard(sys.stdout)
        if not told:
            tell(f"standard output: {error.strerror}")
        return False
    return True


def tell(text: str) -> None:
    """Say something about the work, beside its results; standard output may be full of reads."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except OSError:
        _discard(sys.stderr)


@contextmanager
def _standard_output() -> Iterator[TextIO]:
    """Standard output, for as long as somebody reads it."""
    if sys.stdout is None:
        raise InputError("standard output: is closed; expected it to be open")
    try:
        yield sys.stdout
    except BrokenPipeError:
        _discard(sys.stdout)
    except OSError:
        _discard(sys.stdout)  # else the interpreter complains once more at its end
        raise


def _discard(stream: TextIO) -> None:
    """Let what is still in a stream's buffer, and what will be, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
