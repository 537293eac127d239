"""Promises of economy.simulator.world."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from economy.simulator.world import Reports
from marketplace.formula.reputation import Evidence, Rating, rated

RATERS = ("ada", "bob", "cleo")
reports = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(RATERS), st.integers(0, 20), st.integers(0, 20))
)


@given(reports, st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3))
def test_arrays_agree_with_the_formula(
    given: list[tuple[int, str, int, int]], trust: list[float]
) -> None:
    """Ten days of reports on one layer, decayed day by day or by age: the same evidence."""
    table = Reports(len(RATERS))
    layer = table.add_layer()
    ratings = []
    for day in range(10):
        for when, rater, good, bad in given:
            if when == day and good + bad:
                table.add(layer, RATERS.index(rater), good, bad)
                ratings.append(Rating(rater, Evidence(good, bad), 10.0 - day))
        table.next_day()
    expected, n_raters = rated(ratings, dict(zip(RATERS, trust, strict=True)))
    (found,) = table.evidence(np.array(trust))
    assert found[0].successes == pytest.approx(expected.successes)
    assert found[0].failures == pytest.approx(expected.failures)
    assert found[1] == n_raters


def test_a_new_version_starts_without_reports() -> None:
    """Clearing one layer leaves the others alone."""
    table = Reports(1)
    for layer in (table.add_layer(), table.add_layer()):
        table.add(layer, 0, 5.0, 0.0)
    table.clear(0)
    first, second = table.evidence(np.array([1.0]))
    assert (first[0].trials, second[0].trials > 0) == (0.0, True)
