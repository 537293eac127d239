"""Mergers that vote number by number: TIES, DARE and KnOTS.

TIES and DARE look at single numbers of the dense update, so they form it, one module at a time,
and cut the result to rank r by a dense SVD. KnOTS votes in a basis that the layers share, which
needs only the factors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from genome.compose import Spectrum, common_base, stack, truncate
from genome.errors import CompositionError
from genome.layer import Factors, Layer

Vote = Callable[[torch.Tensor], torch.Tensor]
"""(n_layers, rows, columns) of weighted updates -> their merger (rows, columns)."""


def ties(
    layers: Sequence[Layer], weights: Sequence[float], rank: int, *, density: float = 0.2
) -> Layer:
    """Trim, elect sign, disjoint mean (Yadav et al. 2023, arXiv 2306.01708).

    Of each update only the `density` largest numbers are kept; where signs disagree, the sign
    with more weight wins; kept numbers of the winning sign are averaged.
    """
    _check_share("density", density)
    return _merge_dense(layers, weights, rank, lambda updates: ties_vote(updates, density))


def dare(
    layers: Sequence[Layer],
    weights: Sequence[float],
    rank: int,
    *,
    density: float = 0.5,
    generator: torch.Generator,
) -> Layer:
    """Drop and rescale (Yu et al. 2023, arXiv 2311.03099), then sum.

    Every number of an update is kept with probability `density` and divided by it, so that the
    expected sum is the exact one.
    """
    _check_share("density", density)

    def vote(updates: torch.Tensor) -> torch.Tensor:
        kept = torch.rand(updates.shape, generator=generator) < density
        return (updates * kept).sum(0) / density

    return _merge_dense(layers, weights, rank, vote)


def knots(
    layers: Sequence[Layer], weights: Sequence[float], rank: int, *, density: float = 0.2
) -> Layer:
    """TIES in a shared basis (Stoica et al. 2024, arXiv 2410.19735).

    The SVD of the updates side by side, [Δ1 .. Δn] = U S [V1 .. Vn], gives all layers one U; the
    S Vi are merged by TIES. It is taken from the factors: QR of [B1 .. Bn], then a small SVD.
    """
    _check_share("density", density)
    base_model = common_base(layers, weights)
    merged = {}
    for module, whole in stack(layers, weights).factors.items():
        ranks = [layer.factors[module].a.shape[0] for layer in layers if module in layer.factors]
        q, r = torch.linalg.qr(whole.b)  # (out, k), (k, sum of ranks)
        shares = zip(r.split(ranks, dim=1), whole.a.split(ranks), strict=True)
        side_by_side = torch.cat([part @ a for part, a in shares], dim=1)  # (k, n * in)
        u, s, v = torch.linalg.svd(side_by_side, full_matrices=False)
        aligned = (s[:, None] * v).reshape(len(s), len(ranks), -1).transpose(0, 1)
        merged[module] = Factors(ties_vote(aligned, density), q @ u)
    return truncate(Layer(base_model, merged), rank)


def ties_vote(updates: torch.Tensor, density: float) -> torch.Tensor:
    """Trim, elect and average, (n, rows, columns) -> (rows, columns)."""
    flat = updates.flatten(1)
    n_kept = max(1, round(density * flat.shape[1]))
    threshold = flat.abs().topk(n_kept, dim=1).values[:, -1:]
    trimmed = torch.where(flat.abs() >= threshold, flat, 0.0)
    elected = trimmed.sum(0).sign()
    agreeing = torch.where(trimmed.sign() == elected, trimmed, 0.0)
    mean = agreeing.sum(0) / (agreeing != 0).sum(0).clamp_min(1)
    return mean.view(updates.shape[1:])


def _merge_dense(layers: Sequence[Layer], weights: Sequence[float], rank: int, vote: Vote) -> Layer:
    base_model = common_base(layers, weights)
    stack(layers, weights)  # raises where sizes do not fit
    merged = {}
    for module in sorted({module for layer in layers for module in layer.factors}):
        present = [
            weight * (layer.factors[module].b @ layer.factors[module].a)
            for layer, weight in zip(layers, weights, strict=True)
            if module in layer.factors
        ]
        u, s, v = torch.linalg.svd(vote(torch.stack(present)), full_matrices=False)
        kept = s > 0
        merged[module] = Spectrum(u[:, kept], s[kept], v[kept]).factors(rank)
    return Layer(base_model, merged)


def _check_share(name: str, value: float) -> None:
    if not 0 < value <= 1:
        raise CompositionError(f"{name} is {value}: it must be above 0 and at most 1")
