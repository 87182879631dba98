"""What a BLAST_ONLY run over domains costs besides BLAST, and the memory that it takes.

    python tests/benchmarks/domains_run.py [--data DIR] [--proteins 600 2400 7200] [--threads 2]

The same proteins are searched by two bare calls of blastp (chains, domains; the same databases,
settings and threads; `-outfmt 6`), then annotated by the flow `domains/annotate` on a Prefect
server of its own, each number of proteins in a process and a storage of its own. `--data` is a
folder as `domains.py` takes it; without one, families, a reference and proteins are invented. The
bare calls are made before and after the run, and the mean counts: the machine's speed drifts.

CPU is user and system time. Of the run: `programs` is what blastp took, `start` the interpreter
and the imports, then each stage's own code; `prefect` is all the rest of the process (engine,
client, states, the flow itself). `ratio` is the whole of it against the bare calls, `slope` the
same for the proteins that are more than in the line before, so without what is constant. The
server is a process that other runs share; its CPU stands in a column of its own. Memory is the
peak resident size of the run's process, and of it together with the programs that it runs.
"""

import argparse
import functools
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

Figures = dict[str, Any]
MIB = 1 << 20
POLL_S = 0.1
STAGES = ("initialise", "cut", "blast", "register", "summarise", "partition", "deliver")
INVENTED_SUPERFAMILIES = 400
INVENTED_CHAINS = 4_000


# ---- data


def write_inputs(data: Path | None, folder: Path, proteins: int) -> list[tuple[str, str]]:
    """The files of a reference in a folder, and so many proteins."""
    reference, queries = _given(data, folder) if data else _invented(folder, proteins)
    content = {
        "name": "benchmark", "source": reference, "profiles": {"kind": "none"},
        "folder": str(folder / "references"),
    }  # fmt: skip
    (folder / "reference.json").write_text(json.dumps(content))
    return queries[:proteins]


def _given(data: Path, folder: Path) -> tuple[Figures, list[tuple[str, str]]]:
    """The benchmark's chains first, then all others."""
    from tests.benchmarks.domains_data import read_data

    found = read_data(data)
    table = found.tables.domains
    table.to_csv(folder / "domains.tsv", sep="\t", index=False)
    found.tables.chains.to_csv(folder / "chains.tsv", sep="\t", index=False)
    chosen = list(dict.fromkeys([*found.bench, *found.sequences]))
    source = {
        "kind": "table", "domains": str(data / "reference_domains.fa"),
        "table": str(folder / "domains.tsv"), "chains": str(data / "chains.fa"),
        "chain_table": str(folder / "chains.tsv"),
    }  # fmt: skip
    return source, [(one, found.sequences[one]) for one in chosen]


def _invented(folder: Path, proteins: int) -> tuple[Figures, list[tuple[str, str]]]:
    """Chains of one to three domains of families that are drawn anew; one seed, one result."""
    from tasks.domains.ranges import range_text
    from tests.domains.example_data import MEMBER, NEAR, Chain, World
    from tests.domains.families import ancestor

    world = World()
    random: Random = world.random
    names = [f"w.{number}.1" for number in range(1, INVENTED_SUPERFAMILIES + 1)]
    world.ancestors = {name: ancestor(60 + int(random.random() * 160), random) for name in names}

    def chain(name: str, distance: float) -> Chain:
        count = 1 + int(random.random() * 3)
        drawn = (names[int(random.random() * len(names))] for _ in range(count))
        plan = tuple(f"{one}.{1 + int(random.random() * 3)}" for one in drawn)
        return world.chain(name, plan, distance)

    chains = [chain(f"c{number}", MEMBER) for number in range(1, INVENTED_CHAINS + 1)]
    rows = [
        (f"{one.id}_{number}", one.id, range_text(segments), family, one.residues(segments))
        for one in chains
        for number, (family, segments) in enumerate(one.domains, start=1)
    ]
    frame = pd.DataFrame(
        rows, columns=["domain_id", "source_chain", "range", "classification", "sequence"]
    )
    frame.drop(columns="sequence").to_csv(folder / "domains.tsv", sep="\t", index=False)
    write_fasta(folder / "domains.fa", zip(frame["domain_id"], frame["sequence"], strict=True))
    write_fasta(folder / "chains.fa", ((one.id, one.sequence) for one in chains))
    source = {
        "kind": "table", "domains": str(folder / "domains.fa"),
        "table": str(folder / "domains.tsv"), "chains": str(folder / "chains.fa"),
    }  # fmt: skip
    made = (chain(f"p{number}", NEAR) for number in range(1, proteins + 1))
    return source, [(one.id, one.sequence) for one in made]


