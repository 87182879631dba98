"""Steps that show what goes on: the first molecules, and how many came by."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from tasks.reads.block import Block
from tasks.reads.name_parts import Ending, NamePart
from tasks.reads.step import SerialStage, Stage, StepParams, Surroundings
from tasks.reads.steps.side_files import ENDINGS, SUFFIXES, Kind, Packing, SideFile, check_level
from tasks.reads.steps.sources import ALL, chosen_segments


class Inspect(StepParams):
    """Write the first molecules as they are at this place."""

    action: Literal["Inspect"] = "Inspect"
    n: int = Field(ge=0, title="Molecules", description="how many")
    infix: NamePart = Field(title="Infix", description="part of the file's name")
    segment: str = Field(title="Segment", description="read1 …, or All, in turn")
    suffix: Ending | None = Field(None, title="Suffix", description="of the file; empty: by format")
    format: Kind = Field("Fastq", title="Format", description="of the file")
    compression: Packing = Field("Uncompressed", title="Compression", description="of the file")
    compression_level: int | None = Field(None, title="Level", description="empty: a fast one")

    @model_validator(mode="after")
    def _level(self) -> Self:
        check_level(self.compression, self.compression_level)
        return self

    def files(self, around: Surroundings) -> Sequence[Path]:
        """Its file."""
        together = self.segment.lower() == ALL.lower()
        suffix = SUFFIXES[self.format] + ENDINGS[self.compression]
        if self.suffix is not None:
            suffix = "." + self.suffix.removeprefix(".")
        return [
            around.named(self.infix, "interleaved" if together else self.segment, suffix=suffix)
        ]

    def build(self, around: Surroundings) -> Stage:
        """Its stage."""
        (path,) = self.files(around)
        return _Sample(SideFile(path, self.compression, self.compression_level), self, around)


class _Sample(SerialStage[None]):
    def __init__(self, file: SideFile, params: Inspect, around: Surroundings) -> None:
        self._file = file
        self._left = params.n
        self._fastq = params.format == "Fastq"
        self._segments = chosen_segments(around, params.segment)
        self._streams = around.streams

    def prepare(self, block: Block) -> None:
        """Nothing; most blocks are not looked at."""

    def fold(self, block: Block, prepared: None) -> Block:
        """The block as it is."""
        for row in range(min(self._left, len(block))):
            stream = "" if block.stream is None else self._streams.get(int(block.stream[row]), "")
            note = f" Demultiplex={stream}".encode() if stream else b""
            for segment in self._segments:
                reads = block.segments[segment]
                name, bases = reads.name[row] + note, reads.sequence[row]
                if self._fastq:
                    self._file.write(b"@%b\n%b\n+\n%b\n" % (name, bases, reads.quality[row]))
                else:
                    self._file.write(b">%b\n%b\n" % (name, bases))
        self._left -= min(self._left, len(block))
        return block

    def finish(self, accounts: Sequence[Any]) -> Mapping[str, Any]:
        """Nothing; the file is complete."""
        self._file.close()
        return super().finish(accounts)


class Progress(StepParams):
    """Tell how many molecules came by, and how fast."""

    action: Literal["Progress"] = "Progress"
    n: int = Field(1_000_000, ge=1, title="Every", description="so many molecules")
    output_infix: NamePart | None = Field(
        None, title="Infix", description="of the file's name; empty: standard output"
    )

    def files(self, around: Surroundings) -> Sequence[Path]:
        """Its file, if it has one."""
        if self.output_infix is None:
            return []
        return [around.named(self.output_infix, suffix=".progress")]

    def problems(self, around: Surroundings) -> Sequence[str]:
        """What is wrong with it in its place."""
        if around.stdout and self.output_infix is None:
            return [
                "output_infix: missing; expected one, since the reads go to standard output "
                "([output] stdout = true)"
            ]
        return []

    def build(self, around: Surroundings) -> Stage:
        """Its stage."""
        files = [SideFile(path) for path in self.files(around)]
        return _Telling(self.n, files[0] if files else None)


class _Telling(SerialStage[None]):
    watches = True

    def __init__(self, every: int, file: SideFile | None) -> None:
        self._every = every
        self._file = file
        self._count = 0
        self._begin = time.monotonic()

    def prepare(self, block: Block) -> None:
        """Nothing."""

    def fold(self, block: Block, prepared: None) -> Block:
        """The block as it is."""
        before, self._count = self._count, self._count + len(block)
        seconds = time.monotonic() - self._begin
        first = -(-before // self._every) * self._every
        for count in range(first, self._count, self._every):
            rate = f" ({count / seconds:,.2f} molecules/s)" if seconds > 1 else ""
            self._tell(f"Processed Total: {count:,}{rate}, Elapsed: {int(seconds)}s")
        return block

    def finish(self, accounts: Sequence[Any]) -> Mapping[str, Any]:
        """How many there were, and how long they took."""
        seconds = max(time.monotonic() - self._begin, 1e-9)
        minutes, rest = divmod(int(seconds), 60)
        clock = f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"
        self._tell(
            f"Took {seconds:.2f} s ({clock}) to process {self._count:,} molecules for an "
            f"effective rate of {self._count / seconds:,.2f} molecules/s"
        )
        if self._file is not None:
            self._file.close()
        return {"molecules": self._count, "seconds": seconds}

    def _tell(self, text: str) -> None:
        if self._file is None:
            print(text, flush=True)  # noqa: T201 -- what it is for
            return
        self._file.write(text.encode() + b"\n")
        self._file.flush()
