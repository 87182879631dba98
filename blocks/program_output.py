"""What a program writes: kept up to a limit, logged line by line, quoted when it fails."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from blocks.masking import MASK

MAX_LINE_BYTES = 10_000
"""A longer line is logged in parts."""
TAIL_LINES = 10
TAIL_CHARS = 2_000


@dataclass(slots=True)
class Stream:
    """What came through one pipe."""

    max_bytes: int
    total: int = 0
    kept: bytearray = field(default_factory=bytearray)
    tail: deque[bytes] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    unfinished: bytes = b""

    def take(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes, without empty ones; an empty chunk is the end."""
        self.total += len(chunk)
        self.kept += chunk[: self.max_bytes - len(self.kept)]
        *lines, self.unfinished = (self.unfinished + chunk).replace(b"\r", b"\n").split(b"\n")
        if not chunk or len(self.unfinished) > MAX_LINE_BYTES:
            lines, self.unfinished = [*lines, self.unfinished], b""
        complete = [line for line in lines if line.strip()]
        self.tail.extend(complete[-TAIL_LINES:])
        return complete


@dataclass(slots=True)
class Output:
    """Both streams of a program, and the log that its lines go to."""

    log: Callable[[str], None]
    max_log_lines: int
    max_bytes: int
    secrets: tuple[str, ...]
    lines: int = 0
    stdout: Stream = field(init=False)
    stderr: Stream = field(init=False)

    def __post_init__(self) -> None:
        self.stdout, self.stderr = Stream(self.max_bytes), Stream(self.max_bytes)

    def add(self, stream: Stream, chunk: bytes) -> None:
        """Take what came through one of the pipes, and log the lines that it completes."""
        complete = stream.take(chunk)
        for line in complete[: max(0, self.max_log_lines - self.lines)]:
            self.log(self._clean(line))
        self.lines += len(complete)

    def close(self) -> None:
        """Log what is left: lines without an end, and how many were not logged."""
        self.add(self.stdout, b"")
        self.add(self.stderr, b"")
        if self.lines > self.max_log_lines > 0:
            self.log(f"... and {self.lines - self.max_log_lines} more lines, not logged")

    def explained(self, reason: str) -> str:
        """One line: why a program failed, and the last it wrote."""
        lines = self.stderr.tail or self.stdout.tail
        tail = " | ".join(self._clean(line) for line in lines)[-TAIL_CHARS:]
        return "; ".join([*([reason] if reason else []), f"it wrote: {tail or 'nothing'}"])

    def _clean(self, line: bytes) -> str:
        text = line.decode(errors="replace").strip()
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        return text
