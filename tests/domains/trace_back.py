"""Trace-back operations as BLAST prints them, of two aligned strings."""

from itertools import groupby


def trace_back(query: str, target: str) -> str:
    """Equal columns are counted, all others are written down in pairs."""
    pairs = zip(query, target, strict=True)
    return "".join(
        str(len(list(some))) if same else "".join(map("".join, some))
        for same, some in groupby(pairs, lambda pair: pair[0] == pair[1])
    )
