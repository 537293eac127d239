"""Making a child: an operator's name and its parents in, genes out.

Operators work on the top layer of the first parent, the species layer; what lies below (the
ancestor) is shared and stays. A parent that is the bare ancestor gets a fresh layer on top
first: that is the radiation. Children that study come out as requests and are trained
together afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from academy.errors import OperatorError
from academy.evolution.config import OperatorSection
from academy.evolution.state import Candidate, Genes, LayerPool
from academy.operators import crossover
from academy.operators.noise import random_layer, residual_noise
from academy.operators.spectral import rank_down, rank_up, spectral_mutation
from academy.operators.stacking import Find, Stack, add_layer, drop_layer, swap_layer
from academy.operators.weights import mutate_weights
from genome.compose import stack
from genome.layer import Layer

CROSSOVERS = ("merge", "extrapolate", "split", "ties", "dare", "knots", "cma")
"""What takes from two parents."""


@dataclass(frozen=True)
class Nursery:
    """What operators need besides parents."""

    pool: LayerPool
    settings: OperatorSection
    shapes: dict[str, tuple[int, int]]
    """(out, in) of every module a layer may change."""
    ancestor: str
    """Digest; empty = none."""
    find: Find | None = None

    def mate(
        self, name: str, mother: Candidate, father: Candidate | None, rng: np.random.Generator
    ) -> Genes | None:
        """A crossover's child, before its weights are tuned; None if these two cannot have one."""
        if name == "cma":
            return self._pooled(mother.genes, father)
        return self._crossed(name, mother.genes, father, rng)

    def mutate(self, name: str, mother: Candidate, rng: np.random.Generator) -> Genes | None:
        """One parent's child, before it studies; None if this operator cannot make one of her."""
        genes = mother.genes
        if name.startswith("memetic"):
            return self._with_top(genes, rng)
        if name in ("add", "drop", "swap"):
            return self._restacked(name, genes, rng)
        if name == "weights":
            return self._reweighted(genes, rng)
        top = self._top(genes)
        if top is None:
            return None
        return self._new_top(genes, _MUTATIONS[name](top, self.settings, rng))

    def _top(self, genes: Genes) -> Layer | None:
        """The species layer, or None on the bare ancestor."""
        if not genes.layers or genes.layers[-1] == self.ancestor:
            return None
        return self.pool.get(genes.layers[-1])

    def _with_top(self, genes: Genes, rng: np.random.Generator) -> Genes:
        if self._top(genes) is not None:
            return genes
        fresh = random_layer(self.pool.base_model, self.shapes, self.settings.rank, 0.0, rng)
        return genes.stacked(self.pool.add(fresh))

    def _new_top(self, genes: Genes, layer: Layer) -> Genes:
        return genes.topped(self.pool.add(layer))

    def _crossed(
        self, name: str, genes: Genes, father: Candidate | None, rng: np.random.Generator
    ) -> Genes | None:
        left = self._top(genes)
        right = None if father is None else self._top(father.genes)
        if left is None or right is None or father is None or father.genes.same_update(genes):
            return None
        left = _scaled(left, genes.weights[-1])
        right = _scaled(right, father.genes.weights[-1])
        child = _cross(name, left, right, max(left.rank, right.rank), rng)
        return self._new_top(genes, child)

    def _pooled(self, genes: Genes, father: Candidate | None) -> Genes | None:
        """The mother's layers as they are, the father's beside them at weight 0."""
        theirs = () if father is None else father.genes.layers
        new = [d for d in theirs if d not in genes.layers and d != self.ancestor]
        new = new[: max(0, self.settings.max_layers - len(genes.layers))]
        pooled = replace(
            genes, layers=(*genes.layers, *new), weights=(*genes.weights, *[0.0] * len(new))
        )
        return pooled if pooled.layers[-1:] not in ((), (self.ancestor,)) else None

    def _restacked(self, name: str, genes: Genes, rng: np.random.Generator) -> Genes | None:
        """Change which layers lie above the ancestor."""
        fixed = 1 if self.ancestor and genes.layers[:1] == (self.ancestor,) else 0
        above = Stack(genes.layers[fixed:], genes.weights[fixed:])
        if name == "drop":
            changed = drop_layer(above, rng)
        elif self.find is None:
            return None
        elif name == "add":
            changed = add_layer(above, self.find, rng, max_depth=self.settings.max_layers - fixed)
        else:
            changed = swap_layer(above, self.find, rng)
        if changed == above:
            return None
        return replace(
            genes,
            layers=genes.layers[:fixed] + changed.layers,
            weights=genes.weights[:fixed] + changed.weights,
        )

    def _reweighted(self, genes: Genes, rng: np.random.Generator) -> Genes | None:
        if self._top(genes) is None:
            return None
        fixed = 1 if self.ancestor and genes.layers[:1] == (self.ancestor,) else 0
        moved = mutate_weights(genes.weights[fixed:], sigma=0.2, rng=rng)
        return replace(genes, weights=genes.weights[:fixed] + moved)


def _scaled(layer: Layer, weight: float) -> Layer:
    return layer if weight == 1.0 else stack([layer], [weight])


def _cross(name: str, left: Layer, right: Layer, rank: int, rng: np.random.Generator) -> Layer:
    if name == "merge":
        return crossover.merge_crossover(left, right, rank=rank, rng=rng)
    if name == "extrapolate":
        return crossover.merge_crossover(left, right, low=-0.5, high=1.5, rank=rank, rng=rng)
    if name == "split":
        return crossover.split_point_crossover(left, right, rank=rank, rng=rng)
    if name == "ties":
        return crossover.ties_crossover(left, right, rank=rank, rng=rng)
    if name == "knots":
        return crossover.knots_crossover(left, right, rank=rank, rng=rng)
    return crossover.dare_crossover(left, right, rank=rank, rng=rng)


def _spectral(layer: Layer, settings: OperatorSection, rng: np.random.Generator) -> Layer:
    return spectral_mutation(layer, tau=settings.tau, epsilon=settings.rotation, rng=rng)


def _noise(layer: Layer, settings: OperatorSection, rng: np.random.Generator) -> Layer:
    return residual_noise(layer, strength=settings.noise, rank=max(layer.rank, 2), rng=rng)


def _rank_up(layer: Layer, settings: OperatorSection, rng: np.random.Generator) -> Layer:
    return rank_up(layer, layer.rank + 1, tiny=0.01, rng=rng)


def _rank_down(layer: Layer, settings: OperatorSection, rng: np.random.Generator) -> Layer:
    if layer.rank < 2:
        raise OperatorError("a layer of rank 1 has no rank to lose")
    return rank_down(layer, layer.rank - 1)


_MUTATIONS: dict[str, Callable[[Layer, OperatorSection, np.random.Generator], Layer]] = {
    "spectral": _spectral,
    "noise": _noise,
    "rank-up": _rank_up,
    "rank-down": _rank_down,
}
