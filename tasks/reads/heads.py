"""Where reads come from, and the beginning of them, looked at besides a run."""

import re
from collections.abc import Iterator
from pathlib import Path

from blocks.errors import InputError
from tasks.reads.block import Texts
from tasks.reads.configuration import Configuration
from tasks.reads.decompression import STANDARD_INPUT
from tasks.reads.formats import ReadOptions
from tasks.reads.reading import BlockReader, Source

MOLECULES = 4096
MATE = re.compile(rb"/([1-4])$|^\S+/([1-4])\s|\s([1-4]):[YN]:\d+\b")
"""Which of the mates a read is, by its name: `x/1`, or `x 1:N:0:ACGT`."""


def _read_but_once(source: Source) -> str | None:
    """A file that cannot be read a second time, if there is one."""
    for address in (address for files in source.files for address in files):
        if address in STANDARD_INPUT or ("://" not in address and Path(address).is_fifo()):
            return address
    return None


def source_of(configuration: Configuration) -> Source:
    """Where the reads of a run come from."""
    given = configuration.input
    folder, _ = configuration.folders
    names = list(given.files) if given.interleaved else given.segments
    options = ReadOptions(
        fake_quality=given.options.fasta_fake_quality,
        mapped=given.options.bam_include_mapped,
        unmapped=given.options.bam_include_unmapped,
    )
    files = tuple(tuple(_address(one, folder) for one in given.files[name]) for name in names)
    return Source(given.segments, files, options)


def _address(name: str, folder: Path) -> str:
    """An input file's path or URI."""
    return name if "://" in name or name.startswith("--") else str(folder / name)


def sequences_of(source: Source, segment: str) -> Iterator[Texts]:
    """Sequences of a segment, block by block; who has seen enough closes the iterator.

    Raises:
        InputError: The input can be read but once, or is wrong.
    """
    if address := _read_but_once(source):
        told = f"adapter: auto reads the first reads twice, and {address} can be read but once"
        raise InputError(f"{told}; expected a file, or the adapter's sequence")
    reader = BlockReader(source, MOLECULES)
    try:
        for block in reader:
            yield block.segments[segment].sequence
    finally:
        reader.close()


def remark_on_mates(source: Source) -> str | None:
    """What is odd about read1 and read2 by the name of the first molecule; None: nothing.

    Of files on other machines, and of what can be read but once, nothing is said.
    """
    remote = any("://" in address for files in source.files for address in files)
    if not {"read1", "read2"} <= set(source.segments) or remote or _read_but_once(source):
        return None
    reader = BlockReader(source, 1)
    try:
        block = next(iter(reader), None)
    except InputError:  # the run has said it, or the file is gone by now
        return None
    finally:
        reader.close()
    if block is None:
        return None
    found = [MATE.search(block.segments[name].name[0]) for name in ("read1", "read2")]
    one, two = (int(next(filter(None, each.groups()))) if each else 0 for each in found)
    if not one or not two or one < two:
        return None
    what = "both hold" if one == two else "hold"
    numbers = f"the reads {one}" if one == two else f"the reads {one} and {two}, in that order"
    return f"read1 and read2 {what} {numbers}, by the names of the first; is that meant?"
