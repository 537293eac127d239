"""Promises of marketplace.formula.reputation."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.formula.reputation import (
    SATURATION,
    Evidence,
    Rating,
    Record,
    Z,
    decay,
    exam_evidence,
    inherited,
    lower_bound,
    measured,
    rated,
    saturated,
    stated_evidence,
    stated_reputation,
)

counts = st.floats(min_value=0.0, max_value=1e6)
trusts = st.floats(min_value=0.0, max_value=1.0)


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
    assert stated_reputation(50, 0) == 0.0


def test_a_long_exam_counts_as_fifty_trials_at_its_own_ratio() -> None:
    """1600 of 2000 proves as much as 40 of 50; a shorter exam counts in full."""
    assert exam_evidence(2000, 1600) == Evidence(40.0, 10.0)
    assert exam_evidence(10, 8) == Evidence(8.0, 2.0)


def test_a_sellers_word_counts_as_ten_trials_until_somebody_looked() -> None:
    """400 of 400 claimed prove less than 45 of 50 measured; an agreeing re-run makes it fifty."""
    claim = Evidence(400.0, 0.0)
    assert stated_evidence(400, 400) == measured(claim, []) == Evidence(10.0, 0.0)
    assert measured(claim, [claim]) == Evidence(50.0, 0.0)
    # L(10, 0) = 10 / (10 + z^2) by hand: z^2 = 2.706025
    assert stated_reputation(400, 400) == pytest.approx(10 / 12.706025)
    assert stated_reputation(400, 400) < lower_bound(measured(claim, [Evidence(380.0, 20.0)]))


@given(counts, counts, trusts)
def test_a_rater_counts_for_less_than_five_trials(s: float, f: float, trust: float) -> None:
    """At the rater's own ratio, times trust (R3)."""
    counted = saturated(Evidence(s, f), trust)
    assert counted.trials <= SATURATION * trust + 1e-9
    assert counted.successes * f == pytest.approx(counted.failures * s, rel=1e-6, abs=1e-6)


@given(counts, counts, st.floats(0.01, 100.0), st.floats(0.1, 1.0), counts, counts)
def test_one_more_success_never_lowers_a_reputation_through_saturation(
    s: float, f: float, more: float, trust: float, exam_s: float, exam_f: float
) -> None:
    """Nor does one more failure raise it, whatever the exam said: monotone as a whole."""

    def reputation(successes: float, failures: float) -> float:
        users, n_raters = rated([Rating("ada", Evidence(successes, failures), 0.0)], {"ada": trust})
        return Record(Evidence(exam_s, exam_f), users, n_raters=n_raters).reputation

    before = reputation(s, f)
    assert reputation(s + more, f) >= before - 1e-9
    assert reputation(s, f + more) <= before + 1e-9


@given(st.lists(st.tuples(counts, counts), min_size=1, max_size=20))
def test_where_nobody_is_vouched_for_no_rater_counts(given: list[tuple[float, float]]) -> None:
    """No trust, no weight: sybils cannot come before the first honest user (R4)."""
    ratings = [Rating(f"user-{n}", Evidence(s, f), 0.0) for n, (s, f) in enumerate(given)]
    assert rated(ratings, {}) == (Evidence(), 0)


@given(st.integers(0, 500), st.integers(1, 1000))
def test_untrusted_raters_move_nothing(uses: int, n_sybils: int) -> None:
    """Exactly nothing, however many they are (R3, R4)."""
    ratings = [Rating(f"sybil-{n}", Evidence(0.0, float(uses)), 0.0) for n in range(n_sybils)]
    assert rated(ratings, {"ada": 1.0}) == (Evidence(), 0)


def test_a_rater_counts_once() -> None:
    """Two reports of one rater saturate together: 2 * 5 trials count as 10 / 3."""
    report = Rating("ada", Evidence(5.0, 0.0), 0.0)
    users, n_raters = rated([report, report], {"ada": 1.0})
    assert users.successes == pytest.approx(10 / 3)
    assert (users.failures, n_raters) == (0.0, 1)


def test_reports_halve_every_thirty_days() -> None:
    """1, 1/2, 1/4; a clock that ran backwards makes no report count double (R2)."""
    assert [decay(days) for days in (-5.0, 0.0, 30.0, 60.0)] == [1.0, 1.0, 0.5, 0.25]


@given(st.integers(1, 10**6), trusts, st.lists(st.tuples(counts, counts), max_size=5))
def test_measurements_never_count_for_more_than_fifty_trials(
    n: int, share: float, reruns: list[tuple[float, float]]
) -> None:
    """However long the exam and however often it was sat again (R5)."""
    again = [Evidence(s, f) for s, f in reruns]
    assert measured(Evidence(n * share, n * (1 - share)), again).trials <= 50 + 1e-9


def test_a_refuted_claim_is_worse_than_no_claim() -> None:
    """90 of 100 claimed, 50 of 100 found: less reputation than 50 of 100 honestly stated."""
    found = Evidence(50.0, 50.0)
    honest = lower_bound(measured(found, []))
    liar = lower_bound(measured(Evidence(90.0, 10.0), [found], refuted=True))
    assert 0.0 < liar < honest


@given(counts, counts)
def test_a_new_version_starts_with_a_quarter_and_a_fork_with_nothing(s: float, f: float) -> None:
    """At most ten trials of its owner's record, at the same ratio (R6)."""
    start = inherited(Evidence(s, f), same_owner=True)
    assert start.trials == pytest.approx(min(10.0, (s + f) / 4))
    assert inherited(Evidence(s, f), same_owner=False) == Evidence()
