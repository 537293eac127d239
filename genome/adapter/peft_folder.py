"""Writing a layer as the folder that PEFT reads, and simpler readers too.

Some divide lora_alpha by a tensor's own rank and know no patterns; they scale every module right
only if all have one rank, so smaller ones are filled up with zeros, which `unpadded` takes away.

Reading back a layer that was checked when it came into the library.

Its digest covers every number, so a layer whose digest is still the folder's name holds exactly
the values that were checked: hashing once, while reading, replaces the two passes of the
validator. Whatever else was done to the file is met on the way, as a refusal.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import pad

from genome.adapter.adapter_config import CONFIG_FILE, parse_config
from genome.adapter.card import CardFacts, model_card
from genome.adapter.layer_files import (
    CARD_FILE,
    MAX_WEIGHTS_BYTES,
    WEIGHTS_FILE,
    open_file,
    read_small,
)
from genome.adapter.lora_pairs import PEFT_PREFIX, pair_up
from genome.adapter.tensor_values import CanonicalDigest, read_tensor, unpadded
from genome.refusals import refused
from genome.tensors import save_tensors
from genome.validate import BASE_KEY, check_pairs, read_header


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


def read_stored(folder: Path, digest: str) -> tuple[str, list[tuple[str, np.ndarray, np.ndarray]]]:
    """Base model and (module, A (rank, in), B (out, rank) with the scaling), float32.

    Raises:
        LayerRejected: digest, if the numbers are not those of the digest; or as `check_folder`.
    """
    config = parse_config(read_small(folder, CONFIG_FILE)[0])
    descriptor, size = open_file(folder, WEIGHTS_FILE, MAX_WEIGHTS_BYTES)
    try:
        header = read_header(descriptor, size)
        pairs = pair_up(header.entries)
        updates = check_pairs(pairs, config)
        canonical, factors = CanonicalDigest(), []
        with ThreadPoolExecutor(max_workers=1) as hasher:  # hashes while the next is read
            for module in sorted(pairs):
                a = read_tensor(descriptor, pairs[module].a)
                b = read_tensor(descriptor, pairs[module].b)
                b *= np.float32(updates[module].scaling)
                hasher.submit(canonical.update, module, a, b)
                factors.append((module, *unpadded(a, b)))
    finally:
        os.close(descriptor)
    if canonical.hexdigest() != digest:
        raise refused(
            "digest",
            f"{folder} no longer matches its digest: its weights were changed; delete "
            "the folder and add the layer again",
        )
    return header.metadata.get(BASE_KEY, ""), factors
