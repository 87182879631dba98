"""Batches: which item is at which stage, for any process that looks.

A batch is a name with its items, and lives longer than a run: it is gone on with, its failed items
are done again, new ones are added. Of each item the last state of every stage is kept. Everything
is written in bulk, some hundred items at a time, so that the state costs little beside the work.

    pending ─► running ─► done | skipped | failed
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from blocks.batch_states import STATES, BatchStatus, ItemState, State, Which
from blocks.batch_tables import BATCHES, ITEMS, ROWS_AT_ONCE, STAGES, portions, upsert
from blocks.database import reading, writing
from blocks.errors import InputError

MOST_ATTEMPTS = 3
"""After so many failures an item is no longer new; it can still be asked for as failed."""
LISTED = 5
"""Names of batches in the message about one that is not known."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of a database."""

    engine: Engine
    id: int
    name: str

    def add(self, items: Sequence[tuple[str, str]]) -> None:
        """Add items with digests of what decides their results; where that changed, anew."""
        now = datetime.now(UTC)
        rows = [
            {
                "batch_id": self.id, "item": item, "sequence": digest, "state": "pending",
                "stage": "", "error": "", "outcome": "", "attempts": 0, "updated_at": now,
            }
            for item, digest in items
        ]  # fmt: skip
        with writing(self.engine) as connection:
            for part in portions(rows):
                changed = ITEMS.c.sequence != sa.literal_column("excluded.sequence")
                upsert(connection, ITEMS, part, where=changed)

    def chosen(self, items: Sequence[str], which: Which) -> set[str]:
        """Those of the items that are to be worked on.

        all; new: neither done nor failed `MOST_ATTEMPTS` times; failed: the last time.
        """
        if which == "all":
            return set(items)
        spent = sa.and_(ITEMS.c.state == "failed", ITEMS.c.attempts >= MOST_ATTEMPTS)
        condition = ITEMS.c.state == "failed"
        if which == "new":
            condition = sa.or_(ITEMS.c.state == "done", spent)
        found: set[str] = set()
        with reading(self.engine) as connection:
            for part in portions(items):
                query = sa.select(ITEMS.c.item).where(
                    ITEMS.c.batch_id == self.id, ITEMS.c.item.in_(part), condition
                )
                found.update(connection.execute(query).scalars())
        return set(items) - found if which == "new" else found

    def begin(self, items: Sequence[str], passed: str = "") -> None:
        """A run takes these on: their states of all stages are forgotten, attempts counted.

        Args:
            passed: A stage that they have behind them.
        """
        now = datetime.now(UTC)
        with writing(self.engine) as connection:
            for part in portions(items):
                mine = (STAGES.c.batch_id == self.id, STAGES.c.item.in_(part))
                connection.execute(sa.delete(STAGES).where(*mine))
                change = sa.update(ITEMS).where(ITEMS.c.batch_id == self.id, ITEMS.c.item.in_(part))
                fresh: dict[str, Any] = {"state": "pending", "stage": "", "error": ""}
                connection.execute(
                    change.values(
                        **fresh, outcome="", attempts=ITEMS.c.attempts + 1, updated_at=now
                    )
                )
                if passed and part:
                    upsert(connection, STAGES, self._stage_rows(passed, "done", part, {}, now))

    def record(
        self,
        stage: str,
        state: State,
        items: Sequence[str],
        errors: Mapping[str, str] | None = None,
    ) -> None:
        """The state of a stage for some items; those in `errors` failed, with the reason."""
        if not items:
            return
        now, reasons = datetime.now(UTC), errors or {}
        rows = self._stage_rows(stage, state, items, reasons, now)
        with writing(self.engine) as connection:
            for part in portions(rows):
                upsert(connection, STAGES, part)
            self._mark(connection, "running", stage, [i for i in items if i not in reasons], now)
            for item, reason in reasons.items():
                self._mark(connection, "failed", stage, [item], now, error=reason)

    def _stage_rows(
        self,
        stage: str,
        state: State,
        items: Sequence[str],
        reasons: Mapping[str, str],
        now: datetime,
    ) -> list[dict[str, Any]]:
        return [
            {
                "batch_id": self.id, "item": item, "stage": stage, "updated_at": now,
                "state": "failed" if item in reasons else state, "error": reasons.get(item, ""),
            }
            for item in items
        ]  # fmt: skip

    def halt(self) -> None:
        """A run has ended: what it left unfinished waits for the next one."""
        with writing(self.engine) as connection:
            for table, change in (
                (ITEMS, sa.update(ITEMS).values(state="pending", updated_at=datetime.now(UTC))),
                (STAGES, sa.delete(STAGES)),
            ):
                mine = (table.c.batch_id == self.id, table.c.state == "running")
                connection.execute(change.where(*mine))

    def finish(self, stage: str, outcomes: Mapping[str, str]) -> None:
        """These items are done, each with its outcome."""
        now = datetime.now(UTC)
        by_outcome: dict[str, list[str]] = {}
        for item, outcome in outcomes.items():
            by_outcome.setdefault(outcome, []).append(item)
        with writing(self.engine) as connection:
            for outcome, items in by_outcome.items():
                self._mark(connection, "done", stage, items, now, outcome=outcome)

    def _mark(
        self,
        connection: Connection,
        state: State,
        stage: str,
        items: Sequence[str],
        now: datetime,
        **others: str,
    ) -> None:
        for part in portions(items):
            change = sa.update(ITEMS).where(ITEMS.c.batch_id == self.id, ITEMS.c.item.in_(part))
            if state == "running":  # one that failed elsewhere stays failed
                change = change.where(ITEMS.c.state.in_(("pending", "running")))
            connection.execute(change.values(state=state, stage=stage, updated_at=now, **others))

    def status(self) -> BatchStatus:
        """How far the batch is."""
        with reading(self.engine) as connection:
            head = connection.execute(sa.select(BATCHES).where(BATCHES.c.id == self.id)).one()
            items = _counted(connection, self.id, ITEMS.c.state)
            outcomes = _counted(connection, self.id, ITEMS.c.outcome)
            query = (
                sa.select(STAGES.c.stage, STAGES.c.state, sa.func.count())
                .where(STAGES.c.batch_id == self.id)
                .group_by(STAGES.c.stage, STAGES.c.state)
            )
            known: dict[str, dict[str, int]] = {}
            for stage, state, count in connection.execute(query):
                known.setdefault(stage, {})[state] = count
            updated = connection.execute(
                sa.select(sa.func.max(ITEMS.c.updated_at)).where(ITEMS.c.batch_id == self.id)
            ).scalar()
        total = sum(items.values())
        return BatchStatus.model_validate(
            {
                "name": head.name,
                "pipeline": head.pipeline,
                "execution_id": head.execution_id,
                "created_at": head.created_at,
                "updated_at": max(filter(None, (head.updated_at, updated))),
                "items": _complete(items, total),
                "stages": {s: _complete(known.get(s, {}), total) for s in head.stages},
                "outcomes": {name: n for name, n in sorted(outcomes.items()) if name},
            }
        )

    def items(self, *, failed: bool = False) -> Iterator[ItemState]:
        """The items by name, in portions, so that their number does not matter."""
        last = ""
        while True:
            query = sa.select(ITEMS).where(ITEMS.c.batch_id == self.id, ITEMS.c.item > last)
            if failed:
                query = query.where(ITEMS.c.state == "failed")
            with reading(self.engine) as connection:
                rows = connection.execute(query.order_by(ITEMS.c.item).limit(ROWS_AT_ONCE)).all()
            if not rows:
                return
            yield from (ItemState.model_validate(row, from_attributes=True) for row in rows)
            last = rows[-1].item

    def stages_of(self, items: Iterable[str]) -> dict[str, dict[str, State]]:
        """Item -> stage -> state, for the items given."""
        found: dict[str, dict[str, State]] = {item: {} for item in items}
        with reading(self.engine) as connection:
            for part in portions(list(found)):
                query = sa.select(STAGES.c.item, STAGES.c.stage, STAGES.c.state).where(
                    STAGES.c.batch_id == self.id, STAGES.c.item.in_(part)
                )
                for item, stage, state in connection.execute(query):
                    found[item][stage] = state
        return found


