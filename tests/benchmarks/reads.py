"""Times fastp and our preset `fastp-strict`, cutadapt and the same steps here, side by side.

python tests/benchmarks/reads.py [--pairs 1000000] [--rounds 2] [--threads 1 2] [--folder DIR]

Programs take turns within a round, so that a busy machine slows all of them down; of the rounds the
best counts. CPU is user and system time; memory is the peak resident size of the process.
"""

import argparse
import hashlib
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from isal import igzip
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tasks.reads.compression import compressor  # noqa: E402
from tasks.reads.presets import PRESETS  # noqa: E402

Matrix = NDArray[np.uint8]
CYCLES = 150
BATCH = 20_000
GENOME = 4_000_000
ADAPTERS = (
    b"AGATCGGAAGAGCACACGTCTGAACTCCAGTCACATCACGATCTCGTATGCCGTCTTCTGCTTG",
    b"AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGTAGATCTCGGTGGTCGCCGTATCATT",
)
LEVELS = np.array([2, 11, 25, 37], np.uint8)
COMPLEMENT = np.zeros(256, np.uint8)
COMPLEMENT[list(b"ACGT")] = list(b"TGCA")
MEGABYTE = 1 << 20
CUTADAPT_STEPS = """
[input]
read1 = ["sample_R1.fastq.gz"]
read2 = ["sample_R2.fastq.gz"]

[[step]]
action = "TrimQualityBwa"
segment = "read1"
min_quality = 20

[[step]]
action = "TrimQualityBwa"
segment = "read2"
min_quality = 20

[[step]]
action = "TrimAdapterSequence"
segment = "read1"
adapter = "{}"

[[step]]
action = "TrimAdapterSequence"
segment = "read2"
adapter = "{}"

[[step]]
action = "FilterQuality"
min_quality = 0
max_n = 5
min_length = 15

[output]
prefix = "sample"
format = "Fastq"
suffix = "fastq.gz"
compression = "Gzip"
"""


# ---- data


def _genome(rng: np.random.Generator) -> Matrix:
    """Bases whose GC content varies along the sequence, so that it compresses as real data do."""
    gc = np.repeat(rng.uniform(0.3, 0.6, GENOME // 500), 500)
    strong = rng.random(GENOME) < gc
    second = rng.random(GENOME) < 0.5
    return np.where(
        strong, np.where(second, ord("C"), ord("G")), np.where(second, ord("A"), ord("T"))
    ).astype(np.uint8)


def _qualities(rng: np.random.Generator, count: int, worse: float) -> Matrix:
    """Four levels that stay for a while, worse towards the end; shape (count, CYCLES)."""
    along = (np.arange(CYCLES) / CYCLES) ** 2
    bad = 0.012 * worse * np.where(rng.random((count, 1)) < 0.03, 12, 1) * (0.4 + 2.2 * along)
    draw = rng.random((count, CYCLES), np.float32)
    falls = draw < bad
    event = falls | (draw > 0.65)
    event[:, 0] = True
    last = np.maximum.accumulate(np.where(event, np.arange(CYCLES), 0), axis=1)
    level = np.where(falls, rng.integers(0, 4, (count, CYCLES), np.uint8), 3)
    chosen: Matrix = LEVELS[np.take_along_axis(level, last, axis=1)]
    return chosen


def _bases(
    rng: np.random.Generator, fragment: Matrix, insert: NDArray[np.int64], mate: int, marks: Matrix
) -> Matrix:
    """A mate's bases: fragment, adapter behind it, errors, N, tails of G."""
    cycle = np.arange(CYCLES)
    adapter = np.frombuffer(ADAPTERS[mate].ljust(CYCLES, b"G"), np.uint8)
    behind = np.clip(cycle - insert[:, None], 0, CYCLES - 1)
    bases = np.where(cycle < insert[:, None], fragment, adapter[behind])
    tails = rng.random(len(bases)) < 0.004 * (1 + 2 * mate)
    begin = np.where(tails, rng.integers(0, CYCLES, len(bases)), CYCLES)
    bases = np.where(cycle >= begin[:, None], ord("G"), bases)
    wrong = rng.random(bases.shape, np.float32) < 10.0 ** (marks / -10.0)  # marks are unsigned
    places = np.nonzero(wrong)
    drawn = np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, len(places[0]))]
    unknown = (marks[places] == LEVELS[0]) & (rng.random(len(drawn)) < 0.3)
    bases[places] = np.where(unknown, ord("N"), drawn)
    return bases.astype(np.uint8)


