"""Sharing divides items among those who solve them, and attraction looks for what is missing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from academy.errors import ScoresError
from academy.selection import parents
from academy.selection.fitness import shared_fitness, survivors
from academy.selection.parents import attraction

MATRICES = npst.arrays(
    float, st.tuples(st.integers(2, 8), st.integers(1, 10)), elements=st.floats(0, 1, width=16)
)


@given(MATRICES)
def test_everything_that_is_solved_is_shared_out(scores: np.ndarray) -> None:
    weights = np.arange(1.0, scores.shape[1] + 1)
    shared = shared_fitness(scores, weights=weights)
    assert shared.sum() == pytest.approx(weights[scores.sum(0) > 0].sum())


@given(MATRICES)
def test_without_competition_fitness_is_the_plain_sum(scores: np.ndarray) -> None:
    assert np.allclose(shared_fitness(scores, alpha=0.0), scores.sum(1))


def test_two_clones_get_half_each_and_a_lone_specialist_all() -> None:
    scores = [[1.0, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert shared_fitness(scores).tolist() == [1.0, 1.0, 1.0]


def test_of_two_equal_specialists_one_stays() -> None:
    """A single cut by shared fitness would lose both: 1/2 each against 0.6 of the others."""
    scores = np.array([[1.0, 0, 0], [1, 0, 0], [0, 0.6, 0], [0, 0, 0.6]])
    assert survivors(scores, 3, weights=[1, 0.6, 0.6]).tolist() == [0, 2, 3]


def test_the_protected_stay_whatever_they_can_do() -> None:
    kept = survivors(np.eye(3) * [[0.0], [1], [1]], 2, protected=[True, False, False])
    assert kept.tolist() == [0, 1]


@given(MATRICES, st.integers(0, 8))
def test_survivors_fill_the_capacity_once_each(scores: np.ndarray, capacity: int) -> None:
    kept = survivors(scores, capacity)
    assert len(kept) == min(capacity, len(scores))
    assert (np.diff(kept) > 0).all()


@given(MATRICES, st.sampled_from([0.0, 0.5, 1.0]))
def test_attraction_is_the_formula_of_m2n2(scores: np.ndarray, alpha: float) -> None:
    n, m = scores.shape
    crowd = scores.sum(0)
    pull = [
        sum(
            max(0, scores[b, j] - scores[0, j]) / crowd[j] ** alpha
            for j in range(m)
            if crowd[j] > 0
        )
        for b in range(n)
    ]
    chances = attraction(scores, 0, alpha=alpha)
    assert chances.sum() == pytest.approx(1) and chances[0] == 0
    if sum(pull) > 0:
        assert np.allclose(chances, np.array(pull) / sum(pull))


def test_who_is_best_everywhere_mates_with_anybody_but_itself() -> None:
    assert attraction([[1.0, 1], [0, 1], [0, 0]], 0).tolist() == [0, 0.5, 0.5]
    with pytest.raises(ScoresError, match="another candidate"):
        attraction([[1.0]], 0)


def test_a_tournament_finds_the_best_as_often_as_it_should() -> None:
    """The best of 4 is in a tournament of 3 with 1 - (3/4)^3 = 0.578; standard error 0.007."""
    fitness = [0.1, 0.4, 0.3, 0.2]
    winners = parents.tournament(fitness, 5000, np.random.default_rng(0))
    assert abs((winners == 1).mean() - 0.578) < 0.03
    lots = parents.tournament(fitness, 5000, np.random.default_rng(0), size=1)
    assert np.abs(np.bincount(lots) / 5000 - 0.25).max() < 0.03


def test_equal_competitors_win_equally_often() -> None:
    winners = parents.tournament([1.0] * 4, 4000, np.random.default_rng(0))
    assert np.abs(np.bincount(winners) / 4000 - 0.25).max() < 0.03


@pytest.mark.parametrize("fitness", [[], [np.nan, 1.0], [[1.0]]])
def test_a_tournament_refuses_what_it_cannot_compare(fitness: list[float]) -> None:
    with pytest.raises(ScoresError):
        parents.tournament(fitness, 2, np.random.default_rng(0))


def test_scores_below_zero_cannot_be_shared() -> None:
    with pytest.raises(ScoresError, match=r"score at \[0, 1\] is -1.0"):
        shared_fitness([[1.0, -1.0]])
