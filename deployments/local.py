"""A Prefect server and a process worker on this machine, for `make serve`, the demo and the tests.

Both listen on or speak to loopback only, keep their state under one folder, and end with the block
that started them. Nothing is written to the user's home.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from blocks.errors import ServiceError, ToolError
from blocks.locks import claimed

POOL = "local"
START_LIMIT_S = 300
STOP_LIMIT_S = 20
POLL_S = 0.25
STARTS = 3
"""Times that a server is started where its ports are taken meanwhile."""


@dataclass(frozen=True, slots=True)
class LocalPrefect:
    """A server that answers, and the environment in which commands speak to it."""

    url: str
    """Of the UI; the API lies at `/api` below it."""
    environment: Mapping[str, str]
    folder: Path

    @property
    def api(self) -> str:
        """Address of the API."""
        return f"{self.url}/api"

    def run(self, *arguments: str) -> str:
        """Run `prefect` with these arguments and return what it printed.

        Raises:
            ToolError: It exited non-zero.
        """
        done = subprocess.run(  # noqa: S603 -- our own interpreter, a list, no shell
            [*prefect_command(), *arguments],
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ToolError(f"prefect {arguments[0]}", done.returncode, done.stdout[-4_000:])
        return done.stdout


def prefect_command() -> list[str]:
    """How to start Prefect's command line in this environment."""
    return [sys.executable, "-m", "prefect"]


def environment(folder: Path, url: str) -> dict[str, str]:
    """Variables for the server, the worker and whoever speaks to them."""
    own = {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "SEQLOOM_STORAGE": str(folder / "storage"),
        "SEQLOOM_DATABASE": f"sqlite:///{folder / 'seqloom.db'}",
        "SEQLOOM_RESULTS": str(Path("results").absolute()),
        "SEQLOOM_DATA": str(Path.cwd()),
    }
    given = {name: value for name, value in os.environ.items() if name.startswith("SEQLOOM_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, **own, **given, "PATH": path}


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def server(folder: Path, port: int | None = None) -> Iterator[LocalPrefect]:
    """Start a server and wait until it answers; on another port where somebody took this one.

    Raises:
        ServiceError: It ended, or did not answer in time; the message says where its log lies.
    """
    for _ in range(STARTS):
        with _started(folder, port or free_port()) as prefect:
            if prefect is not None:
                yield prefect
                return
        port = None
    raise ServiceError("Prefect server", f"its ports are taken; see {folder / 'server.log'}")


@contextmanager
def _started(folder: Path, port: int) -> Iterator[LocalPrefect | None]:
    """A server that answers; None where its port was taken meanwhile."""
    url = f"http://127.0.0.1:{port}"
    variables = environment(folder, url)
    (folder / "prefect").mkdir(parents=True, exist_ok=True)
    arguments = ["server", "start", "--host", "127.0.0.1", "--port", str(port)]
    # The server's own processes must not take its address for that of another server.
    own = {name: value for name, value in variables.items() if name != "PREFECT_API_URL"}
    own["PREFECT_SERVER_UI_API_URL"] = f"{url}/api"  # else the pages ask the usual port
    # A name that the server tells among its settings and does nothing with: whoever else answers
    # on this port does not know it.
    name = f"seqloom.{uuid.uuid4().hex}"
    own["PREFECT_LOGGING_EXTRA_LOGGERS"] = name
    login = own.get("PREFECT_SERVER_API_AUTH_STRING")
    client = httpx.Client(
        base_url=url,
        timeout=5,
        auth=httpx.BasicAuth(*login.split(":", 1)) if login and ":" in login else None,
    )
    log = folder / "server.log"
    with client, ExitStack() as running:
        # two servers that make the database of a new folder at the same time break each other
        with claimed(folder / "starting.lock", lambda: None):
            process = running.enter_context(background(arguments, own, log))
            ours = _wait_for(client, name, process, log)
        yield LocalPrefect(url, variables, folder) if ours else None


@contextmanager
def worker(prefect: LocalPrefect, limit: int = 4) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process worker on the pool `local`, which is made if it is not there.

    It looks for runs more often than Prefect's usual ten seconds: somebody sits before it.
    """
    variables = {"PREFECT_WORKER_QUERY_SECONDS": "2", **prefect.environment}
    prefect.run("work-pool", "create", POOL, "--type", "process", "--overwrite")
    arguments = ["worker", "start", "--pool", POOL, "--type", "process", "--limit", str(limit)]
    with background(arguments, variables, prefect.folder / "worker.log") as process:
        yield process


@contextmanager
def background(
    arguments: Sequence[str], variables: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """`prefect` with these arguments in a process group of its own, which ends with the block."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 -- our own interpreter, a list, no shell
            [*prefect_command(), *arguments],
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group: politely first, then for good."""
    for signal_ in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signal_)
            process.wait(STOP_LIMIT_S)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
        else:
            break
    process.wait()


def _wait_for(client: httpx.Client, name: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    """Wait until the server of this name answers; False: it ended, and another one answers."""
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        try:
            said = client.get("/api/admin/settings")
        except httpx.TransportError:
            said = None
        if said is not None and said.is_success and name in said.text and not ended:
            return True
        if ended:
            if said is not None:
                return False
            raise ServiceError("Prefect server", f"ended with {process.returncode}; see {log}")
        time.sleep(POLL_S)
    raise ServiceError("Prefect server", f"no answer after {START_LIMIT_S} s; see {log}")


def deploy(prefect: LocalPrefect, *deployments: str) -> str:
    """Register these deployments of `prefect.yaml`, such as `design/quickstart`; all if none.

    Each takes a second or two.

    Returns:
        What the command printed.
    """
    names = [option for one in deployments for option in ("--name", one.rsplit("/", 1)[-1])]
    return prefect.run("--no-prompt", "deploy", *(names or ["--all"]))


def register_blocks(prefect: LocalPrefect) -> str:
    """Let the server know our kinds of blocks, so that its UI has a form for each."""
    modules = ("blocks.biolm", "blocks.llm")
    return "".join(prefect.run("block", "register", "--module", name) for name in modules)


@contextmanager
def announced(prefect: LocalPrefect) -> Iterator[None]:
    """Leave a note for as long as the block runs, so that others find the server."""
    note = prefect.folder / "serving.json"
    note.write_text(json.dumps({"url": prefect.url, "pid": os.getpid()}))
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def serving(folder: Path) -> LocalPrefect | None:
    """The server that `make serve` runs from this folder, if it answers."""
    try:
        url = json.loads((folder / "serving.json").read_text())["url"]
        httpx.get(f"{url}/api/health", timeout=5).raise_for_status()
    except (OSError, ValueError, KeyError, httpx.HTTPError):
        return None
    return LocalPrefect(url, environment(folder, url), folder)


def forget(folder: Path) -> None:
    """Remove everything that servers, runs and caches left under `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
