"""Asking a remote model for many items: full batches, answers as they come, a stop in time.

What comes back is handed on some seconds at a time, so that a crash costs little. Answers are kept
whole, as leaves.
"""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from blocks.biolm_calls import Answered, Call, Connection, Item
from blocks.biolm_sessions import Session
from blocks.errors import InputError, SeqloomError, ServiceError
from tasks.design import answers
from tasks.design.budget import Allowance
from tasks.design.remote_model import RemoteSettings, Request
from tasks.design.scoring import Part

WRITE_ROWS, WRITE_BYTES, WRITE_S = 4_096, 16 << 20, 2.0
"""Answers, what they hold, and seconds, between two writes to the store."""
NUMBER_BYTES = 32
"""Of a number that is an object of its own, and of the place that holds it."""
UNKNOWN_BATCH = 8
"""Items per request to a model that does not say how many it takes."""
REFUSED_FIRST, REFUSED_BATCHES = 32, 3
"""So many items, and batches, refused for one reason, and none answered: the request is wrong."""
Slots = Callable[[str, int], AbstractContextManager[int]]
Check = Callable[[Mapping[str, answers.Leaf]], None]
"""Looks at the first answer; raises InputError if it is not what is needed."""


def service_name(connection: Connection) -> str:
    """Name of the service in the keys of what it predicted."""
    return connection.stored_as or urlsplit(connection.base_url).netloc


def call_of(settings_: RemoteSettings) -> Call:
    """The call without its items."""
    return Call(
        settings_.model,
        settings_.action,
        settings_.params,
        settings_.batch_size,
        settings_.requests_per_second,
        whole=getattr(settings_, "whole_results", False),
    )


class Gathered:
    """Answers that are not yet written down, and whether it makes sense to ask for more."""

    def __init__(self, model: str, check: Check) -> None:
        self.stop: SeqloomError | None = None
        """Why no more is asked."""
        self._model, self._check = model, check
        self._places: list[int] = []
        self._answers: list[dict[str, answers.Leaf]] = []
        self._errors: list[str] = []
        self._bytes = 0
        self._written = 0.0
        self._answered = False
        self._batches = 0
        self._refused: Counter[str] = Counter()

    def add(self, places: NDArray[np.int64], answered: Answered) -> None:
        """What came back for one batch."""
        self._batches += 1
        for number, place in enumerate(places.tolist()):
            if number in answered.faults:
                self.refuse(place, answered.faults[number])
                continue
            leaves = answers.leaves(answered.answers[number])
            self._add(place, leaves, "")
            if not self._answered:
                self._answered = True
                self._check_first(leaves)
        self._check_refusals()

    def refuse(self, place: int, reason: str) -> None:
        """An item that failed."""
        self._add(place, {}, reason)
        self._refused[reason] += 1

    def took_the_blame(self, error: BaseException, sent: Mapping[int, NDArray[np.int64]]) -> bool:
        """Whether the items of the one batch that was sent failed, not the service.

        The client calls it an outage when nothing passes. Where nothing else was asked, such as
        the few items that an earlier run could not get answered, a model that crashes on them
        cannot be told from one that is down; the items are the likelier cause.
        """
        crashed = isinstance(error, ServiceError) and error.reason.startswith("HTTP 500")
        if not crashed or list(sent) != [0] or self._answered:
            return False
        for place in sent[0].tolist():
            self.refuse(place, str(error))
        return True

    @property
    def holds_any(self) -> bool:
        """Whether anything waits to be written down."""
        return bool(self._places)

    def is_due(self) -> bool:
        """Whether it is time to write down what is there; the first answers at once."""
        if not self._places:
            return False
        age_s = time.monotonic() - self._written
        many = len(self._places) >= WRITE_ROWS or self._bytes >= WRITE_BYTES
        return many or age_s > WRITE_S

    def part(self) -> Part:
        """All that is there, to be written down."""
        part = Part(
            np.array(self._places, dtype=np.int64),
            answers.frame(self._answers),
            self._errors,
            answers.long_texts(self._answers),
        )
        self._places, self._answers, self._errors, self._bytes = [], [], [], 0
        self._written = time.monotonic()
        return part

    def _add(self, place: int, leaves: dict[str, answers.Leaf], error: str) -> None:
        self._places.append(place)
        self._answers.append(leaves)
        self._errors.append(error)
        self._bytes += _size(leaves)

    def _check_first(self, leaves: Mapping[str, answers.Leaf]) -> None:
        try:
            self._check(leaves)
        except InputError as error:
            self.stop = error

    def _check_refusals(self) -> None:
        if self._answered or not self._refused:
            return
        reason, count = self._refused.most_common(1)[0]
        if count >= REFUSED_FIRST and self._batches >= REFUSED_BATCHES:
            what = f"{self._model} refused all of the first {count} items: {reason}"
            self.stop = InputError(f"{what}; expected items and params that the model takes")


