"""Writing a layer as the folder that PEFT reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch

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
    tensors = {}
    for module, (a, b) in factors.items():
        tensors[f"{PEFT_PREFIX}{module}.lora_A.weight"] = a.detach().cpu().float().contiguous()
        tensors[f"{PEFT_PREFIX}{module}.lora_B.weight"] = b.detach().cpu().float().contiguous()
    save_tensors(tensors, folder / WEIGHTS_FILE, {"format": "pt", **metadata})
    config = _config({module: a.shape[0] for module, (a, _) in factors.items()})
    config |= {"base_model_name_or_path": base_model_path, "fan_in_fan_out": fan_in_fan_out}
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    if card is not None:
        (folder / CARD_FILE).write_text(model_card(card, base_model_path), encoding="utf-8")


def _config(ranks: Mapping[str, int]) -> dict[str, object]:
    """adapter_config.json for modules of these ranks, with a scaling of exactly 1.

    Modules are targeted by whole path: a last name alone would also touch the blocks that the
    layer leaves out. Patterns are anchored and escaped, because PEFT reads them as regular
    expressions that may match the end of a longer path.
    """
    rank = max(ranks.values())
    patterns = {f"^{re.escape(m)}": r for m, r in sorted(ranks.items()) if r != rank}
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": rank,
        "lora_alpha": rank,
        "rank_pattern": patterns,
        "alpha_pattern": patterns,
        "target_modules": sorted(ranks),
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
    }
