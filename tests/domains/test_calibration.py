import numpy as np
import pytest

from tasks.domains import properties
from tasks.domains.calibration import (
    Calibration,
    Scorecard,
    fit_knots,
    fit_scorecard,
    read_calibration,
    write_calibration,
)

CARD = Scorecard(-1.0, ("x", "y"), ((0.0, 10.0), (5.0,)), ((0.0, 1.0, 3.0), (0.0, -2.0)))


@pytest.mark.parametrize(
    ("values", "log_odds"),
    [
        pytest.param((-1.0, 0.0), -1.0, id="first bins"),
        pytest.param((0.0, 0.0), 0.0, id="an edge begins its bin"),
        pytest.param((99.0, 5.0), 0.0, id="last bins"),
    ],
)
def test_points_of_the_bins_are_added(values, log_odds):
    assert CARD.log_odds(values) == log_odds


@pytest.mark.parametrize(
    ("given", "measured"), [(0.0, 0.1), (0.2, 0.1), (0.5, 0.3), (0.8, 0.5), (1.0, 0.5)]
)
def test_confidence_is_linear_between_knots_and_flat_beyond(given, measured):
    assert Calibration({}, {}, ((0.2, 0.1), (0.8, 0.5))).calibrated(given) == pytest.approx(
        measured
    )


def test_a_table_is_read_as_it_was_written(tmp_path):
    table = Calibration({"seed": 1}, {"one": CARD, "two": CARD}, ((0.2, 0.1), (0.8, 0.5)))
    write_calibration(table, tmp_path / "table.json")
    assert read_calibration(tmp_path / "table.json") == table


def test_the_fit_finds_the_shares_of_the_bins():
    rng = np.random.default_rng(1)
    values = rng.uniform(0, 3, (4_000, 1))
    right = rng.random(4_000) < np.array([0.1, 0.5, 0.9])[values[:, 0].astype(int)]
    card = fit_scorecard(values, right, {"x": (1, 2)}, steps=1.0)
    assert [card.probability([x]) for x in (0.5, 1.5, 2.5)] == pytest.approx(
        [0.1, 0.5, 0.9], abs=0.03
    )


def test_knots_never_fall():
    probabilities = np.linspace(0, 1, 600)
    right = np.random.default_rng(1).random(600) < probabilities
    shares = [share for _, share in fit_knots(probabilities, right)]
    assert shares == sorted(shares)
    assert shares[0] < 0.2
    assert shares[-1] > 0.8


def test_the_table_in_use_has_all_cards_with_the_bins_of_today():
    table = read_calibration()
    kinds = ("domain_blast", "chain_blast", "hhsearch", "neighbour")
    expected = {f"{kind} related": properties.RELATION for kind in kinds}
    expected |= {f"{kind} ends": properties.ENDS for kind in kinds}
    expected |= {
        "domain related": properties.DOMAIN_RELATION,
        "domain ends": properties.DOMAIN_ENDS,
        "context": properties.CONTEXT,
    }
    expected |= {f"level{step}": properties.LEVEL for step in (-1, 0, 1)}
    found = {
        name: dict(zip(card.names, card.edges, strict=True)) for name, card in table.cards.items()
    }
    assert found == expected
    assert "bench600" in str(table.provenance["chains"])
