"""Compressed members: pieces of an output file that are compressed each by itself.

Where a member ends depends on nothing but the bytes of the file, so that workers may compress
several at once, and a file is the same whatever their number and the size of blocks. Members of
gzip and frames of zstd may follow each other: every reader takes such files for one text.
"""

import struct
import sys
import zlib
from collections.abc import Callable
from typing import Any, Literal

from blocks.errors import InputError

Compression = Literal["raw", "gzip", "bgzf", "zstd"]
Bytelike = bytes | memoryview
BGZF_BLOCK = 65_280
"""Bytes of text in a block of BGZF, as other programs cut it."""
MEMBER = 8 * BGZF_BLOCK
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
GZIP = 31
"""As zlib counts window bits: gzip's head and foot around the data."""
BARE = -15
"""No head, no foot."""
FAST_LEVELS = 3
"""Up to this level ISA-L compresses, beyond it libdeflate."""
FIRST_BYTES = 8
"""More than the 3 that ISA-L does not hash at an end, less than the 16 that its fast loop needs."""
LEVELS: dict[Compression, range] = {
    "raw": range(0),
    "gzip": range(13),
    "bgzf": range(13),
    "zstd": range(1, 23),
}
DEFAULT_LEVEL: dict[Compression, int] = {"raw": 0, "gzip": 1, "bgzf": 1, "zstd": 3}


def _zstd() -> Any:  # noqa: ANN401 -- a module
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def _isal(level: int, wrapping: int) -> Callable[[Bytelike], bytes]:
    """ISA-L's compressor, as one that gives the same bytes wherever it lies in memory.

    Where its fast loop meets the first byte of a text, it hashes a register that still holds the
    address of its own state (seen in 2.32): now and then a match is found or missed. The loop for
    ends of texts does not, so the first bytes go through that one. It costs some 14 bytes.
    """
    from isal import isal_zlib

    def pack(text: Bytelike) -> bytes:
        packer = isal_zlib.compressobj(level, isal_zlib.DEFLATED, wrapping)
        view = memoryview(text)
        begin = packer.compress(view[:FIRST_BYTES]) + packer.flush(isal_zlib.Z_SYNC_FLUSH)
        return b"".join((begin, packer.compress(view[FIRST_BYTES:]), packer.flush()))

    return pack


def _gzip_member(level: int) -> Callable[[Bytelike], bytes]:
    if 0 < level <= FAST_LEVELS:
        return _isal(level, GZIP)
    import deflate

    return lambda text: bytes(deflate.gzip_compress(text, level))


def _bare(level: int) -> Callable[[Bytelike], bytes]:
    if 0 < level <= FAST_LEVELS:
        return _isal(level, BARE)
    import deflate

    return lambda text: bytes(deflate.deflate_compress(text, level))


def _bgzf(level: int) -> Callable[[Bytelike], bytes]:
    pack = _bare(level)
    stored = _bare(0)

    def block(text: memoryview) -> bytes:
        body = pack(text)
        if len(body) + 26 > 1 << 16:  # what cannot be compressed grows
            body = stored(text)
        head = struct.pack("<4BI2BH2B2H", 31, 139, 8, 4, 0, 0, 255, 6, 66, 67, 2, len(body) + 25)
        return head + body + struct.pack("<2I", zlib.crc32(text), len(text))

    def blocks(text: Bytelike) -> bytes:
        view = memoryview(text)
        return b"".join(
            block(view[begin : begin + BGZF_BLOCK]) for begin in range(0, len(view), BGZF_BLOCK)
        )

    return blocks


def compressor(kind: Compression, level: int | None = None) -> Callable[[Bytelike], bytes]:
    """What turns the text of a member into its bytes in the file.

    Args:
        kind: Of the file.
        level: From fast to small; None: a fast one.

    Raises:
        InputError: There is no such level.
    """
    chosen = DEFAULT_LEVEL[kind] if level is None else level
    allowed = LEVELS[kind]
    if kind == "raw":
        return bytes
    if chosen not in allowed:
        raise InputError(
            f"compression_level is {chosen}; expected {allowed[0]} to {allowed[-1]} for {kind}"
        )
    if kind == "gzip":
        return _gzip_member(chosen)
    if kind == "bgzf":
        return _bgzf(chosen)
    zstd = _zstd()
    options = {
        zstd.CompressionParameter.compression_level: chosen,
        zstd.CompressionParameter.checksum_flag: 1,
    }
    return lambda text: bytes(zstd.compress(text, options=options))


def end_mark(kind: Compression, empty: bool) -> bytes:
    """What stands at the end of a file.

    Args:
        kind: Of the file.
        empty: Nothing stands in front; such a file has to be a valid one, too.
    """
    if kind == "bgzf":
        return BGZF_END
    return compressor(kind)(b"") if empty else b""
