"""What the graph engine costs beside the same functions in plain asyncio, and in Prefect.

    python tests/benchmarks/graphs.py [--repeat 5] [--json]

1. 10,000 short items through six functions with a join: CPU per item and node over that of the
   same functions called by a plain asyncio program that keeps its results. "engine" keeps nothing
   but its results; "run" also reads a file, keeps what every node made and writes its outputs.
   Each measurement is one turn of all; the medians count. (<= 60 µs)
2. 1,000 calls of 100 ms, 32 in flight, in a graph of three nodes: wall time over the 3.2 s that 31
   rounds of 32 and one of 8 take. (<= 1.10) "coroutine": a function that sleeps; "model":
   `generate` asks a server on loopback, a process of its own that speaks OpenAI's protocol, and
   nothing is answered by a cache; "plain": 32 workers around one `httpx.AsyncClient` ask that
   server, which tells what of it is HTTP and what the machine has left for it.
3. A run of some 30 s through Prefect, with a server of its own: the share of its wall time that the
   same run without Prefect does not take. (<= 20 %) Its nodes wait, as those that ask a service do;
   starting Python and importing Prefect are not in it, which a worker pays once for each run.

Figures of time depend on the machine; CPU is that of this process.
"""

import argparse
import asyncio
import json
import math
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ITEMS, NODES = 10_000, 6
CALLS, CALL_S, IN_FLIGHT = 1_000, 0.1, 32
LONG_ITEMS, LONG_S = 2_400, 0.05
"""Of the long run: 2,400 items in four nodes, 16 calls at once of 50 ms: 30 s."""


def clean(item: dict[str, Any]) -> dict[str, Any]:
    """Node 1."""
    return {**item, "text": item["text"].strip().lower()}


def words(item: dict[str, Any]) -> dict[str, Any]:
    """Node 2."""
    return {**item, "words": len(item["text"].split())}


def letters(item: dict[str, Any]) -> dict[str, Any]:
    """Node 3, beside 2 and 4."""
    return {**item, "letters": len(item["text"])}


def vowels(item: dict[str, Any]) -> dict[str, Any]:
    """Node 4."""
    return {**item, "vowels": sum(letter in "aeiou" for letter in item["text"])}


def joined(parts: dict[str, Any]) -> dict[str, Any]:
    """Node 5, the join."""
    return {**parts["words"], **parts["letters"], **parts["vowels"]}


def mark(item: dict[str, Any]) -> dict[str, Any]:
    """Node 6."""
    return {**item, "long": item["words"] > 3}


def texts() -> list[dict[str, Any]]:
    """Short items."""
    return [{"id": n, "text": f"  Some short text, number {n} "} for n in range(ITEMS)]