def _records(
    first: int, spots: NDArray[np.int64], mate: int, bases: Matrix, marks: Matrix
) -> bytes:
    """FASTQ text; all names are equally long."""
    names = "".join(
        f"@A00627:18:HGV7TDSXX:1:{1101 + n // 5000 % 78}:{x:05d}:{y:05d} {mate + 1}:N:0:ATCACGTT\n"
        for n, (x, y) in enumerate(spots.tolist(), first)
    )
    count = len(bases)
    heads = np.frombuffer(names.encode(), np.uint8).reshape(count, -1)
    middle = np.broadcast_to(np.frombuffer(b"\n+\n", np.uint8), (count, 3))
    end = np.full((count, 1), ord("\n"), np.uint8)
    return np.hstack([heads, bases, middle, marks + 33, end]).tobytes()


def inputs_of(folder: Path) -> tuple[Path, Path]:
    """The generated files."""
    return folder / "in_R1.fastq", folder / "in_R2.fastq"


def generate(folder: Path, pairs: int, seed: int = 1) -> None:
    """Two files of paired reads: some 20 % with adapters, 8 % duplicates, from one seed."""
    rng = np.random.default_rng(seed)
    genome = _genome(rng)
    turned = COMPLEMENT[genome]
    paths = inputs_of(folder)
    with paths[0].open("wb") as one, paths[1].open("wb") as two:
        for first in range(0, pairs, BATCH):
            count = min(BATCH, pairs - first)
            insert = np.maximum(rng.normal(260, 90, count), 20).astype(np.int64)
            dimers = rng.random(count) < 0.01
            insert[dimers] = rng.integers(0, 20, int(dimers.sum()))
            start = rng.integers(1000, GENOME - 3000, count)
            again = np.flatnonzero(rng.random(count) < 0.08)
            source = np.maximum(again - rng.integers(1, 1000, len(again)), 0)
            insert[again], start[again] = insert[source], start[source]
            spots = rng.integers(1000, 32000, (count, 2))
            cycle = np.arange(CYCLES)
            ends = (start + insert - 1)[:, None] - cycle
            fragments = (genome[start[:, None] + cycle], turned[ends])
            for mate, file in enumerate((one, two)):
                marks = _qualities(rng, count, 1 + 0.8 * mate)
                bases = _bases(rng, fragments[mate], insert, mate, marks)
                file.write(_records(first, spots, mate, bases, marks))


def packed(paths: Sequence[Path]) -> list[Path]:
    """The files as gzip, one member each, as sequencers' software writes them."""
    jobs = []
    for path in paths:
        out = path.with_name(path.name + ".gz")
        with out.open("wb") as file:
            argv = ["gzip", "-4", "-c", str(path)]
            jobs.append((out, subprocess.Popen(argv, stdout=file)))
    for _, job in jobs:
        job.wait()
    return [out for out, _ in jobs]


# ---- runs


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one run."""

    wall: float
    cpu: float
    megabytes: float
    """Peak memory."""


def _environment() -> dict[str, str]:
    """As installed: Python may keep its compiled modules."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(ROOT)}


