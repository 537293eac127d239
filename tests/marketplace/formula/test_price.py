"""Promises of marketplace.formula.price."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.formula.price import (
    Demand,
    PriceRules,
    demand_parts,
    next_demand,
    quality_parts,
    step_nanos,
    target_nanos,
)
from marketplace.money import INT64_MAX

prices = st.integers(min_value=10, max_value=INT64_MAX)
reputations = st.floats(min_value=0.0, max_value=1.0)


def test_quality_spans_a_quarter_to_four_times_the_ask() -> None:
    """2^(4(L - 1/2)): 1/4 at 0, 1 at one half, 4 at 1."""
    assert [quality_parts(reputation) for reputation in (0.0, 0.5, 1.0)] == [
        250_000,
        1_000_000,
        4_000_000,
    ]


@given(st.integers(1, INT64_MAX), reputations, st.floats(-math.log(4), math.log(4)))
def test_target_is_the_exact_product_of_the_shown_factors(
    ask: int, reputation: float, x: float
) -> None:
    """Rounded to the nearest nano-credit, at least the floor, never past 64 bits."""
    exact = Fraction(ask * quality_parts(reputation) * demand_parts(x), 10**12)
    target = target_nanos(ask, reputation, x)
    assert 10 <= target <= INT64_MAX
    if 10 < exact < INT64_MAX:
        assert abs(target - exact) <= Fraction(1, 2)


@given(prices, prices)
def test_a_price_moves_at_most_by_a_factor_of_nine_eighths(previous: int, target: int) -> None:
    """The step never leaves [8/9, 9/8] of the last price, nor passes the target."""
    price = step_nanos(previous, target)
    assert Fraction(8, 9) <= Fraction(price, previous) <= Fraction(9, 8)
    assert min(previous, target) <= price <= max(previous, target)


def test_repeated_steps_reach_the_target() -> None:
    """The limit slows a price down and never stops it, even at the floor."""
    price = 10
    for _ in range(200):
        price = step_nanos(price, 10**9)
    assert price == 10**9


@given(st.lists(st.integers(0, 10**6), max_size=60))
def test_demand_stays_small_and_finite(buyers_per_epoch: list[int]) -> None:
    """Whatever the buyers do, |x| <= k / lambda: faked demand gains less than the fee costs."""
    rules, demand = PriceRules(), Demand()
    for buyers in buyers_per_epoch:
        demand = next_demand(demand, buyers)
    assert abs(demand.log_premium) <= rules.gain / rules.forgetting
    assert math.exp(rules.gain / rules.forgetting) - 1 < 0.1


def test_demand_is_forgotten() -> None:
    """After a burst and long silence the price is ask times quality again, to 1e-4."""
    demand = next_demand(Demand(), 1000)
    assert demand.log_premium > 0
    for _ in range(400):
        demand = next_demand(demand, 0)
    assert demand.log_premium == pytest.approx(0.0, abs=1e-4)


def test_the_first_surprise_follows_the_formula() -> None:
    """30 buyers, none usual: x = .005 * 30 / 40, mean = .05 * 30."""
    demand = next_demand(Demand(), 30)
    assert demand.log_premium == pytest.approx(0.005 * 30 / 40)
    assert demand.usual_buyers == pytest.approx(1.5)


@given(st.floats(0.0, 1e3), st.floats(0.0, 1e3), st.floats(0.0, 1e3), st.floats(-1.0, 1.0))
def test_more_trusted_buyers_never_lower_the_premium(
    fewer: float, more: float, usual: float, x: float
) -> None:
    """Fractions count too: each buyer weighs as much as it is trusted."""
    demand = Demand(x, usual)
    low, high = sorted((fewer, more))
    assert next_demand(demand, low).log_premium <= next_demand(demand, high).log_premium
