"""Writing one layer as the GGUF LoRA adapter that llama.cpp loads beside its base's GGUF file.

The format is that of llama.cpp's convert_lora_to_gguf.py. llama.cpp multiplies by alpha over a
tensor's own rank, so modules of a smaller rank are filled up with zeros, and alpha is the rank.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import torch
from torch.nn.functional import pad

from genome.errors import GgufError
from genome.files import write_atomically

KINDS: Mapping[str, gguf.MODEL_ARCH] = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "mistral": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
}
"""transformers' model types that are known to come out right -> what GGUF calls them."""


def write_gguf_lora(
    path: Path, factors: Mapping[str, tuple[torch.Tensor, torch.Tensor]], config: Any
) -> None:
    """Write GGUF file `path` anew, float32.

    Args:
        factors: A (rank, in) and B (out, rank) by module path, scaling included.
        config: The base model's (transformers), of a type in `KINDS`.

    Raises:
        GgufError: The base is of another type, or a module is in no block.
        OSError: The disk is full or refuses.
    """
    names = tensor_names(config)
    rank = max(a.shape[0] for a, _ in factors.values())
    writer = gguf.GGUFWriter(None, gguf.MODEL_ARCH_NAMES[KINDS[config.model_type]])
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(rank))
    for module, (a, b) in factors.items():
        name = names.get_name(module)
        if name is None or not name.startswith("blk."):
            raise GgufError(
                f"a GGUF adapter changes modules of blocks, {module!r:.80} is none: "
                "leave it out of the layer"
            )
        missing = rank - a.shape[0]
        wide_a = pad(a.detach().cpu().float(), (0, 0, 0, missing))  # (rank, in)
        wide_b = pad(laid_out(name, b.detach().cpu().float(), config), (0, missing))  # (out, rank)
        writer.add_tensor(f"{name}.weight.lora_a", wide_a.contiguous().numpy())
        writer.add_tensor(f"{name}.weight.lora_b", wide_b.contiguous().numpy())

    def write(target: Path) -> None:
        writer.write_header_to_file(target)
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    write_atomically(path, write)


def tensor_names(config: Any) -> gguf.TensorNameMap:
    """What GGUF calls a base's modules.

    Raises:
        GgufError: The base is of no type in `KINDS`.
    """
    if config.model_type not in KINDS:
        raise GgufError(
            f"with llama.cpp a base is one of {', '.join(KINDS)}, this one is "
            f"{config.model_type!r:.40}: use the engine here"
        )
    return gguf.get_tensor_name_map(KINDS[config.model_type], config.num_hidden_layers)


def laid_out(name: str, rows: torch.Tensor, config: Any) -> torch.Tensor:
    """A weight's rows as GGUF has them: Llama's queries and keys interleave each head's halves.

    Args:
        name: GGUF's.
        rows: (out, any).
    """
    part = name.split(".")[2]
    if KINDS[config.model_type] is not gguf.MODEL_ARCH.LLAMA or part not in ("attn_q", "attn_k"):
        return rows
    heads = config.num_attention_heads if part == "attn_q" else config.num_key_value_heads
    halves = rows.reshape(heads, 2, -1, rows.shape[1])  # (heads, 2, head_dim / 2, any)
    return halves.swapaxes(1, 2).reshape(rows.shape)
