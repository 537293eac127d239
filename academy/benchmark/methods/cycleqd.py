"""CycleQD (Kuroki et al. 2024, arXiv 2410.14735): one archive per task, taking turns.

In turn q, quality is the score on task q and the scores on all other tasks, in bins, are the
cell of a MAP-Elites archive that keeps the best of each cell. Parents are drawn by the product of
all these scores, each stretched to [low, high].

    crossover  sum_i w_i delta_i / sum_i w_i,                w ~ N(1, 0.01^2)
    mutation   delta + u diag(rho s) vT of the task's expert,   rho ~ U(0, 0.1)

The task's expert is the one that scores best on it (the paper has one expert for each task; for
unseen tasks there is none). Updates stay in the span of the experts' singular terms, so they are
kept exact (`expert_span`). As documented, not as coded: the sampler's bounds are .5 and .8 (the
code's reach 1.3), and the shipped defaults (Gaussian noise, random parents) are not used. The
archives' best are merged by softmax of their quality, the paper's last step, once a cycle and in
competition with the rest.

With a single task there are no other tasks to make cells of: every archive would be one cell, and
parents always the same. Its items are then dealt at random into groups that stand for tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from academy.benchmark.methods.mixing import ExpertSpan
from academy.benchmark.methods.search import Search
from academy.benchmark.problem import Answer, BudgetSpent, Problem, Routing
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


@dataclass(frozen=True)
class CycleQD:
    """Quality diversity over experts' mixtures."""

    answer: Routing = "single"
    """'single': the best mean score; 'router': the best of each task's archive."""
    rank: int | None = None
    """Cut candidates to this rank; None leaves their updates whole, as the paper does."""
    children: int = 16
    """Measured at once in a turn (the paper: one; a batch costs less time, not fewer tokens)."""
    bins: int = 15
    mix_sigma: float = 0.01
    mutation_max: float = 0.1
    low: float = 0.5
    high: float = 0.8
    groups: int = 3
    """Tasks made of a single one; the paper has three."""
    max_turns: int = 10_000
    gradient_free: bool = True

    @property
    def name(self) -> str:
        """'cycleqd', with what is not the default."""
        rank = "" if self.rank is None else f"-r{self.rank}"
        return f"cycleqd{rank}" + ("-router" if self.answer == "router" else "")

    def run(self, problem: Problem, rng: np.random.Generator) -> Answer:
        """Cycle through the tasks until the budget is spent."""
        if len(problem.skills) == 1:
            problem = Grouped.of(problem, self.groups, rng)
        search = Search(problem)
        span = ExpertSpan.of(problem.experts)
        archives = Archives(len(problem.skills), self.bins)

        def enter(coefficients: np.ndarray) -> None:
            genomes = [Genome.of(one) for one in span.layers(coefficients, self.rank)]
            archives.insert(coefficients, search.scores(genomes))

        with suppress(BudgetSpent):
            enter(span.mixed(np.eye(span.n_experts)))
            for turn in range(self.max_turns):
                task = turn % archives.n_tasks
                children = self._children(span, archives, task, rng)
                if task == 0:
                    children = np.concatenate([archives.merged()[None], children])
                enter(children)
        if self.answer == "single" or not archives.members:
            return Answer((search.best,), self.answer)
        best = dict.fromkeys(archives.champions())  # nobody twice
        genes = np.stack([archives.members[i].genes for i in best])
        return Answer(tuple(Genome.of(one) for one in span.layers(genes, self.rank)), "router")

    def _children(
        self, span: ExpertSpan, archives: Archives, task: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Crossover, then mutation along the task's expert, (children, n_experts, ...)."""
        n = self.children
        parents = archives.parents(task, n, self.low, self.high, rng)  # (n, 2)
        genes = np.stack([archives.members[i].genes for i in parents.T.ravel()]).reshape(2, n, -1)
        weights = rng.normal(1.0, self.mix_sigma, (2, n, 1))
        mixed = (weights * genes).sum(0) / weights.sum(0)
        children = mixed.reshape(n, *span.ones().shape).astype(np.float32)
        experts = [member.scores[task] for member in archives.members[: span.n_experts]]
        rho = rng.uniform(0.0, self.mutation_max, children.shape[:1] + children.shape[2:])
        children[:, int(np.argmax(experts))] += rho
        return np.asarray(children)


@dataclass(frozen=True)
class Member:
    """One candidate that was measured."""

    genes: np.ndarray
    scores: np.ndarray
    """(n_tasks,)"""


@dataclass
class Archives:
    """One grid for each task; a cell holds the number of a member."""

    n_tasks: int
    bins: int
    members: list[Member] = field(default_factory=list)
    cells: list[dict[tuple[int, ...], int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cells = [{} for _ in range(self.n_tasks)]

    def insert(self, genes: np.ndarray, scores: np.ndarray) -> None:
        """Put candidates where they are the best of their cell, in every archive."""
        for one, row in zip(genes, scores, strict=True):
            number = len(self.members)
            self.members.append(Member(one.copy(), row.copy()))
            binned = _binned(row, self.bins)
            for task, cells in enumerate(self.cells):
                cell = tuple(np.delete(binned, task).tolist())
                holder = cells.get(cell)
                if holder is None or row[task] > self.members[holder].scores[task]:
                    cells[cell] = number

    def parents(
        self, task: int, n: int, low: float, high: float, rng: np.random.Generator
    ) -> np.ndarray:
        """Pairs from one archive, drawn by the product of their stretched scores, (n, 2)."""
        held = np.array(sorted(set(self.cells[task].values())))
        traits = np.stack([self.members[i].scores for i in held])  # (n_held, n_tasks)
        others = np.arange(self.n_tasks) != task
        traits[:, others] = _binned(traits[:, others], self.bins)
        least, span = traits.min(0), np.ptp(traits, axis=0)
        stretched = low + (high - low) * (traits - least) / np.where(span > 0, span, 1)
        chances = stretched.prod(1) / stretched.prod(1).sum()
        alone = len(held) < 2
        return np.stack([rng.choice(held, 2, replace=alone, p=chances) for _ in range(n)])

    def champions(self) -> list[int]:
        """The best member of each task's archive, (n_tasks,)."""
        return [
            max(cells.values(), key=lambda i: (self._quality(i, task), -i))
            for task, cells in enumerate(self.cells)
        ]

    def merged(self) -> np.ndarray:
        """Genes of the tasks' champions, mixed by softmax of their quality."""
        best = self.champions()
        weights = np.exp([self._quality(i, task) for task, i in enumerate(best)])
        genes = np.stack([self.members[i].genes for i in best])
        return np.asarray(np.tensordot(weights / weights.sum(), genes, 1), dtype=np.float32)

    def _quality(self, member: int, task: int) -> float:
        return float(self.members[member].scores[task])


def _binned(scores: np.ndarray, bins: int) -> np.ndarray:
    return np.minimum((scores * bins).astype(np.int64), bins - 1)
