"""Blocks of molecules from the files of all segments, in the order of the input.

Each segment is read, inflated and cut into records by a thread of its own; here the mates are put
together. A segment that ends before the others is noticed at once.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from blocks.errors import InputError
from tasks.reads.block import Block, Reads, Texts
from tasks.reads.channel import Channel, Closed
from tasks.reads.decompression import InputFile
from tasks.reads.formats import ReadOptions, chunks, sniff
from tasks.reads.window import Limits, Window

AHEAD = 2
"""Chunks that a segment's thread may be ahead."""
CHUNK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """Where molecules come from."""

    segments: tuple[str, ...]
    """Names, in the order of the configuration."""
    files: tuple[tuple[str, ...], ...]
    """Paths, URIs or `-` for standard input: for each segment its files, which are read one after
    the other; a single list if the segments' records take turns in it."""
    options: ReadOptions = field(default_factory=ReadOptions)

    @property
    def interleaved(self) -> bool:
        """Whether the segments share their files."""
        return len(self.segments) > 1 and len(self.files) == 1


def _part(texts: Texts, rows: slice) -> Texts:
    start, length = texts.start[rows], texts.length[rows]
    return Texts(texts.buffer, np.ascontiguousarray(start), np.ascontiguousarray(length))


def _rows(reads: Reads, rows: slice) -> Reads:
    """Some neighbours, or every n-th read; nothing is copied but their places."""
    sequence, quality = reads.sequence, reads.quality
    new = _part(sequence, rows)
    start = np.ascontiguousarray(quality.start[rows])
    return Reads(_part(reads.name, rows), new, Texts(quality.buffer, start, new.length))


