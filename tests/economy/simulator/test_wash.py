"""Promises of tests.support.wash: faking demand does not pay."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.formula.price import PriceRules
from tests.support.wash import best_wash, wash_gain

SURGE = [20] * 20 + [400] * 5 + [20] * 15
GROWTH = [min(400, 2 + epoch * epoch // 4) for epoch in range(40)]
RANDOM = [Random(5).choice([0, 1, 5, 20, 100, 400]) for _ in range(40)]


@pytest.mark.parametrize("honest", [SURGE, GROWTH, RANDOM])
def test_the_best_wash_trade_gains_at_most_one_percent(honest: list[int]) -> None:
    """Even with trusted accounts, inelastic buyers and foreseen twentyfold surges."""
    result = best_wash(honest)
    assert result.gain <= 0.01


def test_the_search_finds_a_profit_where_there_is_one() -> None:
    """With a hundred times the gain, k = .5, faking pays: the bound is due to the constants."""
    assert best_wash(SURGE, PriceRules(gain=0.5), rounds=1).gain > 0.10


@given(st.lists(st.integers(0, 10**6), min_size=40, max_size=40))
def test_untrusted_wash_accounts_only_lose_the_fee(plan: list[int]) -> None:
    """Whatever the plan: no price moves, so the gain is minus the fees."""
    gain = wash_gain(SURGE, plan, trust=0.0)
    assert gain < 0.0 if any(plan) else gain == 0.0


@given(st.lists(st.integers(0, 1000), min_size=40, max_size=40))
def test_no_plan_at_all_beats_the_bound(plan: list[int]) -> None:
    """Random plans, trusted accounts."""
    assert wash_gain(SURGE, plan) <= 0.01
