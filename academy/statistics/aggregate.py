"""Summaries of a few runs over several tasks that one lucky run cannot carry.

After Agarwal, Schwarzer, Castro, Courville, Bellemare: Deep Reinforcement Learning at the Edge
of the Statistical Precipice (2021), and its library rliable: the interquartile mean over all
runs and tasks together, with a bootstrap interval that redraws runs within each task.

`finite_array` takes numbers that statistics can be made of, and refuses others in one line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from academy.errors import StatisticsError

Statistic = Callable[[np.ndarray], float]
"""Scores (n_runs, n_tasks) -> one number."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and the interval it comes with."""

    value: float
    low: float
    high: float


def interquartile_mean(scores: Any) -> float:
    """Mean of the middle half of all values, whatever their shape.

    A quarter of the values is cut off at either end, rounded down, as rliable's `aggregate_iqm`.

    >>> interquartile_mean([[0, 10], [20, 90]])
    15.0
    """
    return float(stats.trim_mean(finite_array("scores", np.ravel(scores), 1), 0.25))


def stratified_bootstrap(
    scores: Any,
    rng: np.random.Generator,
    *,
    statistic: Statistic = interquartile_mean,
    confidence: float = 0.95,
    n_resamples: int = 2000,
) -> Estimate:
    """A statistic with its percentile bootstrap interval.

    Every resample draws, for each task by itself, as many runs as there are, with replacement
    (Efron 1979; stratified as in rliable). With fewer than about five runs it is too narrow.

    Args:
        scores: (n_runs, n_tasks).
    """
    matrix = finite_array("scores", scores, 2)
    return _percentiles(
        statistic(matrix),
        lambda rows, tasks: statistic(matrix[rows, tasks]),
        matrix.shape,
        rng,
        confidence,
        n_resamples,
    )


def _percentiles(
    point: float,
    measure: Callable[[np.ndarray, np.ndarray], float],
    shape: tuple[int, ...],
    rng: np.random.Generator,
    confidence: float,
    n_resamples: int,
) -> Estimate:
    check_share("confidence", confidence)
    if n_resamples < 1:
        raise StatisticsError(f"n_resamples is {n_resamples}: choose at least 1, better 2000")
    n_runs, n_tasks = shape
    tasks = np.arange(n_tasks)
    draws = [measure(rng.integers(n_runs, size=shape), tasks) for _ in range(n_resamples)]
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(float(point), float(low), float(high))


def anytime_area(costs: Any, scores: Any, *, budget: float, start: float = 0.0) -> float:
    """Mean score over the whole budget, when a run may be stopped at any moment.

    A score holds from the cost at which it was measured until the next one; before the first it
    is `start`, and what was measured beyond the budget does not count.

    Args:
        costs: (n,) spent so far at each measurement, rising.
        scores: (n,).
    """
    at, values = finite_array("costs", costs, 1), finite_array("scores", scores, 1)
    if budget <= 0 or at.shape != values.shape or at[0] < 0 or (np.diff(at) < 0).any():
        raise StatisticsError(
            f"{len(at)} costs with {len(values)} scores and a budget of {budget}: costs must rise "
            "from 0 or more, one per score, and the budget be positive"
        )
    edges = np.minimum(np.concatenate([[0.0], at, [budget]]), budget)  # (n + 2,)
    return float(np.diff(edges) @ np.concatenate([[start], values]) / budget)


def finite_array(name: str, values: Any, n_dims: int) -> np.ndarray:
    """The values as float64, after checking that there are some and that all are numbers.

    Raises:
        StatisticsError: They are empty, of another dimension, or one is NaN or infinite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != n_dims or array.size == 0:
        raise StatisticsError(
            f"{name} has shape {array.shape}: give {n_dims} dimensions, none of them empty"
        )
    if not np.isfinite(array).all():
        n = int((~np.isfinite(array)).sum())
        raise StatisticsError(f"{name} holds {n} values that are no numbers: leave those runs out")
    return array


def check_share(name: str, value: float) -> None:
    """Refuse what is not strictly between 0 and 1.

    Raises:
        StatisticsError: It is not.
    """
    if not 0 < value < 1:
        raise StatisticsError(f"{name} is {value}: choose a number between 0 and 1")
