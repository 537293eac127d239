"""Promises of marketplace.publishing.significance."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from marketplace.publishing.significance import (
    LEVEL,
    Counts,
    chance_of_at_least,
    chance_of_at_most,
    compare,
    is_better,
)


@given(st.integers(1, 2000), st.data(), st.floats(0.001, 0.999))
def test_tails_agree_with_scipy(n: int, data: st.DataObject, p: float) -> None:
    """To ten digits of probability, at every k from -1 to n."""
    k = data.draw(st.integers(-1, n))
    assert chance_of_at_most(k, n, p) == pytest.approx(binom.cdf(k, n, p), rel=1e-9, abs=1e-12)
    assert chance_of_at_least(k, n, p) == pytest.approx(binom.sf(k - 1, n, p), rel=1e-9, abs=1e-12)


def test_a_billion_questions_are_no_burden() -> None:
    """The largest exam a receipt may state is judged in well under a second."""
    start = time.perf_counter()
    chance = chance_of_at_most(499_980_000, 10**9, 0.5)
    assert time.perf_counter() - start < 1.0
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
