"""What every method keeps while it searches: the best genome so far, from selection items only.

Here too is what needs no search: the base, the best of the experts, and their mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

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


Measure = Callable[[Sequence[Genome]], np.ndarray]


class Search:
    """Measures genomes, and reports each one that is better than all before.

    A batch that the budget does not cover is halved until a part fits, so that no method loses
    the end of its budget for working in large batches.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.best = Genome(problem.base_model)
        """The base itself until something was measured."""
        self.best_merit = -np.inf

    def scores(self, genomes: Sequence[Genome]) -> np.ndarray:
        """Mean score by skill, (n_genomes, n_skills); the merit is its mean.

        Raises:
            BudgetSpent: Not all could be measured; those that could count for `best`.
        """
        return self._measure(genomes, self.problem.scores, np.zeros(len(genomes)), 1.0)

    def losses(self, genomes: Sequence[Genome], penalty: np.ndarray | None = None) -> np.ndarray:
        """Mean loss by skill, (n_genomes, n_skills); the merit is minus (mean + penalty).

        Raises:
            BudgetSpent: As for `scores`.
        """
        extra = np.zeros(len(genomes)) if penalty is None else penalty
        return self._measure(genomes, self.problem.losses, extra, -1.0)

    def offer(self, genome: Genome, merit: float) -> None:
        """Make this the incumbent if it is better than the one we have."""
        if merit > self.best_merit:
            self.best, self.best_merit = genome, merit
            self.problem.report([genome], merit)

    def answer(self) -> Answer:
        """The best genome so far."""
        return Answer((self.best,))

    def _measure(
        self, genomes: Sequence[Genome], measure: Measure, penalty: np.ndarray, sign: float
    ) -> np.ndarray:
        try:
            values = measure(genomes)
        except BudgetSpent:
            if len(genomes) < 2:
                raise
            half = len(genomes) // 2
            parts = [
                self._measure(genomes[part], measure, penalty[part], sign)
                for part in (slice(half), slice(half, None))
            ]
            return np.concatenate(parts)
        means = by_skill(values, self.problem.item_skill, len(self.problem.skills))
        for genome, merit in zip(genomes, sign * (means.mean(1) + penalty), strict=True):
            self.offer(genome, float(merit))
        return means


def by_skill(values: np.ndarray, item_skill: np.ndarray, n_skills: int) -> np.ndarray:
    """Means of the items of each skill, (n, n_items) -> (n, n_skills); 0 for a skill without."""
    member = np.eye(n_skills)[item_skill]  # (n_items, n_skills)
    return np.asarray(values @ member / np.maximum(member.sum(0), 1))


def balanced_sample(item_skill: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """About `n` item numbers, ascending, as evenly from all skills as they allow; no item twice."""
    shuffled = rng.permutation(len(item_skill))
    rank = np.empty(len(item_skill), dtype=np.int64)  # place of an item within its own skill
    for skill in np.unique(item_skill):
        mine = shuffled[item_skill[shuffled] == skill]
        rank[mine] = np.arange(len(mine))
    order = shuffled[np.argsort(rank[shuffled], kind="stable")]
    return np.sort(order[:n])


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
