"""Measures the annotation of domains on chains whose domains are known.

python tests/benchmarks/domains.py --data DATA [--multi 400] [--single 200]
    [--hhsearch] [--hhsuite DIR] [--cache DIR] [--evalue E]

Right is a domain with an IoU of residues >= 0.8 with a true domain of the same superfamily.  Hits
of the chain's own PDB entry are removed, except in the lines "own entry kept".  With `--hhsearch`
the 60 chains of `bench60_hhsearch.txt` are searched with profiles, too (some minutes to make the
database, 12 s for each chain; `--hhsuite` keeps the database).
"""

import argparse
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from domains_data import (
    SOURCES,
    Data,
    Truth,
    blast_evidence,
    build_hhsuite,
    child_cpu,
    held_out,
    hhsearch_evidence,
    read_data,
)

from tasks.domains.annotation import Annotation, DomainCall, annotate_all
from tasks.domains.blast import makeblastdb_argv
from tasks.domains.candidates import candidates_of
from tasks.domains.evidence import empty_evidence
from tasks.domains.hits import read_hits
from tasks.domains.partition_settings import PartitionSettings
from tasks.domains.ranges import iou, overlap, size
from tasks.domains.reference_tables import HOMOLOGY_LEVELS
from tasks.domains.search_settings import BlastSettings

RIGHT_IOU = 0.8
HALF = 0.5
USABLE_EVALUE = 0.002
USABLE_PROBABILITY = 0.9
BINS = 10
Evidence = Mapping[str, pd.DataFrame]


@dataclass
class Tally:
    """What came of a set of chains."""

    chains: int = 0
    true: int = 0
    reported: int = 0
    right: int = 0
    right_number: int = 0
    all_right: int = 0
    residues: int = 0
    residues_right: int = 0
    recoverable: int = 0
    recovered: int = 0
    cpu_s: float = 0.0
    bins: dict[int, list[int]] = field(default_factory=dict)
    """Tenth of confidence -> domains reported, right."""

    def add(self, truth: Sequence[Truth], found: Annotation, usable: Sequence[bool]) -> None:
        """Count a chain."""
        matched = _matched(truth, found.domains)
        for domain in found.domains:
            of = self.bins.setdefault(min(int(domain.confidence * BINS), BINS - 1), [0, 0])
            of[0] += 1
            of[1] += domain.number in matched.values()
        self.chains += 1
        self.true += len(truth)
        self.reported += len(found.domains)
        self.right += len(matched)
        self.right_number += len(found.domains) == len(truth)
        self.all_right += len(matched) == len(truth) == len(found.domains)
        self.residues += sum(size(one.segments) for one in truth)
        self.residues_right += sum(
            overlap(one.segments, domain.segments)
            for one in truth
            for domain in found.domains
            if superfamily(domain) == one.superfamily
        )
        self.recoverable += sum(usable)
        self.recovered += sum(usable[at] for at in matched)

    def lines(self, name: str) -> str:
        """One line of shares."""
        return (
            f"{name:<34}{self.chains:>6}{_percent(self.right, self.true)}"
            f"{_percent(self.right, self.reported)}{_percent(self.right_number, self.chains)}"
            f"{_percent(self.all_right, self.chains)}"
            f"{_percent(self.residues_right, self.residues)}"
            f"{_percent(self.recovered, self.recoverable)}"
            f"{_percent(self.recoverable, self.true)}"
            f"{1000 * self.cpu_s / max(self.chains, 1):>9.2f}"
        )

    def calibration(self) -> str:
        """One line: in each tenth of confidence, the share that is right, and the number."""
        return "   ".join(
            f"{at / BINS:.1f}-{(at + 1) / BINS:.1f}: {right / all_:.2f} ({all_})"
            for at, (all_, right) in sorted(self.bins.items())
        )


HEAD = (
    f"{'':<34}{'chains':>6}{'recall':>9}{'precis.':>9}{'number':>9}{'all ok':>9}"
    f"{'residues':>9}{'used':>9}{'recov.':>9}{'ms CPU':>9}"
)
LEGEND = """recall, precision: of true and of reported domains; number: chains with as many domains
as there are; all ok: chains with nothing wrong; residues: in a domain of their superfamily; used:
recall among domains with a usable hit (right superfamily, half of the reference and half of the
domain aligned, E <= 0.002 or probability >= 0.9); recov.: domains with one; ms CPU: of the
annotation, per chain."""


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:>8.1f}%" if whole else f"{'-':>9}"


def superfamily(domain: DomainCall) -> str | None:
    """The class of a domain at the level of ancestry."""
    return next((one.value for one in domain.levels if one.name in HOMOLOGY_LEVELS), None)


def _matched(truth: Sequence[Truth], domains: Sequence[DomainCall]) -> dict[int, int]:
    """Index of each true domain that was found -> number of the domain."""
    found: dict[int, int] = {}
    for domain in domains:
        for at, one in enumerate(truth):
            if (
                at not in found
                and superfamily(domain) == one.superfamily
                and iou(domain.segments, one.segments) >= RIGHT_IOU
            ):
                found[at] = domain.number
                break
    return found


