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
import gzip
import hashlib
import math
import re
import socket
import ssl
import struct
import tempfile
import threading
import time
import zlib
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import orjson
import pytest
from Bio.Data.IUPACData import protein_letters_1to3
from numpy.typing import NDArray

ALPHABET = "ACDEFGHIKLMNPQRSTVWY"
ESM_ORDER = "LAGVSERTIDPKQNFYMHWC"
"""Order of the residues in an ESM vocabulary: not that of `ALPHABET`."""
SPECIAL_BEFORE, SPECIAL_AFTER = ["<cls>", "<pad>", "<eos>", "<unk>"], ["X", "B", "-", "<mask>"]
MASK = "<mask>"
LAYERS = (5, 6)
DIMENSION = 8
RESIDUES_ONLY = f"Residues can only be represented with '{ALPHABET}' characters"

THREE = {letter: name.upper() for letter, name in protein_letters_1to3.items()}

Item = Mapping[str, Any]
Params = Mapping[str, Any]

# --- answers ---------------------------------------------------------------------------------


def key_of(item: Item) -> str:
    """Name under which an item is scripted and recorded: its sequence, or all of it as JSON."""
    if len(item) == 1 and "sequence" in item:
        return str(item["sequence"])
    return orjson.dumps(item, option=orjson.OPT_SORT_KEYS).decode()


def unit(*parts: object) -> float:
    """A number in [0, 1) that depends on the texts alone."""
    digest = hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


def spread(count: int, *parts: object) -> NDArray[np.float32]:
    """`count` different numbers in [0, 1) that depend on the texts alone."""
    numbers = unit(*parts) + np.arange(count) * 0.6180339887498949
    return (numbers % 1.0).astype(np.float32)


def logits(sequence: str) -> NDArray[np.float32]:
    """Logits of a masked model in the order of `ALPHABET`; shape (tokens, 20)."""
    tokens = re.findall(r"<mask>|.", sequence)
    values = 4 * spread(len(tokens) * 20, "logits", sequence).reshape(len(tokens), 20) - 2
    for place, token in enumerate(tokens):
        if token != MASK:
            values[place, ALPHABET.index(token)] += 3
    return values


def _seed(item: Item, params: Params) -> str:
    return key_of(item) + (
        orjson.dumps(params, option=orjson.OPT_SORT_KEYS).decode() * bool(params)
    )


def _temperature(item: Item, params: Params) -> Any:
    return {"melting_temperature": 30 + 60 * unit("tm", _seed(item, params))}


def _embed(item: Item, params: Params) -> Any:
    dimension = int(params.get("dimension", DIMENSION))
    text = key_of(item)
    return {
        "embeddings": [
            {"layer": layer, "embedding": 2 * spread(dimension, layer, text) - 1}
            for layer in LAYERS
        ]
    }


def _masked(item: Item, params: Params) -> Any:
    """Rows for the residues, columns for the residues."""
    order = [ALPHABET.index(letter) for letter in ESM_ORDER]
    return {
        "logits": logits(item["sequence"])[:, order].copy(),
        "sequence_tokens": re.findall(r"<mask>|.", item["sequence"]),
        "vocab_tokens": list(ESM_ORDER),
    }


def _masked_with_ends(item: Item, params: Params) -> Any:
    """Two rows more, for the beginning and the end, and columns for special tokens."""
    plain = _masked(item, params)
    before, after = len(SPECIAL_BEFORE), len(SPECIAL_AFTER)
    return {
        "logits": np.pad(plain["logits"], ((1, 1), (before, after)), constant_values=9.0),
        "sequence_tokens": ["<cls>", *plain["sequence_tokens"], "<eos>"],
        "vocab_tokens": [*SPECIAL_BEFORE, *ESM_ORDER, *SPECIAL_AFTER],
    }


def _disorder(item: Item, params: Params) -> Any:
    return {"disorder": spread(len(item["sequence"]), "disorder", item["sequence"])}


def _score(item: Item, params: Params) -> Any:
    return {"log_prob": -100 * unit("score", _seed(item, params))}


def plddts(sequence: str) -> NDArray[np.float64]:
    """pLDDT of each residue [0-100], two decimals as in a B-factor column."""
    return np.round(50 + 50 * spread(len(sequence), "plddt", sequence).astype(float), 2)


