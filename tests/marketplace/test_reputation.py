"""Promises of marketplace.reputation."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.reputation import Evidence, Z, exam_evidence, exam_reputation, lower_bound

counts = st.floats(min_value=0.0, max_value=1e6)


@given(counts, counts)
def test_bound_stays_between_zero_and_the_observed_rate(s: float, f: float) -> None:
    """For any counts, however tiny: no division by zero, nothing outside [0, s/(s+f)]."""
    bound = lower_bound(Evidence(s, f))
    assert 0.0 <= bound <= 1.0
    if s + f > 0:
        assert bound <= s / (s + f) + 1e-12


@given(st.integers(1, 5000), st.integers(0, 5000))
def test_agrees_with_the_textbook_formula(n: int, correct: int) -> None:
    """Where the textbook form is stable, both give the same number."""
    s, f = float(min(n, correct)), float(n - min(n, correct))
    root = math.sqrt(s * f / n + Z * Z / 4)
    textbook = (s + Z * Z / 2 - Z * root) / (n + Z * Z)
    assert lower_bound(Evidence(s, f)) == pytest.approx(textbook, abs=1e-12)


@given(counts, counts, st.floats(min_value=0.01, max_value=100.0))
def test_more_success_never_hurts_and_more_failure_never_helps(
    s: float, f: float, more: float
) -> None:
    """The property that Kish's effective sample size violates."""
    bound = lower_bound(Evidence(s, f))
    assert lower_bound(Evidence(s + more, f)) >= bound - 1e-12
    assert lower_bound(Evidence(s, f + more)) <= bound + 1e-12


def test_nothing_is_proven_without_evidence() -> None:
    """L(0, 0) = 0, and so is any exam without a right answer."""
    assert lower_bound(Evidence()) == 0.0
    assert exam_reputation(50, 0) == 0.0


def test_a_long_exam_counts_as_fifty_trials_at_its_own_ratio() -> None:
    """1600 of 2000 proves as much as 40 of 50; a shorter exam counts in full."""
    assert exam_evidence(2000, 1600) == Evidence(40.0, 10.0)
    assert exam_evidence(10, 8) == Evidence(8.0, 2.0)