def usable(data: Data, chain: str, evidence: pd.DataFrame) -> list[bool]:
    """Whether each true domain has an alignment that shows it."""
    length = len(data.sequences[chain])
    strong = [
        hit
        for hit in read_hits(evidence, length)
        if hit.evalue <= USABLE_EVALUE or hit.probability >= USABLE_PROBABILITY
    ]
    found = [one for hit in strong for one in candidates_of(hit, length, data.tables, 0)]
    return [
        any(
            one.lineage[2:3] == (true.superfamily,)
            and one.coverage >= HALF
            and overlap(one.aligned, true.segments) >= HALF * size(true.segments)
            for one in found
        )
        for true in data.truth[chain]
    ]


def measure(
    data: Data, chains: Sequence[str], evidence: Evidence, settings: PartitionSettings, own: bool
) -> Tally:
    """Annotate the chains."""
    tally = Tally()
    rows = {one: evidence[one] if own else held_out(evidence[one], one) for one in chains}
    together = pd.concat([empty_evidence(), *rows.values()], ignore_index=True)
    proteins = [data.protein(chain) for chain in chains]
    next(annotate_all(proteins[:1], together, data.tables, settings))  # reads the tables
    start = time.process_time()
    annotations = list(annotate_all(proteins, together, data.tables, settings))
    tally.cpu_s = time.process_time() - start
    for chain, found in zip(chains, annotations, strict=True):
        tally.add(data.truth[chain], found, usable(data, chain, rows[chain]))
    return tally


def bare_blastp(data: Data, chains: Sequence[str], evalue: float, temp: Path) -> float:
    """CPU seconds of two bare calls for all chains."""
    query = temp / "bare.fa"
    query.write_text("".join(f">{chain}\n{data.sequences[chain]}\n" for chain in chains))
    for _, name in SOURCES:
        if not (temp / f"{name}.pin").exists():
            argv = makeblastdb_argv(data.folder / f"{name}.fa", temp / name, name)
            subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    start = child_cpu()
    for _, name in SOURCES:
        argv = ["blastp", "-query", str(query), "-db", str(temp / name), "-evalue", f"{evalue:g}"]
        argv += ["-outfmt", "6", "-max_target_seqs", "5000", "-out", str(temp / "bare.out")]
        subprocess.run(argv, check=True)
    return child_cpu() - start


def main() -> None:
    """Measure and print."""
    args = _arguments()
    data = read_data(args.data)
    settings = PartitionSettings()
    several = [one for one in data.bench if len(data.truth[one]) > 1][: args.multi]
    lone = [one for one in data.bench if len(data.truth[one]) == 1][: args.single]
    with tempfile.TemporaryDirectory() as name:
        temp = Path(name)
        start = time.process_time() + child_cpu()
        evidence = blast_evidence(data, [*several, *lone], args.evalue, args.cache, temp)
        searching = time.process_time() + child_cpu() - start
        print(LEGEND, end="\n\n")
        print(HEAD)
        for own, note in ((False, ""), (True, ", own entry kept")):
            for chains, kind in ((several, "multi"), (lone, "single")):
                tally = measure(data, chains, evidence, settings, own)
                print(tally.lines(f"BLAST_ONLY {kind}{note}"))
                if not own:
                    print(f"    {tally.calibration()}")
        if args.hhsearch:
            _with_profiles(data, args, evidence, settings, temp)
        if not args.cache:
            bare = bare_blastp(data, [*several, *lone], args.evalue, temp)
            print(f"\ntwo bare blastp calls: {bare:.1f} s CPU; searches, read: {searching:.1f} s")


def _with_profiles(
    data: Data,
    args: argparse.Namespace,
    blast: Evidence,
    settings: PartitionSettings,
    temp: Path,
) -> None:
    database = args.hhsuite or temp / "hhsuite"
    build_hhsuite(data, database, 2)
    chains = [one for one in data.bench_hhsearch if one in blast]
    found = hhsearch_evidence(data, chains, database, args.cache, temp)
    both = {one: pd.concat([blast[one], found[one]], ignore_index=True) for one in chains}
    for evidence, note in ((blast, "BLAST_ONLY"), (found, "HHsearch alone"), (both, "FULL")):
        tally = measure(data, chains, evidence, settings, own=False)
        print(tally.lines(f"{note}, sample for HHsearch"))
        print(f"    {tally.calibration()}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--multi", type=int, default=400)
    parser.add_argument("--single", type=int, default=200)
    parser.add_argument("--hhsearch", action="store_true")
    parser.add_argument("--hhsuite", type=Path, help="folder of the profile database")
    parser.add_argument("--cache", type=Path, help="folder of evidence of earlier runs")
    parser.add_argument("--evalue", type=float, default=BlastSettings().evalue, help="of BLAST")
    return parser.parse_args()


if __name__ == "__main__":
    main()
