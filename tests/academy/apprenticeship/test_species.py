"""Species are read off niches and updates, keep their identity, and end with a cause."""

from __future__ import annotations

import numpy as np

from academy.apprenticeship.apprentice import Apprentice
from academy.apprenticeship.species import Taxonomy, champion, classify
from academy.skills import SKILL_NAMES, SKILLS
from tests.support.genome import random_layer, tiny_llama

N = len(SKILLS)
BASE = np.full(N, 0.4)
MODEL = tiny_llama()


def candidate(number: int, skill: int | None, *, lift: float = 0.5, layer: int = 0) -> Apprentice:
    accuracy = BASE.copy()
    if skill is not None:
        accuracy -= 0.2
        accuracy[skill] = 0.4 + lift
    chosen = random_layer(MODEL, rank=2, seed=layer)
    return Apprentice(number, number, (), 0, "founder", chosen, accuracy)


def test_helpers_are_one_species_whatever_their_random_updates() -> None:
    taxonomy = Taxonomy()
    classify([candidate(i, None, layer=i) for i in range(6)], taxonomy, BASE, 0)
    assert [s.name for s in taxonomy.living] == ["helper-1"]


def test_different_niches_are_different_species_named_after_them() -> None:
    population = [candidate(i, i // 3, layer=i) for i in range(9)]
    taxonomy = Taxonomy()
    classify(population, taxonomy, BASE, 0)
    assert {s.niche for s in taxonomy.living} == set(SKILL_NAMES[:3])
    assert {s.name for s in taxonomy.living} == {f"{SKILLS[k].specialist}-1" for k in range(3)}
    for k in range(3):
        assert len({c.species for c in population[3 * k : 3 * k + 3]}) == 1


def test_identity_lasts_through_generations_and_names_are_never_given_twice() -> None:
    taxonomy = Taxonomy()
    first = [candidate(i, i % 2, layer=i) for i in range(4)]
    classify(first, taxonomy, BASE, 0)
    before = {s.id: s.name for s in taxonomy.living}
    classify([*first, candidate(10, 0, layer=1)], taxonomy, BASE, 1)
    assert {s.id: s.name for s in taxonomy.living} == before
    ended = classify([c for c in first if c.id % 2], taxonomy, BASE, 2)
    again = [*(c for c in first if c.id % 2), candidate(20, 0, layer=9)]
    classify(again, taxonomy, BASE, 3)
    names = [s.name for s in taxonomy.living]
    assert ended[0].species.name == f"{SKILLS[0].specialist}-1"
    assert f"{SKILLS[0].specialist}-2" in names


def test_a_species_without_members_is_extinct_with_a_cause() -> None:
    taxonomy = Taxonomy()
    population = [candidate(0, 0), candidate(1, 1, layer=1)]
    classify(population, taxonomy, BASE, 0)
    ended = classify(population[:1], taxonomy, BASE, 5)
    assert [(e.species.niche, e.generation, e.cause) for e in ended] == [
        (SKILL_NAMES[1], 5, "outcompeted")
    ]


def test_the_champion_is_the_best_at_the_niche_older_first() -> None:
    members = [candidate(2, 0, lift=0.4), candidate(1, 0, lift=0.5), candidate(0, 0, lift=0.5)]
    assert champion(members, SKILL_NAMES[0]).id == 0
