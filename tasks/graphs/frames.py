"""Packed pieces of text that may follow each other in one object."""

import sys
from typing import Any

SUFFIX = ".jsonl.zst"
LEVEL = 1


def _zstd() -> Any:  # noqa: ANN401 -- a module
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


_ZSTD = _zstd()


def packed(text: bytes) -> bytes:
    """A piece, packed."""
    content: bytes = _ZSTD.compress(text, LEVEL)
    return content


def unpacked(piece: bytes) -> bytes:
    """A piece, unpacked.

    Raises:
        ValueError: It is none.
    """
    try:
        text: bytes = _ZSTD.decompress(piece)
    except _ZSTD.ZstdError as error:
        raise ValueError(f"is no whole piece ({error})") from None
    return text
