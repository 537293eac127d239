"""Summaries agree with their definitions, and their intervals cover what they should."""

from __future__ import annotations

import numpy as np
import pytest

from academy.errors import StatisticsError
from academy.statistics.aggregate import (
    anytime_area,
    interquartile_mean,
    stratified_bootstrap,
)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0], 3.0),
        ([1.0, 2.0, 6.0], 3.0),  # fewer than four: nothing to cut
        ([0.0, 1.0, 2.0, 100.0], 1.5),
        ([5.0, 1.0, 2.0, 3.0, 100.0], 10 / 3),
        (list(range(10)), 4.5),  # two cut at either end
        ([0, 0, 0, 8, 9, 9, 9, 1000, 0, 7, 1], np.mean([0, 0, 1, 7, 8, 9, 9])),
    ],
)
def test_the_middle_half_is_averaged(values: list[float], expected: float) -> None:
    """As `scipy.stats.trim_mean(values, 0.25)`, which rliable uses: floor(n / 4) off each end."""
    assert interquartile_mean(values) == pytest.approx(expected)


def test_runs_and_tasks_are_pooled_and_one_lucky_run_changes_nothing() -> None:
    scores = np.full((5, 4), 0.5)
    scores[0, 0], scores[1, 1] = 1.0, 0.0
    assert interquartile_mean(scores) == 0.5
    assert interquartile_mean(scores) == interquartile_mean(scores.T)


def test_the_bootstrap_redraws_runs_within_each_task() -> None:
    """Tasks of different difficulty but without noise leave nothing to redraw: no width."""
    steady = np.tile([0.1, 0.5, 0.9], (6, 1))
    found = stratified_bootstrap(steady, np.random.default_rng(0), n_resamples=200)
    assert found.low == pytest.approx(found.value) == pytest.approx(found.high)


def test_the_bootstrap_interval_is_that_of_all_resamples_together() -> None:
    """Three runs of one task: the 27 resamples are listed, and their quantiles compared."""
    runs = np.array([0.0, 0.3, 0.9])
    means = [np.mean([x, y, z]) for x in runs for y in runs for z in runs]
    found = stratified_bootstrap(
        runs[:, None],
        np.random.default_rng(1),
        statistic=lambda s: float(s.mean()),
        confidence=0.8,
        n_resamples=20_000,
    )
    assert found.value == pytest.approx(0.4)
    assert [found.low, found.high] == pytest.approx(np.quantile(means, [0.1, 0.9]).tolist())


def test_the_bootstrap_covers_the_true_mean() -> None:
    """95 % nominal, 20 runs x 3 tasks: at least 88 % of 200 intervals hold the truth."""
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(200):
        scores = rng.normal([0.2, 0.5, 0.8], 0.1, (20, 3))
        found = stratified_bootstrap(
            scores, rng, statistic=lambda s: float(s.mean()), n_resamples=200
        )
        hits += found.low <= 0.5 <= found.high
    assert hits >= 176


def test_the_anytime_area_is_the_mean_over_the_budget() -> None:
    """Until 20 of 100 nothing (0.1), until 60 half, then 0.9; what came at 120 is too late."""
    area = anytime_area([20, 60, 120], [0.5, 0.9, 1.0], budget=100, start=0.1)
    assert area == pytest.approx(0.2 * 0.1 + 0.4 * 0.5 + 0.4 * 0.9)
    assert anytime_area([0], [0.7], budget=10) == pytest.approx(0.7)
    assert anytime_area([30], [1.0], budget=20, start=0.25) == pytest.approx(0.25)


@pytest.mark.parametrize(
    "call",
    [
        lambda rng: interquartile_mean([]),
        lambda rng: interquartile_mean([0.1, float("nan")]),
        lambda rng: stratified_bootstrap([0.1, 0.2], rng),
        lambda rng: stratified_bootstrap([[0.1]], rng, confidence=1.0),
        lambda rng: stratified_bootstrap([[0.1]], rng, n_resamples=0),
        lambda rng: anytime_area([2, 1], [0.1, 0.2], budget=5),
        lambda rng: anytime_area([1], [0.1], budget=0),
    ],
)
def test_what_gives_no_number_is_refused_in_one_line(call: object) -> None:
    with pytest.raises(StatisticsError) as error:
        call(np.random.default_rng(0))  # type: ignore[operator]
    assert "\n" not in str(error.value) and ":" in str(error.value)
