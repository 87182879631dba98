"""Whether the Prefect server and its workers answer: one look each."""

import sys
from dataclasses import replace
from pathlib import Path

import httpx

from blocks.masking import one_line
from deployments.local import POOL, serving
from deployments.looks import Check, fine, told
from deployments.prefect_http import api_url, client

HTTP_S = 5.0


def look_server(failed: Check) -> Check:
    """The Prefect server that `PREFECT_API_URL` names."""
    url = api_url()
    if url is None:
        found = "PREFECT_API_URL is not set; runs start a temporary server"
        return replace(failed, found=found, remedy=_server_remedy(), optional=True)
    shown = one_line(url)
    try:
        with client(url, HTTP_S) as http:
            http.get("health").raise_for_status()
            return fine(failed, f"{shown}, version {http.get('admin/version').json()}")
    except (httpx.HTTPError, ValueError) as error:  # ValueError: somebody else answers there
        return replace(failed, found=f"{shown}: {told(error)}", remedy=_server_remedy())


def look_workers(failed: Check) -> Check:
    """Work pools of the server, and how many of their workers are online."""
    url = api_url()
    if url is None:
        return replace(failed, found="no server to ask", remedy=_server_remedy())
    with client(url, HTTP_S) as http:
        names = [str(pool["name"]) for pool in _post(http, "work_pools/filter")]
        online = {name: _online(http, name) for name in sorted(names)}
    found = ", ".join(f"{name}: {count} online" for name, count in online.items())
    if any(online.values()):
        return fine(failed, found)
    if POOL in online:
        return replace(failed, found=found)
    create = f"{prefect_text()} work-pool create {POOL} --type process"
    return replace(failed, found=found or "no work pool", remedy=f"{create} && {failed.remedy}")


def _post(http: httpx.Client, path: str) -> list[dict[str, object]]:
    response = http.post(path, json={})
    response.raise_for_status()
    found: list[dict[str, object]] = response.json()
    return found


def _online(http: httpx.Client, pool: str) -> int:
    workers = _post(http, f"work_pools/{pool}/workers/filter")
    return sum(worker.get("status") == "ONLINE" for worker in workers)


def prefect_text() -> str:
    """How to call Prefect's command line from here."""
    beside = Path(sys.executable).with_name("prefect")
    if not beside.exists():
        return "prefect"
    inside = beside.is_relative_to(Path.cwd())
    return str(beside.relative_to(Path.cwd()) if inside else beside)


def _server_remedy() -> str:
    """Name the server that `make serve` runs from here, if one does."""
    running = serving(Path(".seqloom").absolute())
    return "make serve" if running is None else f"export PREFECT_API_URL={running.api}"
