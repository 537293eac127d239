"""Clones travel, originals stay, and no object is in two demes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest

from academy.errors import IslandsError
from academy.species.islands import (
    MigrationSettings,
    emigrants,
    is_due,
    migrate,
    routes,
)


@dataclass(frozen=True)
class Someone:
    id: int
    digest: str


def demes(n: int, size: int = 3) -> list[list[Someone]]:
    return [[Someone(10 * i + j, f"d{i}{j}") for j in range(size)] for i in range(n)]


def cloner():  # type: ignore[no-untyped-def]
    ids = itertools.count(1000)
    return lambda one: replace(one, id=next(ids))


@pytest.mark.parametrize("topology", ["ring", "random"])
@pytest.mark.parametrize("n", range(2, 7))
def test_every_island_sends_and_receives_and_nobody_comes_home(n: int, topology: str) -> None:
    for seed in range(20):
        targets = routes(n, topology, np.random.default_rng(seed))  # type: ignore[arg-type]
        assert sorted(targets) == list(range(n))
        assert all(target != origin for origin, target in enumerate(targets))
    assert routes(1, topology, np.random.default_rng(0)) == []  # type: ignore[arg-type]


def test_clones_arrive_with_the_same_digest_and_a_new_id() -> None:
    before = demes(3)
    after, journeys = migrate(before, [[0, 2]] * 3, cloner(), "ring", np.random.default_rng(0))
    assert [len(deme) for deme in after] == [5, 5, 5] and before == demes(3)
    everybody = [one for deme in after for one in deme]
    assert len({id(one) for one in everybody}) == len({one.id for one in everybody}) == 15
    for journey in journeys:
        assert journey.target == (journey.origin + 1) % 3
        original = next(o for o in before[journey.origin] if o.id == journey.original)
        clone = next(o for o in after[journey.target] if o.id == journey.clone)
        assert clone.digest == original.digest and clone.id != original.id


def test_a_genome_that_is_there_already_does_not_travel() -> None:
    before = [[Someone(0, "same")], [Someone(1, "same")]]
    after, journeys = migrate(before, [[0], [0]], cloner(), "ring", np.random.default_rng(0))
    assert after == before and journeys == []


def test_an_object_in_two_demes_is_refused() -> None:
    with pytest.raises(IslandsError, match="a clone needs a new id"):
        migrate(demes(2), [[0], []], lambda one: one, "ring", np.random.default_rng(0))
    with pytest.raises(IslandsError, match="pair them"):
        migrate(demes(2), [[0]], cloner(), "ring", np.random.default_rng(0))


def test_emigrants_are_the_best_and_the_most_novel() -> None:
    fitness, novelty = [0.9, 0.8, 0.1, 0.2], [0.1, 0.2, np.inf, 0.5]
    assert emigrants(fitness, novelty, 2) == [0, 2]
    assert emigrants(fitness, novelty, 3) == [0, 1, 2]
    assert emigrants(fitness, novelty, 0) == []
    assert sorted(emigrants(fitness, novelty, 9)) == [0, 1, 2, 3]
    with pytest.raises(IslandsError):
        emigrants([np.nan], [0.0], 1)


def test_migration_is_due_every_so_many_generations() -> None:
    assert [g for g in range(12) if is_due(g, MigrationSettings(every=5))] == [5, 10]
    assert not any(is_due(g, MigrationSettings(every=0)) for g in range(12))


def test_random_routes_follow_the_generator() -> None:
    drawn = {tuple(routes(5, "random", np.random.default_rng(s))) for s in range(30)}
    assert len(drawn) > 5
    assert routes(5, "random", np.random.default_rng(4)) == routes(
        5, "random", np.random.default_rng(4)
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: MigrationSettings(every=-1),
        lambda: MigrationSettings(topology="star"),  # type: ignore[arg-type]
    ],
)
def test_islands_that_make_no_sense_are_refused(make: object) -> None:
    with pytest.raises(IslandsError) as caught:
        make()  # type: ignore[operator]
    assert "\n" not in str(caught.value)
