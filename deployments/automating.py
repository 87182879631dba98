"""Prefect automations kept as files, brought to a server as they stand there.

Each file of `deployments/automations` is an automation in Prefect's own schema. `{flow/name}` in a
text stands for the id of that deployment. An automation is ours by its tags, which also tell its
file and the digest of what was applied: one whose file has not changed is left alone, whatever was
done to it in the UI; one whose file is gone is removed; those of others are not looked at.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from blocks.errors import InputError, InputProblems, Problem, ServiceError
from deployments.local import LocalPrefect
from tasks.yaml_text import read_yaml

FOLDER = Path(__file__).parent / "automations"
TAG = "seqloom"
NEEDED = ("name", "trigger", "actions")
TIMEOUT_S = 60.0
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


def apply_automations(prefect: LocalPrefect, folder: Path = FOLDER) -> str:
    """Bring the automations of a folder to the server; a line for each, with what was done.

    Raises:
        InputError: A file is wrong, or names a deployment that is not on the server; nothing is
            changed then. The server refuses one: the others are applied.
        ServiceError: The server does not answer.
    """
    try:
        with _client(prefect) as http:
            declared = _declared(http, folder)
            told, refused = _applied(http, declared)
    except httpx.TransportError as error:
        raise ServiceError("Prefect server", type(error).__name__) from error
    if refused:
        raise InputProblems(refused)
    return "".join(f"automation {line}\n" for line in told)


def _declared(http: httpx.Client, folder: Path) -> list[Declared]:
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
            known = http.get(f"/deployments/name/{name}")
            if known.status_code == httpx.codes.NOT_FOUND:
                told = f"deployment {name!r} is not on the server"
                problems.append(Problem(path.name, told, "one of `prefect deployment ls`"))
                continue
            ids[name] = str(_answer(known)["id"])
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


def _applied(http: httpx.Client, declared: list[Declared]) -> tuple[list[str], list[Problem]]:
    """What was done with each, and what the server refused."""
    there = _ours(http)
    told, refused = [], []
    for one in declared:
        same_file = there.pop(f"file:{one.file}", [])
        try:
            done = _brought(http, one, same_file)
        except InputError as error:
            refused.append(Problem(f"{one.file}.yaml", str(error), "what Prefect's schema allows"))
        else:
            told.append(f"{one.file} ({one.state}): {done}")
    for file, gone in sorted(there.items()):
        for old in gone:
            _answer(http.delete(f"/automations/{old['id']}"))
        told.append(f"{file.removeprefix('file:')}: removed, its file is gone")
    return told, refused


def _brought(http: httpx.Client, one: Declared, there: list[dict[str, Any]]) -> str:
    """What was done so that there is one automation with this content."""
    if not there:
        _answer(http.post("/automations/", json=one.body))
        return "created"
    first, *doubles = there
    for double in doubles:  # of two deployments at once
        _answer(http.delete(f"/automations/{double['id']}"))
    if set(one.tags) <= set(first["tags"]):
        return "unchanged"
    _answer(http.put(f"/automations/{first['id']}", json=one.body))
    return "updated"


def _ours(http: httpx.Client) -> dict[str, list[dict[str, Any]]]:
    """Tag of the file -> automations of the server, the oldest first."""
    found: list[dict[str, Any]] = []
    while True:
        asked = {
            "limit": PAGE, "offset": len(found), "automations": {"tags": {"all_": [TAG]}},
        }  # fmt: skip
        page = _answer(http.post("/automations/filter", json=asked))
        found += page
        if len(page) < PAGE:
            break
    by_file: dict[str, list[dict[str, Any]]] = {}
    for one in sorted(found, key=lambda one: (str(one["created"]), str(one["id"]))):
        for tag in one["tags"]:
            if tag.startswith("file:"):
                by_file.setdefault(tag, []).append(one)
    return by_file


def _client(prefect: LocalPrefect) -> httpx.Client:
    """With the login that Prefect's own commands take from the environment."""
    headers = {}
    if login := prefect.environment.get("PREFECT_API_AUTH_STRING"):
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    elif key := prefect.environment.get("PREFECT_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    return httpx.Client(base_url=prefect.api, headers=headers, timeout=TIMEOUT_S)


def _answer(response: httpx.Response) -> Any:  # noqa: ANN401 -- JSON of any shape
    """What the server says.

    Raises:
        InputError: It does not take what it got; without the request, which may be long.
        ServiceError: It has trouble of its own.
    """
    if response.is_server_error:
        raise ServiceError("Prefect server", f"HTTP {response.status_code}")
    if response.is_error:
        raise InputError(f"HTTP {response.status_code}, {_told(response)}")
    return response.json() if response.content else None


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
