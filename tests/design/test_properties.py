"""ProtParam's numbers."""

import numpy as np
import pytest

from tasks.design.properties import METHOD, ProtParam, protparam

UBIQUITIN = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"


def one(sequence: str, **settings: float) -> dict[str, float]:
    found = protparam(ProtParam(**settings), [sequence])
    return {name: float(values[0]) for name, values in found.items()}


def test_ubiquitin_has_the_published_numbers() -> None:
    found = one(UBIQUITIN)
    assert list(found) == list(METHOD.columns)
    assert found["molecular_weight"] == pytest.approx(8564.8, abs=0.1)
    assert found["isoelectric_point"] == pytest.approx(6.56, abs=0.02)
    assert found["extinction_reduced"] == 1490


def test_composition_numbers_follow_their_definition() -> None:
    found = one("WYCCAR")
    assert found["extinction_reduced"] == 5500 + 1490
    assert found["extinction_oxidised"] == 5500 + 1490 + 125
    assert found["aromaticity"] == pytest.approx(2 / 6)
    assert found["gravy"] == pytest.approx((-0.9 - 1.3 + 2.5 + 2.5 + 1.8 - 4.5) / 6)
    assert found["helix_fraction"] == pytest.approx(1 / 6)
    assert found["turn_fraction"] == 0
    assert found["sheet_fraction"] == pytest.approx(2 / 6)


def test_instability_follows_its_definition() -> None:
    # Guruprasad et al. 1990: 10 / L times the sum of the dipeptides' weights, here WW and WC
    assert one("WWC")["instability_index"] == pytest.approx(10 / 3 * (1.0 + 1.0))


def test_the_charge_is_that_at_the_ph_of_the_setting() -> None:
    neutral = one(UBIQUITIN)["isoelectric_point"]
    assert one(UBIQUITIN, ph=neutral)["charge"] == pytest.approx(0, abs=0.01)
    assert one(UBIQUITIN, ph=3)["charge"] > 5 > -5 > one(UBIQUITIN, ph=12)["charge"]


def test_a_single_residue_has_all_numbers() -> None:
    assert np.isfinite(list(one("G").values())).all()
    assert one("G")["molecular_weight"] == pytest.approx(75.07, abs=0.01)
