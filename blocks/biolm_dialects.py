"""BioLM's two dialects: where to ask, what limits are stated, and what a refusal says."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

from blocks.biolm_calls import Connection, Dialect, Limits
from blocks.errors import InputError

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_RATE = re.compile(
    r"\s*(\d+(?:\.\d+)?)\s*/\s*(s|m|h)(?:ec|in|r)?(?:ond|ute|our)?s?\s*", re.IGNORECASE
)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_NAMED = re.compile(r"items__(\d+)(?:__(\w+))?")
_AT_MOST = re.compile(
    r"(?:no more than|at most|maximum of|up to)\s+(\d+)\s+(?:item|element)", re.IGNORECASE
)
_TOLD_IN = ("error", "detail", "description", "message", "errors")
_ENTRY_OF_A_FAULT = frozenset({"error", "detail", "description", "status_code", "code"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was refused."""

    message: str
    """What the service said in general, or of its items."""
    named: Mapping[int, str] = field(default_factory=dict)
    """Place of an item in the request -> what is wrong with it."""
    max_items: int | None = None
    """Most items of a request, if there were too many."""
    about_params: bool = False
    """Only the parameters are wrong: no item can be blamed."""


def request_path(dialect: Dialect, model: str, action: str) -> str:
    """Path of an action below the base URL; the hub takes no slash at the end, v3 wants one."""
    if not _SLUG.fullmatch(model):
        raise InputError(f"{model!r} names no model; expected letters, digits, '.', '_' and '-'")
    return f"/{model}/{action}" + ("/" if dialect == "v3" else "")


def schema_path(model: str, action: str) -> str:
    """Path below the base URL where v3 states the limits of a model's action."""
    return f"/schema/{model}/{action}/"


def headers(connection: Connection) -> dict[str, str]:
    """Headers that say who asks."""
    if connection.token is not None:
        return {"Authorization": f"Token {connection.token.get_secret_value()}"}
    if connection.cookie is not None:
        return {"Cookie": connection.cookie.get_secret_value()}
    return {}


def limits_from_schema(schema: object) -> Limits:
    """What a v3 schema states; None for what it does not."""
    if not isinstance(schema, Mapping):
        return Limits(None, None)
    return Limits(_max_items(schema), _per_second(schema.get("throttle_rate")))


def limits_from_openapi(document: object) -> dict[tuple[str, str], Limits]:
    """(model, action) -> limits, of all actions that a hub's `/openapi.json` lists."""
    found: dict[tuple[str, str], Limits] = {}
    for path, methods in _mapping(_mapping(document).get("paths")).items():
        parts = urlsplit(str(path)).path.strip("/").split("/")
        post = _mapping(_mapping(methods).get("post"))
        if len(parts) < 2 or not post:  # noqa: PLR2004 -- model and action
            continue
        content = _mapping(_mapping(post.get("requestBody")).get("content"))
        schema = _mapping(_mapping(content.get("application/json")).get("schema"))
        body = _resolved(schema, document)
        required = body.get("required")
        needs_params = isinstance(required, list) and "params" in required
        found[parts[-2], parts[-1]] = Limits(_max_items(body), None, needs_params)
    return found


def refusal(status: int, data: object, text: str = "") -> Refusal:
    """What a refusing answer says.

    Args:
        data: The JSON of its body; None: none.
        text: The body where it is no JSON.
    """
    told = [_unpacked(value) for value in _told(data)] if data is not None else [text]
    named: dict[int, list[str]] = {}
    for value in told:
        for place, message in _named(value):
            if message not in named.setdefault(place, []):
                named[place].append(message)
    general = "; ".join(dict.fromkeys(leaf for value in told for leaf in _leaves(value)))
    by_place = {place: "; ".join(messages) for place, messages in sorted(named.items())}
    return Refusal(
        message=general or f"HTTP {status}",
        named=by_place,
        max_items=next((most for value in told for most in _too_many(value)), None),
        about_params=not by_place and _is_about_params(told),
    )


def success_error(data: Mapping[str, Any]) -> bool:
    """Whether an answer with a good status tells of an error all the same."""
    told = any(data.get(key) for key in ("error", "detail"))
    return told or "results" not in data


def entry_fault(entry: object) -> str | None:
    """Why one entry of `results` is no answer; None if it is one."""
    if entry is None:
        return "the service answered nothing for this item"
    if isinstance(entry, dict) and entry.get("error") and entry.keys() <= _ENTRY_OF_A_FAULT:
        return "; ".join(_leaves(entry["error"])) or "the service names no reason"
    return None


