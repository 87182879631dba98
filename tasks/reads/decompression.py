"""Input files as plain bytes: local, remote or standard input, compressed or not.

How a file is compressed is told by its first bytes, never by its name.
"""

import io
import lzma
import sys
import zlib
from bz2 import BZ2File
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from blocks.errors import InputError
from tasks.reads.compression import BGZF_END

STANDARD_INPUT = frozenset({"-", "--stdin--"})
SNIFFED = 6
"""As many bytes as the longest mark has."""
BGZF_HEAD = 18
"""Bytes of a block's head."""
BUFFER = 1 << 19
REMOTE_BLOCK = 8 << 20
"""Bytes that are fetched at once."""
BROKEN = (EOFError, OSError, zlib.error, lzma.LZMAError)
"""What reading damaged or truncated files raises; ISA-L and zstd have their own besides."""


class Readable(Protocol):
    """What the parsers need of a file."""

    def readinto(self, into: memoryview, /) -> int | None:
        """Number of bytes that were read; 0 at the end."""

    def close(self) -> None:
        """Let go of the file."""


class _Rejoined(io.RawIOBase):
    """A stream that cannot go back, with the bytes in front that were read to look at them."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, into: memoryview) -> int:  # type: ignore[override]  # narrower than bytearray
        if self._head:
            count = min(len(into), len(self._head))
            into[:count] = self._head[:count]
            self._head = self._head[count:]
            return count
        return cast("io.RawIOBase", self._rest).readinto(into) or 0

    def close(self) -> None:
        if not self.closed:
            self._rest.close()
        super().close()


def _open_remote(address: str) -> BinaryIO:
    """A file on another machine, read ahead in large pieces."""
    from fsspec.core import url_to_fs

    # not every S3 server knows the checksum of a part of an object
    s3 = {"config_kwargs": {"response_checksum_validation": "when_required"}}
    filesystem, path = url_to_fs(address, **(s3 if address.startswith("s3://") else {}))
    return cast("BinaryIO", filesystem.open(path, "rb", block_size=REMOTE_BLOCK))


def _open_bytes(address: str) -> BinaryIO:
    """The file as it is stored."""
    if address in STANDARD_INPUT:
        return cast(
            "BinaryIO", open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
        )  # a number, no path
    if "://" in address:
        return _open_remote(address)
    path = Path(address)
    if path.is_dir():
        raise InputError(f"{address}: is a folder; expected a file")
    return cast("BinaryIO", path.open("rb", buffering=0))


def _first_bytes(stream: BinaryIO) -> bytes:
    found = b""
    while len(found) < SNIFFED:
        more = stream.read(SNIFFED - len(found))
        if not more:
            break
        found += more
    return found


def _inflated(head: bytes, stream: BinaryIO) -> Readable:
    """The stream behind the decompressor that its first bytes ask for."""
    if head.startswith(b"\x1f\x8b"):
        from isal import isal_zlib

        # not public, but what the public class reads with; it needs no copies
        return cast("Readable", isal_zlib._GzipReader(stream, BUFFER))
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return cast("Readable", _zstd().ZstdFile(stream))
    if head.startswith(b"BZh"):
        return cast("Readable", BZ2File(stream))
    if head.startswith(b"\xfd7zXZ\x00"):
        return cast("Readable", lzma.LZMAFile(stream))
    return cast("Readable", stream)


def lacks_end_mark(address: str) -> bool:
    """Whether a local file is BGZF and does not end as such files do.

    It may be cut between two blocks, which nothing else shows; but some programs (bcl2fastq2) never
    write the mark, and so such a file is no error.
    """
    path = Path(address)
    if address in STANDARD_INPUT or "://" in address or not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(BGZF_HEAD)
        if not (head.startswith(b"\x1f\x8b\x08\x04") and head[12:14] == b"BC"):
            return False
        file.seek(-min(len(BGZF_END), path.stat().st_size), io.SEEK_END)
        return file.read() != BGZF_END


def _zstd() -> Any:  # noqa: ANN401 -- a module
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def broken_errors() -> tuple[type[Exception], ...]:
    """All that reading a damaged file can raise."""
    found: list[type[Exception]] = list(BROKEN)
    if "isal.isal_zlib" in sys.modules:
        found.append(sys.modules["isal.isal_zlib"].error)
    if "backports.zstd" in sys.modules or "compression.zstd" in sys.modules:
        found.append(_zstd().ZstdError)
    return tuple(found)


class InputFile:
    """An input file, opened and inflated."""

    def __init__(self, address: str) -> None:
        """Open it.

        Raises:
            InputError: It cannot be opened.
        """
        self.address = address
        try:
            self._stored = _open_bytes(address)
            head = _first_bytes(self._stored)
            if self._stored.seekable():
                self._stored.seek(0)
            else:
                self._stored = cast("BinaryIO", _Rejoined(head, self._stored))
        except FileNotFoundError as error:
            raise InputError(f"{address}: could not open file: there is no such file") from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"{address}: could not open file: {reason}") from error
        self._plain = _inflated(head, self._stored)

    def read_into(self, into: memoryview) -> int:
        """Number of bytes that were read; 0 at the end of the file."""
        return self._plain.readinto(into) or 0

    def close(self) -> None:
        """Let go of the file."""
        self._plain.close()
        self._stored.close()
