"""Sequential halving spends what it may, and beats sharing the budget evenly."""

from __future__ import annotations

import numpy as np
import pytest

from academy.statistics.errors import StatisticsError
from academy.statistics.halving import best_half, halving_rounds


@pytest.mark.parametrize("n_candidates", [1, 2, 3, 5, 8, 13, 64])
@pytest.mark.parametrize("budget", [400, 1000, 12_345])
def test_one_is_left_within_the_budget(n_candidates: int, budget: int) -> None:
    rounds = halving_rounds(n_candidates, budget)
    assert len(rounds) == int(np.ceil(np.log2(n_candidates)))
    assert sum(r.n_candidates * r.n_items for r in rounds) <= budget
    alive = n_candidates
    for r in rounds:
        assert r.n_candidates == alive and r.n_items >= 1
        assert r.n_kept == -(-alive // 2)
        alive = r.n_kept
    assert alive == 1


def test_rounds_follow_karnin() -> None:
    """t_r = floor(T / (|S_r| ceil(log2 n))), here T = 100 and n = 5."""
    assert [(r.n_candidates, r.n_items) for r in halving_rounds(5, 100)] == [
        (5, 6),
        (3, 11),
        (2, 16),
    ]


def test_the_best_stay_and_equals_keep_their_order() -> None:
    assert best_half([0.1, 0.9, 0.5, 0.9, 0.5], 3) == [1, 2, 3]
    assert best_half([0.5, 0.5, 0.5, 0.5], 2) == [0, 1]


def test_the_best_of_32_is_found_more_often_than_by_even_shares() -> None:
    """One at .6, 31 at .4; 640 answers. Even shares give 20 each."""
    rng = np.random.default_rng(0)
    rights = np.full(32, 0.4)
    rights[0] = 0.6
    found = {"halving": 0, "even": 0}
    for _ in range(400):
        alive = np.arange(32)
        for r in halving_rounds(32, 640):
            alive = alive[best_half(rng.binomial(r.n_items, rights[alive]), r.n_kept)]
        found["halving"] += int(alive[0] == 0)
        scores = rng.binomial(20, rights) + rng.uniform(0, 0.5, 32)
        found["even"] += int(np.argmax(scores) == 0)
    assert found["halving"] > found["even"] + 20


@pytest.mark.parametrize(("n_candidates", "budget"), [(0, 10), (8, 23), (2, 0)])
def test_hopeless_sizes_are_refused(n_candidates: int, budget: int) -> None:
    with pytest.raises(StatisticsError):
        halving_rounds(n_candidates, budget)


def test_none_can_not_be_kept() -> None:
    with pytest.raises(StatisticsError, match="keep at least one"):
        best_half([0.1], 0)
