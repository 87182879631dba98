import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from deployments import doctor, looks
from deployments.doctor import checks, checks_json, format_checks, healthy
from deployments.looks import Check


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch) -> Iterator[Path]:
    """A folder of its own, without programs and without a server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQLOOM_STORAGE", str(tmp_path / "storage"))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr(looks, "find_program", lambda name: _found(tmp_path / "bin" / name))
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        yield tmp_path


def _found(path: Path) -> Path | None:
    return path if path.exists() else None


def check(name: str) -> Check:
    (found,) = (check for check in checks() if check.name == name)
    return found


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@contextmanager
def prefect_server(answers: dict[str, object]) -> Iterator[str]:
    """Answers the paths below /api as given, everything else with 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path.removeprefix("/api/"))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(404 if answer is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        do_POST = do_GET  # noqa: N815 -- the name http.server looks for

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/api"
        with temporary_settings({PREFECT_API_URL: url}):
            yield url
        server.shutdown()
        thread.join()


def test_a_fresh_folder_is_healthy_and_told_what_is_missing(place):
    found = checks()
    assert [check.name for check in found if not check.ok] == [
        *("mmseqs", "blastp", "makeblastdb", "hhsearch", "hhmake", "ffindex_build", "cstranslate"),
        "BioLM",
        *("Prefect server", "workers"),
    ]
    assert healthy(found)
    assert all(check.remedy for check in found if not check.ok)
    assert all(check.found and check.needed_for for check in found)


def test_a_missing_program_is_told_its_package(place):
    assert check("mmseqs").remedy == "sudo apt-get install mmseqs2"
    assert check("mmseqs").optional


def test_a_program_is_shown_with_its_version(place):
    program(place / "bin" / "mmseqs", "echo 15-6f452+ds")
    assert check("mmseqs").ok
    assert check("mmseqs").found == f"15-6f452+ds at {place}/bin/mmseqs"


def test_a_broken_program_is_not_taken_for_a_good_one(place):
    program(place / "bin" / "mmseqs", "echo libblast.so: cannot open shared object >&2; exit 127")
    assert not check("mmseqs").ok
    assert "cannot open shared object" in check("mmseqs").found


def test_storage_is_written_to_and_left_as_it_was(place):
    assert check("storage") == Check("storage", True, f"{place}/storage", "results of stages")
    assert [path for path in (place / "storage" / "objects").rglob("*") if path.is_file()] == []


def test_storage_that_cannot_be_written_to_fails_with_a_remedy(place, monkeypatch):
    (place / "file").write_text("")
    monkeypatch.setenv("SEQLOOM_STORAGE", str(place / "file"))
    found = check("storage")
    assert (found.ok, found.optional) == (False, False)
    assert found.remedy.startswith("export SEQLOOM_STORAGE=")
    assert not healthy([found])


def test_a_database_that_does_not_answer_fails_without_its_password(monkeypatch):
    monkeypatch.setenv("SEQLOOM_DATABASE", "postgresql://me:hush@127.0.0.1:9/seqloom")
    found = check("database")
    assert not found.ok
    assert "127.0.0.1:9" in found.found
    assert "hush" not in checks_json([found])
    assert found.remedy == "export SEQLOOM_DATABASE=postgresql://user:password@host:5432/name"


def test_a_wrong_setting_is_found_and_not_raised(monkeypatch):
    monkeypatch.setenv("SEQLOOM_STORAGE", "ftp://nowhere")
    assert "SEQLOOM_STORAGE" in check("storage").found


def test_a_full_disk_fails(monkeypatch):
    monkeypatch.setattr(looks, "MIN_FREE_GB", 1e9)
    assert check("disk space").mark == "FAILED"


def test_prefect_home_is_shown_relative_to_the_project(place):
    with temporary_settings({PREFECT_HOME: place / ".seqloom" / "prefect"}):
        assert check("Prefect home").found == ".seqloom/prefect, in this folder"


@pytest.mark.parametrize(("number", "ok"), [("3.8.7", False), ("3.8.8", True), ("4.0.0", False)])
def test_the_version_of_prefect_is_compared_as_numbers(monkeypatch, number, ok):
    monkeypatch.setattr(looks, "version", lambda _name: number)
    assert check("Prefect").ok == ok


ANSWERS = {
    "health": True,
    "admin/version": "3.9.1",
    "work_pools/filter": [{"name": "local"}, {"name": "big one"}],
    "work_pools/local/workers/filter": [{"status": "ONLINE"}, {"status": "OFFLINE"}],
    "work_pools/big%20one/workers/filter": [],
}


def test_a_server_is_shown_with_its_online_workers():
    with prefect_server(ANSWERS) as url:
        assert check("Prefect server").found == f"{url}, version 3.9.1"
        assert check("workers").found == "big one: 0 online, local: 1 online"
        assert check("workers").ok


def test_without_a_worker_the_command_that_starts_one_is_told():
    with prefect_server(ANSWERS | {"work_pools/local/workers/filter": []}):
        assert check("workers").remedy.endswith("prefect worker start --pool local --type process")
    with prefect_server(ANSWERS | {"work_pools/filter": []}):
        assert "prefect work-pool create local --type process && " in check("workers").remedy


def test_a_server_that_was_named_and_does_not_answer_is_a_failure():
    with temporary_settings({PREFECT_API_URL: "http://me:hush@127.0.0.1:9/api"}):
        found = check("Prefect server")
    assert found.mark == "FAILED"
    assert found.found.startswith("http://***@127.0.0.1:9/api: ConnectError")
    assert found.remedy == "make serve"


def test_a_web_page_is_not_taken_for_a_server():
    with prefect_server({}):
        assert "404" in check("Prefect server").found


def test_a_check_that_hangs_does_not_hide_the_others(monkeypatch):
    monkeypatch.setattr(doctor, "LIMIT_S", 2.0)
    monkeypatch.setattr(looks, "look_storage", lambda _failed: time.sleep(20))
    begin = time.monotonic()
    found = {check.name: check for check in checks()}
    assert time.monotonic() - begin < 10
    assert found["storage"].found == "no answer within 2 s"
    assert found["Python"].ok


def test_the_table_is_aligned_and_tells_the_remedy():
    table = format_checks(
        [
            Check("Python", True, "3.11.2", "everything"),
            Check("mmseqs", False, "not on PATH", "search", "sudo apt-get install", optional=True),
            Check("storage", False, "read-only", "results", "chmod"),
        ]
    )
    assert table.splitlines() == [
        "         CHECK    FOUND        NEEDED FOR",
        "ok       Python   3.11.2       everything",
        "missing  mmseqs   not on PATH  search",
        "         -> sudo apt-get install",
        "FAILED   storage  read-only    results",
        "         -> chmod",
    ]


def test_the_json_form_holds_every_field():
    fields = {"name": "a", "ok": True, "found": "b", "needed_for": "c"}
    whole = fields | {"remedy": "", "optional": False}
    assert json.loads(checks_json([Check(**fields)])) == [whole]
