"""Chains of known domains, and the evidence of searches for them, for the benchmarks of domains.

The folder of data holds `reference_domains.fa` and `.tsv`, `chains.fa`, `chain_domains.tsv`,
`bench600.txt` and `bench60_hhsearch.txt`.  Evidence is kept in `--cache`, if one is given.
"""

import hashlib
import resource
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tasks.domains.annotation import Protein  # noqa: E402
from tasks.domains.blast import blastp_argv, makeblastdb_argv, read_blast  # noqa: E402
from tasks.domains.evidence import EVIDENCE_SCHEMA, Source, empty_evidence  # noqa: E402
from tasks.domains.hhsuite import hhsearch_argv, read_hhr  # noqa: E402
from tasks.domains.queries import checked_queries  # noqa: E402
from tasks.domains.ranges import Segments, parse_range  # noqa: E402
from tasks.domains.reference_tables import ReferenceTables  # noqa: E402
from tasks.domains.search_settings import BlastSettings, HhsearchSettings  # noqa: E402

FULLY_ANNOTATED = 0.8
"""Least share of a chain's residues in domains."""
SUPERFAMILY = 2
"""Index of its level."""
ENTRY = 4
"""Letters of the PDB entry in the id of a chain."""
CHUNK = 100
SOURCES: tuple[tuple[Source, str], ...] = (
    ("domain_blast", "reference_domains"),
    ("chain_blast", "chains"),
)


@dataclass(frozen=True)
class Truth:
    """A domain of a chain."""

    segments: Segments
    superfamily: str
    classification: str


@dataclass(frozen=True)
class Data:
    """All that the folder holds."""

    folder: Path
    tables: ReferenceTables
    sequences: Mapping[str, str]
    truth: Mapping[str, tuple[Truth, ...]]
    """Of the fully annotated chains."""
    bench: tuple[str, ...]
    bench_hhsearch: tuple[str, ...]

    def chains(self, multi: bool) -> list[str]:
        """Fully annotated chains with several domains, or with one."""
        return [chain for chain, domains in self.truth.items() if (len(domains) > 1) == multi]

    def protein(self, chain: str) -> Protein:
        """A chain as a query."""
        return Protein(chain, self.sequences[chain], "")


def read_data(folder: Path) -> Data:
    """Read the folder."""
    frame = pd.read_csv(folder / "chain_domains.tsv", sep="\t", keep_default_na=False)
    domains = pd.read_csv(folder / "reference_domains.tsv", sep="\t", keep_default_na=False)
    full = frame[frame["chain_coverage"] >= FULLY_ANNOTATED]
    truth = {
        str(chain): tuple(
            Truth(parse_range(place), ".".join(named.split(".")[: SUPERFAMILY + 1]), named)
            for place, named in zip(group["range"], group["scop_sccs"], strict=True)
        )
        for chain, group in full.groupby("chain_id")
    }
    tables = ReferenceTables(
        domains=domains.rename(columns={"pdb_chain": "source_chain", "scop_sccs": "classification"})
        .assign(range="")
        .loc[:, ["domain_id", "source_chain", "range", "length", "classification"]],
        chains=frame.rename(columns={"chain_length": "length", "scop_sccs": "classification"}).loc[
            :, ["chain_id", "length", "domain_id", "range", "classification"]
        ],
    )
    return Data(
        folder,
        tables,
        _sequences(folder / "chains.fa"),
        truth,
        tuple((folder / "bench600.txt").read_text().split()),
        tuple((folder / "bench60_hhsearch.txt").read_text().split()),
    )


