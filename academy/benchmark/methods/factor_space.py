"""Layers as vectors of the numbers in their A and B, which is what most peers work on.

LoraHub, Model Swarms and GENOME add, scale and disturb the adapter's tensors themselves. That is
not the same as doing it to the updates (`expert_span` does that): the mean of two B @ A is not
the product of the means. It is kept as the papers have it, to be compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from genome.layer import Factors, Layer


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
