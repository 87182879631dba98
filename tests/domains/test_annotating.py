"""Annotations of many proteins at once."""

import pandas as pd
import pytest

from tasks.domains import annotation
from tasks.domains.annotating import annotate_each
from tasks.domains.calls import Protein
from tasks.domains.evidence import empty_evidence
from tasks.domains.partition_settings import PartitionSettings
from tasks.domains.reference_tables import CHAIN_COLUMNS, DOMAIN_COLUMNS, ReferenceTables

TABLES = ReferenceTables(
    pd.DataFrame([], columns=DOMAIN_COLUMNS), pd.DataFrame([], columns=CHAIN_COLUMNS)
)
PROTEINS = [Protein(name, "MKVLAAGIVG" * 10, name) for name in ("first", "second", "third")]


def each():
    return annotate_each(PROTEINS, empty_evidence(), TABLES, PartitionSettings())


@pytest.mark.parametrize("bad", [one.id for one in PROTEINS])
def test_a_protein_that_cannot_be_annotated_leaves_the_others_alone(monkeypatch, bad):
    whole, failed = each()
    assert ([one.protein for one in whole], failed) == (["first", "second", "third"], {})

    def failing(protein, *rest, real=annotation._annotation):
        if protein.id == bad:
            raise ZeroDivisionError("by\n0")
        return real(protein, *rest)

    monkeypatch.setattr(annotation, "_annotation", failing)
    made, failed = each()

    assert made == [one for one in whole if one.protein != bad]
    assert failed == {bad: "ZeroDivisionError: by 0"}