def _fold(item: Item, params: Params) -> Any:
    sequence = item["sequence"]
    lines = [
        f"ATOM  {n:5d}  CA  {THREE[letter]} A{n:4d}    "
        f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00{b:6.2f}           C"
        for n, letter, (x, y, z), b in _alpha_carbons(sequence)
    ]
    return {
        "pdb": "\n".join([*lines, "TER   ", "END   ", ""]),
        "mean_plddt": float(plddts(sequence).mean()),
    }


def _fold_cif(item: Item, params: Params) -> Any:
    return {
        "cif": _cif(item["sequence"]),
        "mean_plddt": float(plddts(item["sequence"]).mean()),
    }


def _cofold(item: Item, params: Params) -> Any:
    chains = [chain.get("sequence", "") for chain in item["molecules"]]
    score = unit("confidence", _seed(item, params))
    return {"cif": _cif("".join(chains)), "confidence": {"confidence_score": score}}


def _cif(sequence: str) -> str:
    columns = (
        *("group_PDB", "id", "type_symbol", "label_atom_id", "label_alt_id", "label_comp_id"),
        *("label_asym_id", "label_seq_id", "pdbx_PDB_ins_code", "Cartn_x", "Cartn_y", "Cartn_z"),
        *("occupancy", "B_iso_or_equiv", "auth_seq_id", "auth_asym_id", "pdbx_PDB_model_num"),
    )
    head = ["data_model", "#", "loop_", *(f"_atom_site.{column}" for column in columns)]
    atoms = [
        f"ATOM {n} C CA . {THREE[letter]} A {n} ? {x:.3f} {y:.3f} {z:.3f} 1.00 {b:.2f} {n} A 1"
        for n, letter, (x, y, z), b in _alpha_carbons(sequence)
    ]
    return "\n".join([*head, *atoms, "#", ""])


def _alpha_carbons(sequence: str) -> Iterator[tuple[int, str, tuple[float, float, float], float]]:
    """An ideal helix: 100 degrees and 1.5 Å per residue."""
    for place, (letter, plddt) in enumerate(zip(sequence, plddts(sequence), strict=True)):
        turn = math.radians(100) * place
        position = (2.3 * math.cos(turn), 2.3 * math.sin(turn), 1.5 * place)
        yield place + 1, letter, position, float(plddt)


def ddg(sequence: str, mutation: str) -> float:
    """Change of free energy by one mutation, such as A12G [kcal/mol]; of none to itself: 0."""
    return 0.0 if mutation[0] == mutation[-1] else 6 * unit("ddg", sequence, mutation) - 3


def _ddg_matrix(item: Item, params: Params) -> Any:
    sequence = item["sequence"]
    rows = [f"{letter}{place}" for place, letter in enumerate(sequence, 1)]
    values = [[ddg(sequence, row + letter) for letter in ALPHABET] for row in rows]
    axes = {"residue_axis": rows, "amino_acid_axis": list(ALPHABET)}
    return {"ddG_matrix": {"values": values, **axes}}


def _ddg_list(item: Item, params: Params) -> Any:
    """Of the mutations asked for, or of all."""
    sequence = str(item.get("sequence") or _sequence_of(item.get("pdb", "")))
    mutations = item.get("mutations") or [
        f"{letter}{place}{other}"
        for place, letter in enumerate(sequence, 1)
        for other in ALPHABET
        if other != letter
    ]
    return [{"mutation": mutation, "ddg": ddg(sequence, mutation)} for mutation in mutations]


def _sequence_of(pdb: str) -> str:
    """The residues that have a C-alpha."""
    one = {three: letter for letter, three in THREE.items()}
    atoms = (line for line in pdb.splitlines() if line.startswith("ATOM") and line[13:15] == "CA")
    return "".join(one[line[17:20]] for line in atoms)


def _designs(item: Item, params: Params, name: str = "sequence") -> list[tuple[str, float]]:
    """Sequences of 12 residues with their scores."""
    seed = _seed(item, params)
    count = int(params.get("num_sequences", params.get("batch_size", 2)))
    texts = [f"{name} {number} {seed}" for number in range(count)]
    return [(_random_protein(12, text), unit(text)) for text in texts]


def _random_protein(length: int, text: str) -> str:
    return "".join(ALPHABET[byte % 20] for byte in hashlib.shake_128(text.encode()).digest(length))


def _inverse_fold(item: Item, params: Params) -> Any:
    """Several entries of `results` for one item."""
    return [
        {"sequence": text, "score": score, "global_score": score + 1, "seq_recovery": score / 2}
        for text, score in _designs(item, params)
    ]


