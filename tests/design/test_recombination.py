import itertools

import numpy as np
import pyhmmer
import pytest

from blocks.errors import InputError
from tasks.design.profile import ALPHABET, Profile, build_profile, load_hmm
from tasks.design.recombination import EmitParams, RecombineParams, emit, recombine

ROWS = {"a": "ACDEF-GHIKLM", "b": "SCNEYWGHVKIM", "c": "ACDDFWGRI-LM", "odd": "ACXEF-GHIKLM"}


@pytest.fixture(scope="module")
def profile():
    return build_profile(list(ROWS.items()))


def rng():
    return np.random.default_rng(3)


def test_every_recombinant_is_made_of_the_segments_it_names(profile):
    made = recombine(RecombineParams(count=60, min_segment=2), profile, None, rng())
    assert len(made) == 60
    for text, parents, columns in made[["sequence", "parents", "crossovers"]].itertuples(
        index=False
    ):
        bounds = [0, *(int(column) - 1 for column in columns.split("/")), 12]
        names = parents.split(";")
        pieces = [ROWS[n][s:e] for n, s, e in zip(names, bounds[:-1], bounds[1:], strict=True)]
        assert "".join(pieces).replace("-", "") == text
        assert min(np.diff(bounds)) >= 2
        assert all(one != other for one, other in itertools.pairwise(names))


def test_every_place_of_a_crossover_is_used(profile):
    made = recombine(RecombineParams(count=200, crossovers=1, min_segment=4), profile, None, rng())
    assert set(made["crossovers"]) <= {"5", "6", "7", "8", "9"}
    assert len(set(made["crossovers"])) >= 4


def test_homologs_and_parent_are_not_among_the_recombinants(profile):
    first = recombine(RecombineParams(count=50, min_segment=2), profile, None, rng())
    parent = first["sequence"][0]
    made = recombine(RecombineParams(count=50, min_segment=2), profile, parent, rng())
    homologs = {row.replace("-", "") for row in ROWS.values()}
    assert not {parent, *homologs} & set(made["sequence"])
    assert made["sequence"].is_unique


def test_where_crossing_over_gives_homologs_only_there_is_nothing():
    alike = Profile(b"", ">a\nACDEFG\n>b\nACDEFH\n", 1.0)
    params = RecombineParams(count=5, crossovers=1, min_segment=1)
    assert recombine(params, alike, None, rng()).empty


def test_homologs_with_other_letters_take_no_part(profile):
    made = recombine(RecombineParams(count=100, min_segment=2), profile, None, rng())
    assert not made["parents"].str.contains("odd").any()
    assert set("".join(made["sequence"])) <= set(ALPHABET)


def test_segments_must_fit_the_alignment(profile):
    with pytest.raises(InputError, match="3 segments of 5 columns; expected at most the 12"):
        recombine(RecombineParams(min_segment=5), profile, None, rng())


def test_one_homolog_has_nobody_to_recombine_with():
    with pytest.raises(InputError, match="fewer than 2 different homologs"):
        recombine(RecombineParams(), Profile(b"", ">a\nACD\n>b\nACD\n", 1.0), None, rng())


def test_emitted_sequences_are_distinct_and_in_bounds(profile):
    made = emit(EmitParams(count=200, min_length=10, max_length=12), profile, None, rng())
    assert len(made) == 200
    assert made["sequence"].is_unique
    assert set(made["sequence"].str.len()) == {10, 11, 12}
    assert set("".join(made["sequence"])) <= set(ALPHABET)


def test_emitted_sequences_have_the_residues_of_the_profile(profile):
    made = emit(EmitParams(count=2_000, min_length=11, max_length=11), profile, None, rng())
    emission = np.array(load_hmm(profile).match_emissions)[1]
    share = (made["sequence"].str[0] == "A").mean()
    assert share == pytest.approx(emission[ALPHABET.index("A")], abs=0.1)


def test_bounds_that_no_sequence_keeps_give_an_empty_table(profile):
    made = emit(EmitParams(count=5, min_length=500), profile, None, rng())
    assert len(made) == 0
    assert list(made.columns) == ["sequence", "method", "mutations", "temperature", "score"]


def test_bounds_must_be_in_order():
    with pytest.raises(ValueError, match="min_length: 5; expected at most max_length, 4"):
        EmitParams(min_length=5, max_length=4)


def test_emission_is_that_of_hmmer(profile):
    source = np.random.default_rng(3)
    first = load_hmm(profile).emit_sequence(
        pyhmmer.easel.Randomness(int(source.integers(1, 2**32)))
    )
    assert (
        emit(EmitParams(count=3), profile, None, rng())["sequence"][0] == first.textize().sequence
    )