def write_fasta(
    path: Path, records: "Iterator[tuple[str, str]] | Sequence[tuple[str, str]]"
) -> None:
    """Records of one line each."""
    with path.open("w") as file:
        file.writelines(f">{name}\n{sequence}\n" for name, sequence in records)


# ---- measuring


def cpu_of(who: int) -> float:
    """CPU seconds of this process, or of its children that have ended."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def bare_blastp(query: Path, reference: Path, threads: int) -> float:
    """CPU seconds of two calls for all proteins."""
    from tasks.domains.search_settings import BlastSettings

    settings = BlastSettings()
    start = cpu_of(resource.RUSAGE_CHILDREN)
    for database in ("chains", "domains"):
        argv = [
            "blastp", "-query", str(query), "-db", str(reference / "blast" / database),
            "-evalue", f"{settings.evalue:g}", "-max_target_seqs", str(settings.max_targets),
            "-num_threads", str(threads), "-outfmt", "6", "-out", str(query.with_suffix(".hits")),
        ]  # fmt: skip
        subprocess.run(argv, check=True)
    return cpu_of(resource.RUSAGE_CHILDREN) - start


def watch(spans: dict[str, float]) -> None:
    """Note CPU seconds of the threads in which the stages run, while a flow runs."""
    from prefect import Task

    from tasks.domains import delivery, search_stages, stages

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            begin = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                spans[name] = spans.get(name, 0.0) + time.thread_time() - begin

        return run

    namespace = {**vars(stages), **vars(search_stages), **vars(delivery)}
    tasks = {name: one for name, one in namespace.items() if isinstance(one, Task)}
    for name in STAGES:
        tasks[name].fn = watched(name, tasks[name].fn)


def measure(params: Path) -> Figures:
    """One run of the flow in this process."""
    from flows.domains import annotate
    from tasks.domains.model import DomainsParams

    spans: dict[str, float] = {}
    watch(spans)
    start = cpu_of(resource.RUSAGE_SELF)
    result = annotate(DomainsParams.model_validate_json(params.read_text()))
    own = cpu_of(resource.RUSAGE_SELF)
    return {
        "proteins": result.proteins, "failed": result.failed, "domains": result.domains,
        "start": start, **spans, "prefect": own - start - sum(spans.values()),
        "programs": cpu_of(resource.RUSAGE_CHILDREN),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB,
    }  # fmt: skip


@contextmanager
def tree_watched(root: int) -> Iterator[list[float]]:
    """The greatest resident size [MiB] of a process and all below it, looked at now and then."""
    peak, ended = [0.0], threading.Event()

    def look() -> None:
        while not ended.wait(POLL_S):
            peak[0] = max(peak[0], sum(map(resident, tree(root))) / MIB)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def tree(root: int) -> list[int]:
    """A process and all below it."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue  # has just ended
        parents.setdefault(parent, []).append(int(path.parent.name))
    found = [root]
    for one in found:
        found += parents.get(one, [])
    return found


