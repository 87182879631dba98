"""Chunks on their way through the stages: started in order, a few at a time, without a barrier.

The searches of a chunk are submitted before the end of the chunk before it: a worker that would
wait for a long search finds other work first. Only so many chunks are under way as keep the
workers busy, so memory does not grow with the number of proteins.
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import pandas as pd
from prefect import Task
from prefect.futures import PrefectFuture, wait

from blocks.batch_items import Batch
from blocks.batch_states import STATES, BatchStatus
from tasks.announcing import announce_table
from tasks.domains import search_stages, stages
from tasks.domains.delivery import Done
from tasks.domains.keeping import begin_searches
from tasks.domains.outcome import (
    Chunk,
    Partitioned,
    Registered,
    Searched,
    SearchJob,
    Summarised,
)
from tasks.domains.planning import Prepared
from tasks.domains.search_jobs import calibration_digest
from tasks.items import StageResult
from tasks.policies import start

WINDOW = 4
"""Chunks under way besides the one that is searched."""
TELL_S = 10.0
"""How often the state of the batch is shown in the UI."""
T = TypeVar("T", bound=StageResult)
Future = PrefectFuture[Any]


@dataclass(frozen=True, slots=True)
class _Searches:
    """A chunk whose searches were submitted."""

    chunk: Chunk
    found: tuple[Future, ...]
    """Of all searches, in the order of the stages."""
    others: tuple[Future, ...] = ()

    @property
    def futures(self) -> tuple[Future, ...]:
        """All."""
        return (*self.found, *self.others)


@dataclass(frozen=True, slots=True)
class _Ending:
    """A chunk all of whose stages were submitted."""

    searches: _Searches
    registered: Future
    summary: Future
    partitioned: Future

    @property
    def futures(self) -> list[Future]:
        """In the order in which they can fail."""
        return [*self.searches.futures, self.registered, self.summary, self.partitioned]


class Chunks:
    """The chunks of a run."""

    def __init__(self, run: Prepared, job: SearchJob, batch: Batch) -> None:
        self._run = run
        self._job = job
        self._batch = batch
        self._anew = run.params.refresh or run.params.proteins == "failed"
        self._told = time.monotonic()
        self._calibration = calibration_digest()

    def done(self, chunks: Sequence[Chunk]) -> list[Done]:
        """All chunks when the last one has ended.

        Raises:
            Exception: What the first stage that failed by itself raised, once all that was under
                way has ended; what was found is stored.
        """
        begin_searches(self._batch)
        searching: deque[_Searches] = deque()
        ending: deque[_Ending] = deque()
        finished: list[Done] = []
        try:
            for chunk in chunks:
                searching.append(self._searches(chunk))
                if len(searching) > 1:
                    ending.append(self._ending(searching.popleft()))
                if len(ending) > WINDOW:
                    finished.append(self._settled(ending.popleft()))
            ending.extend(self._ending(one) for one in searching)
            while ending:
                finished.append(self._settled(ending.popleft()))
        except BaseException:
            under_way: list[_Ending | _Searches] = [*ending, *searching]
            wait([future for one in under_way for future in one.futures])
            self._batch.halt()
            raise
        finally:
            self._tell()
        return finished

    def _searches(self, chunk: Chunk) -> _Searches:
        if not self._job.search:
            return _Searches(chunk, ())
        pair = tuple(
            _started(search_stages.blast, f"{name} {chunk.number}",
                     {"source": name, "chunk": chunk, "job": self._job})
            for name in ("chain_blast", "domain_blast")
        )  # fmt: skip
        if self._run.params.mode != "FULL":
            return _Searches(chunk, pair)
        params = self._run.params
        wanted = _started(
            search_stages.uncovered,
            f"uncovered {chunk.number}",
            {
                "chunk": chunk, "found": pair, "reference": self._run.ref,
                "partition": params.partition, "below": params.hhsearch_below_coverage,
                "calibration": self._calibration,
            },
            self._anew,
        )  # fmt: skip
        size = params.search.hhsearch.chunk_size
        count = -(-chunk.table.rows // size)
        made, found = [], []
        for number in range(count):
            given = {"chunk": chunk, "wanted": wanted, "part": (number, count), "job": self._job}
            label = f"{chunk.number}.{number + 1}"
            made.append(_started(search_stages.profiles, f"profiles {label}", given))
            found.append(
                _started(search_stages.hhsearch, f"HHsearch {label}", {**given, "made": made[-1]})
            )
        return _Searches(chunk, (*pair, *found), (wanted, *made))

    def _ending(self, searches: _Searches) -> _Ending:
        chunk = searches.chunk
        registered = _started(
            stages.register,
            f"register {chunk.number}",
            {"chunk": chunk, "found": searches.found, "job": self._job},
        )
        summary = _started(
            stages.summarise,
            f"summarise {chunk.number}",
            {"chunk": chunk, "registered": registered},
            self._anew,
        )
        partitioned = _started(
            stages.partition,
            f"partition {chunk.number}",
            {
                "chunk": chunk, "registered": registered, "summary": summary,
                "reference": self._run.ref, "settings_": self._run.params.partition,
                "calibration": self._calibration,
            },
            self._anew,
        )  # fmt: skip
        return _Ending(searches, registered, summary, partitioned)

    def _settled(self, ending: _Ending) -> Done:
        while wait([ending.partitioned], timeout=TELL_S).not_done:
            self._tell()
        futures = ending.futures
        for future in futures:
            if not future.state.is_completed() and future.state.name != "NotReady":
                future.result()
        partitioned = _result(ending.partitioned, Partitioned)
        registered = _result(ending.registered, Registered)
        self._record(partitioned)
        if time.monotonic() - self._told > TELL_S:
            self._tell()
        found = [_result(one, Searched).counts for one in ending.searches.found]
        return Done(
            chunk=ending.searches.chunk,
            unsearched=registered.failed,
            unpartitioned=partitioned.failed,
            summary=_result(ending.summary, Summarised),
            partitioned=partitioned.model_copy(update={"outcomes": {}, "failed": {}}),
            computed=sum(counts.computed for counts in found),
            cached=sum(counts.cached for counts in found),
        )

    def _record(self, made: Partitioned) -> None:
        """The states of the last stages, which may have been answered from stored results."""
        names = [*made.outcomes, *made.failed]
        self._batch.record("summary", "done", names)
        self._batch.record("partition", "done", names, made.failed)
        self._batch.record("classification", "done", list(made.outcomes))
        self._batch.finish("classification", made.outcomes)

    def _tell(self) -> None:
        self._told = time.monotonic()
        announce_table("domains-status", "How far the batch is", status_frame(self._batch.status()))


def status_frame(status: BatchStatus) -> pd.DataFrame:
    """A row for each stage and one for whole proteins; the states of each add up."""
    known = {**status.stages, "proteins": status.items}
    rows = [[name.replace("_", " "), *(c[one] for one in STATES)] for name, c in known.items()]
    return pd.DataFrame(rows, columns=["stage", *STATES])


def _started(
    stage: Task[..., Any], name: str, arguments: dict[str, Any], anew: bool = False
) -> Future:
    return cast(Future, start(stage, name, arguments, anew))


def _result(future: Future, kind: type[T]) -> T:
    result = future.result()
    if not isinstance(result, kind):
        raise TypeError(f"{type(result).__name__} where {kind.__name__} was expected")
    return result
