"""The example that is shipped: made by the script, and annotated rightly."""

import pandas as pd
import pytest

from tasks.domains.annotation import annotate
from tasks.domains.partition_settings import PartitionSettings
from tasks.domains.ranges import iou, parse_range
from tasks.domains.reference_model import MmseqsProfiles
from tasks.domains.search_settings import BlastSettings, SearchSettings
from tasks.domains.searching import build_profile, search_blast, search_hhsuite
from tests.domains.example_data import files
from tests.domains.small_reference import EXAMPLE, built, proteins

SETTINGS = SearchSettings(blast=BlastSettings(evalue=0.002))
"""So that HHsearch has something to find."""
TRUTH = pd.read_csv(EXAMPLE / "truth.tsv", sep="\t", dtype=str, keep_default_na=False)


@pytest.mark.parametrize("name", files())
def test_the_script_writes_the_file_that_is_shipped(name):
    assert (EXAMPLE / name).read_text() == files()[name]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return built(tmp_path_factory.mktemp("reference"), profiles=MmseqsProfiles())


@pytest.fixture(scope="module")
def blast(reference):
    sources = ("chain_blast", "domain_blast")
    return [search_blast(proteins(), reference, source, SETTINGS) for source in sources]


def called(protein, reference, evidence):
    found = pd.concat(evidence)
    own = found[found["protein"] == protein.id].reset_index(drop=True)
    return annotate(protein, own, reference.tables, PartitionSettings()).domains


@pytest.mark.tool
@pytest.mark.parametrize("protein", proteins(), ids=lambda protein: protein.id)
def test_each_protein_has_the_domains_that_it_was_made_of(reference, blast, protein):
    profile = build_profile(protein, reference, SETTINGS)
    found = called(
        protein, reference, [*blast, search_hhsuite(protein, profile, reference, SETTINGS)]
    )

    truth = TRUTH[(TRUTH["protein"] == protein.id) & (TRUTH["range"] != "")]
    assert len(found) == len(truth)
    for call, true in zip(found, truth.itertuples(), strict=True):
        assert iou(call.segments, parse_range(true.range)) >= 0.8
        superfamily = ".".join(true.classification.split(".")[:3])
        assert call.classification.startswith(superfamily)


@pytest.mark.tool
def test_a_remote_domain_is_not_found_by_blast(reference, blast):
    (protein,) = proteins("remote")

    assert [call.classification for call in called(protein, reference, blast)] == ["x.1.1.1"]
