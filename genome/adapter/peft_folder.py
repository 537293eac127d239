"""Writing a layer as the folder that PEFT reads, and simpler readers too.

Some divide lora_alpha by a tensor's own rank and know no patterns; they scale every module right
only if all have one rank, so smaller ones are filled up with zeros, which `unpadded` takes away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch.nn.functional import pad

from genome.adapter.adapter_config import CONFIG_FILE
from genome.adapter.card import CardFacts, model_card
from genome.adapter.layer_files import CARD_FILE, WEIGHTS_FILE
from genome.adapter.lora_pairs import PEFT_PREFIX
from genome.tensors import save_tensors


def write_folder(
    folder: Path,
    factors: Mapping[str, tuple[torch.Tensor, torch.Tensor]],
    metadata: Mapping[str, str],
    *,
    base_model_path: str,
    card: CardFacts | None,
    fan_in_fan_out: bool,
) -> None:
    """Write weights, configuration and, if there are facts for it, a model card.

    Raises:
        OSError: The disk is full or refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rank = max(a.shape[0] for a, _ in factors.values())
    tensors = {}
    for module, (a, b) in factors.items():
        missing = rank - a.shape[0]
        wide_a = pad(a.detach().cpu().float(), (0, 0, 0, missing))  # (rank, in)
        wide_b = pad(b.detach().cpu().float(), (0, missing))  # (out, rank)
        tensors[f"{PEFT_PREFIX}{module}.lora_A.weight"] = wide_a.contiguous()
        tensors[f"{PEFT_PREFIX}{module}.lora_B.weight"] = wide_b.contiguous()
    save_tensors(tensors, folder / WEIGHTS_FILE, {"format": "pt", **metadata})
    config = _config(rank, sorted(factors))
    config |= {"base_model_name_or_path": base_model_path, "fan_in_fan_out": fan_in_fan_out}
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    if card is not None:
        (folder / CARD_FILE).write_text(model_card(card, base_model_path), encoding="utf-8")


def _config(rank: int, modules: Sequence[str]) -> dict[str, object]:
    """adapter_config.json for modules of one rank, with a scaling of exactly 1.

    Modules are targeted by whole path: a last name alone would also touch the blocks that the
    layer leaves out.
    """
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": rank,
        "lora_alpha": rank,
        "target_modules": list(modules),
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
    }
