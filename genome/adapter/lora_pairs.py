"""Which tensor is which factor of which module, read from PEFT's names.

base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight
[prefix, optional]  module path                  factor [adapter's name, optional]

Trainers that save through a wrapper (torch.compile, FSDP, DDP) leave its name in the path; a path
is freed of those that no model has itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from genome.adapter.header_scanner import TensorEntry
from genome.refusals import refused, shown

PEFT_PREFIX = "base_model.model."
OR_ALONE = ", or let PEFT run it alone: `continuum backend add NAME FOLDER`"
"""What else can be done with an adapter of a kind that cannot be composed."""
MAX_SHOWN = 150
"""Letters of a tensor's name in a message: wrappers make them long, and the end tells most."""
_FACTOR = re.compile(r"(.+)\.lora_([AB])(?:\.([A-Za-z0-9_\-]+))?\.weight")
_WRAPPERS = frozenset(
    (
        "_orig_mod",
        "_fsdp_wrapped_module",
        "_fpw_module",
        "_checkpoint_wrapped_module",
        "_forward_module",
        "_module",
    )
)
"""Names under which torch.compile, FSDP, activation checkpoints, Lightning and Opacus hold what
they wrap."""
_OUTERMOST = "module."
"""Under which DDP and DeepSpeed hold the whole model."""
_VARIANTS = (
    "lora_embedding_",
    "lora_magnitude_vector",
    "modules_to_save",
    "trainable_tokens_",
    "lora_bias",
    ".bias",
    "base_layer",
    "lora_mobile",
    "prompt_",
    "ia3_",
    "vera_",
    "hada_",
    "lokr_",
    "oft_",
    "token_adapter",
    "lora_velora",
    "lora_kasa",
)


class Pair(NamedTuple):
    """The two tensors of one module."""

    a: TensorEntry
    """(rank, in)."""
    b: TensorEntry
    """(out, rank)."""


def pair_up(entries: Iterable[TensorEntry]) -> dict[str, Pair]:
    """Match every A with its B; sorted by module path.

    Raises:
        LayerRejected: unknown_tensor, unsupported_tensor, tensor_clash, pair_missing,
            rank_mismatch.
    """
    halves: dict[str, dict[str, TensorEntry]] = {}
    adapters: set[str] = set()
    for entry in entries:
        module, factor, adapter = _read_name(entry.name)
        adapters.add(adapter)
        if len(adapters) > 1 or factor in halves.setdefault(module, {}):
            raise refused(
                "tensor_clash",
                f"tensor {shown(entry.name, MAX_SHOWN)} is a factor that another "
                "name gives already, or of a second adapter: save one adapter a file",
            )
        halves[module][factor] = entry
    pairs = {}
    for module in sorted(halves):
        found = halves[module]
        if len(found) != 2:
            raise refused(
                "pair_missing",
                f"module {shown(module)} has only lora_{min(found)}: save the adapter again",
            )
        pairs[module] = _fitting(module, Pair(found["A"], found["B"]))
    return pairs


def unwrapped(path: str) -> str:
    """A module's path in the base model itself, without PEFT's prefix and without wrappers."""
    path = ".".join(part for part in path.split(".") if part not in _WRAPPERS)
    path = f".{path}".rpartition(f".{PEFT_PREFIX}")[2].removeprefix(".")
    while path.startswith(_OUTERMOST):
        path = path.removeprefix(_OUTERMOST)
    return path


def renamed(pairs: Mapping[str, Pair]) -> list[str]:
    """Names of tensors that PEFT writes otherwise, and would pass over when it reads them."""
    return [
        entry.name
        for module, pair in pairs.items()
        for factor, entry in zip("AB", pair, strict=True)
        if entry.name != f"{PEFT_PREFIX}{module}.lora_{factor}.weight"
    ]


def _read_name(name: str) -> tuple[str, str, str]:
    """Module path, "A" or "B", and the adapter's name if there is one."""
    match = _FACTOR.fullmatch(unwrapped(name))
    if match is None or "modules_to_save" in name:
        variant = next((part for part in _VARIANTS if part in name), "")
        if variant:
            raise refused(
                "unsupported_tensor",
                f"tensor {shown(name, MAX_SHOWN)} belongs to a variant "
                f"that is not supported ({variant.strip('._')}): train plain LoRA{OR_ALONE}",
            )
        raise refused(
            "unknown_tensor",
            f"tensor {shown(name, MAX_SHOWN)} is no LoRA factor, whose name "
            "ends with lora_A.weight or lora_B.weight: save the adapter with PEFT",
        )
    return match[1], match[2], match[3] or ""


def _fitting(module: str, pair: Pair) -> Pair:
    a, b = pair.a.shape, pair.b.shape
    if len(a) != 2 or len(b) != 2 or a[0] != b[1]:
        raise refused(
            "rank_mismatch",
            f"module {shown(module)} pairs A {a} with B {b}: A must be "
            "(rank, in) and B (out, rank), convolutions are not supported",
        )
    return pair
