"""What our BioLM client, and a stage on top of it, cost beside plain httpx on the same batches.

    python tests/benchmarks/biolm_client.py [--repeat 7] [--large] [--json]

All of it speaks to the server of `tests/biolm_server.py` on loopback, a process of its own, whose
CPU is not counted. Proteins of 200 residues go out in batches of 32. "plain" is as many workers as
requests in flight around one pooled `httpx.AsyncClient`, with orjson, without compression, retries
or checks. Three parts, of which `--large` measures the second one only:

1. 1,000 sequences, 100 ms per batch, 5 in flight, so that 0.70 s is the least. plain, client and
   stage take turns in one process. Plain and client are connected and know the batch size when the
   clock starts; the stage starts its client, reads its items, looks into the store (another key
   each time; the tables and the items are there), asks, writes, reads back and writes its columns.
2. 100,000 sequences, 5 ms, 16 in flight, so that CPU decides; each measurement is a process of its
   own, in turns. Client and plain take what they ask from a generator. Memory is the peak of the
   process; the stages show what of it grows with the number of items.
3. What throttling costs, and what one bad residue costs.
"""

import argparse
import asyncio
import gc
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Final
from unittest import mock

import httpx
import numpy as np
import orjson

Figures = dict[str, Any]
Items = Iterator[dict[str, str]]

REPOSITORY = Path(__file__).resolve().parents[2]
LENGTH, BATCH = 200, 32
LETTERS = np.frombuffer(b"ACDEFGHIKLMNPQRSTVWY", np.uint8)
MODEL, KEY = "temberture", "melting_temperature"
ACTION: Final = "predict"
DIMENSION = 1_280
SMALL, SMALL_LATENCY_S, SMALL_IN_FLIGHT = 1_000, 0.1, 5
LARGE_LATENCY_S, LARGE_IN_FLIGHT, LARGE_TURNS = 0.005, 16, 3
UNPACED = 10_000.0
"""Requests per second; the schema's 1,000 would be the limit of the large runs."""
OUTAGE_S = 1.0
GROWTH = {
    "client": (10_000, 100_000),
    "stage": (10_000, 50_000, 100_000),
    "embeddings": (2_000, 10_000, 20_000),
}
"""Sequences of the runs whose memory is compared. Stages hold up to 32,768 items at once, or up to
4,096 with vectors, which the smallest runs do not fill."""


@dataclass(frozen=True)
class Given:
    """What one measurement is about."""

    url: str
    folder: Path
    count: int
    in_flight: int
    repeat: int = 1


