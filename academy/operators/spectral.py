"""Spectral mutation: how strong an update's directions are, and where they point.

    s_j <- s_j * exp(tau * xi_j),   xi_j ~ N(0, 1)
    U   <- U * exp(epsilon * (K - K'))          within the span of U
    U   <- geodesic of length ~ epsilon from U  out of that span, V likewise

Strengths grow as often as they shrink (CycleQD's mutation, Kuroki et al. 2024, arXiv 2410.14735,
only amplifies). Exponentials of skew-symmetric matrices are rotations, so that strengths are
left alone by them; the way out of the span is the geodesic of the Stiefel manifold (Edelman,
Arias and Smith 1998, section 2.4): one matrix exponential, twice the rank wide, does both.

Rank mutation: more room to learn in, or fewer bytes to carry.

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
from genome.compose import Spectrum, spectrum, truncate
from genome.layer import MAX_RANK, Factors, Layer

MAX_TAU = 3.0
MAX_ANGLE = np.pi


def spectral_mutation(
    layer: Layer,
    *,
    tau: float,
    epsilon: float,
    outward: float = 0.0,
    rng: np.random.Generator,
) -> Layer:
    """Scale every singular value, and turn the singular vectors.

    Args:
        tau: Standard deviation of the logarithm of a strength's change; 0 changes none.
        epsilon: Angle in radians by which a left direction turns among the others, so that
            inputs are sent to a mix of the present outputs; 0 turns none.
        outward: Angle by which left and right directions turn out of the present spans.

    Returns:
        A layer of the same rank in canonical form; with all three 0, the same update. Modules
        whose update is zero stay as they are.

    Raises:
        OperatorError: tau, epsilon or outward is negative, or absurdly large.
    """
    check_between("tau", tau, 0.0, MAX_TAU)
    check_between("epsilon", epsilon, 0.0, MAX_ANGLE)
    check_between("outward", outward, 0.0, MAX_ANGLE)
    factors = {}
    for module in sorted(layer.factors):
        u, s, v = spectrum(layer.factors[module])
        if not len(s):  # written in canonical form, a zero update could never learn again
            factors[module] = layer.factors[module]
            continue
        s = s * torch.exp(tau * normal(rng, len(s)))
        u = turned(u, epsilon, outward, rng)
        v = turned(v.T, 0.0, outward, rng).T
        order = s.argsort(descending=True)
        u, s, v = u[:, order], s[order], v[order]
        factors[module] = Spectrum(u, s, v).factors()
    return Layer(layer.base_model, factors)


def turned(
    frame: torch.Tensor, within: float, outward: float, rng: np.random.Generator
) -> torch.Tensor:
    """An orthonormal frame turned by small random angles, (n, rank) -> (n, rank).

    Args:
        within: Root mean square angle of each column among the frame's own columns.
        outward: The same, out of the space they span; nothing where they span everything.
    """
    n, rank = frame.shape
    k = normal(rng, rank, rank)
    n_new = min(rank, n - rank) if outward else 0
    skew = torch.zeros(rank + n_new, rank + n_new, dtype=torch.float64)
    # variances such that every column of each block has length within (outward) on average
    skew[:rank, :rank] = within * (k - k.T) / (2 * max(rank - 1, 1)) ** 0.5
    frame64 = frame.double()
    if n_new:
        away = normal(rng, n_new, rank) * (outward / n_new**0.5)
        skew[rank:, :rank], skew[:rank, rank:] = away, -away.T
        fresh = normal(rng, n, n_new).double()
        fresh = fresh - frame64 @ (frame64.T @ fresh)
        frame64 = torch.cat([frame64, torch.linalg.qr(fresh).Q], dim=1)  # (n, rank + n_new)
    rotation: torch.Tensor = torch.linalg.matrix_exp(skew)
    return (frame64 @ rotation[:, :rank]).float()


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
