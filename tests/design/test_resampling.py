import itertools

import numpy as np
import pytest
from pydantic import ValidationError

from blocks.errors import InputError
from tasks.design.profile import ALPHABET, build_profile, residue_probabilities
from tasks.design.resampling import ResampleParams, resample
from tasks.design.residue_models import ProfileModel, cumulated, sampled

FAMILY = [
    ("a", "ACDEFGHIKLMN"),
    ("b", "ACDEYGHIKLMQ"),
    ("c", "SCDEFGHVKLMN"),
    ("d", "ACNEFGHIRLMN"),
]
PARENT = "ACDEFGHIKLMN"


class Recorder:
    """Model that remembers what it was asked, and answers with its own copy of a table."""

    def __init__(self, table):
        self.table = table
        self.masks = []
        self.sequences = []

    def logits(self, sequences, masks):
        self.masks.append(masks)
        self.sequences.append(list(sequences))
        return np.repeat(self.table[None], len(sequences), axis=0)


@pytest.fixture(scope="module")
def model():
    return ProfileModel.of(build_profile(FAMILY), PARENT)


def rng():
    return np.random.default_rng(11)


def flat():
    return np.zeros((len(PARENT), 20))


def masks_of(params, table=None):
    """Masks of the first batch; the first call to the model is about the parent's score."""
    model = Recorder(flat() if table is None else table)
    resample(params, PARENT, model, rng())
    return [masks for masks in model.masks[1:] if masks.any()]


def test_variants_are_distinct_and_never_the_parent(model):
    made = resample(ResampleParams(count=500), PARENT, model, rng())
    assert len(made) == 500
    assert made["sequence"].is_unique
    assert PARENT not in set(made["sequence"])
    assert made["sequence"].str.len().eq(len(PARENT)).all()


def test_conserved_positions_never_change_even_when_listed(model):
    params = ResampleParams(count=200, positions=(1, 2, 3, 4, 5), conserved=(2, 4))
    made = resample(params, PARENT, model, rng())
    changed = {m[1:-1] for text in made["mutations"] for m in text.split("/")}
    assert changed == {"1", "3", "5"}


def test_the_score_is_the_log_odds_against_the_parent(model):
    made = resample(ResampleParams(count=20), PARENT, model, rng())
    table = residue_probabilities(build_profile(FAMILY), PARENT)
    for text, score in zip(made["sequence"], made["score"], strict=True):
        pairs = zip(text, PARENT, table, strict=True)
        odds = [row[ALPHABET.index(new)] / row[ALPHABET.index(old)] for new, old, row in pairs]
        assert score == pytest.approx(np.log(odds).sum())


def test_a_model_that_answers_for_each_variant_gives_what_a_shared_table_gives(model):
    for strategy in ("random", "low_confidence", "blocks"):
        params = ResampleParams(count=50, strategy=strategy, top_k=6, top_p=0.9)
        shared = resample(params, PARENT, model, rng())
        single = resample(params, PARENT, Recorder(model.table), rng())
        assert shared["sequence"].tolist() == single["sequence"].tolist()
        assert shared["confidence"].to_numpy() == pytest.approx(single["confidence"].to_numpy())


def test_confidence_is_the_mean_probability_of_the_residues_drawn(model):
    params = ResampleParams(count=10, mask_fraction=1.0, iterations=1)
    made = resample(params, PARENT, model, rng())
    for text, confidence in zip(made["sequence"], made["confidence"], strict=True):
        drawn = [np.exp(model.table[i, ALPHABET.index(c)]) for i, c in enumerate(text)]
        assert confidence == pytest.approx(np.mean(drawn))


def test_all_variants_of_an_iteration_go_to_the_model_at_once():
    model = Recorder(flat())
    resample(ResampleParams(count=100, preset="conservative"), PARENT, model, rng())
    assert [len(each) for each in model.sequences] == [1, 128, 128, 128]


def test_random_masks_hide_the_fraction_asked_for():
    params = ResampleParams(count=100, mask_fraction=0.25, iterations=2)
    masks = np.concatenate(masks_of(params))
    assert (masks.sum(axis=1) == 3).all()
    assert masks.any(axis=0).all()


def test_low_confidence_hides_where_the_residue_is_least_likely():
    table = flat()
    table[[3, 7], [ALPHABET.index(PARENT[3]), ALPHABET.index(PARENT[7])]] = -5.0, -4.0
    params = ResampleParams(count=20, strategy="low_confidence", mask_fraction=0.17, iterations=1)
    (masks,) = masks_of(params, table)
    assert (np.flatnonzero(masks.any(axis=0)) == [3, 7]).all()
    assert (masks.sum(axis=1) == 2).all()


def test_low_confidence_looks_at_the_residues_drawn_before():
    table = flat()
    table[3] = -50.0
    table[3, ALPHABET.index("W")] = 5.0
    table[6, ALPHABET.index(PARENT[6])] = -3.0
    params = ResampleParams(count=5, strategy="low_confidence", mask_fraction=0.01, iterations=2)
    first, second, *_ = masks_of(params, table)
    assert np.flatnonzero(first[0]).tolist() == [3]
    assert np.flatnonzero(second[0]).tolist() == [6]


