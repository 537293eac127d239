"""Who reproduces and who stays: demand is shared out among those who are good at it.

Demand decides who reproduces: customers come, each with one kind of question, and each is won by
the persona that is best at it. Survival follows fitness sharing as in M2N2: a skill's
demand is one resource, divided among the population in proportion to `estimate ** sharpness`,
so a crowd of equals gets little each and a lone specialist much.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from academy.apprenticeship.apprentice import Apprentice

SHARPNESS = 6.0
"""How strongly customers prefer the better answerer (1 = in proportion to accuracy)."""


def profiles(population: Sequence[Apprentice]) -> np.ndarray:
    """Estimated accuracies, (n_candidates, n_skills)."""
    return np.stack([candidate.profile for candidate in population])


def demand_shares(
    accuracy: np.ndarray, demand: np.ndarray, sharpness: float = SHARPNESS
) -> np.ndarray:
    """The part of all demand each candidate would serve, (n_candidates,), summing to 1.

    Args:
        accuracy: Estimated accuracy per skill, (n_candidates, n_skills).
        demand: Weight of each skill, (n_skills,), summing to 1.
    """
    pull = np.maximum(accuracy, 1e-6) ** sharpness  # (n_candidates, n_skills)
    return np.asarray((pull / pull.sum(0)) @ demand)


def draw_customers(n: int, demand: np.ndarray, rng: np.random.Generator) -> list[int]:
    """Skills that `n` customers ask for; every skill as often as its demand, up to chance.

    Systematic resampling (Baker 1987): one random offset, equal steps through the demand.
    """
    points = (rng.random() + np.arange(n)) / n
    drawn = np.searchsorted(np.cumsum(demand) / demand.sum(), points)
    return [int(skill) for skill in rng.permutation(drawn)]


def select_parents(population: Sequence[Apprentice], customers: Sequence[int]) -> list[Apprentice]:
    """For every customer the candidate with the best estimate for its skill, older first."""
    accuracy = profiles(population)
    ids = np.array([candidate.id for candidate in population])
    return [population[np.lexsort((ids, -accuracy[:, skill]))[0]] for skill in customers]


def select_survivors(
    population: Sequence[Apprentice], capacity: int, demand: np.ndarray
) -> list[Apprentice]:
    """The `capacity` candidates that serve most demand, older first among equals."""
    shares = demand_shares(profiles(population), demand).round(12)  # equals stay equal
    order = sorted(range(len(population)), key=lambda i: (-shares[i], population[i].id))
    return sorted((population[i] for i in order[:capacity]), key=lambda c: c.id)
