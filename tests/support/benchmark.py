"""A benchmark problem without a model: items are points in the space of updates.

An item's loss is the squared distance of a genome's summed update to the item's point, as a share
of the point's own squared length, so that the base has a loss of 1; it is answered right when the
loss is below the item's threshold. Thresholds are spread, so that scores, too, rise step by step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from academy.benchmark.problem import BudgetSpent
from academy.operators.noise import normal
from genome.genome import Genome
from genome.layer import Factors, Layer
from tests.support.genome import dense_updates

BASE = "toy"
SIZE = 8
MODULES = ("one", "two")


@dataclass
class ToyProblem:
    """Two modules of 8 x 8, experts of rank 2, a token for every genome and item.

    Make it with `toy_problem`.
    """

    base_model: str
    experts: tuple[Layer, ...]
    skills: tuple[str, ...]
    item_skill: np.ndarray
    targets: np.ndarray
    """(n_items, numbers of an update) the items' points."""
    thresholds: np.ndarray
    """(n_items,) as losses."""
    left: int
    calls: list[int] = field(default_factory=list)
    """Tokens charged, call by call."""
    reports: list[tuple[int, float]] = field(default_factory=list)
    """(tokens left, score) of every incumbent reported."""

    def scores(self, genomes: Sequence[Genome], items: np.ndarray | None = None) -> np.ndarray:
        """1 where the loss is below the item's threshold."""
        chosen = self._charged(genomes, items)
        losses = self.true_losses(genomes)[:, chosen]
        return np.asarray(losses < self.thresholds[chosen], dtype=np.float64)

    def losses(self, genomes: Sequence[Genome], items: np.ndarray | None = None) -> np.ndarray:
        """Squared distance to each item's point, the base's own being 1."""
        chosen = self._charged(genomes, items)
        return self.true_losses(genomes)[:, chosen]

    def report(self, genomes: Sequence[Genome], score: float) -> None:
        """Keep the anytime curve."""
        self.reports.append((self.left, score))

    def true_losses(self, genomes: Sequence[Genome]) -> np.ndarray:
        """Losses on all items, for a test to look at without paying."""
        updates = np.stack([flat_update(genome) for genome in genomes])
        distances = ((updates[:, None] - self.targets[None]) ** 2).sum(2)
        return np.asarray(distances / (self.targets**2).sum(1))

    def true_scores(self, genomes: Sequence[Genome]) -> np.ndarray:
        """Scores on all items, for a test to look at without paying."""
        return np.asarray(self.true_losses(genomes) < self.thresholds, dtype=np.float64)

    def _charged(self, genomes: Sequence[Genome], items: np.ndarray | None) -> np.ndarray:
        chosen = np.arange(len(self.targets)) if items is None else items
        needed = len(genomes) * len(chosen)
        if needed > self.left:
            raise BudgetSpent(needed, self.left)
        self.left -= needed
        self.calls.append(needed)
        return chosen


def toy_problem(
    seed: int,
    budget: int,
    *,
    n_experts: int = 4,
    n_skills: int = 3,
    items_per_skill: int = 8,
    kinship: float = 0.0,
) -> ToyProblem:
    """Skills that mix the experts' directions, more of them than any one expert has.

    Experts are a hidden direction each, at two thirds of its strength and blurred; a skill's
    point is a weighted sum of all directions, an item's a blurred copy of it. So the best mean
    score takes a mix of experts, with weights that sum to more than 1.

    Args:
        kinship: How much of A the experts share, 0 to 1, as adapters of one initialisation do;
            the more, the less harm it does to mix A and B apart.
    """
    rng = np.random.default_rng(seed)
    ancestor = toy_layer(rng)
    hidden = [_kin(ancestor, toy_layer(rng), kinship) for _ in range(n_experts)]
    directions = np.stack([flat_update(Genome.of(layer)) for layer in hidden])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    mixes = rng.uniform(0.4, 1.0, (n_skills, n_experts))
    item_skill = np.repeat(np.arange(n_skills), items_per_skill)
    targets = (mixes @ directions)[item_skill]
    targets += rng.normal(0, 0.1 / SIZE, targets.shape)
    thresholds = np.tile(np.linspace(0.12, 0.95, items_per_skill), n_skills)
    experts = tuple(_blurred(layer, 2 / 3, rng) for layer in hidden)
    skills = tuple(f"skill {i}" for i in range(n_skills))
    return ToyProblem(BASE, experts, skills, item_skill, targets, thresholds, budget)


def toy_layer(rng: np.random.Generator, rank: int = 2) -> Layer:
    """A random update of both modules."""

    factors = {}
    for module in MODULES:
        a, b = normal(rng, rank, SIZE), normal(rng, SIZE, rank)
        factors[module] = Factors(a * SIZE**-0.5, b * SIZE**-0.5)
    return Layer(BASE, factors)


def flat_update(genome: Genome) -> np.ndarray:
    """All numbers of a genome's summed update, modules in a fixed order."""
    dense = dense_updates(genome)
    parts = [
        dense[module].detach().numpy().ravel() if module in dense else np.zeros(SIZE * SIZE)
        for module in MODULES
    ]
    return np.concatenate(parts).astype(np.float64)


def _kin(ancestor: Layer, layer: Layer, kinship: float) -> Layer:
    factors = {
        module: Factors(
            kinship**0.5 * ancestor.factors[module].a + (1 - kinship) ** 0.5 * own.a, own.b
        )
        for module, own in layer.factors.items()
    }
    return Layer(layer.base_model, factors)


def _blurred(layer: Layer, scale: float, rng: np.random.Generator) -> Layer:
    """The layer at unit length times `scale`, with a little noise on every factor."""
    length = float(np.linalg.norm(flat_update(Genome.of(layer))))
    noisy = {}
    for module, (a, b) in layer.factors.items():
        more_a, more_b = (0.05 * normal(rng, *t.shape) for t in (a, b))
        noisy[module] = Factors(a + more_a, (b + more_b) * (scale / length))
    return Layer(layer.base_model, noisy)
