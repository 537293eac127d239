"""A problem of one skill seen as several, for methods that need more than one objective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from academy.benchmark.problem import Problem
from genome.genome import Genome
from genome.layer import Layer


@dataclass(frozen=True)
class Grouped:
    """The same items and the same purse, with other names on the items."""

    problem: Problem
    skills: tuple[str, ...]
    item_skill: np.ndarray

    @classmethod
    def of(cls, problem: Problem, n: int, rng: np.random.Generator) -> Grouped:
        """Items dealt at random into `n` groups of equal size, or fewer if there are fewer."""
        n_items = len(problem.item_skill)
        groups = rng.permutation(np.arange(n_items) % max(1, min(n, n_items)))
        names = tuple(f"{problem.skills[0]}, group {i + 1}" for i in range(int(groups.max()) + 1))
        return cls(problem, names, groups)

    @property
    def base_model(self) -> str:
        """As the problem's."""
        return self.problem.base_model

    @property
    def experts(self) -> tuple[Layer, ...]:
        """As the problem's."""
        return self.problem.experts

    @property
    def left(self) -> int:
        """As the problem's."""
        return self.problem.left

    def scores(self, genomes: Sequence[Genome], items: np.ndarray | None = None) -> np.ndarray:
        """As the problem's."""
        return self.problem.scores(genomes, items)

    def losses(self, genomes: Sequence[Genome], items: np.ndarray | None = None) -> np.ndarray:
        """As the problem's."""
        return self.problem.losses(genomes, items)

    def report(self, genomes: Sequence[Genome], score: float) -> None:
        """As the problem's."""
        self.problem.report(genomes, score)
