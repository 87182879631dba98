"""A BioLM service of our own on loopback: both dialects, checkable answers, faults to order.

    with BioLMServer() as server:
        server.script.latency_s = 0.1                       # how it behaves, changed while it runs
        server.script.next(throttled("1"), "reset")         # the next two requests
        server.script.items["MKX"] = "crash"                # each batch that holds this item
        httpx.post(f"{server.url_v3}/esm2-8m/score/", json={"items": [{"sequence": "MKV"}]})
        server.seen.requests                                # Counter({"esm2-8m/score": 1})

`answer(endpoint, item, params)` is what the server says of an item; it depends on nothing else.
As a program for benchmarks: `python -m tests.biolm_server --port 0 --latency 0.1 --batch 32`.
"""

import argparse
import asyncio
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest

from tests.biolm_script import Script, Seen
from tests.biolm_service import Service, abort

_ports_seen: set[int] = set()
"""Of servers of this process. Answers are stored under host and port: a second server on one port
would seem to have answered already."""


def _listener(port: int) -> socket.socket:
    """A listening socket on that port; 0: on one that no server of this process had before."""
    while True:
        # asyncio sends at once (TCP_NODELAY) only where the socket knows its protocol
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        given = listener.getsockname()[1]
        if port or given not in _ports_seen:
            _ports_seen.add(given)
            listener.listen(1024)
            return listener
        listener.close()


class BioLMServer:
    """The service in a thread, on a free port of 127.0.0.1.

    Args:
        http2: With TLS and HTTP/2; certificate in `ca_file`, for `SSL_CERT_FILE` or `client_tls()`.
    """

    def __init__(self, *, port: int = 0, http2: bool = False, every_call: bool = True) -> None:
        self.port = port
        self.http2 = http2
        self.script = Script()
        self.seen = Seen(every_call=every_call)
        self.service = Service(self.script, self.seen)
        self.ca_file: Path | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    @property
    def url(self) -> str:
        """Where it is, without a path."""
        return f"http{'s' * self.http2}://127.0.0.1:{self.port}"

    @property
    def url_v3(self) -> str:
        """Base URL of the hosted dialect."""
        return f"{self.url}/api/v3"

    @property
    def url_hub(self) -> str:
        """Base URL of the self-hosted dialect."""
        return f"{self.url}/api/v1"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        if self._folder is not None:
            self._folder.cleanup()

    def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        listener = _listener(self.port)
        self.port = listener.getsockname()[1]
        if self.http2 and self.ca_file is None:
            self._certify()
        ready = threading.Event()
        serve = self._serve_http2 if self.http2 else self._serve
        self._thread = threading.Thread(
            target=lambda: asyncio.run(serve(listener, ready)), name="biolm-server", daemon=True
        )
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError("the server did not start")

    def stop(self) -> None:
        """End as a killed server does: open connections are reset, requests forgotten."""
        if self._thread is None or self._loop is None or self._stop is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        if self._thread.is_alive():
            raise RuntimeError("the server did not stop")
        self._thread = None

    def client_tls(self) -> ssl.SSLContext:
        """What an httpx client needs as `verify=` to trust this server."""
        return ssl.create_default_context(cafile=self.ca_file)

    def _certify(self) -> None:
        import trustme

        self._folder = tempfile.TemporaryDirectory(prefix="seqloom-biolm-")
        authority, folder = trustme.CA(), Path(self._folder.name)
        self.ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        pair = authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem
        pair.write_to_path(str(folder / "server.pem"))

    async def _serve(self, listener: socket.socket, ready: threading.Event) -> None:
        """HTTP/1.1 by uvicorn's protocol, without its signals and its leave-taking."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(_protocol(self.service), sock=listener)
        ready.set()
        await self._stop.wait()
        server.close()
        for transport in list(self.service.transports.values()):
            abort(transport)
        await asyncio.sleep(0)  # the connections learn of it
        self.service.transports.clear()
        self.seen.connections = 0

    async def _serve_http2(self, listener: socket.socket, ready: threading.Event) -> None:
        from hypercorn.asyncio import serve
        from hypercorn.config import Config

        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        config = Config()
        config.bind = [f"fd://{listener.detach()}"]
        pem = str(Path(self._folder.name) / "server.pem") if self._folder else None
        config.certfile = config.keyfile = pem
        config.errorlog = config.accesslog = None
        config.graceful_timeout = config.shutdown_timeout = 0.1
        ready.set()  # the socket listens: who comes now is served in a moment
        app: Any = self.service
        await serve(app, config, shutdown_trigger=self._stop.wait, mode="asgi")


def _protocol(service: Service) -> Callable[[], asyncio.Protocol]:
    """Uvicorn's HTTP/1.1, which tells `service` of every connection."""
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    config = Config(
        app=service,
        interface="asgi3",
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="critical",
        access_log=False,
        timeout_keep_alive=60,
    )
    config.load()
    base: Any = config.http_protocol_class

    class Watched(base):  # type: ignore[misc]
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            service.transports[tuple(self.client)] = transport
            service.seen.connections = len(service.transports)

        def connection_lost(self, exc: Exception | None) -> None:
            service.transports.pop(tuple(self.client), None)
            service.seen.connections = len(service.transports)
            super().connection_lost(exc)

    return partial(Watched, config=config, server_state=ServerState(), app_state={})


@pytest.fixture
def biolm_server() -> Iterator[BioLMServer]:
    """A fresh service, over HTTP/1.1."""
    with BioLMServer() as server:
        yield server


@pytest.fixture
def http2_server() -> Iterator[BioLMServer]:
    """A fresh service, over HTTP/2 with TLS; needs `hypercorn` and `trustme`."""
    with BioLMServer(http2=True) as server:
        yield server


def main() -> None:
    """Serve until killed; the first line printed is the port."""
    parser = argparse.ArgumentParser(description="a BioLM service for benchmarks")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--latency", type=float, default=0.0, help="of each batch [s]")
    parser.add_argument("--batch", type=int, default=32, help="most items per request")
    options = parser.parse_args()
    server = BioLMServer(port=options.port, every_call=False)
    server.script.latency_s, server.script.batch_size = options.latency, options.batch
    server.start()
    print(server.port, flush=True)  # noqa: T201 -- whoever started it reads this
    threading.Event().wait()


if __name__ == "__main__":
    main()
