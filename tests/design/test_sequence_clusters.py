"""Clusters of sequences: the greedy rule against itself done naively, and MMseqs2."""

import subprocess

import numpy as np
import pytest
from Bio.Align import substitution_matrices
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from blocks.errors import InputError
from tasks.design import sequence_clusters
from tasks.design.cluster_params import IdentityParams
from tasks.design.mmseqs import mmseqs_argv, parse_mmseqs
from tasks.design.sequence_clusters import chosen_engine, cluster_sequences, identity

proteins = st.lists(st.text("ACDW", min_size=1, max_size=12), max_size=10)


def naive_greedy(sequences, min_identity):
    joined = [0] * len(sequences)
    representatives = []
    for index in sorted(range(len(sequences)), key=lambda i: (-len(sequences[i]), i)):
        reached = [
            other
            for other in representatives
            if identity(sequences[other], sequences[index]) >= min_identity - 1e-9
        ]
        joined[index] = reached[0] if reached else index
        representatives += [] if reached else [index]
    return joined


def families(seed, number, members, mutated):
    """Sequences of some families, mutated at a fraction of positions, some a little shorter."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("ACDEFGHIKLMNPQRSTVWY"))
    made = []
    for _ in range(number):
        founder = rng.choice(letters, 120)
        for _ in range(members):
            hit = rng.random(120) < mutated
            child = np.where(hit, rng.choice(letters, 120), founder)
            made.append("".join(np.delete(child, rng.integers(120, size=rng.integers(3)))))
    rng.shuffle(made)
    return made


def same_partition(one, other):
    return adjusted_rand_score(one, other) == 1


def best_alignment(one, other):
    """Score and identities of the best local alignment, by the recursion of Gotoh (1982)."""
    blosum = substitution_matrices.load("BLOSUM62")
    none, nothing = (-(10**6), 0), (0, 0)

    def plus(cell, score, same=0):
        return cell[0] + score, cell[1] + same

    best = nothing
    above, gaps_above = [nothing] * (len(other) + 1), [none] * (len(other) + 1)
    for a in one:
        row, gaps, gap = [nothing], [none], none
        for j, b in enumerate(other, start=1):
            gap = max(plus(row[j - 1], -11), plus(gap, -1))
            gaps.append(max(plus(above[j], -11), plus(gaps_above[j], -1)))
            row.append(max(nothing, gap, gaps[j], plus(above[j - 1], int(blosum[a, b]), a == b)))
            best = max(best, row[j])
        above, gaps_above = row, gaps
    return best


@given(st.text("ACDWY", min_size=1, max_size=12), st.text("ACDWY", min_size=1, max_size=12))
def test_identity_is_that_of_the_best_local_alignment(one, other):
    _, identities = best_alignment(one, other)
    if len(one) == len(other):
        identities = max(identities, sum(a == b for a, b in zip(one, other, strict=True)))
    assert identity(one, other) == identities / max(len(one), len(other))


def test_identity_looks_across_a_gap():
    assert identity("MKWVTFISLLFLFSSAYSRG", "MKWVTFISLFLFSSAYSRG") == 19 / 20


@given(proteins, st.sampled_from([0, 0.3, 0.5, 2 / 3, 0.9, 1]))
def test_each_sequence_joins_the_first_representative_it_reaches(sequences, min_identity):
    params = IdentityParams(min_identity=min_identity, engine="builtin")
    clusters = cluster_sequences(params, sequences)
    expected = naive_greedy(sequences, min_identity)
    representatives = sorted(set(expected))
    assert np.flatnonzero(clusters.representative).tolist() == representatives
    of_label = {clusters.label[index]: index for index in representatives}
    assert [of_label[label] for label in clusters.label] == expected


def test_the_rule_holds_for_mutated_families():
    sequences = families(3, 3, 12, 0.15)
    clusters = cluster_sequences(IdentityParams(min_identity=0.75), sequences)
    assert same_partition(clusters.label, naive_greedy(sequences, 0.75))


def test_a_threshold_that_is_met_exactly_is_met():
    params = IdentityParams(min_identity=0.7)
    assert cluster_sequences(params, ["ACDEFGHIKL", "ACDEFGHWWW"]).number == 1
    assert cluster_sequences(params, ["ACDEFGHIKL", "ACDEFGWWWW"]).number == 2


def test_labels_are_numbered_by_size_then_first_member():
    sequences = ["WWWWWW", "ACDEFG", "HIKLMN", "HIKLMN", "PQRSTV"]
    assert cluster_sequences(IdentityParams(), sequences).label.tolist() == [1, 2, 0, 0, 3]


def test_no_sequences_make_no_clusters():
    assert cluster_sequences(IdentityParams(), []).number == 0


@pytest.mark.parametrize("sequence", ["", "ACD-E", "acd", "A1C"])
def test_what_is_no_sequence_is_named(sequence):
    with pytest.raises(InputError, match=r"cluster: sequence 2 is '.*'; expected letters A-Z"):
        cluster_sequences(IdentityParams(), ["ACD", sequence])


def test_auto_takes_mmseqs_only_where_it_pays_and_finds_pairs(monkeypatch):
    monkeypatch.setattr(sequence_clusters, "AUTO_SEQUENCES", 2)
    many, params = ["A" * 30] * 3, IdentityParams(min_identity=0.8)
    assert chosen_engine(params, many, mmseqs_found=True) == "mmseqs"
    assert chosen_engine(params, many, mmseqs_found=False) == "builtin"
    assert chosen_engine(params, many[:2], mmseqs_found=True) == "builtin"
    assert chosen_engine(params, [*many, "ACD"], mmseqs_found=True) == "builtin"
    low = IdentityParams(min_identity=0.2)
    assert chosen_engine(low, many, mmseqs_found=True) == "builtin"


def test_mmseqs_that_is_asked_for_must_be_there():
    with pytest.raises(InputError, match="mmseqs, but the program was not found"):
        cluster_sequences(IdentityParams(engine="mmseqs"), ["ACD"])


def test_what_mmseqs_finds_becomes_clusters():
    asked = []

    def run(fasta):
        asked.append(fasta)
        return "2\t2\n2\t0\n1\t1\n"

    clusters = cluster_sequences(IdentityParams(engine="mmseqs"), ["AC:D", "CCC", "AACXD"], run)
    assert asked == [">0\nACXD\n>1\nCCC\n>2\nAACXD\n"]
    assert clusters.label.tolist() == [0, 1, 0]
    assert clusters.representative.tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0\t0\n", "MMseqs2: 1 of 2 sequences are in no cluster"),
        ("0\t0\n0\tx\n", "MMseqs2, line 2: .* expected representative, tab, member"),
        ("0\t2\n", "MMseqs2, line 1: "),
        ("0\n", "MMseqs2, line 1: "),
    ],
)
def test_a_table_that_mmseqs_does_not_write_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_mmseqs(text, 2)


@pytest.mark.tool
@pytest.mark.parametrize(
    ("min_identity", "mutated", "least"),
    [(0.7, 0.08, 1.0), (0.8, 0.08, 0.95)],  # the second: families begin to fall apart
)
def test_mmseqs_makes_the_same_clusters(tmp_path, min_identity, mutated, least):
    sequences = families(1, 6, 50, mutated)
    params = IdentityParams(min_identity=min_identity, engine="mmseqs")

    def run(fasta):
        (tmp_path / "in.fasta").write_text(fasta)
        argv = mmseqs_argv(tmp_path / "in.fasta", tmp_path / "out", tmp_path / "tmp", params)
        subprocess.run(argv, check=True, capture_output=True)
        return (tmp_path / "out_cluster.tsv").read_text()

    theirs = cluster_sequences(params, sequences, run)
    ours = cluster_sequences(params.model_copy(update={"engine": "builtin"}), sequences)
    assert adjusted_rand_score(ours.label, theirs.label) >= least
