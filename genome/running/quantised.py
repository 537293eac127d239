"""A base's linear maps in eight bits: a quarter of the memory, and of what each step reads.

Weights are rounded to 255 steps, each output's row by its own scale (absolute maximum). Updates of
layers are added in float32. A few tokens are multiplied by PyTorch's weight-only kernel, which
reads them in bfloat16; more by the weights turned into floating point, once for all of them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear

FEW = 24
"""Tokens up to which the kernel is the quicker way."""


class Int8Linear(nn.Linear):
    """`W x + bias` with W as int8 and one scale for each output; (..., in) -> (..., out)."""

    scale: torch.Tensor
    """(out,) float32."""
    _ones: torch.Tensor

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        """
        Args:
            weight: (out, in), floating.
        """
        nn.Module.__init__(self)
        self.out_features, self.in_features = weight.shape
        wide = weight.detach().float()
        scale = wide.abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny) / 127
        steps = (wide / scale[:, None]).round().to(torch.int8)
        self.weight = nn.Parameter(steps, requires_grad=False)
        own = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
        self.register_parameter("bias", own)
        self.register_buffer("scale", scale, persistent=False)  # so that a state is as before
        self.register_buffer(
            "_ones", torch.ones_like(scale, dtype=torch.bfloat16), persistent=False
        )

    def multiply(self, x: torch.Tensor) -> torch.Tensor:
        """The output, a new tensor in the input's precision."""
        rows = x.reshape(-1, self.in_features)
        if len(rows) > FEW:
            y = linear(rows, self.weight.to(x.dtype))
        else:
            y = torch._weight_int8pack_mm(rows.bfloat16(), self.weight, self._ones).to(x.dtype)
        y = y * self.scale.to(x.dtype)
        if self.bias is not None:
            y += self.bias
        return y.view(*x.shape[:-1], self.out_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same."""
        return self.multiply(x)


def quantise(model: Any) -> None:
    """Put a model's linear maps into eight bits, its head too; its embeddings stay as they are."""
    for name, module in list(model.named_modules()):
        if type(module) is nn.Linear:
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, Int8Linear(module.weight, module.bias))
