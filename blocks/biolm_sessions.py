"""BioLM clients of this process: one for each connection, shared by all stages that are running.

The clients live on one event loop in a thread of its own. Stages are ordinary threads: they hand
in batches, and write down what came back while further requests are on their way.

    with kept_open():                             # a flow, so that stages share what is known
        with session(connection) as biolm:        # a stage
            for number, answered in biolm.ask(batches):
                ...
"""

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from anyio.from_thread import BlockingPortal, start_blocking_portal

from blocks.biolm_calls import Answered, Call, Connection, Item, Limits
from blocks.biolm_client import BioLMClient
from blocks.cancellation import stop_if_cancelled
from blocks.errors import BudgetError
from blocks.service_pace import Traffic

POLL_S = 0.5
"""How often a waiting stage looks whether its run was cancelled."""
GRACE_S = 5.0
"""How long requests under way may still take after one has failed for good."""
SAY_S = 15.0
"""How often a stage is told how far its requests are."""
QUEUED = 2
"""Batches that wait for a free place, so that the wire is busy while a stage writes."""


class _Shared:
    """What is open as long as anybody uses it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._users = 0
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._clients: dict[Connection, BioLMClient] = {}

    @contextmanager
    def used(self) -> Iterator[None]:
        """Nothing is closed within."""
        with self._guard:
            self._users += 1
        try:
            yield
        finally:
            with self._guard:
                self._users -= 1
                if not self._users:
                    self._clients, self._portal = {}, None
                    self._stack.close()

    def session(self, connection: Connection) -> "Session":
        """The connection's client, opened by the first who asks."""
        with self._guard:
            if self._portal is None:
                self._portal = self._stack.enter_context(start_blocking_portal(name="biolm"))
            client = self._clients.get(connection)
            if client is None:
                client = BioLMClient(connection)
                self._stack.enter_context(self._portal.wrap_async_context_manager(client))
                self._clients[connection] = client
            return Session(self._portal, client)


_shared = _Shared()
kept_open = _shared.used
"""Clients opened within stay open until the last such block in this process ends."""


@contextmanager
def session(connection: Connection) -> Iterator["Session"]:
    """The connection's client, for a thread."""
    with _shared.used():
        yield _shared.session(connection)


@dataclass(frozen=True, slots=True)
class Session:
    """A client as seen from a thread."""

    portal: BlockingPortal
    client: BioLMClient

    @property
    def traffic(self) -> Traffic:
        """What this process has sent over the connection so far, and met."""
        return self.client.traffic

    def limits(self, call: Call) -> Limits:
        """See `BioLMClient.limits`."""
        return self.portal.call(self.client.limits, call)

    def ask(
        self,
        batches: Iterable[tuple[Call, Sequence[Item]]],
        *,
        in_flight: int | None = None,
        deadline_s: float | None = None,
        say: Callable[[str], object] = lambda _: None,
    ) -> Generator[tuple[int, Answered | None]]:
        """What came back for each batch of a call, with the batch's number from 0, as they come.

        Batches are taken when there is room for them. When one fails, no more are taken; those
        under way are given `GRACE_S` to come, then the failure is raised. While nothing comes,
        there is a None now and then, so that the caller can do what is due.

        Args:
            in_flight: Most requests at once; None: the connection's.
            deadline_s: Time for all of them.
            say: Told every `SAY_S` how far it is, also while the service is silent.

        Raises:
            BudgetError: The deadline has passed.
        """
        usual = self.client.connection.in_flight
        fewer = in_flight is not None and in_flight < usual
        most = in_flight if in_flight is not None and fewer else usual + QUEUED
        futures = (
            self.portal.start_task_soon(self.client.batch, call, items) for call, items in batches
        )
        end = float("inf") if deadline_s is None else time.monotonic() + deadline_s
        numbered = iter(enumerate(futures))
        waiting: dict[Future[Answered], int] = {}
        failure: BaseException | None = None
        more, answered, said = True, 0, time.monotonic()
        try:
            while more or waiting:
                if time.monotonic() > said + SAY_S:
                    said = time.monotonic()
                    say(f"{answered} answered, {len(waiting)} on their way; {self.traffic}")
                more = more and failure is None and _filled(waiting, numbered, most)
                done = self._finished(waiting, end)
                if waiting and not done:
                    if time.monotonic() > end:
                        raise failure or _too_late(deadline_s)
                    yield -1, None
                for future in done:
                    number = waiting.pop(future)
                    if error := future.exception():
                        failure = failure or error
                        end = min(end, time.monotonic() + GRACE_S)
                    else:
                        answered += 1
                        yield number, future.result()
            if failure is not None:
                raise failure
        finally:
            for future in waiting:
                future.cancel()
            wait(waiting, POLL_S)

    @staticmethod
    def _finished(waiting: dict["Future[Answered]", int], end: float) -> "list[Future[Answered]]":
        """Those that have ended, in their order; empty where none does for a while."""
        patience_s = max(0.0, min(POLL_S, end - time.monotonic()))
        done = wait(waiting, patience_s, FIRST_COMPLETED).done if waiting else set()
        if waiting and not done:
            stop_if_cancelled("the run was cancelled; its requests are ended")
        return sorted(done, key=waiting.__getitem__)


def _filled(
    waiting: dict["Future[Answered]", int],
    numbered: Iterator[tuple[int, "Future[Answered]"]],
    most: int,
) -> bool:
    """Start batches as long as there is room; whether there may be more of them."""
    while len(waiting) < most:
        number, future = next(numbered, (-1, None))
        if future is None:
            return False
        waiting[future] = number
    return True


def _too_late(deadline_s: float | None) -> BudgetError:
    return BudgetError(
        f"deadline_s: {deadline_s:g} s have passed; all answers so far are kept, "
        "and the next run goes on from there"
    )