async def _plain(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    async def one(item: dict[str, Any]) -> dict[str, Any]:
        first = clean(item)

        async def call(function: Callable[..., Any]) -> dict[str, Any]:
            return dict(function(first))

        two, three, four = await asyncio.gather(call(words), call(letters), call(vowels))
        return mark(joined({"words": two, "letters": three, "vowels": four}))

    return [await one(item) for item in items]


def six_nodes() -> Any:
    """The functions as a graph."""
    from tasks.graphs.builder import graph, node

    branches = [node("words", words), node("letters", letters), node("vowels", vowels)]
    return graph(node("clean", clean) >> branches >> node("joined", joined) >> node("mark", mark))


def _cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def overhead(repeat: int, folder: Path) -> dict[str, Any]:
    """Part 1."""
    from tasks.graphs.inputs import opened
    from tasks.graphs.model import GraphInput, GraphParams
    from tasks.graphs.planning import Prepared
    from tasks.graphs.running import execute

    items, built = texts(), six_nodes()
    source = folder / "items.jsonl"
    source.write_text("".join(json.dumps(item) + "\n" for item in items))

    def whole_run() -> None:
        place = Path(tempfile.mkdtemp(dir=folder))
        given = GraphInput(source=str(source))
        params = GraphParams(input=given, graph="as built", refresh=True)
        ended = execute(Prepared(params, "six", built.compiled, opened(given), {}), place)
        assert ended.gathered.outputs == {"mark": ITEMS}

    plain, engine, run = [], [], []
    whole_run()  # makes the database
    for _ in range(repeat):
        plain.append(_cpu(lambda: asyncio.run(_plain(items))))
        engine.append(_cpu(lambda: built.run(items)))
        run.append(_cpu(whole_run))
    base = statistics.median(plain)
    return {
        "plain_us": round(base / ITEMS / NODES * 1e6, 2),
        "engine_over_plain_us": round((statistics.median(engine) - base) / ITEMS / NODES * 1e6, 2),
        "run_over_plain_us": round((statistics.median(run) - base) / ITEMS / NODES * 1e6, 2),
        "run_cpu_s": [round(one, 3) for one in run],
    }


def model_calls(repeat: int, folder: Path) -> dict[str, Any]:
    """Part 2."""
    from tasks.graphs.builder import graph, node

    async def ask(item: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(CALL_S)
        return {**item, "answer": "yes"}

    built = graph(
        node("clean", clean) >> node("ask", ask, concurrency=IN_FLIGHT) >> node("w", words)
    )
    items = texts()[:CALLS]
    ideal = math.ceil(CALLS / IN_FLIGHT) * CALL_S
    walls = []
    for _ in range(repeat):
        began = time.perf_counter()
        built.run(items)
        walls.append(time.perf_counter() - began)
    asked, plain, cpu = [], [], []
    for turn in range(repeat):
        wall, used = _asked(folder, turn)
        asked.append(wall)
        cpu.append(used)
        with _model() as url:
            began = time.perf_counter()
            asyncio.run(_plainly_asked(url))
            plain.append(time.perf_counter() - began)
    return {
        "ideal_s": ideal,
        "coroutine_s": [round(one, 3) for one in walls],
        "coroutine_over_ideal": round(statistics.median(walls) / ideal, 3),
        "model_s": [round(one, 3) for one in asked],
        "model_over_ideal": round(statistics.median(asked) / ideal, 3),
        "model_cpu_s": [round(one, 3) for one in cpu],
        "plain_s": [round(one, 3) for one in plain],
    }


def _serve(told: Any) -> None:
    """A model that takes its time, until the process is ended; each answer is one packet."""
    message = {"role": "assistant", "content": "yes"}
    usage = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}
    choices = [{"index": 0, "finish_reason": "stop", "message": message}]
    body = json.dumps({"object": "chat.completion", "choices": choices, "usage": usage}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    answer = f"{head}\r\n\r\n".encode() + body

    class Talk(asyncio.Protocol):
        """Takes one request at a time, as its clients send them; cheap, for it shares the cores."""

        def connection_made(self, transport: Any) -> None:
            self.transport, self.asked = transport, b""

        def data_received(self, data: bytes) -> None:
            self.asked += data
            head, _, sent = self.asked.partition(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            if length and len(sent) >= int(length):
                self.asked = b""
                asyncio.get_running_loop().call_later(CALL_S, self.transport.write, answer)

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Talk, "127.0.0.1", 0)
        told.put(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        await server.serve_forever()

    asyncio.run(serve())


@contextmanager
def _model() -> Iterator[str]:
    """A slow model's address."""
    spawn = multiprocessing.get_context("spawn")
    told: Any = spawn.Queue()
    process = spawn.Process(target=_serve, args=(told,), daemon=True)
    process.start()
    try:
        yield told.get(timeout=60)
    finally:
        process.terminate()
        process.join()


async def _plainly_asked(url: str) -> None:
    import httpx

    waiting = iter(texts()[:CALLS])
    limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:

        async def work() -> None:
            for item in waiting:
                message = {"role": "user", "content": item["text"]}
                body = {"model": "slow", "messages": [message], "max_tokens": 100}
                (await client.post("chat/completions", json=body)).json()

        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


def _asked(folder: Path, turn: int) -> tuple[float, float]:
    """Wall and CPU time of a run whose node `ask` is a language model's."""
    from tasks.graphs.model import GraphParams
    from tasks.graphs.planning import prepare
    from tasks.graphs.running import execute

    place = folder / f"asked-{turn}"
    place.mkdir()
    source = place / "items.jsonl"
    source.write_text("".join(json.dumps(item) + "\n" for item in texts()[:CALLS]))
    nodes = [
        {"name": "clean", "uses": "clean"},
        {
            "name": "ask", "uses": "generate", "needs": ["clean"],
            "with": {"prompt": "{{ text }}", "connection": "environment"},
        },
        {"name": "words", "uses": "tokenise", "needs": ["ask"], "with": {"field": "answer"}},
    ]  # fmt: skip
    given = {"input": {"source": str(source)}, "nodes": nodes, "refresh": True}
    with _model() as url:
        os.environ |= {
            "SEQLOOM_LLM_BASE_URL": url,
            "SEQLOOM_LLM_MODEL": "slow",
            "SEQLOOM_LLM_IN_FLIGHT": str(IN_FLIGHT),
        }
        run = prepare(GraphParams.model_validate(given))
        began, cpu = time.perf_counter(), time.process_time()
        ended = execute(run, place)
        wall, used = time.perf_counter() - began, time.process_time() - cpu
    assert ended.gathered.outputs == {"words": CALLS}, ended.gathered.errors[:3]
    return wall, used


@contextmanager
def _waiting_functions() -> Iterator[None]:
    """Functions that wait, under names that a declaration may use."""
    from tasks.graphs.functions import FUNCTIONS

    async def wait(item: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(LONG_S)
        return item

    FUNCTIONS["benchmark_wait"] = wait
    try:
        yield
    finally:
        del FUNCTIONS["benchmark_wait"]


def orchestration(folder: Path) -> dict[str, Any]:
    """Part 3."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from deployments.local import server
    from tasks.graphs.model import GraphParams
    from tasks.graphs.planning import prepare
    from tasks.graphs.running import execute

    def python(name: str, *needs: str) -> dict[str, Any]:
        settings = {"function": "benchmark_wait"}
        own = {"name": name, "uses": "python", "needs": needs, "with": settings}
        return {**own, "concurrency": 4}

    source = folder / "long.jsonl"
    source.write_text("".join(json.dumps(item) + "\n" for item in texts()[:LONG_ITEMS]))
    nodes = [python("a"), python("b", "a"), python("c", "a"), python("d", "b", "c")]
    given = {"input": {"source": str(source)}, "nodes": nodes, "refresh": True, "chunk": 20}
    params = GraphParams.model_validate(given)
    with _waiting_functions():
        began = time.perf_counter()
        place = folder / "without"
        place.mkdir()
        execute(prepare(params), place)
        without = time.perf_counter() - began
        with (
            server(folder / "server") as prefect,
            temporary_settings(updates={PREFECT_API_URL: prefect.api}),
        ):
            from flows.graphs import graphs

            began = time.perf_counter()
            graphs(params)
            wall = time.perf_counter() - began
    return {
        "without_prefect_s": round(without, 2),
        "with_prefect_s": round(wall, 2),
        "share": round(1 - without / wall, 3),
    }


def main() -> int:
    """Measure and print; exit status 1 where a figure is not met."""
    parser = argparse.ArgumentParser(description="what graphs cost")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seqloom-graphs-") as temporary:
        folder = Path(temporary)
        os.environ |= {
            "PREFECT_HOME": str(folder / "prefect"),
            "SEQLOOM_STORAGE": str(folder / "storage"),
            "SEQLOOM_RESULTS": str(folder / "results"),
            "SEQLOOM_DATABASE": f"sqlite:///{folder}/seqloom.db",
            "PREFECT_LOGGING_LEVEL": "WARNING",
            "DO_NOT_TRACK": "1",
        }
        figures = {
            "overhead": overhead(arguments.repeat, folder),
            "model calls": model_calls(arguments.repeat, folder),
            "orchestration": orchestration(folder),
        }
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        for name, values in figures.items():
            print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in values.items()))
    met = (
        figures["overhead"]["run_over_plain_us"] <= 60
        and figures["model calls"]["coroutine_over_ideal"] <= 1.10
        and figures["model calls"]["model_over_ideal"] <= 1.10
        and figures["orchestration"]["share"] <= 0.20
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    sys.exit(main())
