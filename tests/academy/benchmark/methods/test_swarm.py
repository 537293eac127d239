"""Particles remember by copy, and fly by the published formula."""

from __future__ import annotations

import numpy as np
import pytest

from academy.benchmark.methods.model_swarms import ModelSwarms, first_positions
from academy.benchmark.methods.swarm import Pulls, Swarm, towards_others
from tests.support.benchmark import toy_problem


def swarm(values: list[float], seed: int = 0) -> Swarm:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(len(values), 5))
    return Swarm.started(x, towards_others(x, rng), np.array(values))


def test_a_personal_best_is_a_copy() -> None:
    """The peers' defect: p is another name for x, so p - x stays zero wherever x goes."""
    start = swarm([0.1, 0.5, 0.3])
    start.x[:] += 1.0  # also a change in place must not reach what is remembered
    assert np.abs(start.own - start.x).min() > 0.9
    assert np.abs(start.best - start.x[1]).min() > 0.9
    assert np.abs(start.worst - start.x[0]).min() > 0.9


def test_particles_that_got_worse_are_pulled_back_to_their_own_best() -> None:
    """With the personal pull alone, a flight of step 1 ends at the personal best."""
    start = swarm([0.1, 0.5, 0.3])
    away = start.moved(Pulls(1, 0, 0, 0), 1.0, np.random.default_rng(0)).measured(np.zeros(3))
    assert not np.allclose(away.own, away.x)
    back = away.moved(Pulls(0, 1, 0, 0), 1.0, np.random.default_rng(0))
    np.testing.assert_allclose(back.x, start.x)


def test_measured_keeps_what_was_better_and_what_was_worst() -> None:
    start = swarm([0.1, 0.5, 0.3])
    moved = start.moved(Pulls(), 1.0, np.random.default_rng(1)).measured(np.array([0.2, 0.4, 0.0]))
    np.testing.assert_array_equal(moved.own_value, [0.2, 0.5, 0.3])
    np.testing.assert_array_equal(moved.own[0], moved.x[0])
    np.testing.assert_array_equal(moved.own[1], start.x[1])
    np.testing.assert_array_equal(moved.value, [0.2, 0.4, 0.0])
    assert (moved.best_value, moved.worst_value) == (0.5, 0.0)
    np.testing.assert_array_equal(moved.worst, moved.x[2])
    np.testing.assert_array_equal(moved.stale, [0, 1, 1])


def test_a_flight_is_the_published_formula() -> None:
    """Term by term for one particle, with the same random shares."""
    start = swarm([0.1, 0.5, 0.3])
    away = start.moved(Pulls(1, 0, 0, 0), 0.7, np.random.default_rng(2)).measured(np.zeros(3))
    pulls = Pulls(0.4, 0.3, 0.2, 0.1)
    moved = away.moved(pulls, 0.5, np.random.default_rng(3))
    r = np.random.default_rng(3).random((3, 4))[1] * [0.4, 0.3, 0.2, 0.1]
    v = r[0] * away.v[1] + r[1] * (away.own[1] - away.x[1]) + r[2] * (away.best - away.x[1])
    v = (v + r[3] * (away.x[1] - away.worst)) / r.sum()
    np.testing.assert_allclose(moved.v[1], v)
    np.testing.assert_allclose(moved.x[1], away.x[1] + 0.5 * v)


def test_a_particle_without_progress_goes_home_and_rests() -> None:
    lost = swarm([0.1, 0.5, 0.3]).moved(Pulls(), 1.0, np.random.default_rng(4))
    lost = lost.measured(np.array([0.2, 0.0, 0.0])).measured(np.array([0.3, 0.0, 0.0]))
    home = lost.recalled(2)
    np.testing.assert_array_equal(home.x[1:], lost.own[1:])
    np.testing.assert_array_equal(home.v[1:], 0)
    np.testing.assert_array_equal(home.x[0], lost.x[0])
    np.testing.assert_array_equal(home.stale, 0)


def test_newcomers_join_and_others_leave_without_being_forgotten() -> None:
    start = swarm([0.1, 0.5, 0.3])
    joined = start.joined(np.ones((2, 5)), np.zeros((2, 5)), np.array([0.9, 0.05]))
    assert (joined.best_value, joined.worst_value) == (0.9, 0.05)
    left = joined.chosen(np.array([0, 4]))
    assert left.x.shape == (2, 5)
    np.testing.assert_array_equal(left.value, [0.1, 0.05])
    np.testing.assert_array_equal(left.best, np.ones(5))


def test_first_velocities_lead_to_others() -> None:
    x = np.eye(6)
    arrived = x + towards_others(x, np.random.default_rng(5))
    assert all((arrived[i] == x).all(1).any() and (arrived[i] != x[i]).any() for i in range(6))


@pytest.mark.parametrize(("n_experts", "n"), [(4, 20), (12, 20), (24, 20), (1, 3)])
def test_experts_come_first_then_mixtures_of_two(n_experts: int, n: int) -> None:
    x = first_positions(n_experts, n, np.random.default_rng(6))
    assert x.shape == (max(n, n_experts), n_experts)
    np.testing.assert_array_equal(x[:n_experts], np.eye(n_experts))
    np.testing.assert_allclose(x.sum(1), 1)
    assert ((x > 0).sum(1) <= 2).all()


def test_the_swarm_stops_at_the_positions_it_measured() -> None:
    """The answer's score on the selection items is the best it ever saw."""
    toy = toy_problem(7, 24 * 200)
    answer = ModelSwarms("exact").run(toy, np.random.default_rng(7))
    assert toy.true_scores(answer.genomes).mean() == pytest.approx(toy.reports[-1][1])