def _antibodies(item: Item, params: Params) -> Any:
    pairs = zip(_designs(item, params, "heavy"), _designs(item, params, "light"), strict=True)
    return {
        "sequences": [
            {"heavy": heavy, "light": light, "global_score": score}
            for (heavy, score), (light, _) in pairs
        ]
    }


def _diffuse(item: Item, params: Params) -> Any:
    return [
        {"sequence": text, "log_prob": -score, "perplexity": 1 + score}
        for text, score in _designs(item, params)
    ]


@dataclass(frozen=True, slots=True)
class Model:
    """One action of one model."""

    answer: Callable[[Item, Params], Any]
    needs: str = "sequence"
    """Field without which an item is refused; "": none."""
    masks: bool = False
    """Sequences may hold `<mask>`; on the hub they must."""
    flat: bool = False
    """The answer to an item is several entries of `results`."""
    states_limit: bool = True
    """Its schema tells the batch size."""
    params: Literal["optional", "required", "forbidden"] = "optional"
    """What the hub says of `params`; the hosted service is not so strict."""


MODELS: dict[str, Model] = {
    "temberture/predict": Model(_temperature),
    "esm2-8m/encode": Model(_embed),
    "esm2-8m/predict": Model(_masked, masks=True, params="forbidden"),
    "esm2-8m/score": Model(_score),
    "esm2-8m/log_prob": Model(_score, params="forbidden"),
    "esm2-ends/predict": Model(_masked_with_ends, masks=True),
    "disorder/predict": Model(_disorder, states_limit=False),
    "esmfold/predict": Model(_fold),
    "esmfold/fold": Model(_fold),
    "esmfold-cif/fold": Model(_fold_cif),
    "spurs/predict": Model(_ddg_matrix),
    "thermompnn/predict": Model(_ddg_list, needs=""),
    "thermompnn-flat/predict": Model(_ddg_list, needs="", flat=True, params="required"),
    "protein-mpnn/generate": Model(_inverse_fold, needs="", flat=True),
    "antifold/generate": Model(_antibodies, needs=""),
    "dsm/generate": Model(_diffuse, needs=""),
    "boltz2/predict": Model(_cofold, needs="molecules"),
    "boltz2/fold": Model(_cofold, needs="molecules"),
}
"""Endpoint -> what it does.  `thermompnn-flat` is how the hub's ThermoMPNN answers."""


def answer(endpoint: str, item: Item, params: Params | None = None) -> Any:
    """What the server says of one item, as it comes out of JSON.

    Args:
        endpoint: Model and action, such as `esm2-8m/encode`.
    """
    return orjson.loads(_dumps(MODELS[endpoint].answer(item, params or {})))


