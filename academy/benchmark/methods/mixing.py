"""Weighted sums of experts as genomes: what LoraHub and Model Swarms search through.

Model Swarms moves particles by sums of particles, with one random number for a whole particle.
Experts and mixtures of experts are thus all it can ever reach, and the weights of the mixture
stand for the particle: `factors` of a weighted sum is the weighted sum of `factors`.

All updates that share the experts' singular directions, exactly.

Expert e is `sum_j u_ej s_ej v_ejT` at every module. A candidate is one coefficient for each of
these terms: mixing experts, and stretching an expert along its own singular values, only change
coefficients, so a whole search can run on them without a rounding and without an SVD for each
candidate. Its layer has the v side by side as A, the same for all candidates, and u s c as B; or
it is cut to rank r by an SVD of a small core (Eckart and Young 1936).

Layers as vectors of the numbers in their A and B, which is what most peers work on.

LoraHub, Model Swarms and GENOME add, scale and disturb the adapter's tensors themselves. That is
not the same as doing it to the updates (`expert_span` does that): the mean of two B @ A is not
the product of the means. It is kept as the papers have it, to be compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from genome import compose
from genome.genome import Genome
from genome.layer import Factors, Layer


@dataclass(frozen=True)
class _Module:
    """One module's terms, those of all experts side by side; k = n_experts * rank."""

    u: torch.Tensor
    """(out, k) singular vectors times singular values."""
    v: torch.Tensor
    """(k, in)"""
    q_out: torch.Tensor
    r_out: torch.Tensor
    q_in: torch.Tensor
    r_in: torch.Tensor
    """u = q_out @ r_out, v.T = q_in @ r_in: the SVD of a candidate is that of its core."""


@dataclass(frozen=True)
class ExpertSpan:
    """The experts' singular terms; coefficients are (n, n_experts, n_modules, rank)."""

    base_model: str
    n_experts: int
    rank: int
    modules: dict[str, _Module]

    @classmethod
    def of(cls, experts: Sequence[Layer]) -> ExpertSpan:
        """Take the experts apart; costs one SVD of each update."""
        rank = max(expert.rank for expert in experts)
        names = sorted({module for expert in experts for module in expert.factors})
        modules = {name: _take_apart(experts, name, rank) for name in names}
        return cls(experts[0].base_model, len(experts), rank, modules)

    def ones(self) -> np.ndarray:
        """The coefficients of a plain sum of experts, (n_experts, n_modules, rank)."""
        return np.ones((self.n_experts, len(self.modules), self.rank), dtype=np.float32)

    def mixed(self, weights: np.ndarray) -> np.ndarray:
        """Coefficients of weighted sums of experts, (n, n_experts) -> (n, n_experts, ...)."""
        scales = np.asarray(weights, dtype=np.float32)[:, :, None, None]
        return np.asarray(scales * self.ones())

    def layers(self, coefficients: np.ndarray, rank: int | None = None) -> list[Layer]:
        """The candidates' layers: all terms, or their best approximation of a rank."""
        n = len(coefficients)
        by_module: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        for i, (name, module) in enumerate(self.modules.items()):
            terms = np.ascontiguousarray(coefficients[:, :, i], dtype=np.float32).reshape(n, -1)
            c = torch.from_numpy(terms)  # (n, k)
            if rank is None:
                by_module[name] = module.v.expand(n, -1, -1), module.u * c[:, None]
            else:
                core = (module.r_out * c[:, None]) @ module.r_in.T  # (n, k_out, k_in)
                left, right = leading(core, rank)
                by_module[name] = right @ module.q_in.T, module.q_out @ left
        return [
            Layer(self.base_model, {m: Factors(a[i], b[i]) for m, (a, b) in by_module.items()})
            for i in range(n)
        ]


@dataclass(frozen=True)
class FactorSpace:
    """How A and B of every module lie in one vector; ranks padded with zeros to the largest."""

    base_model: str
    rank: int
    shapes: dict[str, tuple[int, int]]
    """By module path, sorted: (out, in)."""

    @classmethod
    def of(cls, layers: Sequence[Layer]) -> FactorSpace:
        """The space that all these layers of one base model lie in."""
        shapes = {
            module: (f.b.shape[0], f.a.shape[1])
            for layer in layers
            for module, f in layer.factors.items()
        }
        rank = max(layer.rank for layer in layers)
        return cls(layers[0].base_model, rank, dict(sorted(shapes.items())))

    @property
    def size(self) -> int:
        """Numbers in a vector."""
        return sum(self.rank * (n_out + n_in) for n_out, n_in in self.shapes.values())

    def vectors(self, layers: Sequence[Layer]) -> torch.Tensor:
        """Copies of the layers' numbers, (n_layers, size)."""
        vectors = torch.zeros(len(layers), self.size)
        for vector, layer in zip(vectors, layers, strict=True):
            for module, (a, b) in self._views(vector).items():
                if module in layer.factors:
                    own = layer.factors[module]
                    a[: own.a.shape[0]] = own.a
                    b[:, : own.b.shape[1]] = own.b
        return vectors

    def layer(self, vector: torch.Tensor) -> Layer:
        """A layer whose factors are parts of this vector, not copies."""
        return Layer(self.base_model, self._views(vector))

    def tensors(self) -> list[slice]:
        """Where each A and each B lies."""
        parts, start = [], 0
        for n_out, n_in in self.shapes.values():
            for n in (self.rank * n_in, self.rank * n_out):
                parts.append(slice(start, start + n))
                start += n
        return parts

    def scales(self, vectors: torch.Tensor) -> torch.Tensor:
        """For every number the root mean square of the tensor it belongs to, (n, size)."""
        scales = torch.empty_like(vectors)
        for part in self.tensors():
            scales[:, part] = vectors[:, part].square().mean(1, keepdim=True).sqrt()
        return scales

    def _views(self, vector: torch.Tensor) -> dict[str, Factors]:
        views, start = {}, 0
        for module, (n_out, n_in) in self.shapes.items():
            middle = start + self.rank * n_in
            stop = middle + self.rank * n_out
            a = vector[start:middle].view(self.rank, n_in)
            views[module] = Factors(a, vector[middle:stop].view(n_out, self.rank))
            start = stop
        return views


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


def _take_apart(experts: Sequence[Layer], name: str, rank: int) -> _Module:
    sizes = next(e.factors[name] for e in experts if name in e.factors)
    u = torch.zeros(sizes.b.shape[0], len(experts), rank)
    v = torch.zeros(len(experts), rank, sizes.a.shape[1])
    for i, expert in enumerate(experts):
        if name in expert.factors:
            own = compose.spectrum(expert.factors[name])
            u[:, i, : len(own.s)] = own.u * own.s
            v[i, : len(own.s)] = own.v
    flat_u, flat_v = u.flatten(1), v.flatten(0, 1)
    q_out, r_out = torch.linalg.qr(flat_u)
    q_in, r_in = torch.linalg.qr(flat_v.T)
    return _Module(flat_u, flat_v, q_out, r_out, q_in, r_in)


def leading(matrix: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Factors of the `rank` largest singular terms, sharing the singular values evenly.

    Args:
        matrix: (..., m, n).

    Returns:
        (..., m, rank) and (..., rank, n), fewer where the matrix is smaller.
    """
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    root = s[..., :rank].sqrt()
    return u[..., :rank] * root[..., None, :], root[..., None] * v[..., :rank, :]