def apart(work: Callable[..., object], *args: object) -> None:
    """Do it in a process of its own: a child's peak memory begins with its parent's.

    Raises:
        SystemExit: It failed.
    """
    process = multiprocessing.get_context("fork").Process(target=work, args=args)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{work.__name__} failed")


def timed(argv: Sequence[str], folder: Path) -> Cost:
    """What a program costs.

    Raises:
        SystemExit: It failed.
    """
    begin = time.perf_counter()
    with (folder / "log.txt").open("wb") as log:
        child = subprocess.Popen(argv, cwd=folder, stdout=log, stderr=log, env=_environment())
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - begin
    if child.returncode:
        raise SystemExit(f"{' '.join(argv)}\n{(folder / 'log.txt').read_text()}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def ours(
    folder: Path,
    name: str,
    inputs: Sequence[Path],
    threads: int,
    level: int | None = None,
    *,
    steps: str = PRESETS["fastp-strict"],
) -> list[str]:
    """Our command line; writes the configuration."""
    text = steps.replace("sample_R1.fastq.gz", str(inputs[0])).replace(
        "sample_R2.fastq.gz", str(inputs[1])
    )
    text = text.replace('prefix = "sample"', f'prefix = "{name}"')
    if not inputs[0].name.endswith(".gz"):
        text = text.replace("fastq.gz", "fastq").replace('"Gzip"', '"Uncompressed"')
    elif level is not None:
        text = text.replace('"Gzip"', f'"Gzip"\ncompression_level = {level}')
    (folder / f"{name}.toml").write_text(text)
    program = [sys.executable, "-m", "deployments.cli", "reads", "process", f"{name}.toml"]
    return [*program, "--workers", str(threads), "--allow-overwrite"]


def fastp(inputs: Sequence[Path], threads: int) -> list[str]:
    """Fastp without options, but for the number of threads."""
    suffix = ".fastq.gz" if inputs[0].name.endswith(".gz") else ".fastq"
    files = ["-i", str(inputs[0]), "-I", str(inputs[1]), "-o", f"f1{suffix}", "-O", f"f2{suffix}"]
    return ["fastp", *files, "-w", str(threads), "-j", "f.json", "-h", "f.html"]


def cutadapt(inputs: Sequence[Path], threads: int) -> list[str]:
    """Quality, adapters, length, N; at its fastest compression, which is that of ours."""
    suffix = ".fastq.gz" if inputs[0].name.endswith(".gz") else ".fastq"
    adapters = ["-a", ADAPTERS[0][:33].decode(), "-A", ADAPTERS[1][:33].decode()]
    files = ["-o", f"c1{suffix}", "-p", f"c2{suffix}", *map(str, inputs)]
    limits = ["-q", "20", "-m", "15", "--max-n", "5", "-Z"]
    return ["cutadapt", "-j", str(threads), *adapters, *limits, *files]


def tell_limits(folder: Path, plain: Sequence[Path], gz: Sequence[Path]) -> None:
    """Print the seconds that inflating, deflating and copying take by themselves, on one core."""
    pack = compressor("gzip")

    def inflate() -> None:
        into = bytearray(MEGABYTE)
        for path in gz:
            with igzip.open(path, "rb") as file:  # type: ignore[no-untyped-call]
                while file.readinto(into):
                    pass

    def deflate() -> None:
        for path in plain:
            with path.open("rb") as file:
                while piece := file.read(MEGABYTE):
                    pack(piece)

    def copy() -> None:
        for path in plain:
            shutil.copyfile(path, folder / "copy")

    told = [f"{each.__name__} {_seconds(each):.2f}" for each in (inflate, deflate, copy)]
    print(f"limits (one core, s): {', '.join(told)}", flush=True)


