"""The shipped example as a reference of test size: real databases, profiles of single sequences."""

import subprocess
from pathlib import Path

import pandas as pd
from Bio import SeqIO

from tasks.domains.ffindex import placeholder_states, write_entries
from tasks.domains.profiles import single_a3m
from tasks.domains.reference import MANIFEST, fingerprint, listed_files
from tasks.domains.reference_model import ReferenceManifest
from tasks.domains.reference_tables import SCOP_LEVELS

EXAMPLE = Path(__file__).parents[2] / "deployments" / "example" / "domains"


def sequences(name: str = "proteins") -> dict[str, str]:
    """Sequences of the example by id."""
    with (EXAMPLE / f"{name}.fasta").open() as file:
        return {record.id: str(record.seq) for record in SeqIO.parse(file, "fasta")}


def build(folder: Path) -> Path:
    """A reference in `folder`, which is returned; takes half a second."""
    domains, chains = sequences("domains"), sequences("chains")
    (folder / "blast").mkdir(parents=True)
    (folder / "hhsuite").mkdir()
    table = pd.read_csv(EXAMPLE / "domains.tsv", sep="\t", dtype=str)
    lengths = table["domain_id"].map(domains).str.len()
    table.assign(length=lengths).to_parquet(folder / "domains.parquet", index=False)
    chained = table.rename(columns={"source_chain": "chain_id"})
    chained = chained[chained["chain_id"].isin(list(chains))]
    chained = chained.assign(length=chained["chain_id"].map(chains).str.len())
    chained.to_parquet(folder / "chains.parquet", index=False)
    for name, entries in (("domains", domains), ("chains", chains)):
        text = "".join(f">{one}\n{letters}\n" for one, letters in entries.items())
        (folder / f"{name}.fasta").write_text(text)
        subprocess.run(
            ["makeblastdb", "-in", f"{folder / name}.fasta", "-dbtype", "prot",
             "-out", str(folder / "blast" / name)],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    alignments = [(one, single_a3m(one, s).encode()) for one, s in domains.items()]
    write_entries(folder / "hhsuite" / "reference_a3m", alignments)
    states = placeholder_states({one: len(s) for one, s in domains.items()})
    write_entries(folder / "hhsuite" / "reference_cs219", states)
    manifest = ReferenceManifest(
        name="miniature", fingerprint=fingerprint({"domains": domains}), levels=SCOP_LEVELS,
        domains=len(domains), chains=len(chains), residues=sum(map(len, domains.values())),
        blast_domains=True, blast_chains=True, hhsuite=True, source="the shipped example",
        files=listed_files(folder),
    )  # fmt: skip
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    return folder
