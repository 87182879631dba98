"""What the BioLM service of the tests says and how it says it: an ASGI application.

It speaks both dialects of the real one; `Script` orders its faults, `Seen` notes what was asked.
"""

import asyncio
import gzip
import re
import socket
import struct
import time
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

from tests.biolm_models import (
    ALPHABET,
    MASK,
    MODELS,
    RESIDUES_ONLY,
    Item,
    Model,
    Params,
    dumps,
    key_of,
)
from tests.biolm_script import Call, Fault, ItemFault, Script, Seen, Status, throttled

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent, and how."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    takes_time: bool = False
    """A model has worked on it."""


def _json(status: int, value: object, **headers: str) -> Reply:
    return Reply(status, dumps(value), {"content-type": "application/json", **headers})


def _page(status: int) -> Reply:
    return Reply(status, b"<html><body>Bad Gateway</body></html>", {"content-type": "text/html"})


class Service:
    """The service without sockets: an ASGI application."""

    def __init__(self, script: Script, seen: Seen) -> None:
        self.script = script
        self.seen = seen
        self.transports: dict[Any, asyncio.Transport] = {}
        """Open connections by the client's address; empty where the server hides them."""
        self._accepted: deque[float] = deque()
        self._cache: dict[tuple[str, str, str], orjson.Fragment] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        call = Call(
            time.monotonic(), scope["method"], scope["path"], headers, scope["http_version"]
        )
        if self.seen.every_call:
            self.seen.calls.append(call)
        try:
            body = await _body(receive)
            if body is None:
                call.aborted = True
                return
            reply = self._reply(call, body)
            await self._deliver(scope, receive, send, call, reply)
        finally:
            self.seen.ended(call)

    # what to say

    def _reply(self, call: Call, body: bytes) -> Reply:
        match [part for part in call.path.split("/") if part]:
            case [] if call.method == "GET":
                return _json(200, {"status": "ok", "supported_models": sorted(MODELS)})
            case ["openapi.json"] if call.method == "GET":
                return self._schema(lambda: _json(200, self._openapi()))
            case ["seen"] if call.method == "GET":
                return self._summary()
            case ["api", "v3", "schema", model, action] if call.method == "GET":
                if self.script.schema == "no-tokens" and "authorization" in call.headers:
                    return _json(401, {"detail": "Invalid token."})
                return self._schema(partial(self._limits, f"{model}/{action}"))
            case ["api", "v3" | "v1" as version, model, action] if call.method == "POST":
                hub = version == "v1"
                if hub and call.path.endswith("/"):
                    location = f"http://{call.headers['host']}{call.path.rstrip('/')}"
                    return Reply(307, headers={"location": location})
                if hub != call.path.endswith("/"):
                    return self._model(call, body, f"{model}/{action}", hub=hub)
        return _json(404, {"detail": "Not Found"})

    def _schema(self, given: Callable[[], Reply]) -> Reply:
        if self.script.schema == "hangs":
            return Reply(200, fault="hang")
        missing = self.script.schema == "missing"
        return _json(404, {"detail": "Not Found"}) if missing else given()

    def _limits(self, endpoint: str) -> Reply:
        if endpoint not in MODELS:
            return _json(404, {"detail": "Not found."})
        items: dict[str, Any] = {"type": "array"}
        if MODELS[endpoint].states_limit:
            items["maxItems"] = self._batch_size(endpoint)
        rate = self.script.throttle_rate
        shown = {} if rate is None else {"throttle_rate": rate}
        return _json(200, {**shown, "properties": {"items": items}})

    def _openapi(self) -> dict[str, Any]:
        paths, schemas = {}, {}
        for endpoint, model in MODELS.items():
            name = re.sub(r"\W", "_", endpoint) + "_Request"
            content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
            paths[f"/api/v1/{endpoint}"] = {"post": {"requestBody": {"content": content}}}
            items: dict[str, Any] = {"type": "array", "items": {"type": "object"}, "minItems": 1}
            if model.states_limit:
                items["maxItems"] = self._batch_size(endpoint)
            properties = {"params": {"type": "object"}, "items": items}
            if model.params == "forbidden":
                del properties["params"]
            required = ["params", "items"] if model.params == "required" else ["items"]
            schemas[name] = {
                "type": "object",
                "required": required,
                "properties": properties,
                "additionalProperties": False,
            }
        return {"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas}}

    def _summary(self) -> Reply:
        seen = self.seen
        counts = {
            "requests": dict(seen.requests),
            "statuses": {str(code): count for code, count in seen.statuses.items()},
            "most_in_flight": seen.most_in_flight,
            "aborted": seen.aborted,
            "connections": seen.connections,
            "cpu_s": time.process_time(),
        }
        return _json(200, counts)

    def _unauthorised(self, call: Call) -> Reply | None:
        token = self.script.token
        if token is None or call.headers.get("authorization") == f"Token {token}":
            return None
        given = "authorization" in call.headers
        why = "Invalid token." if given else "Authentication credentials were not provided."
        return _json(401, {"detail": why}, **{"www-authenticate": "Token"})

    def _model(self, call: Call, body: bytes, endpoint: str, *, hub: bool) -> Reply:
        if (refused := self._unauthorised(call)) is not None:
            return refused
        if endpoint not in MODELS:
            return _json(404, {"detail": "Not Found" if hub else "Not found."})
        call.endpoint = endpoint
        self.seen.came(call)
        too_much = self._too_much()
        fault = throttled(self.script.retry_after) if too_much else self.script.fault(endpoint)
        payload = _payload(call, body, MODELS[endpoint], hub=hub)
        if isinstance(payload, Reply):
            return payload
        items = payload["items"]
        if self.seen.every_call:
            call.items = tuple(map(key_of, items))
            self.seen.items.update(call.items)
        if isinstance(fault, Status):
            if fault.body is None:
                return _page(fault.code)
            return _json(fault.code, fault.body, **fault.headers)
        return self._worked(endpoint, items, payload.get("params") or {}, fault, hub=hub)

    def _too_much(self) -> bool:
        """Whether this request is above one of the limits."""
        limit, rate, now = self.script.most_in_flight, self.script.per_second, time.monotonic()
        if limit is not None and self.seen.in_flight > limit:
            return True
        if rate is None:
            return False
        while self._accepted and self._accepted[0] <= now - 1:
            self._accepted.popleft()
        if len(self._accepted) >= rate:
            return True
        self._accepted.append(now)
        return False

    def _worked(
        self, endpoint: str, items: list[Item], params: Params, fault: Fault | None, *, hub: bool
    ) -> Reply:
        """The answer of a model, good or bad."""
        refusal = _refusal(MODELS[endpoint], items, self._batch_size(endpoint), hub=hub)
        faults = self.script.items
        bad = {n: faults.get(key_of(item)) for n, item in enumerate(items)} if faults else {}
        kinds = set(bad.values())
        if refusal is None and "named" in kinds:
            named = {n: "this one is not wanted" for n, kind in bad.items() if kind == "named"}
            refusal = _refused(named, items, hub=hub)
        if refusal is None and "unnamed" in kinds:
            refusal = _user_error(400, "The input could not be processed", hub=hub)
        if refusal is None and "crash" in kinds:
            refusal = _user_error(500, "An unexpected backend error occurred.", hub=hub)
        if refusal is not None:
            return Reply(refusal.status, refusal.body, refusal.headers, takes_time=True)
        if "hang" in kinds:
            fault = "hang"
        content = self._results(endpoint, items, params, bad, fault)
        headers = {"content-type": "application/json"}
        if fault == "not-json":
            page = _page(200)
            return Reply(200, page.body, page.headers, takes_time=True)
        return Reply(200, content, headers, fault, takes_time=True)

    def _results(
        self,
        endpoint: str,
        items: list[Item],
        params: Params,
        bad: Mapping[int, ItemFault | None],
        fault: Fault | None,
    ) -> bytes:
        option = orjson.dumps(params, option=orjson.OPT_SORT_KEYS).decode() if params else ""
        results: list[Any] = [self._entry(endpoint, item, params, option) for item in items]
        for place, kind in bad.items():
            if kind in ("error", "null"):
                results[place] = {"error": "no result for this item"} if kind == "error" else None
        if fault == "short":
            del results[-1]
        elif fault == "long":
            results.append(results[-1])
        whole: dict[str, Any] = {"results": results}
        if fault == "mixed":
            whole["error"] = "some of the items failed"
        if MODELS[endpoint].flat:
            flat = [entry for item in items for entry in MODELS[endpoint].answer(item, params)]
            whole["results"] = flat
        return dumps(whole)

    def _entry(self, endpoint: str, item: Item, params: Params, option: str) -> orjson.Fragment:
        """The JSON of one answer, kept for the next time."""
        key = (endpoint, key_of(item), option)
        found = self._cache.get(key)
        if found is None:
            if len(self._cache) > 50_000:
                self._cache.clear()
            found = orjson.Fragment(dumps(MODELS[endpoint].answer(item, params)))
            self._cache[key] = found
        return found

    def _batch_size(self, endpoint: str) -> int:
        return self.script.batch_sizes.get(endpoint, self.script.batch_size)

    # how to say it

    async def _deliver(
        self, scope: Message, receive: Receive, send: Send, call: Call, reply: Reply
    ) -> None:
        wait_s = self.script.latency_s if reply.takes_time else 0.0
        if await _gone(receive, None if reply.fault == "hang" else wait_s):
            call.aborted = True
            return
        if reply.fault == "reset":
            self.seen.ended(call)
            self._reset(scope)
            return
        body, headers = reply.body, dict(reply.headers)
        if (
            self.script.compress
            and len(body) > 1000
            and "gzip" in call.headers.get("accept-encoding", "")
        ):
            body = gzip.compress(body, 1)
            headers |= {"content-encoding": "gzip", "vary": "Accept-Encoding"}
        headers["content-length"] = str(len(body))
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": pairs})
        call.status = reply.status
        if reply.fault == "cut":  # the server closes a connection whose answer is not complete
            self.seen.ended(call)
            half = body[: len(body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            return
        if reply.fault == "trickle":
            for byte in body[:-1]:
                await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
                if await _gone(receive, self.script.trickle_s):
                    call.aborted = True
                    return
            body = body[-1:]
        self.seen.ended(call, complete=True)
        await send({"type": "http.response.body", "body": body})

    def _reset(self, scope: Message) -> None:
        transport = self.transports.get(tuple(scope["client"] or ()))
        if transport is None:
            raise RuntimeError("'reset' is for HTTP/1.1")
        abort(transport)


def abort(transport: asyncio.Transport) -> None:
    """End a connection with a reset instead of a farewell."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _body(receive: Receive) -> bytes | None:
    """The whole body of a request; None if the client went."""
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


async def _gone(receive: Receive, wait_s: float | None) -> bool:
    """Wait, for ever if None; whether the client went meanwhile."""
    if wait_s == 0:
        return False
    try:
        async with asyncio.timeout(wait_s):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True


def _payload(call: Call, body: bytes, model: Model, *, hub: bool) -> dict[str, Any] | Reply:
    """The body as `{"items": [...], "params": {...}}`, or what is said against it."""
    if call.gzipped:
        if hub:
            return _json(400, {"detail": "There was an error parsing the body"})
        try:
            body = zlib.decompress(body, 31)
        except zlib.error:
            return _json(400, {"error": "Bad gzip body", "status_code": 400})
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError:
        if hub:
            problem = _detail("json_invalid", ["body", 1], "JSON decode error")
            return _json(422, {"detail": [problem]})
        return _json(400, {"error": "JSON parse error", "status_code": 400})
    given = payload if isinstance(payload, dict) else {}
    needed = ["params", "items"] if hub and model.params == "required" else ["items"]
    missing = [name for name in needed if name not in given]
    if missing and not hub:
        return _json(400, {"error": {missing[0]: ["Field required"]}, "status_code": 400})
    problems = [_detail("missing", ["body", name], "Field required") for name in missing]
    if hub and model.params == "forbidden" and "params" in given:
        text = "Extra inputs are not permitted"
        problem = _detail("extra_forbidden", ["body", "params"], text, input=given["params"])
        problems.append(problem)
    if problems:
        return _json(422, {"detail": problems})
    return given


def _detail(kind: str, loc: list[str | int], msg: str, **more: object) -> dict[str, object]:
    return {"type": kind, "loc": loc, "msg": msg, **more}


def _refusal(model: Model, items: list[Item], most: int, *, hub: bool) -> Reply | None:
    """What is said against the number of items, or what they hold."""
    count = len(items)
    if not 1 <= count <= most:
        limit = f"at most {most} items" if count else "at least 1 item"
        text = f"List should have {limit} after validation, not {count}"
        if not hub:
            return _json(400, {"error": {"items": [text]}, "status_code": 400})
        bound = {"max_length": most} if count else {"min_length": 1}
        context = {"field_type": "List", **bound, "actual_length": count}
        kind = "too_long" if count else "too_short"
        problem = _detail(kind, ["body", "items"], text, input=items, ctx=context)
        return _json(422, {"detail": [problem]})
    if model.needs and not all(model.needs in item for item in items):
        lacking = {n: "Field required" for n, item in enumerate(items) if model.needs not in item}
        return _refused(lacking, items, model.needs, hub=hub)
    named = {
        place: RESIDUES_ONLY
        for place, item in enumerate(items)
        if "sequence" in item and not _allowed(model, item["sequence"])
    }
    if hub and model.masks and not named:
        why = f"Expected at least one occurrence of '{MASK}', got none"
        named = {n: why for n, item in enumerate(items) if MASK not in item["sequence"]}
    return _refused(named, items, hub=hub) if named else None


def _allowed(model: Model, sequence: str) -> bool:
    if model.masks:
        sequence = sequence.replace(MASK, "A")
    return bool(sequence) and sequence.isascii() and not sequence.encode().translate(None, _ALLOWED)


_ALLOWED = ALPHABET.encode()


def _refused(
    named: Mapping[int, str], items: Sequence[Item], name: str = "sequence", *, hub: bool
) -> Reply:
    """A batch refused as a whole for one field of some of its items."""
    if not hub:
        error = {f"items__{place}__{name}": [text] for place, text in named.items()}
        return _json(400, {"error": error, "status_code": 400})
    details = []
    for place, text in named.items():
        loc: list[str | int] = ["body", "items", place, name]
        if name in items[place]:
            more = {"input": items[place][name], "ctx": {"error": {}}}
            details.append(_detail("value_error", loc, f"Value error, {text}", **more))
        else:
            details.append(_detail("missing", loc, text, input=items[place]))
    return _json(422, {"detail": details})


def _user_error(status: int, text: str, *, hub: bool) -> Reply:
    """A failure that names nobody."""
    if not hub:
        return _json(status, {"error": text, "status_code": status})
    code = "user.validation" if status == 400 else None
    return _json(status, {"detail": text, "errors": [], "status_code": status, "code": code})
