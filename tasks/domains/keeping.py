"""Searches through the evidence store: what is stored is not searched again.

Whatever a search finds is stored before the next one begins, so a run that is killed goes on from
the last finished call. The state of each protein is written into its batch at the same moments.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar
from uuid import uuid4

import pandas as pd
import pyarrow as pa

from blocks.batch_items import Batch
from blocks.errors import SeqloomError
from blocks.evidence_store import EvidenceStore, Search
from blocks.locks import FlockLockManager
from tasks.domains.calls import Protein
from tasks.domains.dividing import ask_dividing
from tasks.domains.evidence import EVIDENCE_COLUMNS, EVIDENCE_SCHEMA, evidence_frame
from tasks.domains.outcome import Limits, Searched
from tasks.items import Counts

A = TypeVar("A")
SHARD = 16
"""Digits of a digest in the name of a lock."""


_ended: dict[tuple[str, int], str] = {}
"""Batch -> the failure that ends its run: searches that are under way begin nothing more."""


def begin_searches(batch: Batch) -> None:
    """Forget what ended an earlier run of the batch in this process."""
    _ended.pop(_key(batch), None)


def _key(batch: Batch) -> tuple[str, int]:
    return str(batch.engine.url), batch.id


@dataclass(frozen=True, slots=True)
class Kept:
    """Where evidence and states are kept, and who waits for whom."""

    store: EvidenceStore
    batch: Batch
    locks: Path

    @contextmanager
    def lock(self, search: Search, proteins: Sequence[Protein]) -> Iterator[None]:
        """Two runs that search the same proteins at the same time do it once."""
        manager, holder = FlockLockManager(self.locks), uuid4().hex
        first = min(one.digest for one in proteins)
        key = f"{search.key[:SHARD]}-{first[:SHARD]}-{len(proteins)}"
        manager.acquire_lock(key, holder)
        try:
            yield
        finally:
            manager.release_lock(key, holder)


@dataclass(frozen=True, slots=True)
class Asking(Generic[A]):
    """A search, how it is asked, and how its answer is stored."""

    stage: str
    search: Search
    ask: Callable[[Sequence[Protein], float], A]
    """Answers for some proteins, within a time [s]; proteins are named by their digests."""
    put: Callable[[EvidenceStore, Search, Sequence[str], A], dict[str, str]]
    """Stores the answer; the file of each digest."""
    at_once: int
    """Proteins in a call."""


def rows_of(
    store: EvidenceStore, search: Search, digests: Sequence[str], frame: pd.DataFrame
) -> dict[str, str]:
    """Store a frame of evidence."""
    table = pa.Table.from_pandas(
        frame[list(EVIDENCE_COLUMNS)], schema=EVIDENCE_SCHEMA, preserve_index=False
    )
    return store.put_rows(search, digests, table)


def texts_of(
    store: EvidenceStore, search: Search, digests: Sequence[str], texts: Sequence[str]
) -> dict[str, str]:
    """Store an alignment for each protein."""
    pairs = zip(digests, texts, strict=True)
    return {digest: store.put_text(search, digest, text, ".a3m") for digest, text in pairs}


def kept_search(
    asking: Asking[A],
    proteins: Sequence[Protein],
    kept: Kept,
    limits: Limits,
    *,
    refresh: bool = False,
    tick: Callable[[int], None] = lambda _count: None,
) -> Searched:
    """What the search finds for the proteins; those without a stored answer are asked for.

    Args:
        tick: Told how many more proteins are done.

    Raises:
        SeqloomError: A protein failed, and errors are not to be continued on; or what was found
            cannot be stored.
    """
    if not proteins:
        return Searched(stage=asking.stage)
    work = _Work(asking, kept, limits, _ids(proteins), time.monotonic(), tick)
    unique = {one.digest: Protein(one.digest, one.sequence, one.digest) for one in proteins}
    with kept.lock(asking.search, proteins):
        stored = {} if refresh else kept.store.found(asking.search, list(unique))
        work.done(stored)
        missing = [one for digest, one in unique.items() if digest not in stored]
        kept.batch.record(asking.stage, "running", work.names(one.digest for one in missing))
        for start in range(0, len(missing), asking.at_once):
            work.take(missing[start : start + asking.at_once])
    counts = Counts(
        items_in=len(proteins),
        items_out=len(proteins) - sum(len(work.ids[digest]) for digest in work.failed),
        items_failed=sum(len(work.ids[digest]) for digest in work.failed),
        cached=len(stored),
        computed=len(missing) - len(work.failed),
    )
    return Searched(stage=asking.stage, places=work.places, failed=work.failed, counts=counts)


@dataclass(slots=True)
class _Work(Generic[A]):
    """A search under way."""

    asking: Asking[A]
    kept: Kept
    limits: Limits
    ids: Mapping[str, Sequence[str]]
    """Digest -> ids with that sequence."""
    began: float
    tick: Callable[[int], None]
    places: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def names(self, digests: Iterator[str] | Sequence[str]) -> list[str]:
        return [one for digest in digests for one in self.ids[digest]]

    def done(self, places: Mapping[str, str]) -> None:
        self.places.update(places)
        self.kept.batch.record(self.asking.stage, "done", self.names(list(places)))
        self.tick(len(places))

    def take(self, part: Sequence[Protein]) -> None:
        """Ask for some proteins; those that fail are noted with the reason."""
        if (told := _ended.get(_key(self.kept.batch))) is not None:
            raise SeqloomError(told)
        left = self._left()
        if left <= 0:
            reason = f"not begun: {self._limit()} was reached"
            failures = [(one, reason) for one in part]
        else:
            failures = ask_dividing(part, self._ask, self._keep)
        if failures:
            found = {one.digest: reason for one, reason in failures}
            self.failed.update(found)
            errors = {name: found[d] for d in found for name in self.ids[d]}
            self.kept.batch.record(self.asking.stage, "done", list(errors), errors)
            self.tick(len(found))
            if not self.limits.continue_on_error:
                name, reason = next(iter(errors.items()))
                told = f"{name}, {self.asking.stage}: {reason}"
                raise SeqloomError(_ended.setdefault(_key(self.kept.batch), told))

    def _ask(self, part: Sequence[Protein]) -> A:
        return self.asking.ask(part, max(self._left(), 0.1))

    def _keep(self, part: Sequence[Protein], answer: A) -> None:
        digests = [one.digest for one in part]
        self.done(self.asking.put(self.kept.store, self.asking.search, digests, answer))

    def _left(self) -> float:
        of_stage = self.limits.stage_s - (time.monotonic() - self.began)
        return min(of_stage, self.limits.until - time.time())

    def _limit(self) -> str:
        if time.time() >= self.limits.until:
            return "the time limit of the run"
        return f"the time limit of a stage, {self.limits.stage_s:g} s,"


def _ids(proteins: Sequence[Protein]) -> dict[str, list[str]]:
    ids: dict[str, list[str]] = {}
    for one in proteins:
        ids.setdefault(one.digest, []).append(one.id)
    return ids


def evidence_of(
    places: Mapping[str, Mapping[str, str]], proteins: Sequence[Protein], store: EvidenceStore
) -> pd.DataFrame:
    """All evidence of some proteins, under their ids, in the order of the proteins.

    Args:
        places: Search -> digest -> file.
    """
    ids = _ids(proteins)
    parts = [
        table.to_pandas()
        for found in places.values()
        for table in store.rows(found, EVIDENCE_SCHEMA, ids)
    ]
    if not parts:
        return evidence_frame([])
    frame = pd.concat(parts, ignore_index=True)
    frame["protein"] = frame["protein"].map(ids)
    frame = frame.explode("protein", ignore_index=True)
    order = {one.id: place for place, one in enumerate(proteins)}
    frame = frame.iloc[frame["protein"].map(order).argsort(kind="stable")]
    named: pd.DataFrame = frame.reset_index(drop=True).astype({"protein": "str"})
    return named
