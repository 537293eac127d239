"""Promises of marketplace.formula.returns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.errors import AmountError
from marketplace.formula.returns import Returns, uses_to_break_even
from marketplace.money import INT64_MAX, NANOS_PER_CREDIT

amounts = st.integers(1, INT64_MAX)


def test_the_visions_example_is_a_loss() -> None:
    """$50 in, $10 back: 20 % of the cost recovered, ROI -80 % (the vision says 20 % return)."""
    returns = Returns(50 * NANOS_PER_CREDIT, 10 * NANOS_PER_CREDIT)
    assert (returns.recovery, returns.roi) == (0.2, -0.8)
    recovery, roi = returns.lines()
    assert "+20.0%" in recovery
    assert "-80.0%" in roi


@given(amounts, st.integers(0, INT64_MAX))
def test_the_two_numbers_differ_by_one(cost: int, net: int) -> None:
    """ROI is recovery minus what was put in, never below -1."""
    returns = Returns(cost, net)
    assert returns.roi == pytest.approx(returns.recovery - 1.0, rel=1e-9, abs=1e-9)
    assert returns.roi >= -1.0


@given(amounts, amounts)
def test_break_even_is_the_first_use_that_covers_the_cost(cost: int, per_use: int) -> None:
    """One use fewer would not."""
    uses = uses_to_break_even(cost, per_use)
    assert uses * per_use >= cost > (uses - 1) * per_use


def test_a_cost_of_nothing_is_refused() -> None:
    """No return can be computed on it."""
    with pytest.raises(AmountError):
        Returns(0, 1)
