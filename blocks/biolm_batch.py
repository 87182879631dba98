"""One batch on its way through BioLM: every item comes back with an answer or with a reason."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from blocks import biolm_dialects as dialects
from blocks.biolm_calls import Answered, Item
from blocks.biolm_dialects import Refusal
from blocks.biolm_search import culprits
from blocks.errors import InputError, ServiceError
from blocks.masking import one_line
from blocks.service_replies import Reply

UNKNOWN_SIZE = 8
"""Items per request where nobody says how many a model takes."""
TRIES = 3
"""Of a request that the service fails on, before the items are suspected."""
PROBE_TRIES = 2
"""Of a request that looks for the item on which the service fails."""
SHOWN = 300
"""What is kept of a message of the service [characters]."""
ITEMS_REFUSED = frozenset({400, 413, 422})
"""The service looked at the items and does not take them."""
TOO_LARGE = 413
HELD_UP = frozenset({408, 409, 425})
EXPECTED = {
    401: "a token that the service knows",
    402: "credit on the account",
    403: "a token that may use this model",
    404: "a model and an action that the service has",
}


class Line(Protocol):
    """The way to one action of one model, shared by all batches that go there."""

    name: str
    """How messages call it: host, model and action."""
    sure: bool
    """Whether the service itself says that it takes `size` items."""
    attempts: int
    """Most tries of a request."""

    @property
    def size(self) -> int:
        """Most items of a request, as known by now."""

    def take_at_most(self, size: int) -> None:
        """Remember that more items than that are refused."""

    @property
    def successes(self) -> int:
        """Requests of the whole client that passed."""

    async def post(self, items: Sequence[Item], attempts: int | None) -> Reply:
        """What the service answers to these items."""

    def passed(self) -> None:
        """Count a request that passed."""

    def said(self, message: str) -> str:
        """A message of the service on one short line without secrets."""


@dataclass(frozen=True, slots=True)
class _Refused:
    """Items that were sent together and not answered, none of them named."""

    message: str
    failed: bool
    """The service broke over them, instead of refusing them."""
    max_items: int | None = None
    mixed: bool = False
    """There were results beside the error: worth a second look."""


class Batch:
    """Items that are asked together, for as long as nothing speaks against it."""

    def __init__(self, line: Line, items: Sequence[Item]) -> None:
        self._line = line
        self._items = items
        self._answers: list[Any | None] = [None] * len(items)
        self._faults: dict[int, str] = {}
        self._requests = 0
        self._largest = 0  # most items that passed together

    async def answered(self) -> Answered:
        """Answers and faults of all items.

        Raises:
            InputError: The service wants neither these items nor any others: token, credit, model.
            ServiceError: The service is out of order.
        """
        self._before = self._line.successes
        await self._settle(list(range(len(self._items))))
        return Answered(self._answers, dict(sorted(self._faults.items())), self._requests)

    async def _settle(self, places: Sequence[int]) -> None:
        """Leave no place without answer or fault."""
        rest = list(places)
        while rest:
            size = self._line.size  # may have shrunk
            piece, rest = rest[:size], rest[size:]
            refused = await self._send(piece, TRIES)
            if refused and refused.failed and (refused.mixed or not self._others_pass()):
                tries = max(self._line.attempts - TRIES, 1)
                refused = await self._send(self._open(piece), tries)
            if refused and refused.max_items:
                self._line.take_at_most(refused.max_items)
                rest = [*self._open(piece), *rest]
            elif refused:
                await self._search(self._open(piece), refused)

    async def _search(self, places: Sequence[int], refused: _Refused) -> None:
        """Find out whose fault it is; the others keep or get their answers."""
        # Single items that failed while nothing else passed.
        unseen = int(refused.failed and len(places) == 1)

        async def send(group: Sequence[int]) -> str | None:
            nonlocal unseen
            again = await self._send(group, PROBE_TRIES if refused.failed else TRIES)
            if again is None:
                return None
            if again.failed and len(group) == 1 and not self._others_pass():
                unseen += 1
                if unseen >= TRIES:
                    raise ServiceError(self._line.name, again.message)
            return again.message

        # What passes alone may fail in company, and a failure may be over: then ask each alone.
        confirm = refused.failed or not self._line.sure
        found = await culprits(places, refused.message, send, confirm=confirm)
        if unseen and not self._others_pass():
            raise ServiceError(self._line.name, refused.message)
        self._faults |= found
        if not found and self._largest < len(places):
            self._line.take_at_most(max(self._largest, 1))

    async def _send(self, places: Sequence[int], attempts: int) -> _Refused | None:
        """Send these and, without those that the service names, once more; None: all settled."""
        rest, again = list(places), True
        while rest:
            reply = await self._line.post([self._items[place] for place in rest], attempts)
            self._requests += reply.requests
            if reply.status == 200 and is_answer(reply.data):  # noqa: PLR2004
                if self._keep(rest, reply.data["results"], again=again):  # type: ignore[index]
                    return None
                again = False
                continue
            if reply.status == 200 and reply.data is None and self._line.successes:  # noqa: PLR2004
                return _Refused("HTTP 200: no JSON", failed=True, mixed=True)
            refusal = read_refusal(self._line.name, reply, self._line.said)
            if isinstance(refusal, _Refused):
                return refusal
            too_many = _too_many(reply.status, refusal, len(rest))
            named = {place: why for place, why in refusal.named.items() if place < len(rest)}
            if too_many or not named:
                message = f"HTTP {reply.status}: {self._line.said(refusal.message)}"
                return _Refused(message, failed=False, max_items=too_many)
            self._faults |= {rest[place]: self._line.said(why) for place, why in named.items()}
            rest = [place for at, place in enumerate(rest) if at not in named]
        return None

    def _keep(self, places: Sequence[int], results: object, *, again: bool) -> bool:
        """Take the answers; False: they do not fit the items, and should be asked for `again`."""
        if not isinstance(results, list) or len(results) != len(places):
            if again:
                return False
            count = len(results) if isinstance(results, list) else "no list of"
            said = f"the service answered {count} results for {len(places)} items"
            self._faults |= dict.fromkeys(places, said)
            self._line.passed()
            return True
        self._line.passed()
        self._largest = max(self._largest, len(places))
        for place, entry in zip(places, results, strict=True):
            fault = dialects.entry_fault(entry)
            if fault is None:
                self._answers[place] = entry
            else:
                self._faults[place] = self._line.said(fault)
        return True

    def _open(self, places: Sequence[int]) -> list[int]:
        """Those not yet set aside."""
        return [place for place in places if place not in self._faults]

    def _others_pass(self) -> bool:
        """Whether anything at all passed since this batch began."""
        return self._line.successes > self._before


def is_answer(data: object) -> bool:
    """Whether the body of a good answer holds results, and no error beside them."""
    return isinstance(data, dict) and not dialects.success_error(data)


def read_refusal(name: str, reply: Reply, said: Callable[[str], str]) -> Refusal | _Refused:
    """Why there are no results: the items are refused, or the service failed on them.

    Raises:
        InputError: Whatever the items, the service will refuse: token, credit, model, parameters.
        ServiceError: The service puts off.
    """
    status, about = reply.status, f"HTTP {reply.status}"
    if status == 200 and isinstance(reply.data, dict):  # noqa: PLR2004 -- an error all the same
        told = reply.data.get("status_code")
        status = told if type(told) is int and told >= 400 else 400  # noqa: PLR2004
    if status == 0:
        return _Refused(reply.text, failed=True)
    mixed = isinstance(reply.data, dict) and "results" in reply.data
    refusal = dialects.refusal(status, reply.data, reply.text)
    message = f"{about}: {said(refusal.message)}"
    if status in EXPECTED:
        raise InputError(f"{name}: {message}; expected {EXPECTED[status]}")
    if status in HELD_UP or status in {429, 503}:
        raise ServiceError(name, message)
    if status >= 500 or mixed:  # noqa: PLR2004
        return refusal if refusal.named else _Refused(message, failed=True, mixed=mixed)
    if status not in ITEMS_REFUSED:
        raise InputError(f"{name}: {message}; expected the address of a BioLM service")
    if refusal.about_params:
        raise InputError(f"{name}: {message}; expected parameters that the model takes")
    return refusal


def _too_many(status: int, refusal: Refusal, sent: int) -> int | None:
    """How many items to send instead; None: there were not too many."""
    if refusal.max_items and refusal.max_items < sent:
        return refusal.max_items
    return sent // 2 if status == TOO_LARGE and sent > 1 and not refusal.named else None


def one_short_line(message: str) -> str:
    """A message of a service on one masked line of at most `SHOWN` characters."""
    return one_line(message)[:SHOWN]
