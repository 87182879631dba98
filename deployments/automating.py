"""Prefect automations kept as files, brought to a server as they stand there.

Each file of `deployments/automations` is an automation in Prefect's own schema. `{flow/name}` in a
text stands for the id of that deployment. An automation is ours by its tags, which also tell its
file and the digest of what was applied: one whose file has not changed is left alone, whatever was
done to it in the UI; one whose file is gone is removed; those of others are not looked at.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import httpx

from blocks.errors import InputError, InputProblems, Problem, ServiceError
from deployments.local import LocalPrefect
from tasks.yaml_text import read_yaml

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

FOLDER = Path(__file__).parent / "automations"
TAG = "seqloom"
Method = Literal["GET", "POST", "PUT", "DELETE"]
NEEDED = ("name", "trigger", "actions")
PAGE = 200
"""Automations of one answer; the most that Prefect gives."""
_DEPLOYMENT = re.compile(r"(?<!\{)\{([^{}/]+/[^{}/]+)\}(?!\})")


@dataclass(frozen=True, slots=True)
class Declared:
    """What a file says."""

    file: str
    content: Mapping[str, Any]

    @property
    def tags(self) -> list[str]:
        """By which it is known on the server."""
        text = json.dumps(self.content, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return [TAG, f"file:{self.file}", f"digest:{digest}"]

    @property
    def body(self) -> dict[str, Any]:
        """As the server takes it."""
        return {**self.content, "tags": [*self.content.get("tags", []), *self.tags]}

    @property
    def state(self) -> str:
        """Whether it will react."""
        return "on" if self.content.get("enabled", True) else "off"


@dataclass(frozen=True, slots=True)
class _Server:
    """Prefect's API by way of its own client, which knows the login and is patient."""

    client: "SyncPrefectClient"

    def ask(self, method: Method, path: str, content: object = None) -> Any:  # noqa: ANN401 -- JSON
        """What the server says.

        Raises:
            InputError: It does not take what it got; without the request, which may be long.
            ServiceError: It does not answer, or has trouble of its own.
        """
        try:
            response = self.client.request(method, cast("Any", path), json=content)
        except httpx.HTTPStatusError as error:
            response = error.response
        except (httpx.HTTPError, OSError) as error:
            raise ServiceError("Prefect server", type(error).__name__) from error
        if response.is_server_error:
            raise ServiceError("Prefect server", f"HTTP {response.status_code}")
        if response.is_error:
            raise InputError(f"HTTP {response.status_code}, {_told(response)}")
        return response.json() if response.content else None

    def deployment_id(self, name: str) -> str:
        """Empty where there is none of that name."""
        flow, deployment = name.split("/")
        asked = {
            "flows": {"name": {"any_": [flow]}}, "deployments": {"name": {"any_": [deployment]}},
        }  # fmt: skip
        found = self.ask("POST", "/deployments/filter", asked)
        return str(found[0]["id"]) if found else ""


def apply_automations(prefect: LocalPrefect, folder: Path = FOLDER) -> str:
    """Bring the automations of a folder to the server; a line for each, with what was done.

    Raises:
        InputError: A file is wrong, or names a deployment that is not on the server; nothing is
            changed then. The server refuses one: the others are applied.
        ServiceError: The server does not answer.
    """
    # Prefect's settings are read when it is imported, which also takes seconds.
    os.environ.setdefault("PREFECT_HOME", prefect.environment["PREFECT_HOME"])
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with (
        temporary_settings(updates={PREFECT_API_URL: prefect.api}),
        get_client(sync_client=True) as client,
    ):
        server = _Server(client)
        told, refused = _applied(server, _declared(server, folder))
    if refused:
        raise InputProblems(refused)
    return "".join(f"automation {line}\n" for line in told)


def _declared(server: _Server, folder: Path) -> list[Declared]:
    """The files, with the ids of the deployments that they name."""
    problems: list[Problem] = []
    ids: dict[str, str] = {}
    found = []
    for path in sorted(folder.glob("*.yaml")):
        content = read_yaml(path.read_text(encoding="utf-8"), path.name)
        missing = [one for one in NEEDED if not isinstance(content, dict) or not content.get(one)]
        if missing:
            told = f"without {', '.join(missing)}"
            problems.append(Problem(path.name, told, "an automation in Prefect's schema"))
            continue
        for name in sorted(set(_DEPLOYMENT.findall(json.dumps(content))) - ids.keys()):
            ids[name] = server.deployment_id(name)
            if not ids[name]:
                told = f"deployment {name!r} is not on the server"
                problems.append(Problem(path.name, told, "one of `prefect deployment ls`"))
        found.append((path.stem, content))
    if problems:
        raise InputProblems(problems)
    return [Declared(stem, _with_ids(content, ids)) for stem, content in found]


def _with_ids(value: Any, ids: Mapping[str, str]) -> Any:  # noqa: ANN401 -- JSON of any shape
    if isinstance(value, str):
        return _DEPLOYMENT.sub(lambda name: ids[name[1]], value)
    if isinstance(value, dict):
        return {key: _with_ids(one, ids) for key, one in value.items()}
    return [_with_ids(one, ids) for one in value] if isinstance(value, list) else value


def _applied(server: _Server, declared: list[Declared]) -> tuple[list[str], list[Problem]]:
    """What was done with each, and what the server refused."""
    there = _ours(server)
    told, refused = [], []
    for one in declared:
        same_file = there.pop(f"file:{one.file}", [])
        try:
            done = _brought(server, one, same_file)
        except InputError as error:
            refused.append(Problem(f"{one.file}.yaml", str(error), "what Prefect's schema allows"))
        else:
            told.append(f"{one.file} ({one.state}): {done}")
    for file, gone in sorted(there.items()):
        for old in gone:
            server.ask("DELETE", f"/automations/{old['id']}")
        told.append(f"{file.removeprefix('file:')}: removed, its file is gone")
    return told, refused


def _brought(server: _Server, one: Declared, there: list[dict[str, Any]]) -> str:
    """What was done so that there is one automation with this content."""
    if not there:
        server.ask("POST", "/automations/", one.body)
        return "created"
    first, *doubles = there
    for double in doubles:  # of two deployments at once
        server.ask("DELETE", f"/automations/{double['id']}")
    if set(one.tags) <= set(first["tags"]):
        return "unchanged"
    server.ask("PUT", f"/automations/{first['id']}", one.body)
    return "updated"


def _ours(server: _Server) -> dict[str, list[dict[str, Any]]]:
    """Tag of the file -> automations of the server, the oldest first."""
    found: list[dict[str, Any]] = []
    while True:
        asked = {
            "limit": PAGE, "offset": len(found), "automations": {"tags": {"all_": [TAG]}},
        }  # fmt: skip
        page = server.ask("POST", "/automations/filter", asked)
        found += page
        if len(page) < PAGE:
            break
    by_file: dict[str, list[dict[str, Any]]] = {}
    for one in sorted(found, key=lambda one: (str(one["created"]), str(one["id"]))):
        for tag in one["tags"]:
            if tag.startswith("file:"):
                by_file.setdefault(tag, []).append(one)
    return by_file


def _told(response: httpx.Response) -> str:
    """The places that do not fit, else the beginning of the answer."""
    try:
        content = response.json()
    except ValueError:
        return response.text[:300]
    errors = content.get("exception_detail") or content.get("detail") or content
    if isinstance(errors, list):
        parts = [
            f"{'.'.join(str(part) for part in one.get('loc', []))}: {one.get('msg', '')}"
            for one in errors
        ]
        return "; ".join(parts)[:500]
    return str(errors)[:300]
