"""KnOTS-TIES (Stoica et al. 2024, arXiv 2410.19735): TIES in the basis that the experts share.

The paper chooses the share of numbers kept and the scale of the result on validation data; so
does this, over a small grid. The result is not cut to a rank, as the paper adds it to the base's
weights; with `rank` it is.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from academy.benchmark.methods.search import Search
from academy.benchmark.problem import Answer, BudgetSpent, Problem
from genome import consensus
from genome.genome import Genome


@dataclass(frozen=True)
class KnotsTies:
    """A grid over density and scale, the best by mean score."""

    densities: tuple[float, ...] = (0.1, 0.2, 0.4, 0.7, 1.0)
    scales: tuple[float, ...] = (0.4, 0.7, 1.0, 1.5)
    rank: int | None = None
    """Of the merged layer; None keeps all of it."""
    gradient_free: bool = True

    @property
    def name(self) -> str:
        """'knots-ties', with the rank where it is cut."""
        return "knots-ties" if self.rank is None else f"knots-ties-r{self.rank}"

    def run(self, problem: Problem, rng: np.random.Generator) -> Answer:
        """One measurement for every point of the grid; the densities are tried one by one."""
        search = Search(problem)
        experts = problem.experts
        rank = self.rank or sum(expert.rank for expert in experts)
        with suppress(BudgetSpent):
            for density in self.densities:
                merged = consensus.knots(experts, [1.0] * len(experts), rank, density=density)
                search.scores([Genome(problem.base_model, (merged,), (s,)) for s in self.scales])
        return search.answer()
