"""EGGROLL on a LoRA (Sarkar et al. 2025, arXiv 2511.16652): evolution strategies in low rank.

Directions E of rank 1 are tried forwards and backwards on the same items, and the update moves by
their mean weighted with what they gained, then decays towards its start (arXiv 2605.30148), then
is cut back to its rank; the arithmetic is `academy.operators.es`. Changed: the paper's fitness is
a task's reward; with 0/1 scores of a small model nearly all pairs tie, so minus the loss is used,
for the start and the answer too. Step sizes are in units of the start's root mean square.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np

from academy.benchmark.methods.search import Search, balanced_sample, by_skill, exact_mean
from academy.benchmark.problem import Answer, BudgetSpent, Problem
from academy.operators.es import es_update, perturbations
from genome import compose, geometry
from genome.genome import Genome
from genome.layer import Layer

Start = Literal["better", "mean", "best"]
"""The exact mean of the experts, the best expert, or the better of the two."""


@dataclass(frozen=True)
class Eggroll:
    """Antithetic low-rank evolution strategies from the experts' mean or the best of them."""

    start: Start = "better"
    rank: int | None = None
    """Of the layer that is searched for; None takes the experts' rank."""
    pairs: int = 16
    noise_rank: int = 1
    sigma: float = 0.3
    """Size of a perturbation, in root mean squares of the start's update."""
    rate: float = 4.0
    """Length of a step, in perturbations over sqrt(pairs): 4 moves as far as one of 16 pairs."""
    decay: float = 0.01
    """Share of the way back to the start, each generation."""
    items: int = 24
    """Items a generation is tried on, the same for all; 0 takes all."""
    check_every: int = 4
    """Generations between measurements of the centre on all items."""
    max_generations: int = 10_000
    gradient_free: bool = True

    @property
    def name(self) -> str:
        """'eggroll', with the start where it is fixed."""
        return "eggroll" if self.start == "better" else f"eggroll-{self.start}"

    def run(self, problem: Problem, rng: np.random.Generator) -> Answer:
        """Generations until the budget is spent; the answer is the best centre."""
        search = Search(problem)
        with suppress(BudgetSpent):
            self._climb(problem, search, self._first(problem, search), rng)
        return search.answer()

    def _climb(
        self, problem: Problem, search: Search, centre: Layer, rng: np.random.Generator
    ) -> None:
        """Generations until the budget is spent; what it leaves over measures the last centre."""
        anchor, unit = centre, _root_mean_square(centre)
        for generation in range(self.max_generations):
            try:
                centre = self._stepped(problem, centre, anchor, unit, rng)
            except BudgetSpent:
                search.losses([Genome.of(centre)])
                raise
            if generation % self.check_every == self.check_every - 1:
                search.losses([Genome.of(centre)])

    def _first(self, problem: Problem, search: Search) -> Layer:
        rank = self.rank or max(expert.rank for expert in problem.experts)
        mean = compose.truncate(compose.stack(*_parts(exact_mean(problem))), rank)
        candidates = [] if self.start == "best" else [mean]
        candidates += [] if self.start == "mean" else list(problem.experts)
        losses = search.losses([Genome.of(layer) for layer in candidates]).mean(1)
        return candidates[int(np.nan_to_num(losses, nan=np.inf).argmin())]

    def _stepped(
        self,
        problem: Problem,
        centre: Layer,
        anchor: Layer,
        unit: float,
        rng: np.random.Generator,
    ) -> Layer:
        """One generation."""
        tried = perturbations(centre, self.pairs, self.sigma * unit, rng, rank=self.noise_rank)
        items = balanced_sample(problem.item_skill, self.items or len(problem.item_skill), rng)
        losses = problem.losses(tried.genomes(centre), items)
        fitness = -by_skill(losses, problem.item_skill[items], len(problem.skills)).mean(1)
        slopes = fitness[: self.pairs] - fitness[self.pairs :]
        known = slopes[np.isfinite(slopes)]  # a diverged pair says nothing
        spread = float(np.sqrt(np.mean(known**2))) if known.any() else 1.0
        return es_update(
            centre,
            tried,
            2 * fitness / spread,
            lr=self.rate * tried.sigma**2,
            rank=centre.rank,
            anchor=anchor,
            decay=self.decay,
        )


def _parts(genome: Genome) -> tuple[tuple[Layer, ...], tuple[float, ...]]:
    return genome.layers, genome.weights


def _root_mean_square(layer: Layer) -> float:
    """Of all numbers of the update; 1 for an update of nothing."""
    n = sum(f.a.shape[1] * f.b.shape[0] for f in layer.factors.values())
    return float(geometry.norms([layer])[0]) / n**0.5 or 1.0
