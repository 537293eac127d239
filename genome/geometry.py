"""Lengths and angles of low-rank updates, without ever forming a dense matrix.

`<BA, B'A'> = sum((BᵀB') * (AA'ᵀ))`: two r x r Gram products a matrix pair. The result depends on
the update alone, so rotating, rescaling or zero-padding the factors changes nothing (comparing A
and B themselves gives a rotated copy of a layer a cosine of about 0.07 to itself).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from genome.layer import Factors, Layer


def inner(left: Factors, right: Factors) -> torch.Tensor:
    """Frobenius inner product of two updates of one module, a scalar tensor."""
    return ((left.b.T @ right.b) * (left.a @ right.a.T)).sum()


def gram(left: Sequence[Layer], right: Sequence[Layer]) -> torch.Tensor:
    """Frobenius inner products of whole layers, (n_left, n_right).

    Ranks and modules may differ; a module that a layer does not change counts as a zero update.
    """
    total = torch.zeros(len(left), len(right))
    for module in sorted(_modules(left) & _modules(right)):
        a1, b1 = _stacked(left, module)
        a2, b2 = (a1, b1) if left is right else _stacked(right, module)
        b_gram = torch.einsum("iok,jol->ijkl", b1, b2)  # (n_left, n_right, rank, rank)
        a_gram = torch.einsum("ikd,jld->ijkl", a1, a2)
        total += (b_gram * a_gram).sum((-1, -2))
    return total


def norms(layers: Sequence[Layer]) -> torch.Tensor:
    """Frobenius norm of each layer's update, (n_layers,)."""
    total = torch.zeros(len(layers))
    for module in sorted(_modules(layers)):
        a, b = _stacked(layers, module)
        total += ((b.mT @ b) * (a @ a.mT)).sum((-1, -2))
    return total.clamp_min(0).sqrt()


def cosine(left: Sequence[Layer], right: Sequence[Layer] | None = None) -> torch.Tensor:
    """Pairwise cosine of updates, (n_left, n_right); 0 where an update is zero.

    Args:
        right: Compare with these; without them, `left` with itself.
    """
    right = left if right is None else right
    lengths = norms(left)[:, None] * (norms(left) if left is right else norms(right))[None, :]
    safe = torch.where(lengths > 0, lengths, torch.ones(()))
    return torch.where(lengths > 0, gram(left, right) / safe, torch.zeros(())).clamp(-1, 1)


def _modules(layers: Sequence[Layer]) -> set[str]:
    return {module for layer in layers for module in layer.factors}


def _stacked(layers: Sequence[Layer], module: str) -> tuple[torch.Tensor, torch.Tensor]:
    """A (n, rank, in) and B (n, out, rank), padded with zeros to the largest rank."""
    present = [layer.factors.get(module) for layer in layers]
    ranks = {factors.a.shape[0] if factors else 0 for factors in present}
    if len(ranks) == 1:
        whole = [factors for factors in present if factors]
        return torch.stack([f.a for f in whole]), torch.stack([f.b for f in whole])
    one = next(factors for factors in present if factors)
    a = torch.zeros(len(layers), max(ranks), one.a.shape[1])
    b = torch.zeros(len(layers), one.b.shape[0], max(ranks))
    for i, factors in enumerate(present):
        if factors:
            rank = factors.a.shape[0]
            a[i, :rank], b[i, :, :rank] = factors.a, factors.b
    return a, b
