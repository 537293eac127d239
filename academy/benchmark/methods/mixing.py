"""Weighted sums of experts as genomes: what LoraHub and Model Swarms search through.

Model Swarms moves particles by sums of particles, with one random number for a whole particle.
Experts and mixtures of experts are thus all it can ever reach, and the weights of the mixture
stand for the particle: `factors` of a weighted sum is the weighted sum of `factors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from academy.benchmark.methods.expert_span import ExpertSpan
from academy.benchmark.methods.factor_space import FactorSpace
from genome.genome import Genome
from genome.layer import Layer

Mixing = Literal["factors", "exact"]
"""'factors': A and B are summed apart, as the peers do; 'exact': the updates are."""


class Mixer:
    """Turns weights of experts, (n, n_experts), into n genomes.

    Args:
        rank: Cut exact sums to this rank; None stacks the experts side by side, which is exact
            and costs nothing to make.
    """

    def __init__(
        self, experts: Sequence[Layer], mixing: Mixing = "exact", rank: int | None = None
    ) -> None:
        self.experts = tuple(experts)
        self.mixing = mixing
        self.rank = rank
        if mixing == "factors":
            self._space = FactorSpace.of(experts)
            self._vectors = self._space.vectors(experts)  # (n_experts, size)
        elif rank is not None:
            self._span = ExpertSpan.of(experts)

    def genomes(self, weights: np.ndarray) -> list[Genome]:
        """One genome for each row of weights."""
        if self.mixing == "factors":
            sums = torch.from_numpy(np.asarray(weights, dtype=np.float32)) @ self._vectors
            return [Genome.of(self._space.layer(vector)) for vector in sums]
        if self.rank is not None:
            layers = self._span.layers(self._span.mixed(weights), self.rank)
            return [Genome.of(layer) for layer in layers]
        base_model = self.experts[0].base_model
        return [Genome(base_model, self.experts, tuple(row.tolist())) for row in weights]


def variant(name: str, mixing: Mixing, rank: int | None) -> str:
    """A method's name with what tells its variants apart."""
    return "-".join([name, mixing] + ([f"r{rank}"] if rank is not None else []))
