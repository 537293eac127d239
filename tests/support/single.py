"""Adapters that only PEFT runs, as PEFT saves them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import peft
import torch

from genome.base_model import BaseModel

QUERY: dict[str, Any] = {"target_modules": ["q_proj"], "task_type": "CAUSAL_LM"}


def save_single(base: BaseModel, folder: Path, config: Any = None) -> Any:
    """Write an adapter of random values, a DoRA where nothing says another; PEFT's own model."""
    torch.manual_seed(0)
    config = config or peft.LoraConfig(r=4, use_dora=True, **QUERY)
    model: Any = peft.get_peft_model(copy.deepcopy(base.model), config)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data + 0.2 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    return model.eval()
