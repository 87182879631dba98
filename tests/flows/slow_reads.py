"""Reads for runs, and a run that takes long enough to be ended in the middle."""

import json
import random
import time
from pathlib import Path

from blocks.settings import settings

STEPS = [
    {"action": "CutStart", "segment": "read1", "n": 3},
    {"action": "FilterEmpty", "segment": "read1"},
    {"action": "Report", "name": "after", "base_statistics": True},
]


def fastq(count: int, seed: int = 1, length: int = 30) -> str:
    """Records; every third has only three bases."""
    draw = random.Random(seed)
    parts = []
    for number in range(count):
        size = length if number % 3 else 3
        sequence = "".join(draw.choices("ACGT", k=size))
        quality = "".join(draw.choices("#5:?DI", k=size))
        parts.append(f"@r{number}\n{sequence}\n+\n{quality}\n")
    return "".join(parts)


def slow(tmp_path: Path, times: int = 1) -> dict:
    """Parameters of a run whose sample `big`, another one each time, takes some ten seconds."""
    (tmp_path / "small.fq").write_text(fastq(30, 7))
    text = fastq(80_000, time.time_ns() % 1_000_000, length=150) * times
    (tmp_path / "big.fq").write_text(text)
    rows = [f"{name},{tmp_path / name}.fq" for name in ("small", "big")]
    (tmp_path / "s.csv").write_text("\n".join(["sample,fastq_1", *rows]) + "\n")
    packed = {"prefix": "x", "compression": "Zstd", "compression_level": 22}
    (tmp_path / "c.json").write_text(json.dumps({"step": STEPS, "output": packed}))
    given = {"samplesheet": str(tmp_path / "s.csv")}
    return {"input": given, "configuration": str(tmp_path / "c.json"), "workers": 1}


def under_way() -> list[Path]:
    """Files of `big` that are being written."""
    return list(Path(settings().results, "reads", ".samples").glob("big-*/*.incomplete"))


def done_small() -> bool:
    folder = Path(settings().results, "reads", ".samples")
    return bool(list(folder.glob("small-*/SAMPLE.json")))
