from pathlib import Path

import numpy as np
import pyhmmer
import pytest
from Bio import SeqIO
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhmmer.easel import Alphabet, DigitalSequenceBlock, TextSequence

from blocks.errors import InputError
from tasks.design.profile import (
    ALPHABET,
    Profile,
    build_profile,
    load_hmm,
    match_states,
    residue_probabilities,
)

GLOBINS = Path(__file__).parents[2] / "deployments" / "example" / "globins.fasta"
ALIGNED = [("a", "ACD-EFGHIK"), ("b", "ACDWEFG-IK"), ("c", "acd.efghik"), ("d", "ACD-EYGHIK")]
SMALL = build_profile(ALIGNED)


@pytest.fixture(scope="module")
def globins():
    with GLOBINS.open() as file:
        return [(record.id, str(record.seq)) for record in SeqIO.parse(file, "fasta")]


@pytest.fixture(scope="module")
def profile(globins):
    return build_profile(globins[1:])


def bits(profile, sequences):
    alphabet = Alphabet.amino()
    queries = [
        TextSequence(name=str(i), sequence=text).digitize(alphabet)
        for i, text in enumerate(sequences)
    ]
    hits = pyhmmer.hmmsearch(
        [load_hmm(profile)], DigitalSequenceBlock(alphabet, queries), cpus=1, E=1e9, domE=1e9
    )
    return [hit.score for hit in next(iter(hits))]


def test_a_globin_left_out_is_recognised(globins, profile):
    assert bits(profile, [globins[0][1]])[0] > 100


def test_shuffled_globins_are_not_recognised(globins, profile):
    rng = np.random.default_rng(1)
    shuffled = ["".join(rng.permutation(list(text))) for _, text in globins]
    assert max(bits(profile, shuffled), default=0) < 10


def test_the_same_homologs_give_the_same_bytes(globins, profile):
    assert build_profile(globins[1:]) == profile


def test_the_model_tells_neither_date_nor_command(profile):
    assert b"\nDATE" not in profile.hmm
    assert b"\nCOM " not in profile.hmm


def test_an_alignment_is_used_as_it_is():
    made = build_profile(ALIGNED, "my family")
    assert made.alignment == (">a\nACD-EFGHIK\n>b\nACDWEFG-IK\n>c\nACD-EFGHIK\n>d\nACD-EYGHIK\n")
    assert load_hmm(made).name == "my_family"


def test_the_alignment_made_here_gives_the_same_profile_again(profile):
    lines = profile.alignment.split()
    rows = [(name[1:], row) for name, row in zip(lines[::2], lines[1::2], strict=True)]
    assert build_profile(rows) == profile


def test_aligning_keeps_every_residue(globins, profile):
    assert profile.alignment.replace("-", "").split()[1::2] == [text for _, text in globins[1:]]


def test_hmmer_counts_fewer_sequences_than_there_are(profile):
    assert 1 < profile.effective_sequences < 44
    text = f"\nEFFN  {profile.effective_sequences:.6f}\n"
    assert text.encode() in profile.hmm


def test_residues_align_to_the_states_of_their_columns():
    made = build_profile(ALIGNED)
    assert match_states(made, "ACDEFGHIK").tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert match_states(made, "ACDWEFGHIK").tolist() == [0, 1, 2, -1, 3, 4, 5, 6, 7, 8]
    assert match_states(made, "ACDEFGIK").tolist() == [0, 1, 2, 3, 4, 5, 7, 8]


def test_conserved_residues_are_the_likeliest_and_insertions_have_the_background():
    made = build_profile(ALIGNED)
    table = residue_probabilities(made, "ACDWEFGHIK")
    assert ALPHABET[table[0].argmax()] == "A"
    background = pyhmmer.plan7.Background(Alphabet.amino()).residue_frequencies
    assert table[3] == pytest.approx(np.array(background), abs=1e-6)


def test_probabilities_are_those_in_the_file():
    made = build_profile(ALIGNED)
    line = next(row for row in made.hmm.decode().splitlines() if row.split()[:1] == ["2"])
    in_file = np.exp(-np.array(line.split()[1:21], dtype=float))
    assert residue_probabilities(made, "ACDEFGHIK")[1] == pytest.approx(in_file, abs=1e-4)


@given(st.text(alphabet=ALPHABET, min_size=1, max_size=60))
@settings(max_examples=50, deadline=None)
def test_any_sequence_has_increasing_states_and_probabilities_that_add_up(sequence):
    states = match_states(SMALL, sequence)
    matched = states[states >= 0]
    assert len(states) == len(sequence)
    assert (np.diff(matched) > 0).all()
    assert matched.size == 0 or matched.max() < load_hmm(SMALL).M
    assert residue_probabilities(SMALL, sequence).sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize(
    ("homologs", "message"),
    [
        ([], "homologs: 0 given; expected at least 2"),
        ([("a", "ACD")], "homologs: 1 given"),
        ([("a", "ACD"), ("b", "AC1E")], r"homolog 2 \(b\), position 3: '1'; expected an amino"),
        ([("a", "ACD"), ("b", "")], r"homolog 2 \(b\): no residues"),
        ([("a", "---"), ("b", "A-C")], r"homolog 1 \(a\): no residues"),
        ([("a", "AC-"), ("b", "ACDE")], r"homolog 2 \(b\): 4 columns, where homolog 1 has 3"),
    ],
)
def test_wrong_homologs_are_named(homologs, message):
    with pytest.raises(InputError, match=message):
        build_profile(homologs)


def test_all_wrong_homologs_are_named_at_once():
    with pytest.raises(InputError) as caught:
        build_profile([("a", "A*"), ("b", "AC"), ("c", "A1")])
    assert [line.split(",")[0] for line in str(caught.value).splitlines()] == [
        "homolog 1 (a)",
        "homolog 3 (c)",
    ]


@pytest.mark.parametrize("text", [b"", b"no model", b"HMMER3/f\nALPH  DNA\n//\n"])
def test_what_is_no_protein_model_is_refused(text):
    with pytest.raises(InputError, match=r"^profile: "):
        load_hmm(Profile(text, "", 1.0))


@pytest.mark.parametrize(("query", "message"), [("", "no residues"), ("AC-D", "position 3: '-'")])
def test_wrong_queries_are_named(query, message):
    with pytest.raises(InputError, match=message):
        match_states(build_profile(ALIGNED), query)
