"""Promises of marketplace.formula.returns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.formula.returns import gini, hhi

incomes = st.lists(st.integers(0, 10**6), min_size=1, max_size=30)


@given(incomes)
def test_both_stay_in_range_and_ignore_the_currency(given: list[int]) -> None:
    """HHI between 1/n and 1, Gini between 0 and 1; the same in cents as in dollars."""
    n = len(given)
    if sum(given):
        assert 1 / n - 1e-9 <= hhi(given) <= 1 + 1e-9
    assert 0 <= gini(given) <= 1 - 1 / n + 1e-9
    assert gini([100 * x for x in given]) == pytest.approx(gini(given))
    assert hhi([100 * x for x in given]) == pytest.approx(hhi(given))


@given(incomes)
def test_gini_agrees_with_its_definition(given: list[int]) -> None:
    """Mean absolute difference over twice the mean."""
    total, n = sum(given), len(given)
    if total:
        differences = sum(abs(x - y) for x in given for y in given)
        assert gini(given) == pytest.approx(differences / (2 * n * total))


def test_the_corners() -> None:
    """Ten equals, one owner, nobody."""
    assert hhi([5] * 10) == pytest.approx(0.1)
    assert gini([5] * 10) == pytest.approx(0.0)
    assert hhi([7, 0, 0, 0]) == 1.0
    assert gini([7, 0, 0, 0]) == pytest.approx(0.75)
    assert (hhi([]), gini([])) == (0.0, 0.0)
