"""Random tensors that depend on nothing but the generator passed in."""

from __future__ import annotations

import numpy as np
import torch


def normal(rng: np.random.Generator, *shape: int) -> torch.Tensor:
    """Independent standard normal numbers, float32."""
    return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))


def torch_generator(rng: np.random.Generator) -> torch.Generator:
    """A generator for functions that want torch's, seeded from this one."""
    return torch.Generator().manual_seed(int(rng.integers(2**63)))
