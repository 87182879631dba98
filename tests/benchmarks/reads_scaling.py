"""How a run grows with steps and workers, and what Prefect adds to a sample.

python tests/benchmarks/reads_scaling.py [--pairs 500000] [--samples 4]

Three tables: 0 to 20 equal steps on 1 and 2 workers, with nothing written; how busy the workers
are; and the same samples by the engine alone, one after the other, and as a run of `reads/process`
in a process of its own. Of the rounds the best counts.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tasks.reads.configuration import read_configuration  # noqa: E402
from tasks.reads.processing import Choices, process  # noqa: E402
from tests.benchmarks.reads import apart, best, generate, inputs_of, packed, timed  # noqa: E402

STEPS = (0, 5, 10, 20)
WORKERS = (1, 2)
STEP = """
[[step]]
action = "ReverseComplement"
segment = "read{}"
"""


def configured(folder: Path, name: str, inputs: Sequence[Path], steps: int, kind: str) -> Path:
    """A configuration of so many steps."""
    segments = "".join(f'read{n} = ["{path}"]\n' for n, path in enumerate(inputs, 1))
    body = "".join(STEP.format(1 + n % 2) for n in range(steps))
    path = folder / f"{name}.toml"
    output = f'\n[output]\nprefix = "{folder / name}"\nformat = "Fastq"\ncompression = "{kind}"\n'
    path.write_text(f"[input]\n{segments}{body}{output}")
    return path


def measured(path: Path, workers: int, *, written: bool) -> tuple[float, float]:
    """Wall and CPU seconds of the engine."""
    begin, used = time.perf_counter(), time.process_time()
    choices = Choices(workers=workers, benchmark=not written, allow_overwrite=True)
    process(read_configuration(path), choices)
    return time.perf_counter() - begin, time.process_time() - used


def tell_steps(folder: Path, inputs: Sequence[Path], rounds: int) -> None:
    """Print what steps and workers cost."""
    print(f"\n{'steps':>6}{'workers':>9}{'wall s':>8}{'CPU s':>8}{'busy':>7}{'CPU s per step':>16}")
    for workers in WORKERS:
        none = 0.0
        for steps in STEPS:
            path = configured(folder, "steps", inputs, steps, "Gzip")
            found = [measured(path, workers, written=steps == STEPS[-1]) for _ in range(rounds)]
            wall, cpu = min(found)
            none = none or cpu
            each = f"{(cpu - none) / steps:16.3f}" if 0 < steps < STEPS[-1] else f"{'':16}"
            note = " (written as gzip)" if steps == STEPS[-1] else ""
            told = f"{steps:6}{workers:9}{wall:8.2f}{cpu:8.2f}{cpu / wall / workers:7.0%}"
            print(f"{told}{each}{note}", flush=True)


def sheet_of(folder: Path, inputs: Sequence[Path], samples: int) -> Path:
    """Parameters of a run over so many samples, each with files of its own."""
    rows = ["sample,fastq_1,fastq_2"]
    for n in range(samples):
        mates = [folder / f"sample{n}_{mate}.fastq.gz" for mate in (1, 2)]
        for mate, path in zip(mates, inputs, strict=True):
            if not mate.exists():
                mate.hardlink_to(path)
        rows.append(f"sample{n},{mates[0]},{mates[1]}")
    sheet = folder / f"{samples}.csv"
    sheet.write_text("\n".join(rows) + "\n")
    steps = configured(folder, "samples", inputs, 4, "Gzip")
    params = folder / f"{samples}.yaml"
    params.write_text(
        f"input: {{samplesheet: {sheet}}}\nconfiguration: {steps}\nworkers: 1\nrefresh: true\n"
    )
    return params


def tell_prefect(folder: Path, inputs: Sequence[Path], samples: int, rounds: int) -> None:
    """Print what Prefect adds to samples, two of which are processed at once."""
    os.environ |= {"PREFECT_HOME": str(folder / "prefect"), "SEQLOOM_RESULTS": str(folder / "out")}
    seqloom = [sys.executable, "-m", "deployments.cli"]
    one, many = (sheet_of(folder, inputs, count) for count in (2, samples))
    alone = [*seqloom, "reads", "process", str(folder / "samples.toml")]
    engine = " ".join([*alone, "--workers", "1", "--allow-overwrite"])
    runs = {
        "engine, 2 at once": ["sh", "-c", f"{engine} & {engine.replace('samples', 'steps')}; wait"],
        "reads/process, 2 samples": [*seqloom, "run", "reads", str(one)],
        f"reads/process, {samples} samples": [*seqloom, "run", "reads", str(many)],
    }
    configured(folder, "steps", inputs, 4, "Gzip")
    timed([*seqloom, "run", "reads", str(one)], folder)  # the first one makes Prefect's database
    found = best(runs, folder, rounds)
    print(f"\n{'':26}{'wall s':>8}{'CPU s':>8}")
    for name, cost in found.items():
        print(f"{name:26}{cost.wall:8.2f}{cost.cpu:8.2f}")
    engine_wall, first, last = (cost.wall for cost in found.values())
    each = (last - first) / (samples - 2) - engine_wall / 2
    print(f"Prefect adds {each:.2f} s to each further sample, of which 2 run at once")


def main() -> None:
    """Generate, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=500_000)
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        apart(generate, folder, given.pairs)
        inputs = packed(inputs_of(folder))
        tell_steps(folder, inputs, given.rounds)
        tell_prefect(folder, inputs, given.samples, given.rounds)


if __name__ == "__main__":
    main()
