"""A LoRA layer: low-rank updates to some linear modules of one base model.

An update of module m is `delta = B @ A`, with A (rank, in) and B (out, rank). PEFT's scaling
(alpha / rank) is folded into B on reading and written back as alpha = rank, so that no other
code has to know about it.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from genome.errors import BaseModelMismatchError, LayerRejected
from genome.tensors import save_tensors

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
PEFT_PREFIX = "base_model.model."
MAX_RANK = 256
BASE_KEY = "continuum_base_fingerprint"
"""Key of our base fingerprint in the safetensors metadata; PEFT ignores it."""


class Factors(NamedTuple):
    """One module's low-rank update, delta = b @ a."""

    a: torch.Tensor
    """(rank, in) float."""
    b: torch.Tensor
    """(out, rank) float, scaling included."""


@dataclass(frozen=True, eq=False)
class Layer:
    """Low-rank updates by module path, bound to the base model they were trained for.

    Raises:
        LayerRejected: There is no module at all, or a module's factors do not fit together.
    """

    base_model: str
    """Fingerprint of the base model (`BaseModel.fingerprint`); empty = unknown."""
    factors: Mapping[str, Factors]

    def __post_init__(self) -> None:
        if not self.factors:
            raise LayerRejected("no_tensors", "the layer changes no module")
        for module, (a, b) in self.factors.items():
            if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1]:
                raise LayerRejected(
                    "rank_mismatch",
                    f"module {module!r} pairs A {tuple(a.shape)} with B {tuple(b.shape)}: "
                    "A must be (rank, in) and B (out, rank)",
                )

    @property
    def rank(self) -> int:
        """The largest rank of any module."""
        return max(a.shape[0] for a, _ in self.factors.values())

    @functools.cached_property
    def digest(self) -> str:
        """sha256 over sorted (module, factor, dtype, shape, bytes); metadata excluded."""
        digest = hashlib.sha256()
        for module in sorted(self.factors):
            for factor, tensor in zip("AB", self.factors[module], strict=True):
                head = f"{module}\n{factor}\n{tensor.dtype}\n{tuple(tensor.shape)}\n"
                digest.update(head.encode())
                digest.update(tensor.detach().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def bound_to(self, base_model: str) -> Layer:
        """This layer for a base model, if it names that one or none.

        Adapters from elsewhere carry no fingerprint; whether their modules and shapes fit is
        checked when they are loaded.

        Raises:
            BaseModelMismatchError: It was trained for another base model.
        """
        if self.base_model not in ("", base_model):
            raise BaseModelMismatchError(self.digest[:12], self.base_model, base_model)
        return replace(self, base_model=base_model)

    @classmethod
    def from_peft(cls, path: str | Path) -> Layer:
        """Read a PEFT LoRA folder.

        Raises:
            LayerRejected: A file is missing or damaged, or the adapter is of a kind that is
                not supported (DoRA, bias, modules_to_save, patterns, other PEFT types).
        """
        folder = Path(path)
        config = _read_config(folder)
        scale = _scaling(config)
        tensors, fingerprint = _read_tensors(folder)
        return cls(fingerprint, _pair(tensors, scale))

    def to_peft(self, path: str | Path, *, base_model_path: str = "") -> None:
        """Write a folder that `peft.PeftModel.from_pretrained` loads with the same logits."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {}
        for module, (a, b) in self.factors.items():
            tensors[f"{PEFT_PREFIX}{module}.lora_A.weight"] = a.detach().contiguous()
            tensors[f"{PEFT_PREFIX}{module}.lora_B.weight"] = b.detach().contiguous()
        metadata = {"format": "pt", BASE_KEY: self.base_model}
        save_tensors(tensors, folder / WEIGHTS_FILE, metadata)
        ranks = {module: a.shape[0] for module, (a, _) in self.factors.items()}
        config = {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": base_model_path,
            "r": self.rank,
            "lora_alpha": self.rank,
            "rank_pattern": {m: r for m, r in ranks.items() if r != self.rank},
            "alpha_pattern": {m: r for m, r in ranks.items() if r != self.rank},
            "target_modules": sorted({module.rsplit(".", 1)[-1] for module in self.factors}),
            "lora_dropout": 0.0,
            "bias": "none",
            "inference_mode": True,
        }
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n")


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG_FILE
    try:
        config = json.loads(path.read_text())
    except FileNotFoundError:
        raise LayerRejected(
            "config_missing", f"{path} does not exist: give the folder PEFT's save_pretrained wrote"
        ) from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise LayerRejected("config_unreadable", f"{path} is no readable JSON ({error})") from None
    if not isinstance(config, dict):
        raise LayerRejected("config_unreadable", f"{path} must hold one JSON object")
    return config


def _scaling(config: dict[str, Any]) -> float:
    """alpha / r (or alpha / sqrt(r) with rslora), after refusing what is not supported."""
    kind = config.get("peft_type")
    if kind != "LORA":
        raise LayerRejected("peft_type", f"peft_type is {kind!r}: only 'LORA' is supported")
    for key in (
        "use_dora",
        "modules_to_save",
        "fan_in_fan_out",
        "auto_map",
        "trainable_token_indices",
    ):
        if config.get(key):
            raise LayerRejected(
                "unsupported", f"{key}={config[key]!r} is not supported: train plain LoRA"
            )
    if config.get("bias", "none") != "none":
        raise LayerRejected("unsupported", f"bias={config['bias']!r} is not supported: use 'none'")
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or isinstance(rank, bool) or not 1 <= rank <= MAX_RANK:
        raise LayerRejected(
            "rank", f"r is {rank!r}: it must be a whole number from 1 to {MAX_RANK}"
        )
    if not isinstance(alpha, int | float) or isinstance(alpha, bool):
        raise LayerRejected("alpha", f"lora_alpha is {alpha!r}: it must be a number")
    if config.get("rank_pattern") != config.get("alpha_pattern"):
        raise LayerRejected(
            "unsupported", "rank_pattern without the same alpha_pattern is not supported"
        )
    return float(alpha) / (rank**0.5 if config.get("use_rslora") else rank)


def _read_tensors(folder: Path) -> tuple[dict[str, torch.Tensor], str]:
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise LayerRejected(
            "weights_missing", f"{path} does not exist: save the adapter as safetensors"
        )
    try:
        tensors = load_file(path)
        metadata = _metadata(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise LayerRejected(
            "weights_unreadable", f"{path} is no valid safetensors file ({error})"
        ) from None
    for key, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise LayerRejected("not_finite", f"tensor {key!r} in {path} holds NaN or infinity")
    return tensors, metadata.get(BASE_KEY, "")


def _metadata(path: Path) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


def _pair(tensors: dict[str, torch.Tensor], scale: float) -> dict[str, Factors]:
    """Match every A with its B and fold the scaling into B."""
    halves: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        module, found, factor = key.removeprefix(PEFT_PREFIX).rpartition(".lora_")
        if not found or factor not in ("A.weight", "B.weight"):
            raise LayerRejected("unknown_tensor", f"tensor {key!r} is no LoRA factor")
        halves.setdefault(module, {})[factor[0]] = tensor.float()
    for module, pair in halves.items():
        if len(pair) != 2:
            raise LayerRejected(
                "pair_missing", f"module {module!r} has only {min(pair)!r} of A and B"
            )
    return {module: Factors(p["A"], p["B"] * scale) for module, p in sorted(halves.items())}
