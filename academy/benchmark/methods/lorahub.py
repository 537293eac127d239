"""LoraHub (Huang et al. 2023, arXiv 2307.13269): weights of experts by gradient-free search.

    minimise  loss(sum_i w_i expert_i) + 0.05 * mean |w_i|,   w_i in [-1.5, 1.5],  from w = 0

The published code leaves the choice of optimiser to nevergrad's NGOpt, which takes COBYLA in the
range of budgets used there, while the text says CMA-ES: both are here. Changed: the loss is taken
on all selection items (the paper: on a few examples of one task), and an optimiser that has come
to rest starts again near the best found, until the budget is spent.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize

from academy.benchmark.methods.mixing import Mixer, Mixing, variant
from academy.benchmark.methods.search import Search
from academy.benchmark.problem import Answer, BudgetSpent, Problem
from academy.operators.weights import WeightSearch

Objective = Callable[[np.ndarray], np.ndarray]
"""Weights (n, n_experts) -> what is minimised, (n,)."""


@dataclass(frozen=True)
class LoraHub:
    """Mean loss over skills plus an L1 penalty, by CMA-ES or COBYLA."""

    optimiser: Literal["cma", "cobyla"] = "cma"
    mixing: Mixing = "factors"
    rank: int | None = None
    """For mixing 'exact': cut the sum to this rank; None leaves it whole."""
    bound: float = 1.5
    penalty: float = 0.05
    first_step: float = 0.2
    """CMA-ES's first standard deviation, COBYLA's first trust radius. Not in the paper; from 12
    experts 0.5, about nevergrad's own, needs twice as many measurements to get as far."""
    rest: float = 1e-3
    """A search whose steps are all shorter has come to rest."""
    max_starts: int = 1000
    gradient_free: bool = True

    @property
    def name(self) -> str:
        """As 'lorahub-cma-factors'."""
        return variant(f"lorahub-{self.optimiser}", self.mixing, self.rank)

    def run(self, problem: Problem, rng: np.random.Generator) -> Answer:
        """Minimise until the budget is spent."""
        search = Search(problem)
        mixer = Mixer(problem.experts, self.mixing, self.rank)
        memory = _Memory(np.zeros(len(problem.experts)))

        def objective(weights: np.ndarray) -> np.ndarray:
            l1 = self.penalty * np.abs(weights).mean(1)
            values = search.losses(mixer.genomes(weights), l1).mean(1) + l1
            finite = np.where(np.isfinite(values), values, 1e6)  # a diverged mix is a bad mix
            memory.see(weights, finite)
            return np.asarray(finite)

        minimise = self._by_cma if self.optimiser == "cma" else self._by_cobyla
        with suppress(BudgetSpent):
            start = memory.weights
            objective(start[None])
            for attempt in range(self.max_starts):
                minimise(objective, start, attempt, rng)
                nearby = rng.normal(memory.weights, self.first_step)
                start = nearby.clip(-self.bound, self.bound)
        return search.answer()

    def _by_cma(
        self, objective: Objective, start: np.ndarray, attempt: int, rng: np.random.Generator
    ) -> None:
        """One start; the population doubles from start to start (IPOP, Auger and Hansen 2005)."""
        n = len(start)
        start = np.resize(start, max(n, 2))  # CMA-ES refuses one dimension: the second is idle
        usual = 4 + int(3 * np.log(len(start)))
        search = WeightSearch(
            len(start),
            self.first_step,
            int(rng.integers(2**31)),
            start=start.tolist(),
            low=-self.bound,
            high=self.bound,
            population=usual * 2 ** min(attempt, 4),
        )
        asked = search.ask()
        while asked.std(0).max() > self.rest:
            search.tell(-objective(asked[:, :n]))
            asked = search.ask()

    def _by_cobyla(
        self, objective: Objective, start: np.ndarray, attempt: int, rng: np.random.Generator
    ) -> None:
        """One start; COBYLA may step over a bound by a rounding, so weights are clipped."""

        def value(weights: np.ndarray) -> float:
            return float(objective(weights.clip(-self.bound, self.bound)[None])[0])

        optimize.minimize(
            value,
            start,
            method="COBYLA",
            bounds=[(-self.bound, self.bound)] * len(start),
            options={"rhobeg": self.first_step, "tol": self.rest, "maxiter": 100 * len(start)},
        )


class _Memory:
    """The best weights so far, for the next start."""

    def __init__(self, weights: np.ndarray) -> None:
        self.weights = weights
        self._value = np.inf

    def see(self, weights: np.ndarray, values: np.ndarray) -> None:
        best = int(values.argmin())
        if values[best] < self._value:
            self.weights, self._value = weights[best].copy(), float(values[best])
