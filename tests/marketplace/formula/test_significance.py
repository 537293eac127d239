"""Promises of marketplace.formula.significance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom, binom

from marketplace.formula.significance import (
    LEVEL,
    Counts,
    chance_of_at_least,
    chance_of_at_most,
    compare,
    is_better,
    predicted_at_least,
    predicted_at_most,
)
from tests.support.cost import processor_s


@given(st.integers(1, 2000), st.data(), st.floats(0.001, 0.999))
def test_tails_agree_with_scipy(n: int, data: st.DataObject, p: float) -> None:
    """To ten digits of probability, at every k from -1 to n."""
    k = data.draw(st.integers(-1, n))
    assert chance_of_at_most(k, n, p) == pytest.approx(binom.cdf(k, n, p), rel=1e-9, abs=1e-12)
    assert chance_of_at_least(k, n, p) == pytest.approx(binom.sf(k - 1, n, p), rel=1e-9, abs=1e-12)


@given(st.integers(1, 600), st.integers(1, 600), st.data())
def test_predictions_agree_with_scipy(n: int, m: int, data: st.DataObject) -> None:
    """The beta-binomial's tails, for every count of a claim and of a fresh re-run."""
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(-1, m))
    rival = betabinom(m, c + 1, n - c + 1)
    assert predicted_at_most(k, m, c, n) == pytest.approx(rival.cdf(k), rel=1e-8, abs=1e-11)
    assert predicted_at_least(k, m, c, n) == pytest.approx(rival.sf(k - 1), rel=1e-8, abs=1e-11)


def test_an_honest_claim_survives_fresh_questions() -> None:
    """Claim and re-run both drawn anew at every rate: 1 % fail, where the other test fails 6 %."""
    rng = np.random.default_rng(0)
    rates = rng.random((20_000, 2))
    claims, again = (rng.binomial(400, rates) for _ in range(2))
    failed = {True: 0, False: 0}
    for one, other in zip(claims.tolist(), again.tolist(), strict=True):
        for fresh in failed:
            verdict = compare(Counts(400, *one), Counts(400, *other), fresh=fresh)
            failed[fresh] += not verdict.passed
    assert 0 < failed[True] / 20_000 < LEVEL + 3 * (LEVEL / 20_000) ** 0.5
    assert failed[False] / 20_000 > 3 * LEVEL


def test_a_billion_questions_are_no_burden() -> None:
    """The largest exam a receipt may state is judged in well under a second."""
    assert processor_s(lambda: chance_of_at_most(499_980_000, 10**9, 0.5)) < 1.0
    chance = chance_of_at_most(499_980_000, 10**9, 0.5)
    assert chance == pytest.approx(binom.cdf(499_980_000, 10**9, 0.5), rel=1e-4)


@given(st.integers(1, 1000), st.data())
def test_an_exact_repetition_always_passes(n: int, data: st.DataObject) -> None:
    """The same counts contradict nothing, not even 0 or all right."""
    layer, base = data.draw(st.integers(0, n)), data.draw(st.integers(0, n))
    counts = Counts(n, layer, base)
    assert compare(counts, counts).passed


def test_an_honest_claim_fails_at_most_once_in_a_hundred() -> None:
    """Simulated with fresh questions each time, which is harder than a re-run of the same ones.

    The claim's rate is the true one; 20,000 exams of 400 questions; 3 standard errors of room.
    """
    rng = np.random.default_rng(0)
    claim = Counts(400, 319, 119)  # Laplace rates .796 and .299
    layer = rng.binomial(400, 320 / 402, 20_000)
    base = rng.binomial(400, 120 / 402, 20_000)
    pairs = {(int(a), int(b)) for a, b in zip(layer, base, strict=True)}
    passed = {pair: compare(claim, Counts(400, *pair)).passed for pair in pairs}
    failed = sum(not passed[(int(a), int(b))] for a, b in zip(layer, base, strict=True))
    assert 0 < failed / 20_000 < LEVEL + 3 * (LEVEL / 20_000) ** 0.5


@pytest.mark.parametrize(
    ("claim", "again", "passed"),
    [
        (Counts(400, 400, 100), Counts(400, 397, 100), True),
        (Counts(400, 400, 100), Counts(400, 393, 100), False),
        (Counts(400, 320, 100), Counts(400, 300, 100), True),
        (Counts(400, 320, 100), Counts(400, 290, 100), False),
        (Counts(400, 320, 100), Counts(400, 320, 130), False),
        (Counts(400, 320, 100), Counts(400, 400, 0), True),
        (Counts(10, 8, 3), Counts(10, 5, 3), True),
    ],
)
def test_verdicts_by_example(claim: Counts, again: Counts, passed: bool) -> None:
    """A few rounding errors pass; a worse layer, or a better base model, does not."""
    verdict = compare(claim, again)
    assert verdict.passed is passed
    assert f"re-run {again.n_correct} of {again.n_questions}" in verdict.reason


@given(st.integers(10, 500), st.data())
def test_scoring_more_never_turns_a_pass_into_a_failure(n: int, data: st.DataObject) -> None:
    """Monotone in the layer's re-run count."""
    claim = Counts(n, data.draw(st.integers(0, n)), 0)
    k = data.draw(st.integers(0, n - 1))
    assert compare(claim, Counts(n, k + 1, 0)).passed >= compare(claim, Counts(n, k, 0)).passed


def test_better_means_more_than_luck() -> None:
    """330 of 400 is no news after 320, 350 is."""
    assert not is_better(Counts(400, 330, 0), Counts(400, 320, 0))
    assert is_better(Counts(400, 350, 0), Counts(400, 320, 0))
