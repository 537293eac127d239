"""Exact arithmetic on low-rank updates.

Averaging A and B separately, as most LoRA mergers do, gives a cosine of about 0.72 to the true
mix. Here updates are stacked (ranks side by side; exact), and reduced to rank r through two QR
decompositions and one small SVD, which is the best rank-r approximation in Frobenius norm
(Eckart and Young 1936). Mergers that vote number by number are in `genome.consensus`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

from genome.errors import BaseModelMismatchError, CompositionError, WeightCountError
from genome.geometry import inner
from genome.layer import Factors, Layer

PARALLEL = 1 - 1e-6
"""Above this cosine two updates count as parallel, and SLERP becomes a straight line."""


class Spectrum(NamedTuple):
    """An update's singular value decomposition, delta = u diag(s) v."""

    u: torch.Tensor
    """(out, rank), orthonormal columns; each one's largest entry is positive."""
    s: torch.Tensor
    """(rank,), descending, positive."""
    v: torch.Tensor
    """(rank, in), orthonormal rows."""

    def factors(self, rank: int | None = None) -> Factors:
        """A and B that share the singular values evenly, the `rank` largest ones only."""
        u, s, v = self.u[:, :rank], self.s[:rank], self.v[:rank]
        root = s.sqrt()
        if not len(s):  # a zero update still needs a rank, and an A that gradients can use
            even = v.new_full((1, v.shape[1]), v.shape[1] ** -0.5)
            return Factors(even, u.new_zeros(u.shape[0], 1))
        return Factors((root[:, None] * v).contiguous(), (u * root).contiguous())


def spectrum(factors: Factors) -> Spectrum:
    """Canonical form of one module's update: the same for all factors of the same update.

    Singular values below float32's resolution of the largest are dropped.
    """
    q_out, r_out = torch.linalg.qr(factors.b)  # (out, k), (k, s)
    q_in, r_in = torch.linalg.qr(factors.a.T)  # (in, k'), (k', s)
    u, s, v = torch.linalg.svd(r_out @ r_in.T, full_matrices=False)
    resolution = torch.finfo(s.dtype).eps * max(factors.a.shape[1], factors.b.shape[0])
    kept = int((s > resolution * s.max()).sum())
    u, s, v = q_out @ u[:, :kept], s[:kept], v[:kept] @ q_in.T
    largest = u.gather(0, u.abs().argmax(0, keepdim=True)) if kept else u[:1]
    sign = torch.where(largest < 0, -1.0, 1.0)  # (1, kept)
    return Spectrum(u * sign, s, v * sign.T)


def canonical(layer: Layer) -> Layer:
    """The layer with every module in canonical form, superfluous ranks dropped."""
    return Layer(layer.base_model, {m: spectrum(f).factors() for m, f in layer.factors.items()})


def truncate(layer: Layer, rank: int) -> Layer:
    """Best approximation of a layer by one of at most `rank` (1 or more)."""
    _check_rank(rank)
    return Layer(layer.base_model, {m: spectrum(f).factors(rank) for m, f in layer.factors.items()})


def stack(layers: Sequence[Layer], weights: Sequence[float]) -> Layer:
    """`sum_i weights[i] * delta_i` exactly: ranks side by side.

    Raises:
        WeightCountError: There is not exactly one weight per layer.
        BaseModelMismatchError: The layers are of different base models.
        CompositionError: A module has different sizes in different layers.
    """
    base_model = common_base(layers, weights)
    factors = {}
    for module in sorted({module for layer in layers for module in layer.factors}):
        parts = [
            (layer.factors[module], weight)
            for layer, weight in zip(layers, weights, strict=True)
            if module in layer.factors
        ]
        if len({(f.a.shape[1], f.b.shape[0]) for f, _ in parts}) > 1:
            sizes = sorted({f"{f.a.shape[1]} to {f.b.shape[0]}" for f, _ in parts})
            raise CompositionError(
                f"module {module!r} maps {' and '.join(sizes)} numbers: compose layers of one "
                "architecture"
            )
        factors[module] = Factors(
            torch.cat([f.a for f, _ in parts], dim=0),  # (sum of ranks, in)
            torch.cat([f.b * weight for f, weight in parts], dim=1),  # (out, sum of ranks)
        )
    return Layer(base_model, factors)


def merge(layers: Sequence[Layer], weights: Sequence[float], rank: int) -> Layer:
    """Best rank-`rank` approximation of `sum_i weights[i] * delta_i`, module by module.

    Raises:
        WeightCountError, BaseModelMismatchError, CompositionError: As for `stack`.
    """
    return truncate(stack(layers, weights), rank)


def linear(layers: Sequence[Layer], weights: Sequence[float], rank: int) -> Layer:
    """Weighted mean of updates: `merge` with the weights divided by their sum.

    Raises:
        CompositionError: The weights sum to zero.
    """
    total = math.fsum(weights)
    if abs(total) < 1e-12:
        raise CompositionError("the weights of a mean sum to zero: use `merge` for a plain sum")
    return merge(layers, [weight / total for weight in weights], rank)


def slerp(left: Layer, right: Layer, t: float, rank: int) -> Layer:
    """Spherical interpolation module by module (Shoemake 1985), t = 0 left, t = 1 right.

    The angle is that of the updates; their weights are sin((1-t)θ)/sin θ and sin(tθ)/sin θ.
    Parallel, opposite and zero updates are interpolated in a straight line.
    """
    common_base([left, right], [1, 1])
    merged = {}
    for module in sorted({*left.factors, *right.factors}):
        pair = [
            Layer(layer.base_model, {module: layer.factors[module]})
            for layer in (left, right)
            if module in layer.factors
        ]
        weights = [1 - t, t]
        if len(pair) == 2:
            weights = _slerp_weights(left.factors[module], right.factors[module], t)
        else:
            weights = [1 - t] if module in left.factors else [t]
        merged[module] = merge(pair, weights, rank).factors[module]
    return Layer(left.base_model, merged)


def _slerp_weights(left: Factors, right: Factors, t: float) -> list[float]:
    lengths = float(inner(left, left).clamp_min(0).sqrt() * inner(right, right).clamp_min(0).sqrt())
    cosine = float(inner(left, right)) / lengths if lengths > 0 else 1.0
    if abs(cosine) > PARALLEL:
        return [1 - t, t]
    angle = math.acos(cosine)
    return [math.sin((1 - t) * angle) / math.sin(angle), math.sin(t * angle) / math.sin(angle)]


def common_base(layers: Sequence[Layer], weights: Sequence[float]) -> str:
    """The base model of all layers, after checking that there is one weight for each."""
    if len(layers) != len(weights) or not layers:
        raise WeightCountError(len(layers), len(weights))
    base_model = layers[0].base_model
    for layer in layers:
        if layer.base_model != base_model:
            raise BaseModelMismatchError(layer.digest[:12], layer.base_model, base_model)
    return base_model


def _check_rank(rank: int) -> None:
    if rank < 1:
        raise CompositionError(f"rank is {rank}: a layer needs rank 1 or more")
