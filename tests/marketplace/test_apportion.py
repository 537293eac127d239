"""Promises of marketplace.apportion."""

from hypothesis import given
from hypothesis import strategies as st

from marketplace.apportion import apportion, user_centric
from marketplace.money import INT64_MAX

weights = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 10**9), min_size=1)
amounts = st.integers(0, INT64_MAX)


@given(amounts, weights.filter(lambda w: sum(w.values()) > 0))
def test_parts_are_exact_and_within_one_unit_of_fair(total: int, given: dict[str, int]) -> None:
    """Nothing is lost or made; nobody is a whole unit away from the exact share."""
    parts = apportion(total, given)
    whole = sum(given.values())
    assert sum(parts.values()) == total
    for name, nanos in parts.items():
        assert abs(nanos * whole - total * given[name]) < whole


@given(amounts, weights.filter(lambda w: sum(w.values()) > 0))
def test_order_does_not_matter(total: int, given: dict[str, int]) -> None:
    """The same weights in another order give the same parts."""
    assert apportion(total, dict(reversed(given.items()))) == apportion(total, given)


@given(st.integers(1, INT64_MAX), weights)
def test_a_subscription_pays_for_the_subscribers_own_use_only(
    fee: int, usage: dict[str, int]
) -> None:
    """Whatever a bot plays, its owner gets back at most 90 % of what the bot paid."""
    platform, earned = user_centric(fee, usage)
    assert 10 * sum(earned.values()) <= 9 * fee
    assert platform + sum(earned.values()) == fee or not any(usage.values())
    assert set(earned) == {name for name, uses in usage.items() if uses}


def test_left_over_units_go_to_the_largest_fractions() -> None:
    """100 by 1:1:1 is 34, 33, 33: ties go to the first name."""
    assert apportion(100, {"c": 1, "b": 1, "a": 1}) == {"a": 34, "b": 33, "c": 33}
    assert apportion(10, {"a": 14, "b": 6, "c": 0}) == {"a": 7, "b": 3}
