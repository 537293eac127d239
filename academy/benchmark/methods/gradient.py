"""Methods that take gradient steps: joint LoRA, and routed experts without evolution.

Compute-matched gradient training is the bar that matters: evolora's own table has supervised
fine-tuning at 62 % where its evolution reaches 31 %.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from academy.benchmark.problem import Answer, BudgetSpent, Problem
from academy.benchmark.purse import Purse
from academy.operators.noise import random_layer
from academy.training import Moments, StudyPlan
from genome.base_model import Rows
from genome.genome import Genome
from genome.layer import Layer

STRETCH = 24
"""Steps between two looks at what is left."""
LOOK = 4
"""Stretches between two measurements: they cost a hundredth of the training between them."""


@dataclass(frozen=True)
class JointLora:
    """One layer on all skills alike, with the whole budget.

    With `first` skills (track B) it learns those for a share of the budget, then the track's
    own; its answer is the state with the lowest loss on the selection items, so that a small
    training set cannot spoil it unnoticed.
    """

    rank: int
    shapes: dict[str, tuple[int, int]]
    """(out, in) of every module it changes."""
    rate: float = 0.003
    rows: int = 64
    name: str = "joint-lora"
    gradient_free: bool = False

    def run(self, problem: Problem, rng: np.random.Generator) -> Answer:
        """Train until the budget is spent; see the class."""
        if not isinstance(problem, Purse):
            raise TypeError("joint LoRA trains, which only a `Purse` allows")
        purse = problem
        layer = random_layer(problem.base_model, self.shapes, self.rank, 0.0, rng)
        if purse.first is None:
            layer = self.train(purse, layer, purse.left, rng, purse.train_rows_of_all)
            return Answer((Genome.of(layer),))
        budget = int(purse.first_share * purse.left)
        layer = self.train(purse, layer, budget, rng, purse.first_rows)
        tuned = replace(self, rows=32, rate=self.rate / 2)
        layer = tuned.train(purse, layer, purse.left, rng, purse.train_rows_of_all, keep_best=True)
        return Answer((Genome.of(layer),))

    def train(
        self,
        problem: Purse,
        layer: Layer,
        budget: int,
        rng: np.random.Generator,
        draw: Callable[[int, np.random.Generator], Rows],
        *,
        keep_best: bool = False,
    ) -> Layer:
        """Stretches with the rate falling linearly to zero over the budget."""
        start = problem.left
        best, best_loss = layer, np.inf
        moments: Moments | None = None
        for stretch in itertools.count():
            done = (start - problem.left) / budget
            rows = draw(STRETCH * self.rows, rng)
            per_step = 3 * self.rows * rows.input_ids.shape[1]
            look = len(problem.item_skill) * (rows.input_ids.shape[1] + 8)
            left = budget - (start - problem.left) - look
            steps = min(STRETCH, left // per_step)
            if steps < 1:
                break
            after = done + steps * per_step / budget
            plan = StudyPlan(
                int(steps),
                self.rows,
                self.rate * (1 - done),
                final_rate=self.rate * max(0.0, 1 - after),
            )
            used = Rows(rows.input_ids[: plan.n_rows], rows.labels[: plan.n_rows])
            try:
                layer, moments = problem.train_on(layer, used, plan, moments)
                if keep_best:
                    loss = float(problem.losses([Genome.of(layer)]).mean())
                    best, best_loss = (layer, loss) if loss < best_loss else (best, best_loss)
                elif stretch % LOOK == LOOK - 1:
                    score = float(problem.scores([Genome.of(layer)]).mean())
                    problem.report([Genome.of(layer)], score)
            except BudgetSpent:
                break
        return best if keep_best else layer


@dataclass(frozen=True)
class RoutedExperts:
    """The experts as they are, each question sent to the best one for its skill."""

    name: str = "routed-experts"
    gradient_free: bool = True

    def run(self, problem: Problem, rng: np.random.Generator) -> Answer:
        """No search at all: the router of the benchmark does the rest."""
        genomes = tuple(Genome.of(layer) for layer in problem.experts)
        best = problem.scores(genomes).mean(1).max()
        problem.report(genomes, float(best))
        return Answer(genomes, "router")
