"""The sum of measured effects."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.design.additive import Additive, additive

PARENT = "MKTAY"
EFFECTS = {"K2E": -1.5, "A4V": 0.5, "Y5W": 2.0}


def values(*sequences: str) -> tuple[list[float], list[float]]:
    found = additive(Additive(effects=EFFECTS), sequences, PARENT)
    return found["additive_score"].tolist(), found["unmeasured"].tolist()


def test_effects_add_up_and_what_was_not_measured_is_counted():
    assert values(PARENT, "METVY", "MKTVW", "MRTVW") == ([0, -1, 2.5, 2.5], [0, 0, 0, 1])


def test_sequences_of_another_length_have_no_score():
    assert np.isnan(values("MKT")).all()


@given(st.permutations(sorted(EFFECTS)), st.integers(0, 3))
def test_the_order_of_substitutions_does_not_matter(names, count):
    residues = list(PARENT)
    for name in names[:count]:
        residues[int(name[1]) - 1] = name[2]
    score, unmeasured = values("".join(residues))
    assert score[0] == pytest.approx(sum(EFFECTS[name] for name in names[:count]))
    assert unmeasured == [0]


@pytest.mark.parametrize("effects", [{}, {"K2": 1.0}, {"2E": 1.0}, {"K02E": 1.0}])
def test_what_names_no_substitution_is_refused(effects):
    with pytest.raises(ValidationError):
        Additive(effects=effects)
