"""Fitness = lift x demand / (cost x redundancy), and nothing for those who do harm."""

from __future__ import annotations

import numpy as np
import pytest

from academy.errors import ScoresError
from academy.selection.fitness import demand_fitness, proven_harm, redundancy


def test_the_formula_in_its_units() -> None:
    """(0.5 * 0.75 + 0 * 0.25) / (2 * 1.5): a loss on a skill lowers nothing by itself."""
    value = demand_fitness([[0.5, -0.3]], [3.0, 1.0], [2.0], [1.5], [0.0])
    assert value == pytest.approx([0.125])


def test_harm_leaves_nothing() -> None:
    lift = [[0.9, 0.9], [0.1, 0.1]]
    assert demand_fitness(lift, [1, 1], [1, 1], [1, 1], [0.01, 0]).tolist() == [0.0, 0.1]


def test_clones_are_redundant_in_the_order_of_their_merit() -> None:
    assert redundancy([0.5, 0.9, 0.5], np.ones((3, 3))).tolist() == [2.0, 1.0, 3.0]
    assert redundancy([0.5, 0.9, 0.5], np.eye(3)).tolist() == [1.0, 1.0, 1.0]
    half = np.full((2, 2), 0.5)
    assert redundancy([1.0, 2.0], half).tolist() == [1.5, 1.0]
    assert redundancy([1.0, 2.0], -half).tolist() == [1.0, 1.0]


def test_a_swarm_of_clones_earns_a_logarithm_of_one() -> None:
    n = 50
    rivals = redundancy(np.full(n, 0.4), np.ones((n, n)))
    total = demand_fitness(np.full((n, 1), 0.4), [1], np.ones(n), rivals, np.zeros(n)).sum()
    assert total <= 0.4 * (np.log(n) + 1)


def test_only_a_proven_loss_is_harm() -> None:
    """18 of 20 against 20 of 20 may be luck; 10 of 20 is not, and is a loss of a half."""
    hits = [[18, 20], [10, 20], [0, 20]]
    asked = [[20, 20], [20, 20], [0, 20]]
    assert proven_harm(hits, asked, [20, 5], [20, 20]) == pytest.approx([0, 0.5, 0])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([[np.nan]], [1], [1], [1], [0]), "score at"),
        (([[0.1]], [-1], [1], [1], [0]), "demand at"),
        (([[0.1]], [0], [1], [1], [0]), "some demand"),
        (([[0.1]], [1], [0], [1], [0]), "costs above 0"),
        (([[0.1]], [1], [1], [0.5], [0]), "redundancies from 1"),
        (([[0.1]], [1], [1], [1], [-1]), "harm at"),
        (([[0.1]], [1], [1, 2], [1], [0]), "cost has shape"),
    ],
)
def test_numbers_outside_their_range_are_refused(arguments: tuple[object, ...], text: str) -> None:
    with pytest.raises(ScoresError, match=text) as caught:
        demand_fitness(*arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_more_hits_than_questions_are_refused() -> None:
    with pytest.raises(ScoresError, match="more hits than questions"):
        proven_harm([[3]], [2], [1], [2])