class _Track:
    """The files of one segment (or of all, interleaved), read by a thread of its own."""

    def __init__(
        self, label: str, files: Sequence[str], limits: Limits, options: ReadOptions
    ) -> None:
        self.label = label
        self.addresses = files
        self._limits = limits
        self._options = options
        self._channel: Channel[Reads | BaseException] = Channel(AHEAD)
        self.firsts: list[tuple[int, str]] = []
        """Number of the first record of each file, in the segment."""
        self.cpu = 0.0
        self._thread = threading.Thread(target=self._run, name=f"read {label}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        try:
            for chunk in self._chunks():
                self._channel.put(chunk)
        except Closed:
            return
        except BaseException as error:  # noqa: BLE001 -- raised again by the thread that waits
            self._tell(error)
        finally:
            self.cpu = time.thread_time()
        self._channel.close()

    def _tell(self, error: BaseException) -> None:
        try:
            self._channel.put(error)
        except Closed:
            return

    def _chunks(self) -> Iterator[Reads]:
        done = 0
        formats: dict[str, str] = {}
        for address in self.addresses:
            file = InputFile(address)
            try:
                self.firsts.append((done, address))
                window = Window(file)
                kind = sniff(window)
                formats.setdefault(kind, address)
                if len(formats) > 1:
                    found = ", ".join(f"{name} in {which}" for name, which in formats.items())
                    raise InputError(f"Segment '{self.label}' mixes input formats: {found}")
                for chunk in chunks(window, kind, self._limits, self._options):
                    done += len(chunk.name)
                    yield chunk
            finally:
                file.close()

    def next(self) -> Reads | None:
        """The next chunk; None at the end.

        Raises:
            Exception: What went wrong in the thread.
        """
        try:
            item = self._channel.get()
        except Closed:
            return None
        if isinstance(item, BaseException):
            raise item
        return item

    def stop(self) -> None:
        """Let the thread end; one that hangs in a read is left behind."""
        self._channel.close(drop=True)
        if self._thread.ident is not None:
            self._thread.join(timeout=1)

    def place(self, record: int) -> str:
        """File and record, from 0 in the segment, for messages."""
        first, address = next(
            (each for each in reversed(list(self.firsts)) if each[0] <= record),
            (0, self.addresses[0]),
        )
        return f"{address}: record {record - first + 1}"


class BlockReader:
    """The blocks of a source; to be gone through once, and closed in any case."""

    def __init__(self, source: Source, block_size: int, chunk_bytes: int = CHUNK_BYTES) -> None:
        """Prepare reading; the files are opened when the first block is asked for.

        Args:
            block_size: Molecules of a block at most.
            chunk_bytes: Bytes of each segment in a block, roughly, at most.
        """
        self._source = source
        labels = ("interleaved",) if source.interleaved else source.segments
        times = len(source.segments) if source.interleaved else 1
        limits = Limits(block_size * times, chunk_bytes * times)
        self._tracks = [
            _Track(label, files, limits, source.options)
            for label, files in zip(labels, source.files, strict=True)
        ]

    def __iter__(self) -> Iterator[Block]:
        """Blocks in the order of the input.

        Raises:
            InputError: A file is wrong, or the segments do not hold the same number of reads.
        """
        for track in self._tracks:
            track.start()
        first = 0
        aligned = self._interleaved() if self._source.interleaved else self._aligned()
        for number, segments in enumerate(aligned):
            count = len(next(iter(segments.values())).name)
            yield Block(number, np.arange(first, first + count), segments)
            first += count

    def _interleaved(self) -> Iterator[Mapping[str, Reads]]:
        """Chunks dealt out to the segments; a chunk may end within a molecule."""
        track = self._tracks[0]
        names = self._source.segments
        kept: list[Reads] = []
        done = 0
        while (chunk := track.next()) is not None:
            kept.append(chunk)
            reads = _joined(kept) if len(kept) > 1 else chunk
            whole = len(reads.name) // len(names) * len(names)
            done += whole
            kept = []
            if whole < len(reads.name):
                kept = [_rows(reads, slice(whole, None))]
            if whole:
                yield {
                    name: _rows(reads, slice(n, whole, len(names))) for n, name in enumerate(names)
                }
        if kept:
            left = sum(len(each.name) for each in kept)
            raise InputError(
                f"{track.place(done)}: the last molecule has {left} of {len(names)} reads;"
                f" expected reads of {', '.join(names)} in turn"
            )

    def _aligned(self) -> Iterator[Mapping[str, Reads]]:
        """As many reads of each segment at a time as the shortest chunk has."""
        names = self._source.segments
        current: list[Reads | None] = [None] * len(names)
        used = [0] * len(names)
        done = 0
        while True:
            for n, track in enumerate(self._tracks):
                chunk = current[n]
                if chunk is None or used[n] == len(chunk.name):
                    current[n], used[n] = track.next(), 0
            there = [chunk for chunk in current if chunk is not None]
            if not there:
                return
            if len(there) < len(names):
                raise self._unequal(done, current)
            count = min(len(c.name) - u for c, u in zip(there, used, strict=True))
            yield {
                name: chunk
                if count == len(chunk.name)
                else _rows(chunk, slice(begin, begin + count))
                for name, chunk, begin in zip(names, there, used, strict=True)
            }
            used = [begin + count for begin in used]
            done += count

    def _unequal(self, done: int, current: Sequence[Reads | None]) -> InputError:
        told = [
            f"{track.label} ({', '.join(track.addresses)}) holds "
            + (f"{done} reads" if chunk is None else "more")
            for track, chunk in zip(self._tracks, current, strict=True)
        ]
        return InputError(
            f"segments hold different numbers of reads: {'; '.join(told)}; expected the same number"
        )

    def place(self, segment: str, index: int) -> str:
        """File and record of a molecule's read, for messages."""
        names = self._source.segments
        if self._source.interleaved:
            return self._tracks[0].place(index * len(names) + names.index(segment))
        return self._tracks[names.index(segment)].place(index)

    def cpu_seconds(self) -> float:
        """Processor time of the threads that have ended."""
        return sum(track.cpu for track in self._tracks)

    def close(self) -> None:
        """End the threads; may be called at any time, from any thread."""
        for track in self._tracks:
            track.stop()


def _joined(parts: Sequence[Reads]) -> Reads:
    """Reads of several buffers in one new buffer."""

    def column(texts: Sequence[Texts]) -> Texts:
        buffer = np.concatenate([each.buffer for each in texts])
        shifts = np.cumsum([0, *(len(each.buffer) for each in texts[:-1])])
        start = np.concatenate([t.start + shift for t, shift in zip(texts, shifts, strict=True)])
        return Texts(buffer, start, np.concatenate([each.length for each in texts]))

    return Reads(
        column([each.name for each in parts]),
        column([each.sequence for each in parts]),
        column([each.quality for each in parts]),
    )