def _seconds(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


# ---- comparison


def _digest(path: Path) -> bytes:
    """Of what is in the file, read piece by piece."""
    opened: Any = igzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[no-untyped-call]
    with opened as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def tell_same(folder: Path, name: str, suffix: str) -> None:
    """Print whether our output is fastp's."""
    same = all(
        _digest(folder / f"{name}_read{mate}{suffix}") == _digest(folder / f"f{mate}{suffix}")
        for mate in (1, 2)
    )
    print(f"output {'identical' if same else 'DIFFERS'}", flush=True)


def best(runs: Mapping[str, list[str]], folder: Path, rounds: int) -> dict[str, Cost]:
    """The cheapest of some rounds of each program, which take turns."""
    costs: dict[str, list[Cost]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, argv in runs.items():
            costs[name].append(timed(argv, folder))
    return {
        name: Cost(
            min(each.wall for each in found),
            min(each.cpu for each in found),
            max(each.megabytes for each in found),
        )
        for name, found in costs.items()
    }


def compare(folder: Path, inputs: Sequence[Path], threads: int, rounds: int) -> None:
    """Print what the programs cost on these files."""
    packed_input = inputs[0].name.endswith(".gz")
    runs = {"ours": ours(folder, "ours", inputs, threads)}
    if packed_input:
        runs["ours, libdeflate 4"] = ours(folder, "ours4", inputs, threads, 4)
    steps = CUTADAPT_STEPS.format(*(adapter[:33].decode() for adapter in ADAPTERS))
    runs["ours, as cutadapt"] = ours(folder, "oursc", inputs, threads, steps=steps)
    runs |= {"fastp": fastp(inputs, threads), "cutadapt": cutadapt(inputs, threads)}
    there = {name: argv for name, argv in runs.items() if shutil.which(argv[0])}
    found = best(there, folder, rounds)
    kind = "gz -> gz" if packed_input else "plain -> plain"
    print(f"\n{kind}, {threads} thread{'s'[: threads > 1]}, load {os.getloadavg()[0]:.1f}")
    print(f"{'':22}{'wall s':>8}{'CPU s':>8}{'MB':>7}{'/ fastp':>9}{'CPU':>7}{'/ cutadapt':>12}")
    for name, cost in found.items():
        told = [_ratio(cost.wall, found, "fastp", "wall"), _ratio(cost.cpu, found, "fastp", "cpu")]
        last = _ratio(cost.wall, found, "cutadapt", "wall")
        print(f"{name:22}{cost.wall:8.2f}{cost.cpu:8.2f}{cost.megabytes:7.0f}", end="")
        print(f"{told[0]:>9}{told[1]:>7}{last:>12}")
    if "fastp" in found:
        suffix = ".fastq.gz" if packed_input else ".fastq"
        apart(tell_same, folder, "ours", suffix)


def _ratio(value: float, found: Mapping[str, Cost], other: str, what: str) -> str:
    return f"{value / getattr(found[other], what):.2f}" if other in found else "-"


def main() -> None:
    """Generate, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--folder", type=Path, help="where there is room; it is not emptied")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as made:
        folder = Path(made)
        apart(generate, folder, 10)
        few = plain = inputs_of(folder)
        start = best({"start": ours(folder, "few", few, 1)}, folder, 3)["start"]
        apart(generate, folder, given.pairs)
        gz = packed(plain)
        sizes = sum(path.stat().st_size for path in plain) / MEGABYTE
        print(f"{given.pairs} pairs, {sizes:.0f} MB plain; {os.cpu_count()} cores")
        print(
            f"warm start {start.wall:.2f} s wall, {start.cpu:.2f} s CPU, {start.megabytes:.0f} MB"
        )
        apart(tell_limits, folder, plain, gz)
        for threads in given.threads:
            for inputs in (gz, plain):
                compare(folder, inputs, threads, given.rounds)
    print("\naims: wall / fastp <= 0.30 gz, <= 0.50 with libdeflate 4, <= 0.40 plain;", end=" ")
    print("ours as cutadapt / cutadapt <= 0.25; <= 250 MB; warm start <= 1.3 s")


if __name__ == "__main__":
    main()
