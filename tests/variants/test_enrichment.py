"""Scores against plain computations, and against the truth of simulated libraries."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.errors import InputError
from tasks.variants.counts import counted
from tasks.variants.effects import additive_effects
from tasks.variants.enrichment import combined, log_ratios, slopes
from tasks.variants.positions import GAIN, OUTSIDE, position_table
from tasks.variants.region import WILD_TYPE
from tasks.variants.scoring import Sample, check_samples, count_table, scored
from tasks.variants.simulation import LibraryParams, fastq, library_of, rounds_of

PROTEIN = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVV"
SMALL = LibraryParams(
    protein="-", first_residue=11, length_nt=60, variants=120, reads=8_000, planted=6, seed=3
)
COUNTS = st.integers(0, 100_000)


def measured(params: LibraryParams):
    """A library, its counts by sample as read out of the FASTQ text, and its samples."""
    library = library_of(params, PROTEIN, np.random.default_rng(params.seed))
    counts, samples = {}, []
    for replicate in range(1, params.replicates + 1):
        rng = np.random.default_rng([params.seed, replicate])
        for number, drawn in rounds_of(library, params, rng):
            reads = fastq(library, drawn, params.flank, rng).decode().split("\n")[1::4]
            texts = pd.Series(reads).str[len(params.flank) :].value_counts()
            one = Sample(f"r{number}_{replicate}", number, replicate)
            samples.append(one)
            counts[one.name] = counted(texts.to_dict(), library.region, 3).counts
    return library, samples, counts


@pytest.fixture(scope="module")
def experiment():
    library, samples, counts = measured(SMALL)
    table = count_table(samples, counts)
    options = {"min_count": 10, "pseudocount": 0.5, "reference": "wild_type"}
    return library, samples, table, scored(table, samples, library.region, **options)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_two_rounds_are_the_difference_of_the_log_ratios(before, after, ref_before, ref_after):
    values, variances = log_ratios(
        np.array([[before, after]]), np.array([ref_before, ref_after]), 0.5
    )
    score, error = slopes(values, variances, np.array([0.0, 1.0]))
    expected = math.log2((after + 0.5) / (ref_after + 0.5)) - math.log2(
        (before + 0.5) / (ref_before + 0.5)
    )
    every = (before, after, ref_before, ref_after)
    spread = math.sqrt(sum(1 / (count + 0.5) for count in every)) / math.log(2)
    assert score[0] == pytest.approx(expected, abs=1e-9)
    assert error[0] == pytest.approx(spread)


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(0.05, 5)), min_size=3, max_size=6))
def test_slopes_are_those_of_numpys_least_squares(points):
    values, errors = (np.array(column) for column in zip(*points, strict=True))
    rounds = np.arange(len(points), dtype=float)
    score, error = slopes(values[None], errors[None] ** 2, rounds)
    fit, covariance = np.polyfit(rounds, values, 1, w=1 / errors, cov="unscaled")
    assert score[0] == pytest.approx(fit[0], abs=1e-6)
    assert error[0] == pytest.approx(math.sqrt(covariance[0, 0]), rel=1e-6)


def dersimonian_laird(scores, errors):
    weights = [1 / e**2 for e in errors]
    fixed = sum(w * y for w, y in zip(weights, scores, strict=True)) / sum(weights)
    q = sum(w * (y - fixed) ** 2 for w, y in zip(weights, scores, strict=True))
    c = sum(weights) - sum(w**2 for w in weights) / sum(weights)
    tau2 = max(0.0, (q - (len(scores) - 1)) / c)
    inner = [1 / (e**2 + tau2) for e in errors]
    mean = sum(w * y for w, y in zip(inner, scores, strict=True)) / sum(inner)
    return mean, 1 / math.sqrt(sum(inner)), math.sqrt(tau2)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.05, 2)), min_size=2, max_size=5))
def test_replicates_are_combined_as_in_the_paper(points):
    scores, errors = (np.array(column) for column in zip(*points, strict=True))
    padded = np.append(scores, np.nan)[None], np.append(errors, np.nan)[None]
    found = [float(one[0]) for one in combined(*padded)]
    assert found == pytest.approx(dersimonian_laird(scores, errors), rel=1e-6, abs=1e-6)


def test_one_replicate_is_itself_and_none_is_missing():
    scores, errors = np.array([[np.nan, 2.0], [np.nan, np.nan]]), np.array([[1, 0.5], [1, 1]])
    mean, error, between = combined(scores, np.where(np.isnan(scores), np.nan, errors))
    assert (mean[0], error[0], between[0]) == (2.0, 0.5, 0.0)
    assert np.isnan([mean[1], error[1], between[1]]).all()


def test_scores_are_those_of_a_plain_computation_on_the_tables(experiment):
    """With two of the three rounds; nothing of ours but the counts."""
    _, samples, table, _ = experiment
    two = [one for one in samples if one.round < 2]
    region = experiment[0].region
    options = {"min_count": 10, "pseudocount": 0.5, "reference": "wild_type"}
    ours = scored(table[[one.name for one in two]], two, region, **options).set_index("variant")
    for name in ours.index[ours["rank"] > 0][:50]:
        rows = []
        for replicate in (1, 2, 3):
            cells = [table.loc[v, f"r{n}_{replicate}"] for n in (0, 1) for v in (name, WILD_TYPE)]
            if cells[0] >= 10:
                a, b, c, d = (cell + 0.5 for cell in cells)
                error = math.sqrt(1 / a + 1 / b + 1 / c + 1 / d) / math.log(2)
                rows.append((math.log2(c / d) - math.log2(a / b), error))
        scores, errors = zip(*rows, strict=True)
        plain = dersimonian_laird(scores, errors) if len(rows) > 1 else (scores[0], errors[0], 0)
        got = tuple(ours.loc[name, ["score", "error", "between"]])
        assert got == pytest.approx(plain, rel=1e-6, abs=1e-6), name


def test_planted_variants_are_found_and_errors_are_true_to_size(experiment):
    library, _, _, variants = experiment
    best = set(variants["variant"].head(SMALL.planted))
    planted = set(library.variants.loc[library.variants["planted"], "variant"])
    known = variants.merge(library.variants, on="variant").query("rank > 0 and variant != 'WT'")
    z = (known["score"] - known["fitness"]) / known["error"]
    assert best == planted
    assert 0.75 < z.std() < 1.3
    assert abs(z.mean()) < 0.5
    assert np.corrcoef(known["score"], known["fitness"])[0, 1] > 0.97


def test_effects_come_apart_in_variants_with_several_substitutions():
    names = ["A1V", "A1V/K2E", "K2E/W3F", "WT", "A1*"]
    truth = {"A1V": 1.0, "K2E": -0.5, "W3F": 2.0}
    scores = [sum(truth.get(one, 0) for one in name.split("/")) for name in names]
    frame = pd.DataFrame({"variant": names, "score": scores, "error": 1e-3})
    effects = additive_effects(frame).set_index("substitution")["effect"]
    assert effects.to_dict() == pytest.approx(truth, abs=1e-3)


def test_positions_gain_where_planted_and_only_within_domains(experiment):
    library, _, _, variants = experiment
    effects = additive_effects(variants)
    planted = library.effects.query("planted")["substitution"]
    places = {int(name[1:-1]) for name in planted}
    table = position_table(effects, library.region, []).set_index("position")
    assert places <= set(table.index[table["kind"] == GAIN])
    assert len(table) == SMALL.length_nt // 3

    inside = position_table(effects, library.region, [("x.1", [(0, 20)])]).set_index("position")
    assert set(inside.loc[inside["kind"] != OUTSIDE].index) == set(range(11, 21))
    assert set(inside.loc[20:20, "domain"]) == {"x.1"}


def test_the_same_seed_gives_the_same_bytes_and_another_one_others():
    def text(seed: int) -> bytes:
        params = SMALL.model_copy(update={"seed": seed, "reads": 200})
        rng = np.random.default_rng(seed)
        library = library_of(params, PROTEIN, rng)
        return fastq(library, next(rounds_of(library, params, rng))[1], params.flank, rng)

    assert text(1) == text(1) != text(2)


def test_reads_are_wrong_as_often_as_their_qualities_say():
    rng = np.random.default_rng(5)
    params = SMALL.model_copy(update={"reads": 5_000})
    library = library_of(params, PROTEIN, rng)
    counts = np.zeros(len(library.variants), np.int64)
    counts[0] = params.reads
    lines = fastq(library, counts, params.flank, rng).decode().split("\n")
    wanted = params.flank + library.region.dna
    wrong = sum(a != b for read in lines[1::4] for a, b in zip(read, wanted, strict=True))
    expected = sum(10 ** -((ord(mark) - 33) / 10) for marks in lines[3::4] for mark in marks)
    assert wrong == pytest.approx(expected, rel=0.2)


def test_too_few_reads_of_the_wild_type_are_told_with_the_sample():
    samples = [Sample("before", 0, 1), Sample("after", 1, 1)]
    table = count_table(samples, {"before": {"WT": 50, "K2E": 9}, "after": {"WT": 3}})
    region = library_of(SMALL, PROTEIN, np.random.default_rng(1)).region
    with pytest.raises(InputError, match="sample after: 3 reads of the wild type"):
        scored(table, samples, region, min_count=10, pseudocount=0.5, reference="wild_type")


@pytest.mark.parametrize(
    ("rounds", "told"),
    [
        ([(0, 1), (0, 1)], "replicate 1 has the rounds \\[0, 0\\]; expected each once"),
        ([(0, 1)], "expected at least two"),
        ([(0, 1), (1, 1), (0, 2), (2, 2)], "replicate 2 has .*; expected \\[0, 1\\]"),
    ],
)
def test_rounds_that_do_not_fit_together_are_told(rounds, told):
    samples = [Sample(f"s{n}", *one) for n, one in enumerate(rounds)]
    with pytest.raises(InputError, match=told):
        check_samples(samples)


def test_counts_of_a_sheet_keep_the_order_of_samples():
    samples = [Sample("b", 0, 1), Sample("a", 1, 1)]
    table = count_table(samples, json.loads('{"a": {"K2E": 1}, "b": {"WT": 2, "K2E": 3}}'))
    assert table.columns.tolist() == ["b", "a"]
    assert table.loc["K2E"].tolist() == [3, 1]
    assert table.index[0] == WILD_TYPE
