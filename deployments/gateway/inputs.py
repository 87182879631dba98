"""What a caller sends as parameters: checked by the pipeline's model, and by what the key may name.

Parameters name files, earlier runs and other pipelines, and the worker that reads them may read
more than the caller: so relative paths are of the folder of data, never of runs or of our own
state, absolute ones and URIs only of the key's places; an earlier run has to be the caller's own;
a pipeline that starts others starts those that the key may start.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel

from blocks import ledger
from blocks.access_keys import Key
from blocks.errors import InputError, Problem
from blocks.settings import FOLDER, settings
from deployments.gateway.answers import RefusedError
from deployments.gateway.bodies import brief, walk
from flows.registry import PIPELINES, Pipeline
from flows.runner import checked_params

LONGEST_PATH = 4_096
_ELSEWHERE = re.compile(r"\s*([/~]|[\w.+-]+::|[\w.+-]+:/)")
_UPWARDS = re.compile(r"(^|[/\\])\s*\.\.\s*([/\\]|$)")
_RUN_ID = re.compile(r"(?:\d{8}-\d{6}-)?([0-9a-f-]{8,36})")


@dataclass(frozen=True, slots=True)
class Inputs:
    """Parameters that fit."""

    params: dict[str, Any]
    digest: str
    """The same for the same parameters, however they were spelt."""


def checked_inputs(
    asked: Pipeline, key: Key, content: object, is_own: Callable[[str], bool]
) -> Inputs:
    """The parameters of a body, `{"params": …}`.

    Args:
        is_own: Whether a flow run, by its id, is one of the caller's.

    Raises:
        RefusedError: 422 with a line for each place that does not fit; 403 for another's pipeline.
    """
    if not isinstance(content, dict) or set(content) != {"params"}:
        found = ", ".join(map(brief, content)) if isinstance(content, dict) else brief(content)
        raise RefusedError(422, f'body: {found or "nothing"}; expected "params" and nothing else')
    given = content["params"]
    if not isinstance(given, dict):
        raise RefusedError(422, f"params: {brief(given)}; expected names and values")
    try:
        checked = [(asked, checked_params(asked, given))]
        plain: dict[str, Any] = checked[0][1].model_dump(mode="json", exclude_unset=True)
        _require_rights(plain, key)
        if plain.get("pipeline") in PIPELINES:  # the runner's
            inner = PIPELINES[plain["pipeline"]]
            checked.append((inner, checked_params(inner, plain["params"])))
    except InputError as error:
        raise RefusedError(422, *str(error).splitlines()) from None
    problems = [
        *_foreign_places(plain, key),
        *(problem for one, params in checked for problem in _foreign_runs(one, params, is_own)),
    ]
    if problems:
        raise RefusedError(422, *map(str, problems))
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return Inputs(plain, hashlib.sha256(text.encode()).hexdigest())


def _require_rights(params: Mapping[str, Any], key: Key) -> None:
    """Other pipelines that parameters name, at any depth, must be the key's as well."""
    for place, one in walk(params, "params"):
        name = one.get("pipeline") if isinstance(one, dict) else None
        if isinstance(name, str) and name in PIPELINES and name not in key.rates:
            offered = ", ".join(one for one in PIPELINES if one in key.rates)
            raise RefusedError(403, f"{place}.pipeline: not one of this key's; expected {offered}")


def _foreign_places(params: Mapping[str, Any], key: Key) -> Iterator[Problem]:
    data = settings().data
    root = None if "://" in data else os.path.realpath(data)
    ours = _our_folders(root) if root is not None else []
    for place, one in walk(params, "params"):
        if not isinstance(one, str):
            continue
        if _ELSEWHERE.match(one):
            if not _within(one, key.places):
                told = "a path in the folder of data" + "".join(f", or {p}" for p in key.places)
                yield Problem(place, brief(one), told)
        elif _UPWARDS.search(one) or (root is not None and _is_ours(one, root, ours)):
            yield Problem(place, brief(one), "a path in the folder of data that no run made")


def _within(text: str, places: tuple[str, ...]) -> bool:
    plain = unquote(text)
    upwards = _UPWARDS.search(text) or _UPWARDS.search(plain) or plain != unquote(plain)
    beyond = re.search(r"[?#]|::", text)
    roots = [one.rstrip("/") for one in places]
    inside = any(text == root or text.startswith(f"{root}/") for root in roots)
    return inside and not upwards and not beyond


def _our_folders(root: str) -> list[str]:
    """Where results of runs and our own state lie, as far as that is below the folder of data."""
    here = settings()
    state = [f"{root}/{FOLDER}", os.environ.get("PREFECT_HOME", "")]
    database = here.database.removeprefix("sqlite:///")
    found = [here.results, here.storage, here.gateway, database, *state]
    folders = [os.path.realpath(one) for one in found if one and "://" not in one]
    return [one for one in folders if one.startswith(f"{root}{os.sep}")]


def _is_ours(text: str, root: str, folders: list[str]) -> bool:
    """Whether a text is a path of ours, or of what is hidden: a `.env` and `.git` hold secrets."""
    if len(text) > LONGEST_PATH or "\n" in text or "\0" in text:
        return False
    path = os.path.realpath(os.path.join(root, text))  # noqa: PTH118 -- never opened
    if any(path.startswith(f"{folder}{os.sep}") for folder in folders):
        return True
    below = Path(os.path.relpath(path, root)).parts
    return any(re.match(r"\.[^.]", part) for part in below) and Path(path).exists()


def _foreign_runs(
    asked: Pipeline, params: BaseModel, is_own: Callable[[str], bool]
) -> Iterator[Problem]:
    for name in asked.earlier_runs:
        given = str(getattr(params, name))
        if given and not _names_own(given, is_own):
            yield Problem(f"params.{name}", brief(given), "a run of your own, by its id")


def _names_own(given: str, is_own: Callable[[str], bool]) -> bool:
    named = _RUN_ID.fullmatch(given.partition("/")[0])
    if named is None:
        return False  # also `latest`, which is anybody's
    try:
        found = ledger.run(named[1]).run.flow_run_id
    except InputError:
        return False
    return found is not None and is_own(found)
