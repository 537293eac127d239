"""Demand is shared out; specialists survive a crowd of equals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from academy.apprenticeship.apprentice import Apprentice
from academy.apprenticeship.selection import (
    demand_shares,
    draw_customers,
    select_parents,
    select_survivors,
)
from academy.skills import SKILLS
from tests.support.genome import random_layer, tiny_llama

N = len(SKILLS)
EVEN = np.full(N, 1 / N)
LAYER = random_layer(tiny_llama(), rank=1)


def candidate(number: int, accuracy: Any) -> Apprentice:
    return Apprentice(number, number, (), 0, "founder", LAYER, np.asarray(accuracy, dtype=float))


def specialist(number: int, skill: int) -> Apprentice:
    accuracy = np.full(N, 0.1)
    accuracy[skill] = 0.95
    return candidate(number, accuracy)


def test_shares_sum_to_all_demand_and_a_crowd_gets_little_each() -> None:
    accuracy = np.stack([specialist(i, 0).profile for i in range(3)] + [specialist(9, 1).profile])
    shares = demand_shares(accuracy, EVEN)
    assert shares.sum() == pytest.approx(1.0)
    assert shares[3] > shares[0] + 0.05


def test_a_lone_specialist_outlives_mediocre_helpers_and_a_redundant_one() -> None:
    helpers = [candidate(i, np.full(N, 0.45)) for i in range(10)]
    population = [*helpers, *(specialist(100 + k, k % 3) for k in range(9)), specialist(200, 5)]
    kept = {c.id for c in select_survivors(population, 5, EVEN)}
    assert 200 in kept


def test_demand_decides_who_stays() -> None:
    """With all demand on one skill, only those who can do it are kept."""
    demand = np.zeros(N)
    demand[4] = 1.0
    population = [specialist(k, k) for k in range(N)]
    assert [c.id for c in select_survivors(population, 1, demand)] == [4]


def test_equals_are_kept_by_age() -> None:
    population = [candidate(i, np.full(N, 0.5)) for i in (3, 1, 2)]
    assert [c.id for c in select_survivors(population, 2, EVEN)] == [1, 2]


def test_customers_come_as_often_as_their_skill_is_wanted() -> None:
    demand = np.arange(1.0, N + 1)
    drawn = draw_customers(N * (N + 1) // 2 * 2, demand / demand.sum(), np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(drawn, minlength=N), 2 * demand, atol=1)


def test_each_customer_goes_to_the_best_at_its_skill() -> None:
    population = [candidate(9, np.full(N, 0.5)), *(specialist(k, k) for k in range(3))]
    assert [c.id for c in select_parents(population, [2, 0, 1, 7])] == [2, 0, 1, 9]
