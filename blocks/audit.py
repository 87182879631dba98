"""The audit: who asked for what, and what came of it; lines are added and never changed.

    {"line":2,"at":"…","previous":"<digest of line 1>",…,"digest":"<SHA-256 of what is before it>"}

Each line is JSON, masked, and holds the digest of the line before: a line that is changed, taken
out, put in or moved breaks the chain from there on. Lines that are cut off at the end leave a whole
chain, so `verify` tells the last digest, to be kept elsewhere and asked for later. Several
processes may write: each takes the lock of the file for a line.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blocks.errors import InputError, SeqloomError
from blocks.masking import mask
from blocks.settings import settings

FIRST = "0" * 64
"""What stands before the first line."""
LONGEST = 16_384
"""Of a line [bytes]; what is longer is no line of ours."""
_END = ',"digest":"{}"}}'
_END_LENGTH = len(_END.format(FIRST))


class AuditError(SeqloomError):
    """A line of the audit is not what was written."""

    def __init__(self, path: str, line: int, fault: str) -> None:
        super().__init__(path, line, fault)
        self.path = path
        self.line = line
        self.fault = fault

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self.fault}"


@dataclass(frozen=True, slots=True)
class Chain:
    """What holds so far."""

    lines: int = 0
    digest: str = FIRST
    """Of the last line."""


class Audit:
    """The audit of one folder; None: the one of the settings."""

    def __init__(self, folder: Path | None = None) -> None:
        self.path = (folder or Path(settings().gateway)) / "audit.jsonl"

    def append(self, record: Mapping[str, object]) -> None:
        """Add a line, whole or not at all.

        Raises:
            InputError: It is too long.
            OSError: It cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            size = os.fstat(handle).st_size
            line = _line(record, _last(handle, size))
            if len(line) > LONGEST:
                raise InputError(f"line of the audit: {len(line):,} bytes; expected {LONGEST:,}")
            _write(handle, line, size)
        finally:
            os.close(handle)

    def records(self) -> Iterator[dict[str, Any]]:
        """All lines, oldest first; each is checked before it is told.

        Raises:
            AuditError: A line is broken; those before it were told.
        """
        for _, record in self._checked():
            yield record

    def verify(self, expected: str | None = None) -> Chain:
        """What the audit comes to, if nothing was changed.

        Args:
            expected: Digest that was told earlier: lines up to it must still be there.

        Raises:
            AuditError: The first line that is broken; or the end, where `expected` is missing.
        """
        chain = Chain()
        known = expected in (None, FIRST)
        for chain, _ in self._checked():
            known = known or chain.digest == expected
        if not known:
            fault = f"the audit ends, and {expected} did not come; expected the lines up to it"
            raise AuditError(str(self.path), chain.lines + 1, fault)
        return chain

    def _checked(self) -> Iterator[tuple[Chain, dict[str, Any]]]:
        chain = Chain()
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            while line := file.readline(LONGEST + 1):
                chain, record = self._next(chain, line)
                yield chain, record

    def _next(self, chain: Chain, line: bytes) -> tuple[Chain, dict[str, Any]]:
        number = chain.lines + 1
        if not line.endswith(b"\n"):
            raise AuditError(str(self.path), number, "is not whole")
        content, end = line[: -_END_LENGTH - 1], line[-_END_LENGTH - 1 : -1]
        digest = _digest(content)
        if end != _END.format(digest).encode():
            raise AuditError(str(self.path), number, "is not what was written: its digest differs")
        record: dict[str, Any] = json.loads(content + b"}")
        if record["previous"] != chain.digest or record["line"] != number:
            fault = "does not follow the line before: one was taken out, put in or moved"
            raise AuditError(str(self.path), number, fault)
        return Chain(number, digest), record


def _line(record: Mapping[str, object], last: Chain) -> bytes:
    head = {"line": last.lines + 1, "at": datetime.now(UTC).isoformat(), "previous": last.digest}
    content = json.dumps(head | mask(record), separators=(",", ":"))[:-1]
    return f"{content}{_END.format(_digest(content.encode()))}\n".encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _last(handle: int, size: int) -> Chain:
    """Number and digest of the last line; of one that is broken, what makes `verify` tell it."""
    line = os.pread(handle, LONGEST + 1, max(0, size - LONGEST - 1)).rstrip(b"\n")
    line = line[line.rfind(b"\n") + 1 :]
    if not line:
        return Chain()
    content = line[:-_END_LENGTH]
    try:
        return Chain(int(json.loads(content + b"}")["line"]), _digest(content))
    except (ValueError, KeyError, TypeError):
        return Chain(0, _digest(line))


def _write(handle: int, line: bytes, size: int) -> None:
    begun = b"\n" if size and os.pread(handle, 1, size - 1) != b"\n" else b""
    written = 0
    try:
        written = os.write(handle, begun + line)
    finally:
        if written != len(begun + line):  # the disk is full: half a line would break the chain
            os.ftruncate(handle, size)
    if written != len(begun + line):
        raise OSError(f"only {written} of {len(line)} bytes could be written")
    os.fdatasync(handle)
