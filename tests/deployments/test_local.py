"""The server that `make serve` and the demo start."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from blocks.errors import ServiceError
from deployments import local


@pytest.mark.engine
def test_the_pages_of_the_ui_ask_their_own_server(prefect_server):
    settings = httpx.get(f"{prefect_server.url}/ui-settings").json()

    assert settings["api_url"] == prefect_server.api


OURS = """
import os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Settings(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["PREFECT_LOGGING_EXTRA_LOGGERS"].encode())
try:
    server = HTTPServer(("127.0.0.1", int(sys.argv[-1])), Settings)
except OSError:
    sys.exit(1)
server.serve_forever()
"""
"""Answers as Prefect's server does, and ends as it does where its port is taken."""


@contextmanager
def foreign():
    """The port of somebody else's server, which says yes to everything."""

    class Fine(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"true")

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Fine) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield http.server_address[1]
        http.shutdown()


def started_as(monkeypatch, script):
    monkeypatch.setattr(local, "prefect_command", lambda: [sys.executable, "-c", script])


def test_a_server_whose_port_was_taken_meanwhile_takes_another(tmp_path, monkeypatch):
    started_as(monkeypatch, OURS)
    with foreign() as taken, local.server(tmp_path, taken) as prefect:
        said = httpx.get(f"{prefect.api}/admin/settings").text

        assert prefect.url != f"http://127.0.0.1:{taken}"
        assert said.startswith("seqloom.")
        assert prefect.environment["PREFECT_API_URL"] == prefect.api


MIGRATES = f"""
import os, sys, time
making = os.path.join(os.environ["PREFECT_HOME"], "making")
try:
    os.mkdir(making)
except FileExistsError:
    sys.exit(3)
time.sleep(1)
os.rmdir(making)
{OURS}
"""
"""Ends as Prefect's server does where another one makes the same database."""


def test_servers_that_start_at_once_in_a_folder_wait_for_each_other(tmp_path, monkeypatch):
    started_as(monkeypatch, MIGRATES)

    def url(_: int) -> str:
        with local.server(tmp_path) as prefect:
            return prefect.url

    with ThreadPoolExecutor(2) as threads:
        assert len(set(threads.map(url, range(2)))) == 2


def test_a_server_that_finds_no_port_says_so(tmp_path, monkeypatch):
    started_as(monkeypatch, OURS)
    with foreign() as taken:
        monkeypatch.setattr(local, "free_port", lambda: taken)
        with pytest.raises(ServiceError, match="ports are taken"), local.server(tmp_path):
            pass


def test_a_server_that_ends_says_where_its_log_lies(tmp_path, monkeypatch):
    started_as(monkeypatch, "raise SystemExit(3)")
    with (
        pytest.raises(ServiceError, match=r"ended with 3; see .*server.log"),
        local.server(tmp_path),
    ):
        pass
