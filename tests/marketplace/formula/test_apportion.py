"""Promises of marketplace.formula.royalty."""

from hypothesis import given
from hypothesis import strategies as st

from marketplace.formula.royalty import apportion
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


def test_left_over_units_go_to_the_largest_fractions() -> None:
    """100 by 1:1:1 is 34, 33, 33: ties go to the first name."""
    assert apportion(100, {"c": 1, "b": 1, "a": 1}) == {"a": 34, "b": 33, "c": 33}
    assert apportion(10, {"a": 14, "b": 6, "c": 0}) == {"a": 7, "b": 3}
