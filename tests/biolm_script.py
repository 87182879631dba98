"""How the stand-in BioLM service behaves, and what it has seen."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


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
