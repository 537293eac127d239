"""What needs no search: the base, the best of the experts, and their mean."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from academy.benchmark.methods.search import Search
from academy.benchmark.problem import Answer, BudgetSpent, Problem
from genome.genome import Genome


@dataclass(frozen=True)
class BaseAlone:
    """The base model as it is."""

    name: str = "base"
    gradient_free: bool = True

    def run(self, problem: Problem, rng: np.random.Generator) -> Answer:
        """One measurement, for the record."""
        return _best_of(problem, [Genome(problem.base_model)])


@dataclass(frozen=True)
class BestExpert:
    """The expert with the best mean score over all skills on the selection items."""

    name: str = "best-expert"
    gradient_free: bool = True

    def run(self, problem: Problem, rng: np.random.Generator) -> Answer:
        """One measurement for each expert."""
        return _best_of(problem, [Genome.of(expert) for expert in problem.experts])


@dataclass(frozen=True)
class ExactMean:
    """The mean of the experts' updates: not of their factors, and not cut to a rank."""

    name: str = "exact-mean"
    gradient_free: bool = True

    def run(self, problem: Problem, rng: np.random.Generator) -> Answer:
        """One measurement, for the record."""
        return _best_of(problem, [exact_mean(problem)])


def exact_mean(problem: Problem) -> Genome:
    """All experts side by side, each at weight 1/n."""
    n = len(problem.experts)
    return Genome(problem.base_model, problem.experts, (1 / n,) * n)


def _best_of(problem: Problem, genomes: Sequence[Genome]) -> Answer:
    search = Search(problem)
    with suppress(BudgetSpent):
        search.scores(genomes)
    if search.best_merit == -np.inf:  # not even one measurement could be paid
        return Answer((genomes[0],))
    return search.answer()
