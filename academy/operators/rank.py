"""Rank mutation: more room to learn in, or fewer bytes to carry.

Growing leaves the function as it is, in the manner of Net2Net (Chen, Goodfellow and Shlens 2016,
arXiv 1511.05641): new rows of A point somewhere, their columns of B are zero, so that the first
gradient step can use them. Shrinking keeps the largest singular values, which is the best that
any layer of that rank can do (Eckart and Young 1936).
"""

from __future__ import annotations

import numpy as np
import torch

from academy.errors import OperatorError, check_between
from academy.operators.noise import normal
from genome.compose import truncate
from genome.layer import MAX_RANK, Factors, Layer


def rank_up(layer: Layer, rank: int, *, tiny: float = 0.0, rng: np.random.Generator) -> Layer:
    """The same update with room up to `rank`.

    With `tiny` 0 the new directions live in the factors only: composing the layer with others,
    or cutting it, drops them again, so train it first.

    Args:
        tiny: Norm of all new directions of a module together, as a share of its update's norm
            (of 1 where that is zero).

    Returns:
        A layer in which every module has `rank`, or its full rank min(in, out) if that is less.

    Raises:
        OperatorError: The layer has a higher rank already, or tiny is not in [0, 0.1].
    """
    if not layer.rank <= rank <= MAX_RANK:
        raise OperatorError(
            f"rank {rank} is no growth for a layer of rank {layer.rank}: choose {layer.rank} to "
            f"{MAX_RANK}, or use rank_down"
        )
    check_between("tiny", tiny, 0.0, 0.1)
    factors = {}
    for module in sorted(layer.factors):
        a, b = layer.factors[module]
        n_new = max(0, min(rank, a.shape[1], b.shape[0]) - a.shape[0])
        more_a = normal(rng, n_new, a.shape[1]) * a.shape[1] ** -0.5
        more_b = torch.zeros(b.shape[0], n_new)
        if tiny and n_new:
            more_b = normal(rng, b.shape[0], n_new)
            size = float(((b.T @ b) * (a @ a.T)).sum().clamp_min(0).sqrt()) or 1.0
            own = ((more_b.T @ more_b) * (more_a @ more_a.T)).sum().sqrt()
            more_b = more_b * (tiny * size / own)
        factors[module] = Factors(torch.cat([a, more_a]), torch.cat([b, more_b], dim=1))
    return Layer(layer.base_model, factors)


def rank_down(layer: Layer, rank: int) -> Layer:
    """The best approximation of rank `rank`.

    Raises:
        OperatorError: rank is below 1 or above the layer's.
    """
    if not 1 <= rank <= layer.rank:
        raise OperatorError(
            f"rank {rank} is no cut for a layer of rank {layer.rank}: choose 1 to {layer.rank}, "
            "or use rank_up"
        )
    return truncate(layer, rank)
