"""GENOME and GENOME+ (Zhang et al. 2025, arXiv 2503.01155), repaired.

A population of adapters, as vectors of their numbers. A generation is "succession" (a flight as
of `swarm`; GENOME+ only), crossover (the mean of two parents weighted by their fitness), mutation
of copies (Gaussian noise on some genes), and selection (elites, the rest by roulette). Rates are
those of the published scripts. Repaired: a personal best is a copy; fitness is measured again
after every move; everything is chosen by selection items, never by test items. Changed: noise is
in units of the tensor's own root mean square, because adapters of other sizes need other noise.
The vote of an ensemble is left out, as the benchmark's answer is one model.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch

from academy.benchmark.methods.mixing import FactorSpace
from academy.benchmark.methods.search import Search
from academy.benchmark.methods.swarm import Pulls, Swarm, towards_others
from academy.benchmark.problem import Answer, BudgetSpent, Problem
from genome.genome import Genome

GENTLE = Pulls(0.2, 0.2, 0.2, 0.1)


@dataclass(frozen=True)
class GenomePlus:
    """Fitness: mean score over skills on the selection items."""

    succession: bool = True
    """Off: GENOME, without flights."""
    population: int = 20
    """After selection, at most; the experts come first."""
    cross_rate: float = 0.8
    mutation_rate: float = 0.3
    """Share of individuals of which a mutated copy is made."""
    gene_rate: float = 0.1
    """Share of a copy's numbers that are disturbed."""
    sigma: float = 0.3
    """Of the noise, in root mean squares of the tensor."""
    elites: float = 0.1
    pulls: Pulls = GENTLE
    step: float = 0.5
    decay: float = 0.95
    max_generations: int = 10_000
    gradient_free: bool = True

    @property
    def name(self) -> str:
        """'genome-plus', or 'genome' without succession."""
        return "genome-plus" if self.succession else "genome"

    def run(self, problem: Problem, rng: np.random.Generator) -> Answer:
        """Generations until the budget is spent."""
        search = Search(problem)
        space = FactorSpace.of(problem.experts)

        def fitness(x: np.ndarray) -> np.ndarray:
            genomes = [Genome.of(space.layer(one)) for one in torch.from_numpy(x)]
            return np.asarray(search.scores(genomes).mean(1))

        with suppress(BudgetSpent):
            x = space.vectors(problem.experts).numpy()
            swarm = Swarm.started(x, towards_others(x, rng), fitness(x))
            for generation in range(self.max_generations):
                if self.succession:
                    swarm = swarm.moved(self.pulls, self.step * self.decay**generation, rng)
                    swarm = swarm.measured(fitness(swarm.x))  # the old fitness is of elsewhere
                new = self._offspring(swarm, space, rng)
                if len(new):
                    swarm = swarm.joined(new, self._velocities(new, swarm, rng), fitness(new))
                swarm = swarm.chosen(self._survivors(swarm.value, rng))
        return search.answer()

    def _offspring(self, swarm: Swarm, space: FactorSpace, rng: np.random.Generator) -> np.ndarray:
        """Children of pairs, and mutated copies of anybody, (n, size)."""
        children = [
            weighted_mean(
                swarm, rng.choice(len(swarm.x), 2, replace=False, p=roulette(swarm.value))
            )
            for _ in range(len(swarm.x) // 2)
            if rng.random() < self.cross_rate
        ]
        everybody = np.stack([*swarm.x, *children])
        copied = everybody[rng.random(len(everybody)) < self.mutation_rate]
        mutants = [self._mutated(one, space, rng) for one in copied]
        return np.stack([*children, *mutants]) if children or mutants else everybody[:0]

    def _mutated(
        self, vector: np.ndarray, space: FactorSpace, rng: np.random.Generator
    ) -> np.ndarray:
        scales = space.scales(torch.from_numpy(vector[None]))[0].numpy()
        genes = np.flatnonzero(rng.random(len(vector), dtype=np.float32) < self.gene_rate)
        noise = self.sigma * rng.standard_normal(len(genes), dtype=np.float32)
        mutated = vector.copy()
        mutated[genes] += noise * scales[genes]
        return mutated

    def _velocities(self, new: np.ndarray, swarm: Swarm, rng: np.random.Generator) -> np.ndarray:
        if not self.succession:
            return np.zeros_like(new)
        return np.asarray(swarm.x[rng.integers(len(swarm.x), size=len(new))] - new)

    def _survivors(self, values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Numbers of the elites, and of others by roulette without return."""
        if len(values) <= self.population:
            return np.arange(len(values))
        order = np.argsort(-values, kind="stable")
        n_elites = min(self.population, max(1, round(self.elites * len(values))))
        others = order[n_elites:]
        n_others = self.population - n_elites
        drawn = rng.choice(others, n_others, replace=False, p=roulette(values[others]))
        return np.sort(np.concatenate([order[:n_elites], drawn]))


def weighted_mean(swarm: Swarm, parents: np.ndarray) -> np.ndarray:
    """The parents' mean, weighted by their fitness; the plain one if both have none."""
    chances = roulette(swarm.value[parents])
    return np.asarray(chances.astype(swarm.x.dtype) @ swarm.x[parents])


def roulette(values: np.ndarray) -> np.ndarray:
    """Chances in proportion to fitness, (n,); nobody's chance is zero."""
    fit = np.maximum(values, 0) + 1e-6
    return np.asarray(fit / fit.sum())
