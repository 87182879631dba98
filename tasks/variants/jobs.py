"""What a run over variants has to do: files found, read and checked before work begins."""

from blocks.errors import InputError
from blocks.settings import settings
from blocks.storage import FileRef, in_data, open_uri, refer
from tasks.parameters import Record
from tasks.sequence_files import read_sequences
from tasks.sequences import Layout
from tasks.variants.model import RegionParams, VariantsParams
from tasks.variants.region import Region, region_of
from tasks.variants.sample_table import read_samples
from tasks.variants.scoring import Reference, Sample

DNA = Layout("dna")


class VariantsJob(Record):
    """All that decides the scores."""

    samples: tuple[tuple[str, int, int], ...]
    """Name, round, replicate."""
    counts: dict[str, FileRef]
    """Sample -> what QuantifyTag wrote."""
    coding: str
    first_residue: int
    length_nt: int
    max_substitutions: int
    min_count: int
    pseudocount: float
    reference: Reference

    def identity(self) -> dict[str, object]:
        """What the results depend on: contents, not places."""
        own = self.model_dump(mode="json", exclude={"counts"})
        return own | {"counts": {name: ref.digest for name, ref in self.counts.items()}}

    @property
    def region(self) -> Region:
        """The mutated stretch."""
        return region_of(self.coding, self.first_residue, self.length_nt)

    @property
    def every_sample(self) -> tuple[Sample, ...]:
        """The samples, in the order of the sheet."""
        return tuple(Sample(*one) for one in self.samples)


def job_of(params: VariantsParams) -> VariantsJob:
    """The job, with all files found.

    Raises:
        InputError: A file is missing or does not fit; all missing counts are told together.
    """
    samples = read_samples(text_of(params.samples), params.samples)
    coding = coding_of(params)
    counts: dict[str, FileRef] = {}
    missing: list[str] = []
    for one in samples:
        place = f"{params.counts.rstrip('/')}/{one.name}/{one.name}_{params.infix}.qr.json"
        try:
            counts[one.name] = refer(place, settings().data)
        except InputError as error:
            missing.append(str(error))
    if missing:
        raise InputError("\n".join(missing))
    return VariantsJob(
        samples=tuple((one.name, one.round, one.replicate) for one in samples),
        counts=counts,
        coding=coding,
        **params.model_dump(
            include={
                "first_residue", "length_nt", "max_substitutions", "min_count", "pseudocount",
                "reference",
            }
        ),
    )  # fmt: skip


def coding_of(params: RegionParams) -> str:
    """The parent's coding sequence; that the region lies in it is checked.

    Raises:
        InputError: The file does not hold one coding sequence.
    """
    place = in_data(params.parent)
    with open_uri(place) as file:
        found = [
            text
            for frame in read_sequences(file, params.parent, layout=DNA)
            for text in frame["sequence"].tolist()
        ]
    if len(found) != 1:
        raise InputError(f"{params.parent}: {len(found)} records; expected the parent alone")
    region_of(found[0], params.first_residue, params.length_nt)
    return str(found[0])


def protein_of(source: str, identifier: str) -> str:
    """A protein of a FASTA by its id, or the first.

    Raises:
        InputError: There is none of that id.
    """
    with open_uri(in_data(source)) as file:
        for frame in read_sequences(file, source):
            for name, sequence in zip(frame["id"], frame["sequence"], strict=True):
                if identifier in ("", name):
                    return str(sequence)
    raise InputError(f"{source}: no record {identifier!r}; expected the id of one of its records")


def text_of(place: str) -> str:
    """The content of a small text file."""
    with open_uri(in_data(place)) as file:
        return file.read().decode("utf-8", "replace")
