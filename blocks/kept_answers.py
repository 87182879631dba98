"""What steps of graphs and language models answered, by the digest of all that decides an answer.

A key names one answer for ever, so what is kept can be shared by all runs; whoever asks says how
old an answer may be. An answer that is made again takes the place of the older one.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import sqlalchemy as sa
from pydantic import JsonValue
from sqlalchemy import Engine
from sqlalchemy.dialects import postgresql, sqlite

from blocks.database import METADATA, UTCDateTime, engine, reading, writing

KEYS = 500
"""Keys of one statement; SQLite takes 999 parameters at the least, and a row has three."""
ROWS = 300

_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ANSWERS = sa.Table(
    "kept_answers",
    METADATA,
    sa.Column("key", _KEY, primary_key=True),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("made_at", UTCDateTime, nullable=False),
    sqlite_with_rowid=False,
)


class KeptAnswers:
    """The answers of one database; None: the one of the settings. For any threads."""

    def __init__(self, database: Engine | None = None) -> None:
        self._engine = database or engine()

    def get(self, keys: Sequence[str], ttl_s: float | None = None) -> Mapping[str, JsonValue]:
        """What is known of `keys` and not older than `ttl_s` seconds (None: of any age)."""
        found: dict[str, JsonValue] = {}
        query = sa.select(ANSWERS.c.key, ANSWERS.c.answer)
        if ttl_s is not None:
            query = query.where(ANSWERS.c.made_at > datetime.now(UTC) - timedelta(seconds=ttl_s))
        with reading(self._engine) as connection:
            for some in _cut(sorted(set(keys)), KEYS):
                for key, text in connection.execute(query.where(ANSWERS.c.key.in_(some))):
                    found[key] = orjson.loads(text)
        return found

    def put(self, answers: Mapping[str, JsonValue]) -> None:
        """Keep answers."""
        now = datetime.now(UTC)
        rows = [
            {"key": key, "answer": orjson.dumps(answers[key]).decode(), "made_at": now}
            for key in sorted(answers)  # two writers never wait for each other in a circle
        ]
        if not rows:
            return
        dialect: Any = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        insert = dialect.insert(ANSWERS)
        newer = {name: insert.excluded[name] for name in ("answer", "made_at")}
        with writing(self._engine) as connection:
            for some in _cut(rows, ROWS):
                connection.execute(insert.on_conflict_do_update(["key"], set_=newer), some)

    def forget(self, older_than_s: float) -> int:
        """Drop answers older than that; their number."""
        before = datetime.now(UTC) - timedelta(seconds=older_than_s)
        with writing(self._engine) as connection:
            return connection.execute(ANSWERS.delete().where(ANSWERS.c.made_at <= before)).rowcount


class Forgetful:
    """Keeps answers and knows none: for a run that is to ask everything anew."""

    def __init__(self, kept: KeptAnswers) -> None:
        self._kept = kept

    def get(self, keys: Sequence[str], ttl_s: float | None = None) -> Mapping[str, JsonValue]:
        """Nothing."""
        return {}

    def put(self, answers: Mapping[str, JsonValue]) -> None:
        """Keep answers, in place of the older ones."""
        self._kept.put(answers)


def _cut(values: Sequence[Any], size: int) -> Iterator[list[Any]]:
    for at in range(0, len(values), size):
        yield list(values[at : at + size])