class Asker:
    """A model of a service, as a stage asks it."""

    def __init__(
        self, stage: str, remote: RemoteSettings, session: Session, allowance: Allowance,
        slots: Slots,
    ) -> None:  # fmt: skip
        self._stage, self._remote = stage, remote
        self._session, self._allowance, self._slots = session, allowance, slots
        self.requests = 0

    def parts(
        self, items: Iterable[tuple[int, Item]], check: Check = lambda _: None
    ) -> Generator[Part]:
        """What the service answers, as it comes in.

        Args:
            items: What to ask, each with its place; taken as there is room for more.
            check: Looks at the first answer before much more is asked.

        Raises:
            BudgetError: The budget or the deadline is spent; what came before has been given.
            InputError: The service refuses, or `check` does.
            ServiceError: The service is out of order.
        """
        call = call_of(self._remote)
        gathered = Gathered(self._remote.model, check)
        sent: dict[int, NDArray[np.int64]] = {}
        batches = self._batches(call, items, gathered, sent)
        return self._gathered(((call, batch) for batch in batches), gathered, sent)

    def raw_parts(self, requests: Iterable[tuple[int, Request]]) -> Generator[Part]:
        """All that came back for each request, which goes by itself; else as `parts`."""
        call = call_of(self._remote)
        gathered = Gathered(self._remote.model, lambda _: None)
        sent: dict[int, NDArray[np.int64]] = {}

        def calls() -> Iterator[tuple[Call, Sequence[Item]]]:
            for number, (place, request) in enumerate(requests):
                if not self._may_ask(gathered, 1):
                    return
                sent[number] = np.array([place], dtype=np.int64)
                params = {**call.params, **request.params}
                yield replace(call, params=params, whole=True), [request.item]

        return self._gathered(calls(), gathered, sent)

    def _gathered(
        self,
        batches: Iterator[tuple[Call, Sequence[Item]]],
        gathered: Gathered,
        sent: dict[int, NDArray[np.int64]],
    ) -> Generator[Part]:
        wanted = self._remote.in_flight or self._session.client.connection.in_flight
        with self._slots(f"biolm-{self._remote.model}", wanted) as granted:
            asked = self._session.ask(
                batches, in_flight=granted, deadline_s=self._remote.deadline_s
            )
            with closing(asked):
                try:
                    for number, answered in asked:
                        if answered is not None:
                            self.requests += answered.requests
                            self._allowance.spent_more(answered.requests - 1)
                            gathered.add(sent.pop(number), answered)
                        if gathered.is_due():
                            yield gathered.part()
                except GeneratorExit:
                    raise
                except BaseException as error:
                    if not gathered.took_the_blame(error, sent):
                        if gathered.holds_any:
                            yield gathered.part()
                        raise
        if gathered.holds_any:
            yield gathered.part()
        if gathered.stop is not None:
            raise gathered.stop

    def _batches(
        self,
        call: Call,
        items: Iterable[tuple[int, Item]],
        gathered: Gathered,
        sent: dict[int, NDArray[np.int64]],
    ) -> Iterator[Sequence[Item]]:
        """Full batches; `sent` gets the places of each one's items."""
        limits = self._session.limits(call)
        size = 1 if call.whole else limits.batch_size or UNKNOWN_BATCH
        worth_asking = self._without_faults(items, gathered)
        for number in itertools.count():
            batch = list(itertools.islice(worth_asking, size))
            if not batch or not self._may_ask(gathered, len(batch)):
                return
            sent[number] = np.array([place for place, _ in batch], dtype=np.int64)
            yield [item for _, item in batch]

    @staticmethod
    def _without_faults(
        items: Iterable[tuple[int, Item]], gathered: Gathered
    ) -> Iterator[tuple[int, Item]]:
        for place, item in items:
            if fault := _fault(item):
                gathered.refuse(place, fault)
            else:
                yield place, item

    def _may_ask(self, gathered: Gathered, items: int) -> bool:
        if gathered.stop is None and not self._allowance.take(items):
            gathered.stop = self._allowance.error(self._stage)
        return gathered.stop is None


def _size(leaves: Mapping[str, answers.Leaf]) -> int:
    """About how much memory an answer takes [bytes]."""
    size, left = 0, list[object](leaves.values())
    while left:  # JSON may be nested deeper than Python calls
        leaf = left.pop()
        if isinstance(leaf, np.ndarray):
            size += leaf.nbytes
        elif isinstance(leaf, str):
            size += len(leaf)
        elif isinstance(leaf, dict):
            left += leaf.values()
        elif isinstance(leaf, list):
            left += leaf
        else:
            size += NUMBER_BYTES
    return size


def _fault(item: Mapping[str, Any]) -> str:
    """Why an item need not be sent."""
    molecules = item.get("molecules")
    fields = molecules[0] if isinstance(molecules, list) else item
    empty = next((name for name, value in fields.items() if value is None or value == ""), "")
    return f"no value for the field {empty!r}; expected one" if empty else ""
