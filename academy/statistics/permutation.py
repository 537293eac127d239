"""Paired permutation tests: how often chance alone would favour one side as much.

If the two sides of a pair are exchangeable, swapping them changes nothing but the sign of their
difference (Fisher 1935, Pitman 1937). Up to 2^16 swaps are all tried; beyond that they are drawn
at random, and p = (b + 1) / (m + 1) for b of m draws at least as extreme, so that a p-value is
never 0 (Phipson, Smyth: Permutation P-values Should Never Be Zero, 2010). `scipy.stats` counts.

Several tests at once: Holm's step-down correction.

Holm: A Simple Sequentially Rejective Multiple Test Procedure (1979). The chance of even one
false discovery stays below alpha, whatever the tests have to do with one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import stats

from academy.errors import StatisticsError
from academy.statistics.aggregate import finite_array

Alternative = Literal["two-sided", "greater", "less"]
Unit = Literal["pair", "run"]
MAX_EXACT = 16
"""Units up to which every one of the 2^n swaps is tried."""
_CHUNK = 4096  # sign patterns at once


@dataclass(frozen=True, slots=True)
class PermutationResult:
    """What a permutation test found."""

    effect: float
    """Observed statistic: positive where the first side is higher."""
    p_value: float
    exact: bool
    """True if all swaps were tried, False if they were sampled."""
    n_units: int
    """Independent units that could be swapped (those without any difference left out)."""


def sign_flip_test(
    differences: Any,
    *,
    alternative: Alternative = "two-sided",
    unit: Unit = "pair",
    n_samples: int = 9999,
    rng: np.random.Generator | None = None,
) -> PermutationResult:
    """Is the mean of paired differences other than zero?

    Args:
        differences: (n_pairs,) or (n_runs, n_tasks).
        alternative: `greater` asks only whether the mean is above zero.
        unit: What is swapped as a whole. `pair` flips every difference by itself and needs the
            tasks of one run to be independent of one another; `run` flips a run's tasks together
            and is right when they come from one and the same trained model. With `run`, the
            smallest two-sided p-value that n runs can give is 2 / 2^n: .06 for five, .002 for ten.
        rng: Needed where more than 16 units differ.
    """
    matrix = np.asarray(differences, dtype=np.float64)
    if matrix.ndim == 1:
        matrix = matrix[:, None]  # every pair is a run of one task
    matrix = finite_array("differences", matrix, 2)
    sums = matrix.sum(1) if unit == "run" else matrix.ravel()  # (n_units,)
    moving = sums[sums != 0]
    exact = len(moving) <= MAX_EXACT
    if not exact and (rng is None or n_samples < 1):
        raise StatisticsError(
            f"{len(moving)} pairs differ, more than the {MAX_EXACT} whose swaps can all be tried: "
            "give rng and at least one sample"
        )
    if len(moving) < 2:  # which scipy refuses: one coin, or none
        p_value = 0.5 if len(moving) and alternative == _side(moving) else 1.0
    else:
        p_value = stats.permutation_test(
            (moving,),
            np.sum,
            permutation_type="samples",
            vectorized=True,
            batch=_CHUNK,
            n_resamples=2**MAX_EXACT if exact else n_samples,
            alternative=alternative,
            rng=rng,
        ).pvalue
    return PermutationResult(float(matrix.mean()), float(p_value), exact, len(moving))


def _side(moving: np.ndarray) -> Alternative:
    return "greater" if moving.sum() > 0 else "less"


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given; reject where one is at most alpha.

    With p sorted upwards: adjusted_i = max over j <= i of min(1, (n - j + 1) p_j).

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]

    Raises:
        StatisticsError: One is no number between 0 and 1.
    """
    p = np.asarray(p_values, dtype=np.float64)
    bad = ~((p >= 0) & (p <= 1))
    if bad.any():
        raise StatisticsError(
            f"{p[bad][0]} is no p-value: each must be from 0 to 1; leave out tests that were not "
            "made"
        )
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(x) for x in adjusted]
