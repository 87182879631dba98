"""A reference of a few domains, made by the real programs."""

import io
import json
from pathlib import Path

from Bio import SeqIO

from tasks.domains import hhsuite_building, profile_building, reference_parts
from tasks.domains.calls import Protein
from tasks.domains.parts import PartContent
from tasks.domains.profiles import single_a3m
from tasks.domains.reference import Reference, open_reference
from tasks.domains.reference_model import (
    GivenProfiles,
    HhsuiteParams,
    MmseqsProfiles,
    Profiles,
    ReferenceManifest,
    TableSource,
)
from tasks.domains.reference_reading import ReferenceContent, read_reference

EXAMPLE = Path(__file__).parents[2] / "deployments" / "example" / "domains"
PROFILES = MmseqsProfiles(rounds=1)
HHSUITE = HhsuiteParams(hmms=False)
SOURCE = TableSource(domains="domains.fasta", table="domains.tsv", chains="chains.fasta")


def sequences(name: str = "proteins") -> dict[str, str]:
    """Sequences of the example by id."""
    with (EXAMPLE / f"{name}.fasta").open() as file:
        return {record.id: str(record.seq) for record in SeqIO.parse(file, "fasta")}


def proteins(*names: str) -> list[Protein]:
    """Proteins of the example; all of them without names."""
    found = sequences()
    return [Protein(name, found[name], "") for name in names or found]


def content() -> ReferenceContent:
    """The example reference, read."""
    files = {
        name: (path, io.BytesIO((EXAMPLE / path).read_bytes()))
        for name, path in (
            ("domains", SOURCE.domains),
            ("table", SOURCE.table),
            ("chains", SOURCE.chains),
        )
    }
    return read_reference(SOURCE, files)


def built(
    place: Path,
    *,
    blast: bool = True,
    profiles: Profiles | None = PROFILES,
    hhsuite: HhsuiteParams = HHSUITE,
) -> Reference:
    """The example reference in a folder."""
    tables = place / "parts" / "tables-1"
    told = reference_parts.build_tables(tables, content())
    parts = [("", tables)]
    if blast:
        for kind in ("domains", "chains"):
            part = place / "parts" / f"blast-{kind}"
            reference_parts.build_blast(part, tables / f"{kind}.fasta", kind, 60)
            parts.append(("blast", part))
    if profiles is not None:
        parts.append(("hhsuite", built_hhsuite(place / "parts", tables, profiles, hhsuite)[0]))
    manifest = ReferenceManifest(
        name="small", fingerprint="", levels=SOURCE.levels, source="example",
        domains=int(told.counts["domains"]), chains=int(told.counts["chains"]),
        residues=int(told.counts["residues"]), blast_domains=blast, blast_chains=blast,
        hhsuite=profiles is not None,
    )  # fmt: skip
    identity = {"tables": told.digests, "parts": [inside for inside, _ in parts]}
    return open_reference(reference_parts.assemble(place, parts, manifest, identity))


def quickly_built(place: Path) -> Path:
    """The example reference's folder; profiles are of single sequences and cost nothing."""
    given = place / "given"
    given.mkdir(parents=True)
    for name, letters in sequences("domains").items():
        (given / f"{name}.a3m").write_text(single_a3m(name, letters))
    return built(place, profiles=GivenProfiles(folder=str(given))).folder


def built_hhsuite(
    parts: Path, tables: Path, profiles: Profiles, hhsuite: HhsuiteParams
) -> tuple[Path, PartContent]:
    """The part with the HH-suite database, and what is in it."""
    frame = content().domains
    domains = dict(zip(frame["domain_id"], frame["sequence"], strict=True))
    profile_building.build_profiles(
        parts / "profiles-1", domains, [tables / "domains.fasta"],
        params=profiles, settings=json.dumps(profiles.model_dump()), threads=2, time_limit_s=300,
    )  # fmt: skip
    lengths = {name: len(sequence) for name, sequence in domains.items()}
    made = hhsuite_building.build_hhsuite(
        parts / "hhsuite-1", parts / "profiles-1", lengths,
        params=hhsuite, settings="x", threads=2, time_limit_s=300,
    )  # fmt: skip
    return parts / "hhsuite-1", made
