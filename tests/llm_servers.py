"""Language-model servers that we did not write, on loopback: llama.cpp, MiniStack, aimock.

llama.cpp serves a tiny model of random weights: noise, but real tokens, limits, grammars and
vectors. MiniStack speaks Amazon Bedrock's `Converse` and hands on to llama.cpp. aimock refuses to
order, on both wires.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
import pytest

from deployments.local import free_port
from tests.llama_server import write_tiny_model

LLAMA_KEY = "sk-llama-canary"
REGION = "us-east-1"
AIMOCK = Path(".seqloom/tools/aimock/node_modules/@copilotkit/aimock/dist/cli.js")
"""Where `setup.sh aimock` puts it."""
MOST_S = 60.0


@contextmanager
def _running(argv: Sequence[str], ready: str, log: Path, **environment: str) -> Iterator[None]:
    """A program, from when it answers at `ready` until it is ended."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            env={**os.environ, "HOME": str(log.parent), **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + MOST_S
        while not _answers(ready):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{argv[0]} did not start: {log.read_text(errors='replace')[-2_000:]}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code < 500
    except httpx.TransportError:
        return False


def _need(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"the package {module} is not installed")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a megabyte of random weights."""
    _need("gguf")
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    write_tiny_model(path)
    return path


@contextmanager
def _llama(model: Path, *options: str) -> Iterator[str]:
    _need("xllamacpp")
    port = free_port()
    argv = [sys.executable, "-m", "tests.llama_server", str(model), str(port), *options]
    log = model.parent / f"llama-{port}.log"
    with _running(argv, f"http://127.0.0.1:{port}/health", log):
        yield f"http://127.0.0.1:{port}/v1"


@pytest.fixture(scope="session")
def llama_chat(tiny_model: Path) -> Iterator[str]:
    """Base URL of chat; asks for `LLAMA_KEY`."""
    with _llama(tiny_model, "--key", LLAMA_KEY) as url:
        yield url


@pytest.fixture(scope="session")
def llama_embeddings(tiny_model: Path) -> Iterator[str]:
    """Base URL of embeddings; asks for no key."""
    with _llama(tiny_model, "--embeddings") as url:
        yield url


@pytest.fixture(scope="session")
def bedrock(tiny_model: Path) -> Iterator[str]:
    """Base URL of Bedrock Runtime as MiniStack has it, with a llama.cpp of its own behind it."""
    _need("ministack")
    port = free_port()
    here = f"http://127.0.0.1:{port}"
    program = str(Path(sys.executable).with_name("ministack"))
    with (
        _llama(tiny_model) as behind,
        _running(
            [program],
            f"{here}/_ministack/health",
            tiny_model.parent / "ministack.log",
            GATEWAY_PORT=str(port),
            BIND_HOST="127.0.0.1",
            MINISTACK_BEDROCK_PROXY_URL=behind.removesuffix("/v1"),
        ),
    ):
        yield here


@dataclass(frozen=True, slots=True)
class Mock:
    """aimock, and what it has seen."""

    url: str

    def seen(self) -> list[dict[str, object]]:
        """Requests so far, the oldest first."""
        entries: list[dict[str, object]] = httpx.get(f"{self.url}/__aimock/journal").json()
        return entries

    def disturb(self, **rates: float) -> None:
        """Let it fail at these rates; none: no longer."""
        place = f"{self.url}/__aimock/chaos"
        (httpx.post(place, json=rates) if rates else httpx.delete(place)).raise_for_status()


def _refusal(status: int, **more: object) -> dict[str, object]:
    error = {"message": f"refused with {status}", "type": "rate_limit_error"}
    return {"error": error, "status": status, **more}


SCRIPT = {
    "busy": [_refusal(429, retryAfter=1), _refusal(429), {"content": "at last"}],
    "down": [_refusal(503), {"content": "back again"}],
    "never": [_refusal(500)],
    "wrong": [_refusal(400)],
    "stranger": [_refusal(401)],
    "plain": [{"content": "hello"}],
    "form": [{"content": "nonsense"}],
}
REPAIR = "This does not have the form asked for"
"""How a second turn begins."""
"""Answers to a prompt that holds the word, the last one for ever; each test has its own words."""


def _fixtures() -> list[dict[str, object]]:
    repaired = {"content": '{"label": "good"}'}
    found: list[dict[str, object]] = [{"match": {"userMessage": REPAIR}, "response": repaired}]
    for word, answers in SCRIPT.items():
        for turn in ("openai", "bedrock"):
            said = f"{turn}: {word}"
            first = [
                {"match": {"userMessage": said, "sequenceIndex": n}, "response": answer}
                for n, answer in enumerate(answers[:-1])
            ]
            found += [*first, {"match": {"userMessage": said}, "response": answers[-1]}]
    return found


@pytest.fixture(scope="session")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    """A server that answers by `SCRIPT`."""
    node = shutil.which("node")
    if node is None or not AIMOCK.exists():
        pytest.skip("aimock is not installed; `deployments/setup.sh aimock` does it, with npm")
    folder = tmp_path_factory.mktemp("aimock")
    script = folder / "script.json"
    script.write_bytes(orjson.dumps({"fixtures": _fixtures()}))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    argv = [node, str(AIMOCK), "-p", str(port), "-f", str(script), "--strict"]
    with _running(argv, f"{url}/__aimock/journal", folder / "aimock.log"):
        yield Mock(url)
