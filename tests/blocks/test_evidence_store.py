"""What searches found, in a database of each kind and a folder."""

import pyarrow as pa
import pytest

from blocks.errors import InputError
from blocks.evidence_store import EvidenceStore, Search

SCHEMA = pa.schema([("protein", pa.string()), ("target", pa.string())])
BLAST = Search.of("domain_blast", reference="r1", program="blastp 2.12.0+")


@pytest.fixture
def store(engine, tmp_path) -> EvidenceStore:
    return EvidenceStore(engine, str(tmp_path / "storage"))


def table(*rows: tuple[str, str]) -> pa.Table:
    return pa.table({"protein": [p for p, _ in rows], "target": [t for _, t in rows]}, SCHEMA)


def stored(store: EvidenceStore, digests: list[str]) -> list[dict]:
    places = store.found(BLAST, digests)
    return [row for part in store.rows(places, SCHEMA, digests) for row in part.to_pylist()]


def test_rows_come_back_for_the_sequences_asked_for(store):
    store.put_rows(BLAST, ["d1", "d2", "d3"], table(("d1", "x"), ("d3", "y"), ("d1", "z")))

    assert stored(store, ["d1"]) == [
        {"protein": "d1", "target": "x"}, {"protein": "d1", "target": "z"},
    ]  # fmt: skip


def test_a_sequence_without_hits_is_known_to_have_been_searched(store):
    store.put_rows(BLAST, ["d1", "d2"], table(("d1", "x")))

    assert store.found(BLAST, ["d1", "d2", "d3"]).keys() == {"d1", "d2"}
    assert store.found(BLAST, ["d2"]) == {"d2": ""}
    assert stored(store, ["d2"]) == []


def test_another_reference_or_program_is_another_search(store):
    store.put_rows(BLAST, ["d1"], table(("d1", "x")))

    assert (
        store.found(Search.of("domain_blast", reference="r2", program="blastp 2.12.0+"), ["d1"])
        == {}
    )
    assert (
        store.found(Search.of("chain_blast", reference="r1", program="blastp 2.12.0+"), ["d1"])
        == {}
    )


def test_what_is_found_again_replaces_what_was(store):
    store.put_rows(BLAST, ["d1"], table(("d1", "x")))
    store.put_rows(BLAST, ["d1"], table(("d1", "y")))

    assert [row["target"] for row in stored(store, ["d1"])] == ["y"]


def test_what_is_forgotten_is_not_found(store):
    store.put_rows(BLAST, ["d1", "d2"], table(("d1", "x"), ("d2", "x")))
    store.forget(BLAST, ["d1"])

    assert store.found(BLAST, ["d1", "d2"]).keys() == {"d2"}


def test_texts_are_kept_whole(store):
    uri = store.put_text(BLAST, "d1", ">a\nMK-V\n", ".a3m")

    assert store.found(BLAST, ["d1"]) == {"d1": uri}
    assert store.text(uri) == ">a\nMK-V\n"


def test_a_file_that_is_gone_is_told(store, tmp_path):
    store.put_rows(BLAST, ["d1"], table(("d1", "x")))
    for file in (tmp_path / "storage").rglob("*.parquet"):
        file.unlink()

    with pytest.raises(InputError, match="stored evidence is gone"):
        stored(store, ["d1"])
