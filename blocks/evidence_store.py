"""What searches found for each sequence, kept so that no sequence is searched twice.

A result belongs to a search (what was asked: kind, reference, settings, program) and a sequence (by
digest), not to a run: whoever wants the same gets it. Rows lie in Parquet files under the storage
root, each file with the rows of all sequences that were stored together; the database says which
file holds a sequence's rows. A sequence without rows has no file, but is known to have been
searched. Texts (alignments, profiles) are kept in the same way, one file each.
"""

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy import Engine

from blocks.batch_tables import portions, upsert
from blocks.database import METADATA, UTCDateTime, insert_new, reading, writing
from blocks.storage import Storage, open_object

SEQUENCE = "protein"
"""Column of a stored table that names the sequence, by its digest."""
GONE = (
    "stored evidence is gone; expected the storage root that belongs to this database: remove or "
    "move both together, or search again with `refresh: true`"
)

_DIGEST = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SEARCHES = sa.Table(
    "searches",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
)
RESULTS = sa.Table(
    "search_results",
    METADATA,
    sa.Column("search_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sequence", _DIGEST, primary_key=True),
    sa.Column("uri", sa.Text, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class Search:
    """What was asked; equal searches give equal results for a sequence."""

    kind: str
    """Such as `domain_blast`."""
    depends_on: tuple[tuple[str, str], ...]
    """Names and values of all that decides the result besides the sequence, sorted."""

    @classmethod
    def of(cls, kind: str, **depends_on: str) -> "Search":
        """A search by what decides its result."""
        return cls(kind, tuple(sorted(depends_on.items())))

    @property
    def description(self) -> str:
        """The same as JSON."""
        return json.dumps({"kind": self.kind, **dict(self.depends_on)}, sort_keys=True)

    @property
    def key(self) -> str:
        """Digest of the description."""
        return hashlib.sha256(self.description.encode()).hexdigest()


@dataclass(frozen=True)
class EvidenceStore:
    """The results of one database, with their files under one root (a folder or `s3://…`)."""

    engine: Engine
    root: str

    @cached_property
    def _storage(self) -> Storage:
        return Storage(self.root)

    def found(self, search: Search, digests: Sequence[str]) -> dict[str, str]:
        """Digest -> file, relative to the root, of the sequences that were searched; "" no rows."""
        found: dict[str, str] = {}
        with reading(self.engine) as connection:
            number = connection.execute(
                sa.select(SEARCHES.c.id).where(SEARCHES.c.key == search.key)
            ).scalar()
            for part in portions(digests) if number is not None else ():
                query = sa.select(RESULTS.c.sequence, RESULTS.c.uri).where(
                    RESULTS.c.search_id == number, RESULTS.c.sequence.in_(part)
                )
                found.update((row.sequence, row.uri) for row in connection.execute(query))
        return found

    def put_rows(self, search: Search, digests: Sequence[str], rows: pa.Table) -> dict[str, str]:
        """Store what was found for these sequences; those that no row names had no hits.

        Args:
            rows: Has the column `protein`, which holds digests.

        Returns:
            Digest -> file, as `found` gives it.
        """
        counts = {
            entry["values"]: entry["counts"]
            for entry in pc.value_counts(rows[SEQUENCE]).to_pylist()
        }
        uri = ""
        if rows.num_rows:
            sink = pa.BufferOutputStream()
            pq.write_table(rows, sink, compression="zstd")
            uri = self._put(sink.getvalue().to_pybytes(), ".parquet")
        places = {digest: uri if digest in counts else "" for digest in digests}
        self._note(
            search, {digest: (place, counts.get(digest, 0)) for digest, place in places.items()}
        )
        return places

    def rows(
        self, places: Mapping[str, str], schema: pa.Schema, digests: Iterable[str]
    ) -> Iterator[pa.Table]:
        """The rows of some sequences, file by file.

        Args:
            places: Digest -> file, as `found` gives it.
        """
        by_file: dict[str, list[str]] = {}
        for digest in digests:
            if uri := places.get(digest):
                by_file.setdefault(uri, []).append(digest)
        for uri, wanted in by_file.items():
            with open_object(f"{self._storage.root}/{uri}", GONE) as file:
                stored = pq.ParquetFile(file).read().cast(schema)
            yield stored.filter(pc.is_in(stored[SEQUENCE], pa.array(wanted)))

    def put_text(self, search: Search, digest: str, text: str, suffix: str) -> str:
        """Store a text for a sequence; its file, relative to the root."""
        uri = self._put(gzip.compress(text.encode(), 6, mtime=0), f"{suffix}.gz")
        self._note(search, {digest: (uri, 1)})
        return uri

    def text(self, uri: str) -> str:
        """A stored text."""
        with open_object(f"{self._storage.root}/{uri}", GONE) as file:
            return gzip.decompress(file.read()).decode()

    def forget(self, search: Search, digests: Sequence[str]) -> None:
        """What was found for these sequences is to be searched again."""
        with writing(self.engine) as connection:
            number = sa.select(SEARCHES.c.id).where(SEARCHES.c.key == search.key).scalar_subquery()
            for part in portions(digests):
                mine = (RESULTS.c.search_id == number, RESULTS.c.sequence.in_(part))
                connection.execute(sa.delete(RESULTS).where(*mine))

    def _put(self, content: bytes, suffix: str) -> str:
        uri = self._storage.put_bytes(content, suffix).uri
        return uri.removeprefix(f"{self._storage.root}/")

    def _note(self, search: Search, places: Mapping[str, tuple[str, int]]) -> None:
        rows = [
            {"sequence": digest, "uri": uri, "rows": count}
            for digest, (uri, count) in sorted(places.items())
        ]
        row = {
            "key": search.key, "kind": search.kind, "description": search.description,
            "created_at": datetime.now(UTC),
        }  # fmt: skip
        with writing(self.engine) as connection:
            query = sa.select(SEARCHES.c.id).where(SEARCHES.c.key == search.key)
            number = connection.execute(query).scalar()
            if number is None:
                insert_new(connection, SEARCHES, row)
                number = connection.execute(query).scalar_one()
            for part in portions(rows):
                upsert(connection, RESULTS, [{"search_id": number, **one} for one in part])
