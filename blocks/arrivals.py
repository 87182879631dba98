"""Files that arrived: each version is claimed for one run, whoever looks and however often.

All that has to be remembered lies in the database, so a watcher can be killed at any point, and
several may watch the same place. What starts a run has to start none twice for a key; with that,
each version of a file is handled once.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Engine

from blocks.arrival_tables import FILES, RUNS, STATES, Arrival, ArrivalRun, State
from blocks.database import insert_new, reading, writing
from blocks.file_versions import FileVersion


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What one watch remembers."""

    engine: Engine
    watch: str

    def see(self, files: Sequence[FileVersion]) -> int:
        """Note the files of a look; the number of new versions.

        A version that waited and is not there any more, as that of a file that grew, is forgotten.
        """
        now = datetime.now(UTC)
        there = {(one.uri, one.version): one for one in files}
        with reading(self.engine) as connection:
            query = sa.select(FILES.c.uri, FILES.c.version, FILES.c.run_key).where(self._mine())
            known = {(uri, version): key for uri, version, key in connection.execute(query)}
        new = [one for place, one in there.items() if place not in known]
        gone = [place for place, key in known.items() if key is None and place not in there]
        if new or gone:
            with writing(self.engine) as connection:
                for one in new:
                    insert_new(connection, FILES, self._row(one, now))
                for uri, version in gone:
                    connection.execute(sa.delete(FILES).where(self._waiting(uri, version)))
        return len(new)

    def settled(self, settle_s: float) -> list[FileVersion]:
        """Files that wait and have not changed for so long, those seen first in front."""
        before = datetime.now(UTC) - timedelta(seconds=settle_s)
        query = (
            sa.select(FILES)
            .where(self._mine(), FILES.c.run_key.is_(None), FILES.c.seen_at <= before)
            .order_by(FILES.c.seen_at, FILES.c.uri)
        )
        with reading(self.engine) as connection:
            return [
                FileVersion(row.uri, row.version, row.bytes, 0.0)
                for row in connection.execute(query)
            ]

    def waiting(self) -> int:
        """How many files wait."""
        query = sa.select(sa.func.count()).where(self._mine(), FILES.c.run_key.is_(None))
        with reading(self.engine) as connection:
            return int(connection.execute(query).scalar_one())

    def run_key(self, files: Sequence[FileVersion]) -> str:
        """The key of the run of these files."""
        parts = [self.watch, *sorted(f"{one.uri}\0{one.version}" for one in files)]
        return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()

    def claim(self, run: ArrivalRun, files: Sequence[FileVersion]) -> bool:
        """Take these files for a run; False: another watcher has taken some of them."""
        now = datetime.now(UTC)
        with writing(self.engine) as connection:
            taken = 0
            for one in sorted(files, key=lambda one: one.uri):  # in one order: no deadlock
                change = sa.update(FILES).where(self._waiting(one.uri, one.version))
                taken += connection.execute(change.values(run_key=run.key)).rowcount
            if taken != len(files):
                connection.rollback()
                return False
            row = {**run.model_dump(), "claimed_at": now, "updated_at": now}
            connection.execute(sa.insert(RUNS).values(row))
        return True

    def pending(self) -> list[ArrivalRun]:
        """Runs that are claimed and not known to have started, the oldest first."""
        query = (
            sa.select(RUNS)
            .where(RUNS.c.watch == self.watch, RUNS.c.state == "claimed")
            .order_by(RUNS.c.claimed_at, RUNS.c.key)
        )
        with reading(self.engine) as connection:
            return [
                ArrivalRun.model_validate(row, from_attributes=True)
                for row in connection.execute(query)
            ]

    def started(self, key: str, flow_run_id: str) -> None:
        """A run was started."""
        self._change(key, state="started", flow_run_id=flow_run_id, error="")

    def failed(self, key: str, error: str) -> None:
        """A run cannot be started; its files are looked at again after `forget_failed`."""
        self._change(key, state="failed", error=error)

    def not_yet(self, key: str, error: str) -> None:
        """A run could not be started now; the next look tries again."""
        self._change(key, error=error)

    def forget_failed(self) -> int:
        """Let the files of failed runs arrive anew; their number."""
        failed = sa.and_(RUNS.c.watch == self.watch, RUNS.c.state == "failed")
        keys = sa.select(RUNS.c.key).where(failed)
        with writing(self.engine) as connection:
            files = sa.delete(FILES).where(self._mine(), FILES.c.run_key.in_(keys))
            count = connection.execute(files).rowcount
            connection.execute(sa.delete(RUNS).where(failed))
        return count

    def _change(self, key: str, **values: str) -> None:
        now = datetime.now(UTC)
        change = sa.update(RUNS).where(RUNS.c.key == key, RUNS.c.state == "claimed")
        with writing(self.engine) as connection:
            connection.execute(
                change.values(attempts=RUNS.c.attempts + 1, updated_at=now, **values)
            )

    def _mine(self) -> sa.ColumnElement[bool]:
        return FILES.c.watch == self.watch

    def _waiting(self, uri: str, version: str) -> sa.ColumnElement[bool]:
        return sa.and_(
            self._mine(), FILES.c.uri == uri, FILES.c.version == version, FILES.c.run_key.is_(None)
        )

    def _row(self, one: FileVersion, now: datetime) -> dict[str, Any]:
        return {
            "watch": self.watch, "uri": one.uri, "version": one.version, "bytes": one.bytes,
            "seen_at": now, "run_key": None,
        }  # fmt: skip


def arrivals(
    engine: Engine, watch: str | None = None, state: State | None = None, limit: int = 50
) -> list[Arrival]:
    """Files of one watch or of all, those seen last in front."""
    query = _joined(
        FILES, _STATE, RUNS.c.deployment, RUNS.c.flow_run_id, RUNS.c.error, RUNS.c.updated_at
    )
    if watch is not None:
        query = query.where(FILES.c.watch == watch)
    if state is not None:
        query = query.where(_STATE.in_([state]))
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(FILES.c.seen_at.desc(), FILES.c.uri).limit(limit))
        return [
            Arrival.model_validate(
                {name: value for name, value in row.items() if value is not None}
            )
            for row in rows.mappings()
        ]


def counts(engine: Engine) -> dict[str, dict[State, int]]:
    """Watch -> state -> files."""
    query = _joined(FILES.c.watch, _STATE, sa.func.count().label("files"))
    found: dict[str, dict[State, int]] = {}
    with reading(engine) as connection:
        for watch, state, files in connection.execute(query.group_by(FILES.c.watch, _STATE)):
            found.setdefault(watch, dict.fromkeys(STATES, 0))[state] = files
    return dict(sorted(found.items()))


_STATE = sa.func.coalesce(RUNS.c.state, sa.literal_column("'waiting'")).label("state")


def _joined(*columns: Any) -> sa.Select[Any]:  # noqa: ANN401 -- columns and tables
    return sa.select(*columns).select_from(FILES.outerjoin(RUNS, FILES.c.run_key == RUNS.c.key))
