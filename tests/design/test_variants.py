import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.errors import InputError
from tasks.design.profile import ALPHABET
from tasks.design.variants import (
    ChangeableParams,
    changeable,
    checked_parent,
    decode,
    draw_distinct,
    encode,
    mutation_strings,
)


def test_mutations_are_written_from_one():
    assert mutation_strings(["ACDE", "ACDF", "WCDF", "ACD"], "ACDE") == ["", "E4F", "A1W/E4F", ""]


def test_without_a_parent_there_are_no_mutations():
    assert mutation_strings(["ACDE"], None) == [""]


@given(st.lists(st.text(alphabet=ALPHABET, min_size=7, max_size=7), min_size=1))
def test_mutations_lead_from_the_parent_to_the_variant(variants):
    for variant, text in zip(variants, mutation_strings(variants, "ACDEFGH"), strict=True):
        letters = list("ACDEFGH")
        for mutation in filter(None, text.split("/")):
            assert letters[int(mutation[1:-1]) - 1] == mutation[0] != mutation[-1]
            letters[int(mutation[1:-1]) - 1] = mutation[-1]
        assert "".join(letters) == variant


@given(st.lists(st.text(alphabet=ALPHABET, min_size=5, max_size=5), min_size=1))
def test_decoding_undoes_encoding(sequences):
    assert decode(encode(sequences)) == sequences


def test_conserved_wins_over_positions():
    params = ChangeableParams(positions=(2, 3, 5), conserved=(3,))
    assert changeable(params, 5).tolist() == [1, 4]


def test_without_positions_all_but_the_conserved_may_change():
    assert changeable(ChangeableParams(conserved=(1, 4)), 5).tolist() == [1, 2, 4]


@pytest.mark.parametrize("name", ["positions", "conserved"])
def test_positions_beyond_the_end_are_named(name):
    with pytest.raises(InputError, match=f"{name}: 6; expected at most 5"):
        changeable(ChangeableParams(**{name: (1, 6)}), 5)


def test_a_parent_that_may_not_change_at_all_is_refused():
    with pytest.raises(ValueError, match="positions: all of them are conserved"):
        ChangeableParams(positions=(1, 2), conserved=(1, 2, 3))
    with pytest.raises(InputError, match="conserved: all 2 positions"):
        changeable(ChangeableParams(conserved=(1, 2)), 2)


@pytest.mark.parametrize("letter", "XUBZ*-1")
def test_letters_beyond_the_twenty_are_named_with_their_position(letter):
    with pytest.raises(InputError, match="parent, position 3: "):
        checked_parent(f"AC{letter}D")


def test_draws_end_when_there_is_nothing_new():
    asked = []

    def draw(size):
        asked.append(size)
        return ["A", "B", "B", "A"], {"nth": np.arange(4)}

    found = draw_distinct(draw, 3, {"A"})
    assert found.to_dict("list") == {"sequence": ["B"], "nth": [1]}
    assert sum(asked) == 2_000


def test_the_first_of_equal_draws_is_kept():
    found = draw_distinct(lambda size: (["C", "A", "C", "B"], {"nth": np.arange(4)}), 2, set())
    assert found.to_dict("list") == {"sequence": ["C", "A"], "nth": [0, 1]}
