import numpy as np
import pytest
from Bio.Align import PairwiseAligner, substitution_matrices
from pydantic import ValidationError

from blocks.errors import InputError
from tasks.design.mutagenesis import (
    MutateParams,
    SaturateParams,
    mutate,
    saturate,
    substitution_scores,
)
from tasks.design.profile import ALPHABET, build_profile, residue_probabilities

PARENT = "ACDEFGHIKW"


@pytest.fixture(scope="module")
def profile():
    return build_profile([("a", PARENT), ("b", "ACDEYGHIKW"), ("c", "SCDEFGHVKW")])


def rng():
    return np.random.default_rng(5)


def test_each_number_of_mutations_in_bounds_occurs():
    made = mutate(MutateParams(count=300, min_mutations=2, max_mutations=4), PARENT, rng())
    assert set(made["mutations"].str.count("/") + 1) == {2, 3, 4}
    assert made["sequence"].is_unique


def test_only_changeable_positions_mutate():
    params = MutateParams(count=50, positions=(1, 2, 3), conserved=(2,))
    made = mutate(params, PARENT, rng())
    assert {m[1:-1] for text in made["mutations"] for m in text.split("/")} == {"1", "3"}


def test_all_variants_are_found_and_no_more():
    made = mutate(MutateParams(count=100, positions=(2,), max_mutations=1), PARENT, rng())
    assert sorted(made["mutations"]) == [f"C2{new}" for new in ALPHABET if new != "C"]


def test_the_score_is_the_loss_in_the_alignment_to_the_parent():
    aligner = PairwiseAligner(substitution_matrix=substitution_matrices.load("BLOSUM62"))
    aligner.open_gap_score = -100
    made = mutate(MutateParams(count=50), PARENT, rng())
    expected = [
        aligner.score(PARENT, text) - aligner.score(PARENT, PARENT) for text in made["sequence"]
    ]
    assert made["score"].tolist() == expected


def test_substitutions_follow_the_matrix():
    # So long a parent that hardly any of the variants is drawn twice.
    params = MutateParams(count=1_000, max_mutations=1, temperature=2.0)
    made = mutate(params, "W" * 3_000, rng())
    share = made["mutations"].str.endswith("Y").mean()
    row = dict(zip(ALPHABET, substitution_scores("BLOSUM62")[ALPHABET.index("W")], strict=True))
    weight = {new: np.exp(score / 2) for new, score in row.items() if new != "W"}
    assert share == pytest.approx(weight["Y"] / sum(weight.values()), abs=0.04)


def test_more_mutations_than_positions_are_refused():
    with pytest.raises(InputError, match="min_mutations: 3; expected at most 2"):
        mutate(MutateParams(positions=(1, 2), min_mutations=3), PARENT, rng())


def test_wrong_settings_cannot_be_made():
    with pytest.raises(
        ValidationError, match="min_mutations: 5; expected at most max_mutations, 3"
    ):
        MutateParams(min_mutations=5)
    with pytest.raises(ValidationError, match="alphabet: 'X'; expected some of ACDEF"):
        SaturateParams(alphabet="ACX")
    with pytest.raises(ValidationError, match="each once"):
        SaturateParams(alphabet="AA")
    with pytest.raises(ValidationError, match="matrix"):
        MutateParams(matrix="NUC.4.4")


def test_saturation_makes_every_single_mutant_once(profile):
    made = saturate(SaturateParams(), PARENT, profile)
    assert made["sequence"].nunique() == len(made) == 190
    assert made["position"].tolist() == sorted(made["position"])
    named = made["wild_type"] + made["position"].astype(str) + made["mutant"]
    assert named.tolist() == made["mutations"].tolist()


def test_saturation_keeps_to_positions_and_residues(profile):
    params = SaturateParams(positions=(1, 2), conserved=(2,), alphabet="WAY")
    assert saturate(params, PARENT, profile)["mutations"].tolist() == ["A1W", "A1Y"]


def test_single_mutants_are_scored_by_profile_and_matrix(profile):
    made = saturate(SaturateParams(), PARENT, profile).set_index("mutations")
    row = residue_probabilities(profile, PARENT)[4]
    odds = np.log(row[ALPHABET.index("Y")] / row[ALPHABET.index("F")])
    assert made.loc["F5Y", "score"] == made.loc["F5Y", "log_odds"] == pytest.approx(odds)
    assert made.loc["F5Y", "substitution_score"] == 3


def test_the_matrix_scores_single_mutants_as_mutate_does():
    whole = saturate(SaturateParams(scoring="matrix"), PARENT, None).set_index("mutations")
    made = mutate(MutateParams(count=50, max_mutations=1), PARENT, rng())
    assert whole.loc[made["mutations"], "score"].tolist() == made["score"].tolist()
    assert whole["log_odds"].isna().all()


def test_top_gives_the_best_first(profile):
    whole = saturate(SaturateParams(), PARENT, profile)["score"].to_numpy()
    best = saturate(SaturateParams(top=7), PARENT, profile)["score"].to_numpy()
    assert best.tolist() == sorted(whole, reverse=True)[:7]


def test_scores_by_profile_need_one():
    with pytest.raises(InputError, match="'saturate': no profile"):
        saturate(SaturateParams(), PARENT, None)