def _told(data: object) -> list[Any]:
    if not isinstance(data, Mapping):
        return [data]
    told = [data[key] for key in _TOLD_IN if data.get(key)]
    return told or [{key: value for key, value in data.items() if key != "status_code"}]


def _unpacked(value: object) -> object:
    """The value of JSON that was sent as text."""
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def _named(value: object) -> Iterator[tuple[int, str]]:
    """Items that an error names, in any of the shapes seen."""
    if isinstance(value, str):
        yield from ((int(match[1]), value) for match in _NAMED.finditer(value))
    elif isinstance(value, list):
        for problem in value:
            loc = problem.get("loc") if isinstance(problem, Mapping) else None
            if isinstance(loc, list) and "items" in loc:
                place = loc[loc.index("items") + 1 :]
                if place and type(place[0]) is int and place[0] >= 0:
                    yield place[0], _message(place[1:], problem.get("msg"))
    elif isinstance(value, Mapping):
        for key, said in value.items():
            if match := _NAMED.fullmatch(str(key)):
                yield int(match[1]), _message([match[2]] if match[2] else [], said)
            elif key == "items":
                yield from _nested(said)


def _nested(said: object) -> Iterator[tuple[int, str]]:
    """Items of `{"items": {"3": …}}` and `{"items": [{}, {}, {}, {…}]}`."""
    if isinstance(said, Mapping):
        pairs = [(int(key), value) for key, value in said.items() if str(key).isdecimal()]
    elif isinstance(said, list) and all(isinstance(value, Mapping) for value in said):
        pairs = list(enumerate(said))
    else:
        pairs = []
    yield from ((place, _message([], value)) for place, value in pairs if value)


def _message(place: list[Any], said: object) -> str:
    what = "; ".join(_leaves(said)) or "refused"
    return f"{'.'.join(map(str, place))}: {what}" if place else what


def _leaves(value: object) -> Iterator[str]:
    """The texts of an error without the data that it echoes."""
    if isinstance(value, Mapping):
        if "msg" in value:
            loc = [part for part in value.get("loc") or () if part != "body"]
            yield _message(loc, str(value["msg"]))
            return
        for key, inner in value.items():
            if key != "input":
                yield from (f"{key}: {leaf}" for leaf in _leaves(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif value is not None and value != "":
        yield str(value)


def _too_many(value: object) -> Iterator[int]:
    if isinstance(value, Mapping):
        texts = list(_leaves(value.get("items")))
    elif isinstance(value, str):
        texts = [value]
    else:
        texts = []
        for problem in value if isinstance(value, list) else ():
            if isinstance(problem, Mapping) and (problem.get("loc") or [None])[-1] == "items":
                ctx = _mapping(problem.get("ctx"))
                most = ctx.get("max_length", ctx.get("limit_value"))
                if type(most) is int and problem.get("type") != "too_short":
                    yield most
                texts.append(str(problem.get("msg")))
    yield from (int(match[1]) for text in texts for match in _AT_MOST.finditer(text))


def _is_about_params(told: list[Any]) -> bool:
    places = []
    for value in told:
        if isinstance(value, Mapping):
            places += [str(key) for key in value]
        elif isinstance(value, list):
            locs = [problem.get("loc") for problem in value if isinstance(problem, Mapping)]
            places += [str(loc[1]) for loc in locs if isinstance(loc, list) and len(loc) > 1]
    return bool(places) and all(re.match(r"params(__|$)", place) for place in places)


def _max_items(schema: Mapping[str, Any]) -> int | None:
    items = _mapping(_mapping(schema.get("properties")).get("items"))
    most = items.get("maxItems")
    return most if type(most) is int and most > 0 else None


def _per_second(rate: object) -> float | None:
    match = _RATE.fullmatch(rate) if isinstance(rate, str) else None
    per = float(match[1]) / _SECONDS[match[2].lower()] if match else 0.0
    return per or None


def _resolved(schema: Mapping[str, Any], document: object) -> Mapping[str, Any]:
    ref = schema.get("$ref")
    if not isinstance(ref, str) or not ref.startswith("#/"):
        return schema
    found: Any = document
    for key in ref[2:].split("/"):
        found = _mapping(found).get(key)
    return _mapping(found)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
