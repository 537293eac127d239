"""The linear maps of a base model that a layer may change, whichever class holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True, slots=True, eq=False)
class LinearSite:
    """One linear map `y = W x + bias` inside a model."""

    name: str
    module: nn.Module
    weight: torch.Tensor
    """(out, in); a view for GPT-2's Conv1D, which stores (in, out)."""
    bias: torch.Tensor | None
    """(out,)"""

    @property
    def n_in(self) -> int:
        """Width of the input."""
        return int(self.weight.shape[1])

    @property
    def n_out(self) -> int:
        """Width of the output."""
        return int(self.weight.shape[0])


def linear_sites(model: Any) -> dict[str, LinearSite]:
    """Every linear map of a model by module path."""
    from transformers.pytorch_utils import Conv1D

    sites = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            sites[name] = LinearSite(name, module, module.weight, module.bias)
        elif isinstance(module, Conv1D):
            sites[name] = LinearSite(name, module, module.weight.t(), module.bias)
    return sites
