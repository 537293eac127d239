"""Looking after every item is allowed: error rates hold, and early stopping saves items."""

from __future__ import annotations

import math

import numpy as np
import pytest

from academy.errors import StatisticsError
from academy.statistics.paired import mcnemar
from academy.statistics.sequential import BoundedMixture, log_ratio

ALPHA = 0.05


def ratio_of_coin(only_a: int, only_b: int) -> float:
    """Log ratio of a question won `only_a` times by A alone and `only_b` times by B alone."""
    return log_ratio(np.array([-1.0, 1.0]), np.array([only_b, only_a]), 0.0)


def chance_to_reject(n_coins: int, rejects: object) -> float:
    """Probability that fair coins, looked at after each, ever reach a rejected count. Exact."""
    alive, rejected = {0: 1.0}, 0.0  # probability by heads so far
    for n in range(1, n_coins + 1):
        following: dict[int, float] = {}
        for heads, p in alive.items():
            for new in (heads, heads + 1):
                following[new] = following.get(new, 0.0) + p / 2
        out = {heads for heads in following if rejects(heads, n - heads)}  # type: ignore[operator]
        rejected += sum(following[heads] for heads in out)
        alive = {heads: p for heads, p in following.items() if heads not in out}
    return rejected


def test_peeking_after_each_of_300_questions_keeps_alpha() -> None:
    """Ville's inequality, by the exact chance of ever crossing under the null; not by far less."""
    rate = chance_to_reject(300, lambda a, b: ratio_of_coin(a, b) >= -math.log(ALPHA))
    assert 0.01 < rate <= ALPHA


def test_peeking_with_mcnemar_would_not() -> None:
    """The control: the fixed-size test, looked at after every question, cries wolf."""
    rate = chance_to_reject(300, lambda a, b: mcnemar(a, b)[1] <= ALPHA)
    assert rate > 3 * ALPHA


def test_the_ratio_is_a_martingale_of_the_mixed_coins() -> None:
    """One step ahead, its mean under the null is what it is now: no look is ever penalised."""
    for a, b in [(0, 0), (3, 1), (10, 2), (40, 60)]:
        ahead = (math.exp(ratio_of_coin(a + 1, b)) + math.exp(ratio_of_coin(a, b + 1))) / 2
        assert ahead == pytest.approx(math.exp(ratio_of_coin(a, b)))


def test_partial_credit_keeps_alpha_too() -> None:
    """Simulated: skewed differences with mean 0, 300 runs of 150 looks, 15 rejections expected
    at most; 28 would be 3.4 standard deviations more."""
    rng = np.random.default_rng(0)
    values = np.array([-0.9, -0.25, 0.0, 0.1, 1.0])
    chances = np.array([0.1, 0.2, 0.3, 0.3, 0.1])
    chances[2] = 1 - chances[[0, 1, 3, 4]].sum()
    values[0] = -(chances[1:] @ values[1:]) / chances[0]
    rejected = 0
    for _ in range(300):
        draws = rng.choice(5, 150, p=chances)
        counts = np.cumsum(np.eye(5, dtype=np.int64)[draws], axis=0)
        rejected += any(log_ratio(values, c, 0.0) >= -math.log(ALPHA) for c in counts[4::5])
    assert rejected <= 28


def test_the_true_mean_stays_in_the_confidence_sequence() -> None:
    """True difference .15, 400 runs of 100 looks: 20 may lose it at some look, 34 would be 3.2
    standard deviations more."""
    rng, values = np.random.default_rng(1), np.array([-1.0, 0.0, 1.0])
    lost = 0
    for _ in range(400):
        draws = rng.choice(3, 200, p=[0.10, 0.65, 0.25])
        counts = np.cumsum(np.eye(3, dtype=np.int64)[draws], axis=0)
        lost += any(log_ratio(values, c, 0.15) >= -math.log(ALPHA) for c in counts[1::2])
    assert lost <= 34