def _sequences(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for record in path.read_text().split(">")[1:]:
        head, _, body = record.partition("\n")
        found[head.split()[0]] = body.replace("\n", "")
    return found


def held_out(evidence: pd.DataFrame, chain: str) -> pd.DataFrame:
    """The evidence that does not come from the chain's own PDB entry."""
    entry = (
        evidence["target"]
        .str[:ENTRY]
        .where(evidence["source"] == "chain_blast", evidence["target"].str[1 : ENTRY + 1])
    )
    return evidence[entry != chain[:ENTRY]].reset_index(drop=True)


# ---- searches


def child_cpu() -> float:
    """CPU seconds of all programs that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def blast_evidence(
    data: Data, chains: Sequence[str], evalue: float, cache: Path | None, temp: Path
) -> dict[str, pd.DataFrame]:
    """Evidence of both BLAST searches by chain; a chain without any has an empty frame."""

    def search() -> pd.DataFrame:
        for _, name in SOURCES:
            if not (temp / f"{name}.pin").exists():
                _run(makeblastdb_argv(data.folder / f"{name}.fa", temp / name, name))
        return pd.concat(
            [
                _blast(data, part, source, temp / name, evalue)
                for part in _parts(chains)
                for source, name in SOURCES
            ],
            ignore_index=True,
        )

    return _by_chain(_cached(cache, "blast", [f"{evalue:g}", *chains], search), chains)


def _parts(chains: Sequence[str]) -> Iterable[Sequence[str]]:
    return (chains[at : at + CHUNK] for at in range(0, len(chains), CHUNK))


def _blast(
    data: Data, chains: Sequence[str], source: Source, database: Path, evalue: float
) -> pd.DataFrame:
    queries = checked_queries([data.protein(chain) for chain in chains])
    query, out = database.with_suffix(".query"), database.with_suffix(".out")
    query.write_text(queries.fasta())
    _run(blastp_argv(query, database, out, BlastSettings(evalue=evalue), 1))
    with out.open("rb") as file:
        return read_blast(file, queries, source)


def hhsearch_evidence(
    data: Data, chains: Sequence[str], database: Path, cache: Path | None, temp: Path
) -> dict[str, pd.DataFrame]:
    """Evidence of HHsearch by chain.

    Args:
        data: The folder.
        chains: Queries.
        database: Folder made by `build_hhsuite`.
        cache: Where evidence is kept.
        temp: For files in between.
    """

    def search() -> pd.DataFrame:
        missing = [one for one in chains if not ((cache or temp) / f"{one}.hhr").exists()]
        alignments = _query_alignments(data, missing, database, temp) if missing else temp
        with ThreadPoolExecutor(2) as pool:
            found = pool.map(lambda chain: _hhsearch(chain, alignments, database, cache), chains)
            return pd.concat([empty_evidence(), *found], ignore_index=True)

    return _by_chain(_cached(cache, "hhsearch", chains, search), chains)


def _hhsearch(chain: str, alignments: Path, database: Path, cache: Path | None) -> pd.DataFrame:
    out = (cache or alignments) / f"{chain}.hhr"
    if not out.exists():
        part = out.with_suffix(".part")
        query = alignments / f"{chain}.a3m"
        _run(hhsearch_argv(query, database / "reference", part, HhsearchSettings(), 1))
        part.rename(out)
    return read_hhr(out.read_text(), chain)


def build_hhsuite(data: Data, folder: Path, threads: int) -> None:
    """Profiles of all reference domains by three rounds of MMseqs2 over domains and chains."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "reference_cs219.ffindex").exists():
        return
    universe = folder / "universe.fa"
    names = ("reference_domains.fa", "chains.fa")
    universe.write_text("".join((data.folder / name).read_text() for name in names))
    _mmseqs("createdb", str(universe), str(folder / "universe"))
    _alignments(data.folder / names[0], folder / "universe", folder / "domains", threads)
    entries = _entries(folder / "domains")
    _write_ffindex(folder / "reference_a3m", entries)
    # hhsearch does not read the states, but wants as many as residues
    lengths = {name: _first_length(text) for name, text in entries.items()}
    _write_ffindex(folder / "reference_cs219", {name: b"\x02" * n for name, n in lengths.items()})


def _query_alignments(data: Data, chains: Sequence[str], database: Path, temp: Path) -> Path:
    """Folder with an a3m for each chain."""
    folder = temp / "alignments"
    folder.mkdir(exist_ok=True)
    (temp / "queries.fa").write_text(
        "".join(f">{chain}\n{data.sequences[chain]}\n" for chain in chains)
    )
    _alignments(temp / "queries.fa", database / "universe", temp / "queries", 1)
    for name, text in _entries(temp / "queries").items():
        (folder / f"{name}.a3m").write_bytes(text)
    return folder


def _alignments(fasta: Path, universe: Path, base: Path, threads: int) -> None:
    _mmseqs("createdb", str(fasta), str(base))
    hits, msa, temp = (f"{base}_{one}" for one in ("hits", "msa", "temp"))
    options = ("--num-iterations", "3", "-s", "6", "-e", "1e-3", "--threads", str(threads))
    _mmseqs("search", str(base), str(universe), hits, temp, *options)
    _mmseqs("result2msa", str(base), str(universe), hits, msa, "--msa-format-mode", "6")


def _entries(base: Path) -> dict[str, bytes]:
    """Alignment by name, of an MMseqs2 database."""
    lookup = dict(line.split("\t")[:2] for line in Path(f"{base}.lookup").read_text().splitlines())
    body = Path(f"{base}_msa").read_bytes()
    found = {}
    for line in Path(f"{base}_msa.index").read_text().splitlines():
        key, start, size = line.split("\t")
        found[lookup[key]] = body[int(start) : int(start) + int(size) - 1]
    return found


def _first_length(text: bytes) -> int:
    lines = text.split(b"\n")
    return sum(len(line) for line in lines[1 : 1 + _until_next(lines[1:])])


def _until_next(lines: Sequence[bytes]) -> int:
    return next((at for at, line in enumerate(lines) if line.startswith(b">")), len(lines))


def _write_ffindex(base: Path, entries: Mapping[str, bytes]) -> None:
    at, index, body = 0, [], []
    for name in sorted(entries, key=str.encode):
        text = entries[name] + b"\0"
        index.append(f"{name}\t{at}\t{len(text)}\n")
        body.append(text)
        at += len(text)
    Path(f"{base}.ffdata").write_bytes(b"".join(body))
    Path(f"{base}.ffindex").write_text("".join(index))


def _mmseqs(*arguments: str) -> None:
    _run(["mmseqs", *arguments, "-v", "1"])


def _run(argv: Sequence[str]) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def _cached(
    cache: Path | None, name: str, keys: Sequence[str], make: Callable[[], pd.DataFrame]
) -> pd.DataFrame:
    if cache is None:
        return make()
    digest = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:12]
    path = cache / f"{name}-{digest}.parquet"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        make().to_parquet(path, schema=EVIDENCE_SCHEMA, index=False)
    return pd.read_parquet(path)


def _by_chain(evidence: pd.DataFrame, chains: Sequence[str]) -> dict[str, pd.DataFrame]:
    groups = dict(iter(evidence.groupby("protein", sort=False)))
    return {
        chain: groups[chain].reset_index(drop=True) if chain in groups else empty_evidence()
        for chain in chains
    }
