"""The beginning of the input, looked at before a run."""

from collections.abc import Iterator
from pathlib import Path

from blocks.errors import InputError
from tasks.reads.block import Texts
from tasks.reads.decompression import STANDARD_INPUT
from tasks.reads.reading import BlockReader, Source

MOLECULES = 4096


def sequences_of(source: Source, segment: str) -> Iterator[Texts]:
    """Sequences of a segment, block by block; who has seen enough closes the iterator.

    Raises:
        InputError: The input can be read but once, or is wrong.
    """
    for address in (address for files in source.files for address in files):
        if address in STANDARD_INPUT or ("://" not in address and Path(address).is_fifo()):
            told = f"adapter: auto reads the first reads twice, and {address} can be read but once"
            raise InputError(f"{told}; expected a file, or the adapter's sequence")
    reader = BlockReader(source, MOLECULES)
    try:
        for block in reader:
            yield block.segments[segment].sequence
    finally:
        reader.close()