@pytest.mark.parametrize("counts", [(1, 0, 0), (3, 5, 9), (40, 10, 40), (0, 20, 4), (0, 0, 50)])
def test_the_interval_holds_the_means_that_are_not_rejected(counts: tuple[int, ...]) -> None:
    values = np.array([-1.0, 0.25, 1.0])
    state = BoundedMixture(ALPHA).seen(np.repeat(values, counts))
    for mean in np.linspace(-0.99, 0.99, 199):
        if min(abs(mean - state.low), abs(mean - state.high)) > 1e-6:
            kept = log_ratio(values, np.array(counts), float(mean)) < -math.log(ALPHA)
            assert kept == (state.low < mean < state.high)


def test_p_value_and_interval_agree_and_only_ever_sharpen() -> None:
    rng = np.random.default_rng(2)
    state = BoundedMixture(ALPHA)
    for difference in rng.choice([1.0, 0.0, -1.0], 200, p=[0.3, 0.6, 0.1]):
        new = state.seen([difference])
        assert new.p_value <= state.p_value
        assert state.low <= new.low <= new.mean <= new.high <= state.high
        assert (new.p_value <= ALPHA) == (not new.low < 0 < new.high)
        state = new
    assert state.p_value <= ALPHA and state.n == 200
    final = np.array(state.values) @ state.counts / 200
    assert state.mean == pytest.approx(float(final))


def test_what_is_seen_in_lots_is_what_is_seen_singly() -> None:
    """The last look is the same whatever was looked at before it."""
    differences = np.random.default_rng(3).uniform(-1, 1, 30)
    at_once = BoundedMixture().seen(differences)
    singly = BoundedMixture()
    for difference in differences:
        singly = singly.seen([difference])
    assert np.array_equal(at_once.values, singly.values)
    assert np.array_equal(at_once.counts, singly.counts)
    assert singly.p_value <= at_once.p_value
    assert singly.high - singly.low <= at_once.high - at_once.low


def test_the_ratio_is_the_average_of_products() -> None:
    """The formula of the module's head, multiplied out difference by difference."""
    differences, mean = [0.5, -0.25, 1.0, 0.5, 0.0, -1.0], 0.2
    bets = [((k + 0.5) / 96) ** 2 for k in range(96)]
    up = [math.prod(1 + u * (d - mean) / (1 + mean) for d in differences) for u in bets]
    down = [math.prod(1 - u * (d - mean) / (1 - mean) for d in differences) for u in bets]
    values, counts = np.unique(differences, return_counts=True)
    expected = (sum(up) + sum(down)) / (2 * 96)
    assert math.exp(log_ratio(values, counts, mean)) == pytest.approx(expected)


def test_a_clear_winner_is_seen_early() -> None:
    """Right on 35 % more questions: the median trial of 40 stops before 60 questions."""
    rng = np.random.default_rng(4)
    needed = []
    for _ in range(40):
        state = BoundedMixture(ALPHA)
        while state.p_value > ALPHA and state.n < 400:
            state = state.seen(rng.choice([1.0, 0.0, -1.0], 4, p=[0.40, 0.55, 0.05]))
        needed.append(state.n)
    assert np.median(needed) < 60 and max(needed) < 400


def test_one_sided_extremes_end_at_one() -> None:
    state = BoundedMixture().seen(np.ones(30))
    assert state.high == 1.0 and 0.5 < state.low < 1
    state = BoundedMixture().seen(-np.ones(30))
    assert state.low == -1.0 and -1 < state.high < -0.5


@pytest.mark.parametrize("differences", [[], [1.5], [float("nan")]])
def test_what_is_no_difference_is_refused(differences: list[float]) -> None:
    with pytest.raises(StatisticsError):
        BoundedMixture().seen(differences)


def test_alpha_must_be_a_chance() -> None:
    with pytest.raises(StatisticsError, match="alpha is 1"):
        BoundedMixture(1.0)
