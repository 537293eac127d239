"""Residual low-rank noise: a mutation that leaves the span of what a layer already does.

Scaling and turning within an update's own directions can never reach a direction it lacks. The
noise here is a product of Gaussian factors made orthogonal to the update's column and row space
(residual low-rank noise).

Random tensors that depend on nothing but the generator passed in.

A small random update: where a founder, or a child that starts from nothing, begins.
"""

from __future__ import annotations

import numpy as np
import torch

from academy.errors import OperatorError
from genome.compose import Spectrum, spectrum
from genome.layer import Factors, Layer


def residual_noise(
    layer: Layer, *, n_directions: int = 1, strength: float, rank: int, rng: np.random.Generator
) -> Layer:
    """Add `n_directions` new directions to every module, none of them in its present span.

    The best cut of the sum would drop noise that is weaker than all the parent's directions,
    that is nearly always, and return the parent. So room is made first: the parent keeps its
    `rank - n_directions` strongest directions, then the noise comes on top, whole.

    Args:
        strength: Frobenius norm of a module's noise, as a share of its parent update's norm.
        rank: The child's largest rank.

    Returns:
        A layer of at most `rank`; modules whose update is zero, or already fills every
        direction, are only cut.

    Raises:
        OperatorError: strength is not in (0, 10], or there is no room for the directions.
    """
    if not 0 < strength <= 10:
        raise OperatorError(f"strength is {strength}: choose a share above 0, at most 10")
    if not 1 <= n_directions < rank:
        raise OperatorError(
            f"{n_directions} new directions do not fit a rank of {rank}: choose 1 to {rank - 1}"
        )
    factors = {}
    for module in sorted(layer.factors):
        whole = spectrum(layer.factors[module])
        noise = _outside(whole, n_directions, rng)
        if not len(whole.s):  # in canonical form a zero update could never learn again
            a, b = layer.factors[module]
            factors[module] = Factors(a[:rank].clone(), b[:, :rank].clone())
        elif noise is None:
            factors[module] = whole.factors(rank)
        else:
            scale = strength * float(whole.s.norm())
            kept = whole.factors(rank - noise.a.shape[0])
            factors[module] = Factors(
                torch.cat([kept.a, noise.a * scale**0.5]),
                torch.cat([kept.b, noise.b * scale**0.5], dim=1),
            )
    return Layer(layer.base_model, factors)


def _outside(whole: Spectrum, n_directions: int, rng: np.random.Generator) -> Factors | None:
    """A Gaussian update of norm 1 orthogonal to both spans; None where there is no room."""
    (n_out, present), n_in = whole.u.shape, whole.v.shape[1]
    n_new = min(n_directions, n_out - present, n_in - present)
    b, a = normal(rng, n_out, n_directions), normal(rng, n_directions, n_in)  # drawn regardless,
    if not present or n_new < 1:  # so that one module's rank does not change the others' noise
        return None
    b, a = b[:, :n_new], a[:n_new]
    for _ in range(2):  # once more against rounding
        b = b - whole.u @ (whole.u.T @ b)
        a = a - (a @ whole.v.T) @ whole.v
    length = (((b.T @ b) * (a @ a.T)).sum()) ** 0.25
    return Factors(a / length, b / length)


def normal(rng: np.random.Generator, *shape: int) -> torch.Tensor:
    """Independent standard normal numbers, float32."""
    return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))


def torch_generator(rng: np.random.Generator) -> torch.Generator:
    """A generator for functions that want torch's, seeded from this one."""
    return torch.Generator().manual_seed(int(rng.integers(2**63)))


def random_layer(
    base_model: str,
    shapes: dict[str, tuple[int, int]],
    rank: int,
    sigma: float,
    rng: np.random.Generator,
) -> Layer:
    """A founder's random variation: A ~ N(0, 1/in), B ~ N(0, (sigma/rank)^2).

    Args:
        shapes: (out, in) of every module to change.
        sigma: Size of the update relative to its rank; small enough to leave the base's skills.
    """
    factors = {}
    for module, (n_out, n_in) in shapes.items():
        a = rng.normal(0.0, n_in**-0.5, (rank, n_in)).astype(np.float32)
        b = rng.normal(0.0, sigma / rank, (n_out, rank)).astype(np.float32)
        factors[module] = Factors(torch.from_numpy(a), torch.from_numpy(b))
    return Layer(base_model, factors)
