"""A small random update: where a founder, or a child that starts from nothing, begins."""

from __future__ import annotations

import numpy as np
import torch

from genome.layer import Factors, Layer


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
