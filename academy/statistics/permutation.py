"""Paired permutation tests: how often chance alone would favour one side as much.

If the two sides of a pair are exchangeable, swapping them changes nothing but the sign of their
difference (Fisher 1935, Pitman 1937). Up to 2^16 swaps are all tried; beyond that they are drawn
at random, and p = (b + 1) / (m + 1) for b of m draws at least as extreme, so that a p-value is
never 0 (Phipson, Smyth: Permutation P-values Should Never Be Zero, 2010).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from academy.statistics.aggregate import Statistic, interquartile_mean, paired_matrices
from academy.statistics.errors import StatisticsError, finite_array

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
    tail = _tail(
        lambda signs: np.asarray(signs @ moving), len(moving), alternative, n_samples, rng,
        float(moving.sum()), float(np.abs(moving).sum()),
    )  # fmt: skip
    return PermutationResult(float(matrix.mean()), *tail, len(moving))


def swap_test(
    ours: Any,
    theirs: Any,
    *,
    statistic: Statistic = interquartile_mean,
    alternative: Alternative = "two-sided",
    unit: Unit = "pair",
    n_samples: int = 9999,
    rng: np.random.Generator | None = None,
) -> PermutationResult:
    """Is a statistic, such as the interquartile mean, other for `ours` than for `theirs`?

    The same test as `sign_flip_test`, for statistics that are no mean of differences: sides of
    a pair are swapped and the statistic of both is taken again.

    Args:
        ours: (n_runs, n_tasks).
        theirs: (n_runs, n_tasks), run i paired with run i.
    """
    a, b = paired_matrices(ours, theirs)
    differs = (a != b).any(1, keepdims=True) if unit == "run" else a != b
    n_units = int(differs.sum())

    def measure(signs: np.ndarray) -> np.ndarray:  # (n, n_units) of +-1 -> (n,)
        found = np.empty(len(signs))
        for i, row in enumerate(signs):
            swap = np.zeros(differs.shape, dtype=bool)
            swap[differs] = row < 0
            found[i] = statistic(np.where(swap, b, a)) - statistic(np.where(swap, a, b))
        return found

    effect = statistic(a) - statistic(b)
    scale = float(np.abs(a).max() + np.abs(b).max())
    return PermutationResult(
        effect, *_tail(measure, n_units, alternative, n_samples, rng, effect, scale), n_units
    )


def _tail(
    measure: Callable[[np.ndarray], np.ndarray],
    n_units: int,
    alternative: Alternative,
    n_samples: int,
    rng: np.random.Generator | None,
    observed: float,
    scale: float,
) -> tuple[float, bool]:
    """p-value, and whether all swaps were tried.

    Ties count as extreme; sums in another order may differ in the last bits, hence the slack.
    """
    slack = 1e-12 * scale
    extreme, tried = 0, 0
    for signs in _sign_patterns(n_units, n_samples, rng):
        found = measure(signs)
        if alternative == "two-sided":
            hits = np.abs(found) >= abs(observed) - slack
        else:
            side = 1.0 if alternative == "greater" else -1.0
            hits = side * found >= side * observed - slack
        extreme, tried = extreme + int(hits.sum()), tried + len(signs)
    if n_units <= MAX_EXACT:
        return extreme / tried, True
    return (extreme + 1) / (tried + 1), False


def _sign_patterns(n_units: int, n_samples: int, rng: np.random.Generator | None) -> Any:
    """All +-1 patterns of few units, or random ones of many, in chunks (n, n_units) float64."""
    if n_units <= MAX_EXACT:
        for start in range(0, 2**n_units, _CHUNK):
            codes = np.arange(start, min(start + _CHUNK, 2**n_units))
            yield 1.0 - 2.0 * ((codes[:, None] >> np.arange(n_units)) & 1)
        return
    if rng is None or n_samples < 1:
        raise StatisticsError(
            f"{n_units} pairs differ, more than the {MAX_EXACT} whose swaps can all be tried: "
            "give rng and at least one sample"
        )
    for start in range(0, n_samples, _CHUNK):
        shape = (min(_CHUNK, n_samples - start), n_units)
        yield 1.0 - 2.0 * rng.integers(0, 2, shape)
