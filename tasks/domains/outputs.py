"""Outputs of programs that Biopython reads: what it raises for one that is none."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from Bio import BiopythonExperimentalWarning

from blocks.errors import ToolError

LONGEST_REASON = 200


@contextmanager
def reading(tool: str) -> Iterator[None]:
    """While an output of that program is read; without the note that SearchIO may change.

    Raises:
        ToolError: The output is not as expected.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BiopythonExperimentalWarning)
            yield
    except (ValueError, RuntimeError, KeyError, IndexError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:LONGEST_REASON]}"
        raise ToolError(tool, 0, f"its output cannot be read ({reason})") from error
