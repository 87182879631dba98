"""Runs that the gateway takes in a minute, beside Prefect asked directly; none lost, none doubled.

    python tests/benchmarks/gateway.py [--seconds 30] [--threads 8] [--database URL]

Both get the same parameters, one after the other: Prefect from one thread, since on SQLite it
refuses (503) most of what several ask at once, the gateway from several. They share a Prefect
server of its own with a login and without a worker: SQLite, or the PostgreSQL database of
`--database postgresql+asyncpg://…`. Nothing is marked as late there, else Prefect is busy in the
second load with the runs of the first, which nobody takes. Each request to the gateway has an
Idempotency-Key; every tenth is sent three times at once. Answers of 429 and 503 are tried again
after their Retry-After. At the end the runs that Prefect has are compared with those that were
accepted. "server ms" and "gateway ms" are CPU time for each accepted run: they tell more than runs
a minute where a machine does other work as well.
"""

import argparse
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
LOGIN = "bench:correct-horse"
PARAMS = {
    "input": {"texts": ["one text", "another text"]},
    "nodes": [{"name": "cleaned", "uses": "clean"}],
}
BUSY = {0, 429, 502, 503}


@dataclass
class Tally:
    """What a load came to."""

    name: str
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    runs: dict[str, str] = field(default_factory=dict)
    """Run by idempotency key, as it was accepted."""
    differing: int = 0
    """Keys for which two different runs were told."""
    times_ms: list[float] = field(default_factory=list)
    server_s: float = 0.0
    """CPU time of Prefect's server."""
    gateway_s: float = 0.0
    """CPU time of the gateway."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, key: str, status: int, run: str | None, ms: float) -> None:
        with self.lock:
            self.statuses[status] += 1
            if run is not None:
                self.times_ms.append(ms)
                if self.runs.setdefault(key, run) != run:
                    self.differing += 1


@dataclass
class Load:
    """Threads that ask until the time is over; every tenth key is sent three times at once."""

    tally: Tally
    ask: Callable[[str], httpx.Response]
    until: float

    def once(self, key: str) -> None:
        """Until there is an answer that is final."""
        while True:
            at = time.monotonic()
            try:
                answer = self.ask(key)
            except httpx.TransportError:
                self.tally.take(key, 0, None, 0.0)
                time.sleep(0.5)
                continue
            ms = (time.monotonic() - at) * 1_000
            content = answer.json() if answer.is_success else {}
            self.tally.take(key, answer.status_code, content.get("run") or content.get("id"), ms)
            if answer.status_code not in BUSY:
                return
            time.sleep(float(answer.headers.get("Retry-After", 0.1)))

    def work(self) -> None:
        """One thread."""
        for number in itertools.count():
            if time.monotonic() > self.until:
                return
            key = uuid.uuid4().hex
            copies = 3 if number % 10 == 0 else 1
            together([partial(self.once, key)] * copies)


def together(calls: list[Callable[[], None]]) -> None:
    """All at once, in a thread each."""
    threads = [threading.Thread(target=call, daemon=True) for call in calls]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


def load(
    name: str,
    ask: Callable[[str], httpx.Response],
    threads: int,
    seconds: float,
    gateway: psutil.Process | None = None,
) -> Tally:
    """What so many threads came to in that time."""
    tally = Tally(name)
    began = time.monotonic()
    server_s, gateway_s = _cpu_s(gateway)
    together([Load(tally, ask, began + seconds).work] * threads)
    tally.seconds = time.monotonic() - began
    now = _cpu_s(gateway)
    tally.server_s, tally.gateway_s = now[0] - server_s, now[1] - gateway_s
    return tally


def _cpu_s(gateway: psutil.Process | None) -> tuple[float, float]:
    """CPU time so far of Prefect's server (what else this process started) and of the gateway."""
    server_s = gateway_s = 0.0
    for one in psutil.Process().children(recursive=True):
        used = sum(one.cpu_times()[:2])
        if one == gateway:
            gateway_s += used
        else:
            server_s += used
    return server_s, gateway_s