def resident(process: int) -> int:
    """Resident size [bytes]; 0 of one that has ended."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * resource.getpagesize()


def server_cpu() -> float:
    """CPU seconds of all living processes below this one, of which the server is the only one."""
    total = 0
    for process in tree(os.getpid())[1:]:
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


# ---- the comparison


def in_own_process(
    query: Path, reference: Path, threads: int, environment: Mapping[str, str]
) -> Figures:
    """Figures of one run of the flow."""
    folder = query.with_suffix("")
    folder.mkdir()
    params = folder / "params.json"
    content = {
        "input": {"sequences": str(query)}, "reference": str(reference), "mode": "BLAST_ONLY",
        "search": {"threads": threads},
    }  # fmt: skip
    params.write_text(json.dumps(content))
    own = {
        "SEQLOOM_STORAGE": str(folder / "storage"),
        "SEQLOOM_DATABASE": f"sqlite:///{folder / 'seqloom.db'}",
        "SEQLOOM_RESULTS": str(folder / "results"),
        "PREFECT_LOCAL_STORAGE_PATH": str(folder / "stages"),
        "PREFECT_LOGGING_LEVEL": "WARNING",
    }
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, __file__, "--measure", str(params)],
        env={**environment, **own},
        stdout=subprocess.PIPE,
        text=True,
    )
    with tree_watched(process.pid) as peak:
        out, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the run of {query.name} ended with status {process.returncode}")
    figures: Figures = json.loads(out.splitlines()[-1])
    return figures | {"tree_mib": peak[0], "wall": time.perf_counter() - begin}


def compare(args: argparse.Namespace) -> Iterator[Figures]:
    """Figures for each number of proteins, the smallest one first."""
    from deployments.local import server

    for variable in [v for v in os.environ if v.startswith(("SEQLOOM_", "PREFECT_"))]:
        del os.environ[variable]
    with tempfile.TemporaryDirectory(prefix="seqloom-benchmark-") as name:
        root = Path(name)
        queries = write_inputs(args.data, root, max(args.proteins))
        with server(root / "server") as prefect:
            command = [sys.executable, "-m", "deployments.cli", "run", "reference"]
            variables = {**prefect.environment, "PREFECT_LOGGING_LEVEL": "WARNING"}
            subprocess.run(
                [*command, str(root / "reference.json")],
                env=variables, check=True, cwd=ROOT, stdout=subprocess.DEVNULL,
            )  # fmt: skip
            reference = root / "references" / "benchmark"
            for count in sorted({min(count, len(queries)) for count in args.proteins}):
                query = root / f"proteins{count}.fasta"
                write_fasta(query, queries[:count])
                bare = bare_blastp(query, reference, args.threads)
                before = server_cpu()
                figures = in_own_process(query, reference, args.threads, prefect.environment)
                server_s = server_cpu() - before
                bare = (bare + bare_blastp(query, reference, args.threads)) / 2
                yield figures | {"bare": bare, "server": server_s}


def own_cpu(figures: Figures) -> float:
    """CPU seconds of the run, programs included."""
    return float(sum(figures[name] for name in ("programs", "start", *STAGES, "prefect")))


def lines(found: Iterator[Figures]) -> Iterator[str]:
    """A block of text for each number of proteins."""
    last: Figures = {}
    for one in found:
        whole, bare = own_cpu(one), one["bare"]
        slope = f", slope {(whole - own_cpu(last)) / (bare - last['bare']):.2f}" if last else ""
        yield (
            f"{one['proteins']:,} proteins, {one['domains']:,} domains, {one['failed']} failed: "
            f"ratio {whole / bare:.2f}{slope}; run {whole:.1f} s CPU, two bare blastp "
            f"{bare:.1f} s; wall {one['wall']:.0f} s"
        )
        for name in ("programs", "start", *STAGES, "prefect"):
            each, share = 1000 * one[name] / one["proteins"], one[name] / bare
            yield f"    {name:<12}{one[name]:>9.2f} s{each:>9.2f} ms each{share:>8.3f} of bare"
        yield (
            f"    (server {one['server']:.1f} s)   memory {one['peak_mib']:.0f} MiB, "
            f"with programs {one['tree_mib']:.0f} MiB"
        )
        last = one


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder as domains.py takes it; else invented")
    parser.add_argument("--proteins", type=int, nargs="+", default=[600, 2_400, 7_200])
    parser.add_argument("--threads", type=int, default=2, help="of blastp")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        sys.stdout.write(json.dumps(measure(args.measure)) + "\n")
        return
    for line in lines(compare(args)):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