def open_batch(
    engine: Engine,
    name: str,
    pipeline: str,
    stages: Sequence[str],
    execution_id: str | None,
) -> Batch:
    """The batch of this name, made where there is none; a run takes it on.

    Raises:
        InputError: It belongs to another pipeline.
    """
    now = datetime.now(UTC)
    row = {
        "name": name, "pipeline": pipeline, "stages": list(stages), "execution_id": execution_id,
        "created_at": now, "updated_at": now,
    }  # fmt: skip
    with writing(engine) as connection:
        found = connection.execute(sa.select(BATCHES).where(BATCHES.c.name == name)).one_or_none()
        if found is not None and found.pipeline != pipeline:
            raise InputError(f"batch {name!r}: belongs to {found.pipeline}; expected another name")
        if found is None:
            connection.execute(sa.insert(BATCHES).values(row))
            found = connection.execute(sa.select(BATCHES).where(BATCHES.c.name == name)).one()
        else:
            fresh = {key: row[key] for key in ("stages", "execution_id", "updated_at")}
            connection.execute(sa.update(BATCHES).where(BATCHES.c.id == found.id).values(**fresh))
    return Batch(engine, found.id, name)


def find_batch(engine: Engine, name: str) -> Batch:
    """A batch that is there.

    Raises:
        InputError: There is none of this name.
    """
    with reading(engine) as connection:
        found = connection.execute(sa.select(BATCHES.c.id).where(BATCHES.c.name == name)).scalar()
        if found is not None:
            return Batch(engine, found, name)
        newest = sa.select(BATCHES.c.name).order_by(BATCHES.c.updated_at.desc())
        known = list(connection.execute(newest).scalars())
    others = f" and {len(known) - LISTED:,} others" if len(known) > LISTED else ""
    named = f"one of {', '.join(known[:LISTED])}{others}"
    expected = named if known else "a batch that was begun; there is none"
    raise InputError(f"batch {name!r}: not known; expected {expected}")


def batch_names(engine: Engine, pipeline: str) -> list[str]:
    """Batches of a pipeline, the one that was worked on last first."""
    query = sa.select(BATCHES.c.name).where(BATCHES.c.pipeline == pipeline)
    with reading(engine) as connection:
        return list(connection.execute(query.order_by(BATCHES.c.updated_at.desc())).scalars())


def _counted(connection: Connection, batch: int, column: sa.Column[Any]) -> dict[str, int]:
    query = sa.select(column, sa.func.count()).where(ITEMS.c.batch_id == batch).group_by(column)
    return {str(value): int(count) for value, count in connection.execute(query)}


def _complete(counts: Mapping[str, int], total: int) -> dict[str, int]:
    """All states; items that no row speaks of are pending."""
    others: dict[str, int] = {state: counts.get(state, 0) for state in STATES[1:]}
    return {"pending": total - sum(others.values()), **others}