@contextmanager
def running_gateway(variables: dict[str, str]) -> Iterator[tuple[str, psutil.Process]]:
    """`seqloom gateway` on a free port; gives its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "deployments.cli", "gateway", "--port", "0"],
        env=variables,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[1], psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)


def known_runs(api: httpx.Client, tag: str) -> set[str]:
    """Ids of all runs with a tag, page by page."""
    found: set[str] = set()
    while True:
        asked = {"flow_runs": {"tags": {"all_": [tag]}}, "offset": len(found), "limit": 200}
        asked["sort"] = "ID_DESC"
        page = api.post("flow_runs/filter", json=asked).raise_for_status().json()
        found |= {one["id"] for one in page}
        if len(page) < 200:
            return found


def told(tally: Tally, known: set[str]) -> str:
    """A row of the table."""
    accepted = set(tally.runs.values())
    times = sorted(tally.times_ms) or [0.0]
    return (
        f"{tally.name:<22} {len(accepted):>6} {60 * len(accepted) / tally.seconds:>8.0f}"
        f" {times[len(times) // 2]:>8.0f} {times[int(len(times) * 0.95)]:>8.0f}"
        f" {1_000 * tally.server_s / max(1, len(accepted)):>9.0f}"
        f" {1_000 * tally.gateway_s / max(1, len(accepted)):>10.0f}"
        f" {sum(tally.statuses[one] for one in BUSY):>6}"
        f" {len(accepted - known):>6} {len(known - accepted) + tally.differing:>8}"
    )


def measure(prefect: Any, options: argparse.Namespace, folder: Path) -> None:
    """Load Prefect, then the gateway; print both."""
    from blocks.access_keys import AccessKeys
    from blocks.audit import Audit
    from tests.deployments.conftest import declare

    login = httpx.BasicAuth(*LOGIN.split(":"))
    api = httpx.Client(base_url=prefect.api, auth=login, timeout=60, follow_redirects=True)
    declare(api, ("graphs",))
    deployment = api.get("deployments/name/graphs/text").raise_for_status().json()["id"]

    def directly(key: str) -> httpx.Response:
        content = {"parameters": {"params": PARAMS}, "tags": ["direct"], "idempotency_key": key}
        content["enforce_parameter_schema"] = False
        return api.post(f"deployments/{deployment}/create_flow_run", json=content)

    folder = folder / "gateway"
    _, shown = AccessKeys(folder).make("bench", {"graphs": "999999/minute"})
    variables = {**prefect.environment, "SEQLOOM_GATEWAY": str(folder)}
    variables["PREFECT_API_AUTH_STRING"] = LOGIN
    tallies = [load("Prefect, 1 thread", directly, 1, options.seconds)]
    direct = known_runs(api, "direct")
    with running_gateway(variables) as (url, process):
        http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {shown}"}, timeout=120)

        def through(key: str) -> httpx.Response:
            headers = {"Idempotency-Key": key}
            return http.post("/v1/pipelines/graphs/runs", json={"params": PARAMS}, headers=headers)

        warm = through("warm-up").json()["run"]
        tallies += [
            load(
                f"gateway, {options.threads} threads",
                through,
                options.threads,
                options.seconds,
                process,
            )
        ]
    known = known_runs(api, "caller:bench")
    print(
        f"{'':<22} {'runs':>6} {'a minute':>8} {'p50 ms':>8} {'p95 ms':>8}"
        f" {'server ms':>9} {'gateway ms':>10} {'busy':>6} {'lost':>6} {'doubled':>8}"
    )
    first, second = tallies
    print(told(first, direct))
    print(told(second, known - {warm}))
    print(f"audit: {Audit(folder).verify().lines} lines, none changed, none missing")


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30, help="of each load")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--database", help="postgresql+asyncpg://… for Prefect; else SQLite")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # servers end with it
    os.environ["PREFECT_SERVER_API_AUTH_STRING"] = LOGIN
    os.environ["PREFECT_API_AUTH_STRING"] = LOGIN
    os.environ["PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED"] = "false"
    if options.database:
        os.environ["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = options.database
    with tempfile.TemporaryDirectory(prefix="seqloom-gateway-") as name:
        os.environ["PREFECT_HOME"] = f"{name}/prefect"
        from deployments.local import server

        with server(Path(name)) as prefect:
            measure(prefect, options, Path(name))


if __name__ == "__main__":
    main()