@contextmanager
def timed() -> Iterator[Figures]:
    """Seconds, CPU seconds (user + system) and peak memory of the block, filled at its end."""
    figures: Figures = {}
    gc.collect()
    before, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    yield figures
    figures["wall"] = time.perf_counter() - wall
    after = resource.getrusage(resource.RUSAGE_SELF)
    figures["cpu"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    figures["peak_mib"] = after.ru_maxrss / 1024


def sequences(count: int, seed: int = 1) -> Iterator[str]:
    """Random proteins, made a few at a time."""
    rng = np.random.default_rng(seed)
    for start in range(0, count, 1_024):
        size = min(1_024, count - start)
        yield from (
            row.tobytes().decode() for row in LETTERS[rng.integers(20, size=(size, LENGTH))]
        )


def items_of(count: int) -> Items:
    """The same as items of requests."""
    return ({"sequence": text} for text in sequences(count))


class Sum:
    """What came back, without keeping it."""

    def __init__(self) -> None:
        self.answers = 0
        self.lost = 0
        self.value = 0.0

    def add(self, answers: "list[Any]") -> None:
        """Take the answers to one batch, None where there is none."""
        good = [answer[KEY] for answer in answers if answer is not None]
        self.answers += len(good)
        self.lost += len(answers) - len(good)
        self.value += sum(good)


# ------------------------------------------------------------------------------- the three ways


async def plainly(url: str, items: Items, in_flight: int, *, opened: httpx.AsyncClient) -> Sum:
    """All answers by httpx alone; a batch that is throttled is sent again at once."""
    found, path = Sum(), f"{url}/api/v3/{MODEL}/{ACTION}/"

    async def worker() -> None:
        while batch := list(islice(items, BATCH)):
            content, headers = orjson.dumps({"items": batch}), {"Content-Type": "application/json"}
            response = await opened.post(path, content=content, headers=headers)
            while response.status_code == 429:
                response = await opened.post(path, content=content, headers=headers)
            found.add(orjson.loads(response.content).get("results") or [None] * len(batch))

    await asyncio.gather(*(worker() for _ in range(in_flight)))
    return found


async def measure_plain(given: Given) -> tuple[Figures, Sum]:
    """Plain httpx, its client made before the clock starts."""
    async with httpx.AsyncClient(timeout=60) as http:
        with timed() as figures:
            found = await plainly(given.url, items_of(given.count), given.in_flight, opened=http)
    return figures, found


async def measure_client(
    given: Given, items: Items | None = None, per_second: float | None = None
) -> tuple[Figures, Sum]:
    """Our client; it knows the limits when the clock starts."""
    from blocks.biolm_calls import Call
    from blocks.biolm_client import BioLMClient

    found, call = Sum(), Call(MODEL, ACTION, per_second=per_second)
    async with BioLMClient(connection(given)) as client:
        await client.limits(call)
        requests = client.traffic.requests
        with timed() as figures:
            async with aclosing(client.ask(call, items or items_of(given.count))) as batches:  # type: ignore[type-var]
                async for _, answered in batches:
                    found.add(list(answered.answers))
        figures["requests"] = client.traffic.requests - requests
    return figures, found


def connection(given: Given) -> Any:
    """The server as our code knows it."""
    from blocks.biolm_calls import Connection

    return Connection(f"{given.url}/api/v3", in_flight=given.in_flight)


def measure_stage(given: Given, version: str, **settings: object) -> tuple[Figures, Any]:
    """A predict stage with the store, as a flow calls it; and its result."""
    from tasks.design import remote_stages
    from tasks.design.model import PredictStage
    from tasks.items import StageResult

    with_ = {
        "kind": "biolm",
        "model": MODEL,
        "columns": [{"name": "tm", "key": KEY}],
        "version": version,
        "requests_per_second": UNPACED,
        **settings,
    }
    stage = PredictStage.model_validate(
        {"name": "remote", "uses": "predict", "needs": ["library"], "with": with_}
    )
    library = StageResult.model_validate_json((given.folder / f"{given.count}.json").read_bytes())
    connected = mock.patch.object(remote_stages, "connection_of", return_value=connection(given))
    with connected, timed() as figures:
        result = remote_stages.predict_remotely.fn(stage, [library], stop_on_error=False)
    assert result.counts.computed == result.counts.items_out == given.count
    return figures, result


# ------------------------------------------------------------------------------ the measurements


def prepare(given: Given) -> Figures:
    """The items of the stages, and the database with its tables."""
    from blocks.database import engine
    from blocks.storage import refer
    from tasks.design.model import SequenceInput
    from tasks.design.stages import load_input

    engine()
    fasta = given.folder / f"{given.count}.fasta"
    with fasta.open("w") as file:
        file.writelines(f">s{n}\n{text}\n" for n, text in enumerate(sequences(given.count)))
    source = SequenceInput(source=str(fasta))
    result = load_input.fn(source=refer(str(fasta)), given=source, taken=[], gaps=False)
    (given.folder / f"{given.count}.json").write_text(result.model_dump_json())
    return {}


def take_turns(given: Given) -> Figures:
    """The three ways one after the other, again and again; the first turn is not counted."""
    from tasks.items import load

    found: dict[str, list[Figures]] = {"plain": [], "client": [], "stage": []}
    for turn in range(given.repeat + 1):
        plain, expected = asyncio.run(measure_plain(given))
        client, ours = asyncio.run(measure_client(given))
        stage, result = measure_stage(given, f"turn {turn}", requests_per_second=None)
        stored = float(load(result.items, ["tm"])["tm"].sum())
        assert expected.answers == ours.answers == given.count
        assert math.isclose(expected.value, ours.value)
        assert math.isclose(expected.value, stored)
        for name, figures in (("plain", plain), ("client", client), ("stage", stage)):
            if turn:
                found[name].append(figures)
    return found


def large_plain(given: Given) -> Figures:
    """Many sequences through httpx."""
    figures, found = asyncio.run(measure_plain(given))
    assert found.answers == given.count
    return figures


def large_client(given: Given) -> Figures:
    """Many sequences through our client."""
    figures, found = asyncio.run(measure_client(given, per_second=UNPACED))
    assert found.answers == given.count
    return figures


def large_items(given: Given) -> Figures:
    """What making the sequences costs, which plain and client do alike."""
    with timed() as figures:
        items = items_of(given.count)
        while list(islice(items, BATCH)):
            pass
    return figures


def large_stage(given: Given) -> Figures:
    """Many sequences through a stage with the store."""
    return measure_stage(given, "large")[0]


def large_embeddings(given: Given) -> Figures:
    """Embeddings through a stage with the store; the answers hold two layers each."""
    vector = {"name": "embedding", "key": "embeddings.embedding", "holds": "vector"}
    encode = {"model": "esm2-8m", "action": "encode", "params": {"dimension": DIMENSION}}
    return measure_stage(given, "large", **encode, columns=[vector])[0]


def faults(given: Given) -> Figures:
    """What throttling and bad residues cost, with a server in this process that plays them."""
    from tests.biolm_script import throttled
    from tests.biolm_server import BioLMServer

    texts = list(sequences(given.count))
    broken = texts[40][:-1] + "X"

    def play(ours: bool, act: Callable[[BioLMServer], object], *, bad: bool = False) -> Figures:
        with BioLMServer() as server:
            server.script.latency_s = SMALL_LATENCY_S
            act(server)
            setting = Given(server.url, given.folder, given.count, given.in_flight)
            asked = [broken if bad and text is texts[40] else text for text in texts]
            items: Items = ({"sequence": text} for text in asked)
            if ours:
                figures, found = asyncio.run(measure_client(setting, items))
            else:
                figures, found = asyncio.run(plain_on(setting, items))
            assert found.answers + found.lost == given.count
            statuses = server.seen.statuses
            return {
                "requests": sum(server.seen.requests.values()),
                "throttled": statuses[429],
                "wall": figures["wall"],
                "lost": found.lost,
            }

    def three_times(server: BioLMServer) -> None:
        server.script.next(*[throttled("1")] * 3)

    def for_a_second(server: BioLMServer) -> None:
        def close() -> None:
            server.script.outage = throttled("1")
            threading.Timer(OUTAGE_S, setattr, (server.script, "outage", None)).start()

        threading.Timer(0.25, close).start()

    def unnamed(server: BioLMServer) -> None:
        server.script.items[texts[40]] = "unnamed"

    cases: dict[str, Callable[[bool], Figures]] = {
        "nothing happens": partial(play, act=lambda server: None),
        "3 x 429, Retry-After 1": partial(play, act=three_times),
        "429 to all for 1 s": partial(play, act=for_a_second),
        "bad residue, item named": partial(play, act=lambda server: None, bad=True),
        "bad residue, nobody named": partial(play, act=unnamed),
    }
    return {name: {"plain": run(False), "client": run(True)} for name, run in cases.items()}


async def plain_on(given: Given, items: Items) -> tuple[Figures, Sum]:
    """Plain httpx with these items."""
    async with httpx.AsyncClient(timeout=60) as http:
        with timed() as figures:
            found = await plainly(given.url, items, given.in_flight, opened=http)
    return figures, found


MEASUREMENTS: Mapping[str, Callable[[Given], Figures]] = {
    "prepare": prepare,
    "turns": take_turns,
    "items": large_items,
    "plain": large_plain,
    "client": large_client,
    "stage": large_stage,
    "embeddings": large_embeddings,
    "faults": faults,
}


# --------------------------------------------------------------------------------- the processes


@contextmanager
def serving(latency_s: float) -> Iterator[str]:
    """URL of a server in a process of its own."""
    argv = ["-m", "tests.biolm_server", "--latency", str(latency_s), "--batch", str(BATCH)]
    process = subprocess.Popen(
        [sys.executable, *argv], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


def in_own_process(name: str, given: Given) -> Figures:
    """Figures of one measurement, with the load of the machine before it."""
    load = os.getloadavg()[0]
    hidden = ("SEQLOOM_", "PREFECT_", "BIOLM")
    own = {
        "SEQLOOM_STORAGE": str(given.folder / "storage"),
        "SEQLOOM_DATABASE": f"sqlite:///{given.folder / 'seqloom.db'}",
        "PREFECT_HOME": str(given.folder / "prefect"),
        "PYTHONPATH": str(REPOSITORY),
    }
    options = [
        part
        for option, value in asdict(given).items()
        for part in (f"--{option.replace('_', '-')}", str(value))
    ]
    done = subprocess.run(
        [sys.executable, __file__, "--measure", name, *options],
        env={name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        | own,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures | {"load": load}


def measure_small(folder: Path, repeat: int) -> Figures:
    """Part 1."""
    with serving(SMALL_LATENCY_S) as url:
        given = Given(url, folder, SMALL, SMALL_IN_FLIGHT, repeat)
        in_own_process("prepare", given)
        return in_own_process("turns", given)


def measure_large(folder: Path) -> dict[str, list[Figures]]:
    """Part 2: measurement and number of sequences -> figures, one per process."""
    turns: list[tuple[str, int]] = [
        *[("items", 100_000)],
        *[("plain", 100_000), ("client", 100_000)] * (LARGE_TURNS - 1),
        ("plain", 100_000),
        *[(name, count) for name, counts in GROWTH.items() for count in counts],
    ]
    found: dict[str, list[Figures]] = {}
    for name, count in turns:
        # a server with its own memory of answers, and an empty store, for each
        with serving(LARGE_LATENCY_S) as url, tempfile.TemporaryDirectory(dir=folder) as own:
            given = Given(url, Path(own), count, LARGE_IN_FLIGHT)
            if name in {"stage", "embeddings"}:
                in_own_process("prepare", given)
            found.setdefault(f"{name} {count:,}", []).append(in_own_process(name, given))
    return found


# ------------------------------------------------------------------------------------ the tables


def table(head: list[str], rows: list[list[object]]) -> None:
    """Print a table as Markdown."""
    texts = [head, *([f"{c:.2f}" if isinstance(c, float) else str(c) for c in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    texts.insert(1, ["-" * width for width in widths])
    for row in texts:
        print("| " + " | ".join(t.ljust(w) for t, w in zip(row, widths, strict=True)) + " |")


def show_small(figures: Figures) -> None:
    """Print part 1."""
    waves = math.ceil(math.ceil(SMALL / BATCH) / SMALL_IN_FLIGHT)
    print(
        f"\n{SMALL:,} sequences, {BATCH} per batch, {SMALL_LATENCY_S * 1_000:.0f} ms, "
        f"{SMALL_IN_FLIGHT} in flight: at least {waves * SMALL_LATENCY_S:.2f} s; "
        f"{len(figures['plain'])} turns, load {figures['load']:.1f}\n"
    )
    median = {
        name: {key: statistics.median(one[key] for one in figures[name]) for key in ("wall", "cpu")}
        for name in ("plain", "client", "stage")
    }
    aims = {"plain": "", "client": "<= 1.10", "stage": "<= 1.5"}
    rows: list[list[object]] = [
        [
            *(name, one["wall"], min(turn["wall"] for turn in figures[name])),
            *(f"{one['cpu']:.3f}", one["wall"] / median["plain"]["wall"], aims[name]),
        ]
        for name, one in median.items()
    ]
    table(["", "s, median", "s, least", "CPU s, median", "x plain", "aim"], rows)


def show_large(found: dict[str, list[Figures]]) -> None:
    """Print part 2."""
    print(
        f"\nMany sequences, {BATCH} per batch, {LARGE_LATENCY_S * 1_000:.0f} ms, "
        f"{LARGE_IN_FLIGHT} in flight; medians, each measurement in a process of its own\n"
    )
    rows: list[list[object]] = []
    for name, runs in found.items():
        count = int(name.split()[1].replace(",", ""))
        one = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        us = f"{one['cpu'] / count * 1e6:.1f}"
        rows.append(
            [name, len(runs), one["wall"], us, f"{one['peak_mib']:.0f}", f"{one['load']:.1f}"]
        )
    table(["", "runs", "s", "CPU us/sequence", "peak MiB", "load"], rows)
    print("\nPeak memory\n")

    def peak(name: str) -> float:
        return float(statistics.median(run["peak_mib"] for run in found[name]))

    for name, counts in GROWTH.items():
        for few, many in pairwise(counts):
            more = peak(f"{name} {many:,}") - peak(f"{name} {few:,}")
            each = more * 2**20 / (many - few)
            print(f"- {name}, {few:,} to {many:,}: {more:+.0f} MiB, {each:.0f} bytes per sequence")


def show_faults(figures: Figures) -> None:
    """Print part 3."""
    print(
        f"\n{SMALL:,} sequences as in the first table, and what the server does; "
        "plain sends what was throttled again at once\n"
    )
    usual = figures["nothing happens"]
    rows: list[list[object]] = [
        [
            *(case, way, one["requests"], one["requests"] - usual[way]["requests"]),
            *(one["throttled"], one["wall"], one["lost"]),
        ]
        for case, ways in figures.items()
        if isinstance(ways, dict)
        for way, one in ways.items()
    ]
    table(["", "", "requests", "extra", "refused with 429", "s", "rows lost"], rows)


def main() -> None:
    """Measure and print."""
    about = f"{__doc__.splitlines()[0]} It takes 2 to 5 minutes." if __doc__ else ""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--repeat", type=int, default=7, help="turns of the first part")
    parser.add_argument("--large", action="store_true", help="only the runs with many sequences")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.add_argument("--measure", choices=MEASUREMENTS, help=argparse.SUPPRESS)
    for option, kind in (("url", str), ("folder", Path), ("count", int), ("in-flight", int)):
        parser.add_argument(f"--{option}", type=kind, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        given = Given(options.url, options.folder, options.count, options.in_flight, options.repeat)
        print(json.dumps(MEASUREMENTS[options.measure](given)))
        return
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="seqloom-benchmark-") as name:
        folder = Path(name)
        if not options.large:
            found["small"] = measure_small(folder, options.repeat)
            found["faults"] = in_own_process("faults", Given("", folder, SMALL, SMALL_IN_FLIGHT))
            if not options.json:
                show_small(found["small"])
                show_faults(found["faults"])
                print("\nMany sequences, some minutes ...", flush=True)
        found["large"] = measure_large(folder)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show_large(found["large"])


if __name__ == "__main__":
    main()
