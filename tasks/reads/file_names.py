"""Which files a run writes, and what they are called."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tasks.reads.output_options import OutputOptions
from tasks.reads.outputs import Output

COMPRESSIONS = {"Uncompressed": "raw", "Gzip": "gzip", "Bgzf": "bgzf", "Zstd": "zstd"}
INTERLEAVED = "interleaved"
NAME_BYTES, PATH_BYTES = 255, 4_095
"""What systems allow."""
UNFINISHED = len(".incomplete")
DIGEST = len(".uncompressed.sha256")
NUMBER = 11
"""Bytes of a dot and of the largest number of a chunk."""


def read_outputs(
    options: OutputOptions, segments: Sequence[str], streams: Mapping[int, str], folder: Path
) -> list[Output]:
    """The files of reads: one series for each segment, and one for those that are interleaved.

    Args:
        options: Checked `[output]`.
        segments: All segments, in order.
        streams: Bits -> infix of the files' names.
        folder: Where the prefix begins.
    """
    together = options.together(segments)
    if options.stdout:
        return [_output(options, together, {}, stdout=True)] if together else []
    series = [((segment,), segment) for segment in options.single(segments)]
    every: list[tuple[tuple[str, ...], str]] = [*series]
    if together:
        every.append((together, INTERLEAVED))
    return [
        _output(options, names, {bits: _stem(options, folder, infix, last)
                                 for bits, infix in streams.items()})
        for names, last in every
    ]  # fmt: skip


def _output(
    options: OutputOptions,
    segments: tuple[str, ...],
    stems: Mapping[int, Path],
    *,
    stdout: bool = False,
) -> Output:
    bam = options.format == "Bam"
    return Output(
        segments=segments,
        stems=stems,
        suffix=f".{options.file_suffix}",
        format=options.format.lower(),  # type: ignore[arg-type]  # None has no outputs
        compression="bgzf" if bam else COMPRESSIONS[options.compression],  # type: ignore[arg-type]
        level=options.compression_level,
        chunk=options.chunksize,
        hash_text=options.output_hash_uncompressed,
        hash_file=options.output_hash_compressed,
        stdout=stdout,
    )


def _stem(options: OutputOptions, folder: Path, infix: str, last: str) -> Path:
    parts = [options.prefix, infix, last]
    return folder / options.ix_separator.join(part for part in parts if part)


def report_paths(options: OutputOptions, folder: Path) -> dict[str, Path]:
    """Reports that are asked for: `json`, `html`, `fastp`, `timing`, with their files."""
    paths = {
        "json": folder / f"{options.prefix}.json",
        "html": folder / f"{options.prefix}.html",
        "fastp": folder / f"{options.prefix}.fastp.json",
        "timing": folder / f"{options.prefix}_timing.json",
    }
    return {kind: path for kind, path in paths.items() if getattr(options, f"report_{kind}")}


def bytes_behind(output: Output) -> int:
    """What is put behind the names of files of reads, at most, while they are written."""
    digest = DIGEST if output.hash_text or output.hash_file else 0
    return digest + (NUMBER if output.chunk else 0) + UNFINISHED


def too_long(path: Path, behind: int = UNFINISHED) -> bool:
    """Whether systems do not allow a path with so many bytes behind it."""
    *folders, name = (len(part.encode("utf-8", "surrogatepass")) for part in path.parts)
    whole = len(str(path).encode("utf-8", "surrogatepass")) + behind
    return max([name + behind, *folders]) > NAME_BYTES or whole > PATH_BYTES
