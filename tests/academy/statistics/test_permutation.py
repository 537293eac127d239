"""Permutation p-values are counted, not approximated, and never lie about chance."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from academy.errors import StatisticsError
from academy.statistics.permutation import Alternative, sign_flip_test

DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
"""Heights of cross- less self-fertilised maize, 1/8 inch (Darwin 1876, in Fisher 1935, ch. 3)."""


def counted(differences: list[float], alternative: Alternative) -> float:
    """The definition, sign pattern by sign pattern, in whole numbers."""
    observed = sum(differences)
    hits = n = 0
    for signs in itertools.product((1, -1), repeat=len(differences)):
        total = sum(s * d for s, d in zip(signs, differences, strict=True))
        n += 1
        hits += {
            "two-sided": abs(total) >= abs(observed),
            "greater": total >= observed,
            "less": total <= observed,
        }[alternative]
    return hits / n


def test_fishers_own_example() -> None:
    """863 of 2^15 arrangements reach his sum of 314: p = .0263 one-sided, .0527 two-sided."""
    one_sided = sign_flip_test(DARWIN, alternative="greater")
    assert one_sided.p_value == 863 / 2**15
    assert one_sided.exact and one_sided.n_units == 15
    assert sign_flip_test(DARWIN).p_value == 1726 / 2**15


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("seed", range(4))
def test_few_pairs_are_enumerated(alternative: Alternative, seed: int) -> None:
    """With many ties, zeros and both directions."""
    differences = np.random.default_rng(seed).integers(-3, 4, 9).astype(float).tolist()
    found = sign_flip_test(differences, alternative=alternative)
    assert found.p_value == counted(differences, alternative)
    assert found.effect == pytest.approx(np.mean(differences))


def test_ties_in_the_last_bits_count_as_extreme() -> None:
    """0.1 + 0.2 + 0.3 depends on the order of the sum; all 8 patterns matter for p."""
    assert sign_flip_test([0.1, 0.2, 0.3], alternative="greater").p_value == 1 / 8
    assert sign_flip_test([0.1, 0.2, -0.3]).p_value == 1.0


def test_no_difference_at_all_gives_one() -> None:
    assert sign_flip_test([0.0, 0.0]).p_value == 1.0
    assert sign_flip_test([[0.0] * 9] * 4).p_value == 1.0


def test_many_pairs_are_sampled_and_p_is_never_zero() -> None:
    """2 (b + 1) / (m + 1): 999 draws of 40 pairs that all agree give 2 / 1000."""
    found = sign_flip_test(np.ones(40), n_samples=999, rng=np.random.default_rng(0))
    assert not found.exact
    assert found.p_value == 2 / 1000


def test_sampling_comes_near_enumeration() -> None:
    """17 units are sampled. 2^17 patterns by hand: standard error of p is below .005."""
    differences = np.random.default_rng(5).normal(0.3, 1.0, 17)
    codes = (np.arange(2**17)[:, None] >> np.arange(17)) & 1
    totals = (1.0 - 2.0 * codes) @ differences
    exact = float((np.abs(totals) >= abs(differences.sum()) - 1e-9).mean())
    found = sign_flip_test(differences, n_samples=9999, rng=np.random.default_rng(6))
    assert found.p_value == pytest.approx(exact, abs=0.02)


def test_a_run_can_be_flipped_as_a_whole() -> None:
    """Five runs that all gain: as runs 2 / 2^5, as twenty pairs far less."""
    gains = np.full((5, 4), 0.02)
    assert sign_flip_test(gains, unit="run").p_value == 2 / 32
    assert sign_flip_test(gains, rng=np.random.default_rng(0)).p_value < 0.001


def test_flipping_pairs_of_dependent_tasks_would_cry_wolf_and_flipping_runs_does_not() -> None:
    """Tasks of one run share its luck and nothing is better: at .05, 5 % may be rejected."""
    rng = np.random.default_rng(7)
    rejected = {"pair": 0, "run": 0}
    for _ in range(300):
        luck = rng.normal(0, 1, (6, 1)) + rng.normal(0, 0.2, (6, 2))
        for unit in rejected:
            rejected[unit] += sign_flip_test(luck, unit=unit).p_value <= 0.05  # type: ignore[arg-type]
    assert rejected["run"] <= 26  # 15 expected, standard deviation 3.8
    assert rejected["pair"] > 26


def test_the_same_seed_gives_the_same_p() -> None:
    differences = np.random.default_rng(1).normal(0.2, 1, 30)
    first, second = (
        sign_flip_test(differences, rng=np.random.default_rng(2), n_samples=499) for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("differences", [[], [[[1.0]]], [float("nan")], np.ones(17)])
def test_what_cannot_be_tested_is_refused(differences: object) -> None:
    """Nothing, a cube, no number, and many pairs without a source of randomness."""
    with pytest.raises(StatisticsError):
        sign_flip_test(differences)
