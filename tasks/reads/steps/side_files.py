"""Files that steps write beside the reads, one for each stream."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from tasks.reads.block import Block, Integers
from tasks.reads.compression import MEMBER, Compression, compressor, end_mark
from tasks.reads.step import SerialStage, StepParams, Surroundings, partial

Packing = Literal["Uncompressed", "Gzip", "Zstd"]
KINDS: dict[Packing, Compression] = {"Uncompressed": "raw", "Gzip": "gzip", "Zstd": "zstd"}
ENDINGS: dict[Packing, str] = {"Uncompressed": "", "Gzip": ".gz", "Zstd": ".zst"}
Kind = Literal["Fastq", "Fasta"]
SUFFIXES: dict[Kind, str] = {"Fastq": ".fq", "Fasta": ".fasta"}
LEVELS: dict[Packing, range] = {"Uncompressed": range(0), "Gzip": range(10), "Zstd": range(1, 23)}


def check_level(packing: Packing, level: int | None) -> None:
    """Refuse a compression level that there is not.

    Raises:
        ValueError: As pydantic's validators do.
    """
    levels = LEVELS[packing]
    if level is None or level in levels:
        return
    if not levels:
        raise ValueError(f"compression_level is {level}; expected none without compression")
    raise ValueError(
        f"compression_level is {level}; expected {levels[0]} to {levels[-1]} for {packing.lower()}"
    )


class SideFile:
    """A file that is written piece by piece, beside the reads; in place only after the run."""

    def __init__(
        self, path: Path, packing: Packing = "Uncompressed", level: int | None = None
    ) -> None:
        self._kind = KINDS[packing]
        self._pack = compressor(self._kind, level)
        self._waiting = bytearray()
        self._empty = True
        self._file: IO[bytes] = partial(path).open("wb")

    def write(self, text: bytes) -> None:
        """Add text; what is written depends on the text only, not on how it came."""
        self._waiting += text
        while len(self._waiting) >= MEMBER:
            self._put(bytes(self._waiting[:MEMBER]))
            del self._waiting[:MEMBER]

    def flush(self) -> None:
        """Let others see what was written."""
        self._put(bytes(self._waiting))
        self._waiting.clear()
        self._file.flush()

    def close(self) -> None:
        """Write what is left."""
        self._put(bytes(self._waiting))
        self._file.write(end_mark(self._kind, self._empty))
        self._file.close()

    def _put(self, text: bytes) -> None:
        if text:
            self._file.write(self._pack(text))
            self._empty = False


def by_stream(block: Block, streams: Mapping[int, str]) -> dict[int, Integers]:
    """Rows of the molecules of each stream that is written."""
    if block.stream is None:
        return {0: np.arange(len(block))}
    return {bits: np.flatnonzero(block.stream == bits) for bits in streams}


class Writing(SerialStage[dict[int, bytes]]):
    """Writes what `prepare` made of each block, in the order of the input."""

    watches = True

    def __init__(self, files: Mapping[int, SideFile]) -> None:
        self._files = files

    def fold(self, block: Block, prepared: dict[int, bytes]) -> Block:
        """The block as it is."""
        for bits, text in prepared.items():
            self._files[bits].write(text)
        return block

    def finish(self, accounts: Sequence[Any]) -> Mapping[str, Any]:
        """Nothing; the files are complete."""
        for file in self._files.values():
            file.close()
        return super().finish(accounts)


class OwnFiles(StepParams):
    """A step that writes a file for each stream."""

    def paths(self, around: Surroundings) -> Mapping[int, Path]:
        """The file of each stream."""
        raise NotImplementedError

    def files(self, around: Surroundings) -> Sequence[Path]:
        """All of them."""
        return list(self.paths(around).values())
