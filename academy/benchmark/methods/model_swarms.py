"""Model Swarms (Feng et al. 2024, arXiv 2410.11163): experts as particles, moved by utility.

The paper works on the vectors of adapter numbers (mixing 'factors'); 'exact' moves the updates
themselves. Both run on weights of experts, which loses nothing (`mixing`). Settings are the
paper's. Changed: where the paper would stop, after steps without a better global best, the step
length starts anew with fresh velocities, because all methods have to spend the same budget.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from academy.benchmark.methods.mixing import Mixer, Mixing, variant
from academy.benchmark.methods.search import Search
from academy.benchmark.methods.swarm import Pulls, Swarm, towards_others
from academy.benchmark.problem import Answer, BudgetSpent, Problem

PUBLISHED = Pulls()


@dataclass(frozen=True)
class ModelSwarms:
    """Utility: mean score over skills on the selection items."""

    mixing: Mixing = "factors"
    rank: int | None = None
    """For mixing 'exact': cut to this rank; None leaves the update whole."""
    particles: int = 20
    """At least; mixtures of two experts are added to the experts until there are so many."""
    pulls: Pulls = PUBLISHED
    step: float = 1.0
    decay: float = 0.95
    least_step: float = 0.1
    particle_patience: int = 5
    swarm_patience: int = 10
    max_steps: int = 10_000
    gradient_free: bool = True

    @property
    def name(self) -> str:
        """As 'model-swarms-factors'."""
        return variant("model-swarms", self.mixing, self.rank)

    def run(self, problem: Problem, rng: np.random.Generator) -> Answer:
        """Fly until the budget is spent; the answer is the best position ever measured."""
        search = Search(problem)
        mixer = Mixer(problem.experts, self.mixing, self.rank)

        def utility(weights: np.ndarray) -> np.ndarray:
            return np.asarray(search.scores(mixer.genomes(weights)).mean(1))

        with suppress(BudgetSpent):
            x = first_positions(len(problem.experts), self.particles, rng)
            swarm = Swarm.started(x, towards_others(x, rng), utility(x))
            step, stale = self.step, 0
            for _ in range(self.max_steps):
                swarm = swarm.recalled(self.particle_patience).moved(self.pulls, step, rng)
                before = swarm.best_value
                swarm = swarm.measured(utility(swarm.x))
                step = max(self.least_step, step * self.decay)
                stale = 0 if swarm.best_value > before else stale + 1
                if stale >= self.swarm_patience:
                    swarm = replace(swarm, v=towards_others(swarm.x, rng))
                    step, stale = self.step, 0
        return search.answer()


def first_positions(n_experts: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Weights of the experts themselves, then of random mixtures of two, (>= n, n_experts)."""
    experts = np.eye(n_experts)
    n_mixed = max(0, n - n_experts)
    pairs = np.array([rng.choice(n_experts, 2, replace=n_experts < 2) for _ in range(n_mixed)])
    if not n_mixed:
        return experts
    t = rng.random((n_mixed, 1))
    return np.concatenate([experts, t * experts[pairs[:, 0]] + (1 - t) * experts[pairs[:, 1]]])
