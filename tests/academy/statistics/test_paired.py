"""McNemar and Tango against published numbers and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest

from academy.errors import StatisticsError
from academy.statistics.paired import compare_paired, mcnemar, tango_interval


def scores(both: int, only_a: int, only_b: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    a = np.repeat([1, 1, 0, 0], [both, only_a, only_b, neither])
    b = np.repeat([1, 0, 1, 0], [both, only_a, only_b, neither])
    return a, b


def test_the_published_example() -> None:
    """Bentur et al. 2009 in Fagerland et al. 2013 (.070, .039) and 2014 (-.517 to -.026)."""
    found = compare_paired(*scores(1, 1, 7, 12))
    assert (found.n, found.only_a, found.only_b) == (21, 1, 7)
    assert found.effect == pytest.approx(-6 / 21)
    assert [found.p_exact, found.p_mid] == pytest.approx([0.0703, 0.0391], abs=5e-5)
    assert [found.low, found.high] == pytest.approx([-0.517, -0.026], abs=5e-4)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 1), (3, 9), (4, 4), (0, 12), (40, 25)])
def test_p_values_are_counted_coin_tosses(only_a: int, only_b: int) -> None:
    """Two-sided exact: all outcomes of n coins no likelier; mid: half of the ties left out."""
    n = only_a + only_b
    distance = abs(only_a - only_b)
    chances = {k: math.comb(n, k) / 2**n for k in range(n + 1)}
    beyond = sum(p for k, p in chances.items() if abs(2 * k - n) > distance)
    equal = sum(p for k, p in chances.items() if abs(2 * k - n) == distance)
    exact, mid = mcnemar(only_a, only_b)
    assert exact == pytest.approx(beyond + equal)
    assert mid == pytest.approx(beyond + equal / 2)
    assert mcnemar(only_b, only_a) == (exact, mid)


def test_nothing_to_tell_apart_shows_nothing() -> None:
    assert mcnemar(0, 0) == (1.0, 1.0)
    low, high = tango_interval(0, 0, 20)
    assert low == pytest.approx(-high) and 0 < high < 0.2


def test_thousands_of_questions_do_not_overflow() -> None:
    """By the normal approximation, z = 200 / sqrt(6200) = 2.54, p = .0111."""
    assert mcnemar(3000, 3200)[1] == pytest.approx(0.0111, abs=2e-4)


@pytest.mark.parametrize(
    ("only_a", "only_b", "n"), [(1, 7, 21), (12, 2, 50), (0, 5, 30), (20, 0, 20), (3, 3, 9)]
)
def test_tangos_interval_holds_what_the_score_test_accepts(
    only_a: int, only_b: int, n: int
) -> None:
    """Nuisance parameter by grid search over the likelihood instead of the closed form."""
    low, high = tango_interval(only_a, only_b, n)

    def accepted(difference: float) -> bool:
        b = np.linspace(max(0.0, -difference), (1 - difference) / 2, 20_001)[1:-1]
        a = b + difference
        with np.errstate(divide="ignore"):
            rest = (n - only_a - only_b) * np.log1p(-a - b) if n > only_a + only_b else 0.0
            fit = rest + only_a * np.log(a) + (only_b * np.log(b) if only_b else 0.0)
        best = b[np.argmax(fit)]
        variance = (2 * best + difference - difference**2) / n
        return bool(abs((only_a - only_b) / n - difference) <= 1.959964 * math.sqrt(variance))

    for difference in np.linspace(-0.95, 0.95, 39):
        if min(abs(difference - low), abs(difference - high)) > 0.005:
            assert accepted(difference) == (low < difference < high), difference


def test_mid_p_keeps_to_alpha_and_is_less_timid_than_exact() -> None:
    """Every outcome of 60 questions with 40 % told apart, weighted by its chance under the null."""
    mid_rate = exact_rate = 0.0
    for n in range(61):
        weight = math.comb(60, n) * 0.4**n * 0.6 ** (60 - n)
        for k in range(n + 1):
            exact, mid = mcnemar(k, n - k)
            chance = weight * math.comb(n, k) / 2**n
            mid_rate += chance * (mid <= 0.05)
            exact_rate += chance * (exact <= 0.05)
    assert exact_rate < mid_rate <= 0.05


def test_tangos_interval_covers_the_truth() -> None:
    """40 questions, A right alone on 25 %, B on 10 %: within 1.5 points of 95 %."""
    n, p_a, p_b = 40, 0.25, 0.10
    covered = 0.0
    for a in range(n + 1):
        for b in range(n + 1 - a):
            chance = (
                math.comb(n, a)
                * math.comb(n - a, b)
                * p_a**a
                * p_b**b
                * (1 - p_a - p_b) ** (n - a - b)
            )
            if chance > 1e-7:
                low, high = tango_interval(a, b, n)
                covered += chance * (low <= p_a - p_b <= high)
    assert 0.935 <= covered <= 0.965


@pytest.mark.parametrize(
    ("a", "b"), [([], []), ([1, 0], [1]), ([0.5, 1], [0, 1]), ([1, float("nan")], [0, 1])]
)
def test_what_mcnemar_cannot_compare_is_refused(a: list[float], b: list[float]) -> None:
    with pytest.raises(StatisticsError):
        compare_paired(a, b)