def _dumps(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


# --- script ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Status:
    """An answer that is nothing but a status."""

    code: int
    body: object = None
    """As JSON; None: a page of HTML, as a proxy sends it."""
    headers: Mapping[str, str] = field(default_factory=dict)


Fault = (
    Status
    | Literal[
        "reset",  # the connection is reset, no answer
        "cut",  # half of the body, then the connection is closed
        "trickle",  # the body comes byte by byte, `trickle_s` apart
        "hang",  # no answer until the client goes
        "short",  # one result too few
        "long",  # one result too many
        "mixed",  # `error` beside `results`
        "not-json",  # status 200 with a page of HTML
    ]
)
"""What happens to a whole request.  Over HTTP/2 neither "reset" nor "cut" can be played."""
ItemFault = Literal[
    "named",  # the batch is refused; the item is named
    "unnamed",  # the batch is refused; nobody is named
    "crash",  # the batch ends with 500
    "hang",  # the batch is never answered
    "error",  # the item's entry in `results` is {"error": ...}
    "null",  # the item's entry in `results` is null
]
"""What an item does to the batch that holds it."""


def throttled(retry_after: str | None = None) -> Status:
    """429, with a `Retry-After` header if a value is given (seconds, or an HTTP date)."""
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return Status(429, {"detail": "Request was throttled."}, headers)


class Script:
    """How the server behaves; every field may be changed while it runs, from any thread."""

    def __init__(self) -> None:
        self.latency_s = 0.0
        """Time that a model takes for a batch."""
        self.token: str | None = None
        """Required of every request to a model; None: none."""
        self.batch_size = 32
        """Most items per request, of every model."""
        self.batch_sizes: dict[str, int] = {}
        """The same, by endpoint."""
        self.throttle_rate: str | None = "1000/second"
        """What the schema says; it is not enforced."""
        self.schema: Literal["given", "missing", "hangs", "no-tokens"] = "given"
        """`no-tokens`: 401 for who sends a token, as the hosted service may; it asks for none."""
        self.per_second: float | None = None
        """Requests accepted within a second; more are throttled."""
        self.most_in_flight: int | None = None
        """Requests accepted at a time; more are throttled."""
        self.retry_after: str | None = None
        """`Retry-After` of the two above."""
        self.outage: Fault | None = None
        """What happens to every request to a model, until it is None again."""
        self.items: dict[str, ItemFault] = {}
        """`key_of(item)` -> what that item does."""
        self.trickle_s = 0.01
        """Pause between two bytes of a body that trickles."""
        self.compress = False
        """Compress answers above 1000 bytes for who accepts it, as the hub does."""
        self._lock = threading.Lock()
        self._queue: list[tuple[str | None, Fault]] = []

    def next(self, *faults: Fault, endpoint: str | None = None) -> None:
        """Let these happen, one each to the next requests (of one endpoint, if it is given)."""
        with self._lock:
            self._queue += [(endpoint, fault) for fault in faults]

    @property
    def pending(self) -> int:
        """Faults of `next` that did not happen yet."""
        return len(self._queue)

    def fault(self, endpoint: str) -> Fault | None:
        """What happens to the request that has just come."""
        if self._queue:
            with self._lock:
                for place, (only, fault) in enumerate(self._queue):
                    if only in (None, endpoint):
                        del self._queue[place]
                        return fault
        return self.outage


# --- records ---------------------------------------------------------------------------------


@dataclass(slots=True)
class Call:
    """One request as the server saw it."""

    at: float
    """`time.monotonic()` of its arrival."""
    method: str
    path: str
    headers: dict[str, str]
    http_version: str
    endpoint: str = ""
    """Model and action; "" for everything else."""
    items: tuple[str, ...] = ()
    """`key_of` each item."""
    status: int = 0
    """Of the answer; 0: there was none."""
    aborted: bool = False
    """The client went before the answer."""
    over: bool = False

    @property
    def gzipped(self) -> bool:
        """Whether the body came compressed."""
        return self.headers.get("content-encoding") == "gzip"


class Seen:
    """What happened so far."""

    def __init__(self, *, every_call: bool = True) -> None:
        self.every_call = every_call
        """False: only the counts, for benchmarks."""
        self.calls: list[Call] = []
        self.requests: Counter[str] = Counter()
        """Requests by endpoint, without those refused for their token."""
        self.statuses: Counter[int] = Counter()
        """Answers by status; 0: connection reset, or client gone."""
        self.items: Counter[str] = Counter()
        """How often each item was asked about, whatever came of it."""
        self.answered: Counter[str] = Counter()
        """How often each item was in a batch whose answer, a 200, was sent to the end."""
        self.in_flight = 0
        """Requests to models being worked on now."""
        self.most_in_flight = 0
        self.aborted = 0
        self.connections = 0
        """Open connections (HTTP/1.1 only)."""

    def clear(self) -> None:
        """Forget all but what is going on."""
        self.calls = []
        for counts in (self.requests, self.statuses, self.items, self.answered):
            counts.clear()
        self.most_in_flight, self.aborted = self.in_flight, 0

    def came(self, call: Call) -> None:
        """A request to a model has begun; it takes part in what is in flight."""
        self.requests[call.endpoint] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def ended(self, call: Call, *, complete: bool = False) -> None:
        """A request is over; said before the last byte goes, so that no client knows it sooner."""
        if call.over:
            return
        call.over = True
        if call.endpoint:
            self.in_flight -= 1
            self.statuses[call.status] += 1
            self.aborted += call.aborted
            if complete and call.status == 200:
                self.answered.update(call.items)


# --- protocol --------------------------------------------------------------------------------

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
    return Reply(status, _dumps(value), {"content-type": "application/json", **headers})


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
        return _dumps(whole)

    def _entry(self, endpoint: str, item: Item, params: Params, option: str) -> orjson.Fragment:
        """The JSON of one answer, kept for the next time."""
        key = (endpoint, key_of(item), option)
        found = self._cache.get(key)
        if found is None:
            if len(self._cache) > 50_000:
                self._cache.clear()
            found = orjson.Fragment(_dumps(MODELS[endpoint].answer(item, params)))
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
        _abort(transport)


def _abort(transport: asyncio.Transport) -> None:
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


# --- server ----------------------------------------------------------------------------------


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
        # asyncio sends at once (TCP_NODELAY) only where the socket knows its protocol
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(1024)
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
            _abort(transport)
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
