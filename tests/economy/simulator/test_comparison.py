"""Promises of economy.simulator.attacks."""

from dataclasses import replace

import pytest

from economy.simulator.attacks import attack_gains, net_credits
from economy.simulator.economy import simulate
from economy.simulator.settings import ATTACKS, Economy

SMALL = Economy(
    months=1, skills=("sql",), n_buyers=30, n_creators=3, shocks=(), attack_day=5, n_sybils=50
)


def test_a_gain_is_the_difference_that_one_attack_makes() -> None:
    """Each alone against none, whatever else is simulated; and none of the four gains anything."""
    gains = attack_gains(replace(SMALL, attacks=ATTACKS))
    honest = net_credits(simulate(replace(SMALL, attacks=())))
    alone = net_credits(simulate(replace(SMALL, attacks=("sybil",))))
    assert gains["sybil"] == pytest.approx(alone["sybil"] - honest["sybil"])
    assert list(gains) == list(ATTACKS)
    assert max(gains.values()) <= 0.0
    assert honest["whitewash"] > 0.0  # what its layer earns is no gain


def test_an_honest_economy_has_no_gains() -> None:
    """Nothing is attacked, nothing compared."""
    assert attack_gains(replace(SMALL, attacks=())) == {}