def test_low_confidence_is_each_variant_s_own():
    class Own(Recorder):
        def logits(self, sequences, masks):
            table = super().logits(sequences, masks)
            for row in range(len(sequences)):
                table[row, row % 12, ALPHABET.index(PARENT[row % 12])] = -5.0
            return table

    model = Own(flat())
    params = ResampleParams(count=12, strategy="low_confidence", mask_fraction=0.01, iterations=1)
    resample(params, PARENT, model, rng())
    first = next(masks for masks in model.masks if masks.any())
    assert first.argmax(axis=1).tolist() == [row % 12 for row in range(len(first))]


def test_blocks_hide_windows_that_do_not_overlap():
    params = ResampleParams(
        count=50, strategy="blocks", block_size=3, mask_fraction=0.5, iterations=1
    )
    (masks,) = masks_of(params)
    for row in masks:
        runs = [len(list(run)) for hidden, run in itertools.groupby(row) if hidden]
        assert sum(runs) in {3, 6}
        assert all(run % 3 == 0 for run in runs)
    assert masks.any(axis=0).all()


def test_blocks_leave_conserved_positions_alone():
    params = ResampleParams(count=50, strategy="blocks", block_size=2, positions=(5, 9))
    masks = masks_of(params)[0]
    assert np.flatnonzero(masks.any(axis=0)).tolist() == [4, 8]
    assert masks.any(axis=1).all()


def test_a_block_longer_than_the_parent_is_refused(model):
    params = ResampleParams(strategy="blocks", block_size=13)
    with pytest.raises(InputError, match="block_size: 13; expected at most 12"):
        resample(params, PARENT, model, rng())


def test_a_sweep_divides_the_count(model):
    made = resample(ResampleParams(count=11, temperature=(0.5, 1.0, 2.0)), PARENT, model, rng())
    assert made["temperature"].value_counts(sort=False).to_dict() == {0.5: 4, 1.0: 4, 2.0: 3}
    assert made["sequence"].is_unique


def test_a_count_below_the_number_of_temperatures_is_kept(model):
    assert len(resample(ResampleParams(count=1, temperature=(1.0, 2.0)), PARENT, model, rng())) == 1


def test_higher_temperature_means_more_change(model):
    made = resample(ResampleParams(count=400, temperature=(0.3, 3.0)), PARENT, model, rng())
    number = made["mutations"].str.count("/").groupby(made["temperature"]).mean()
    assert number[3.0] > number[0.3] + 1


def test_where_too_few_variants_exist_those_are_returned():
    table = np.full((len(PARENT), 20), -np.inf)
    table[:, [0, 1]] = 0.0
    params = ResampleParams(count=100, positions=(1, 2), mask_fraction=1.0)
    made = resample(params, PARENT, Recorder(np.where(np.isinf(table), -99.0, table)), rng())
    assert sorted(text[:2] for text in made["sequence"]) == ["AA", "CA", "CC"]


def test_drawing_follows_the_probabilities():
    logits = np.log(np.array([[0.5, 0.3, 0.2, *[1e-9] * 17]]))
    codes = sampled(np.repeat(cumulated(logits, 1.0), 20_000, axis=0), rng())
    assert np.bincount(codes)[:3] / 20_000 == pytest.approx([0.5, 0.3, 0.2], abs=0.015)


def probabilities(**settings):
    logits = np.log(np.array([[0.1, 0.5, 0.3, 0.1, *[1e-12] * 16]]))
    ends = cumulated(logits, **settings)[0]
    return (np.diff(ends, prepend=0) / ends[-1])[:4]


def test_top_k_keeps_the_k_likeliest():
    assert probabilities(temperature=1.0, top_k=2) == pytest.approx([0, 0.625, 0.375, 0])


def test_top_p_keeps_the_smallest_set_that_reaches_it():
    assert probabilities(temperature=1.0, top_p=0.49) == pytest.approx([0, 1, 0, 0])
    assert probabilities(temperature=1.0, top_p=0.51) == pytest.approx([0, 0.625, 0.375, 0])


def test_temperature_divides_the_logits():
    weights = np.array([0.1, 0.5, 0.3, 0.1]) ** 2
    expected = weights / weights.sum()
    assert probabilities(temperature=0.5) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("conservative", (0.10, 3, 0.5)),
        ("moderate", (0.15, 5, 1.0)),
        ("aggressive", (0.25, 10, 1.5)),
        ("none", (0.15, 1, 1.0)),
    ],
)
def test_presets_hold_where_nothing_else_is_said(preset, expected):
    params = ResampleParams(preset=preset)
    (temperature,) = params.temperatures()
    strength = params.strength(temperature)
    found = (strength.mask_fraction, strength.iterations, strength.temperature)
    assert found == expected


def test_own_values_override_the_preset():
    params = ResampleParams(preset="aggressive", iterations=2, temperature=0.7)
    strength = params.strength(0.7)
    assert (strength.mask_fraction, strength.iterations) == (0.25, 2)
    assert params.temperatures() == (0.7,)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": 0},
        {"temperature": (1.0, -1.0)},
        {"temperature": ()},
        {"temperature": (1.0, 1.0)},
        {"mask_fraction": 0},
        {"mask_fraction": 1.1},
        {"top_p": 0},
        {"top_k": 21},
        {"count": 0},
        {"positions": (0,)},
        {"strategy": "entropy"},
        {"mask_fractoin": 0.1},
    ],
)
def test_wrong_settings_cannot_be_made(wrong):
    with pytest.raises(ValidationError):
        ResampleParams(**wrong)
