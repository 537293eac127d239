"""Random search over the Academy's own operators: what selection adds has to beat this.

Every candidate starts from random experts and goes through random operators; nothing is learnt
from one for the next, only the best is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from academy.benchmark.methods.search import Search, exact_mean
from academy.benchmark.problem import Answer, BudgetSpent, Problem
from academy.operators.crossover import EXTRAPOLATE, merge_crossover
from academy.operators.noise import residual_noise
from academy.operators.spectral import spectral_mutation
from academy.operators.weights import mutate_weights
from genome import compose
from genome.genome import Genome
from genome.layer import Layer

Variation = Callable[[tuple[Layer, ...], np.random.Generator], Genome]
"""(experts, rng) -> a new candidate."""


def crossed(experts: tuple[Layer, ...], rng: np.random.Generator) -> Genome:
    """Two experts mixed, up to half the distance beyond either."""
    low, high = EXTRAPOLATE
    mother, father = _pair(experts, rng)
    rank = max(mother.rank, father.rank)
    return Genome.of(merge_crossover(mother, father, low=low, high=high, rank=rank, rng=rng))


def stretched(experts: tuple[Layer, ...], rng: np.random.Generator) -> Genome:
    """A mix of two experts with its strengths changed and its directions turned."""
    child = crossed(experts, rng).layers[0]
    return Genome.of(spectral_mutation(child, tau=0.2, epsilon=0.1, rng=rng))


def disturbed(experts: tuple[Layer, ...], rng: np.random.Generator) -> Genome:
    """A mix of two experts with one direction that neither has."""
    child = crossed(experts, rng).layers[0]
    strength = float(rng.uniform(0.05, 0.3))
    return Genome.of(residual_noise(child, strength=strength, rank=max(2, child.rank), rng=rng))


def weighed(experts: tuple[Layer, ...], rng: np.random.Generator) -> Genome:
    """All experts side by side, with weights scattered around their mean."""
    n = len(experts)
    weights = mutate_weights([1 / n] * n, sigma=1 / n**0.5, rng=rng)
    return Genome(experts[0].base_model, experts, weights)


def merged(experts: tuple[Layer, ...], rng: np.random.Generator) -> Genome:
    """Two to four experts added, each at a weight of its own."""
    n = int(rng.integers(min(2, len(experts)), min(4, len(experts)) + 1))
    chosen = [experts[i] for i in rng.choice(len(experts), n, replace=False)]
    rank = max(layer.rank for layer in chosen)
    return Genome.of(compose.merge(chosen, rng.uniform(0, 1.2, n).tolist(), rank))


VARIATIONS: tuple[Variation, ...] = (crossed, stretched, disturbed, weighed, merged)


@dataclass(frozen=True)
class RandomSearch:
    """The best of as many random candidates as the budget pays, by mean score."""

    variations: tuple[Variation, ...] = VARIATIONS
    batch: int = 16
    max_batches: int = 10_000
    name: str = "random-search"
    gradient_free: bool = True

    def run(self, problem: Problem, rng: np.random.Generator) -> Answer:
        """Experts and their mean first, then batches until the budget is spent."""
        search = Search(problem)
        with suppress(BudgetSpent):
            search.scores([Genome.of(e) for e in problem.experts] + [exact_mean(problem)])
            for _ in range(self.max_batches):
                chosen = rng.integers(len(self.variations), size=self.batch)
                search.scores([self.variations[i](problem.experts, rng) for i in chosen])
        return search.answer()


def _pair(experts: tuple[Layer, ...], rng: np.random.Generator) -> tuple[Layer, Layer]:
    first, second = rng.choice(len(experts), 2, replace=len(experts) < 2)
    return experts[first], experts[second]
