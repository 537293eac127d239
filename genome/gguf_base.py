"""Whether a GGUF file holds a base's weights, as far as can be seen without computing."""

from __future__ import annotations

from pathlib import Path

import gguf
import torch

from genome.adapter.gguf_lora import KINDS, tensor_names
from genome.base_model import BaseModel
from genome.errors import GgufError
from genome.gguf_file import open_gguf, text_of


def check_gguf_base(path: Path, base: BaseModel) -> None:
    """Refuse a file of another model: its kind, the shapes of its tensors, its norms' numbers.

    Norms are kept whole however much the rest is quantised, and fine-tuning changes them; they are
    compared where the base has its numbers here (`BaseModel.load`).

    Raises:
        BaseModelError: It is no whole GGUF file.
        GgufError: It is of another model, or the base is of a type that `KINDS` has not.
    """
    names, config = tensor_names(base.model.config), base.model.config
    if not path.is_file():
        raise GgufError(f"there is no GGUF file {path}: give the path of the base's")
    reader = open_gguf(path, str(path))
    kind = text_of(reader, "general.architecture")
    wanted = gguf.MODEL_ARCH_NAMES[KINDS[config.model_type]]
    if kind != wanted:
        raise _other(path, base, f"its architecture is {kind!r:.40}, the base's {wanted!r}")
    there = {tensor.name: tensor for tensor in reader.tensors}
    for name, weights in base.model.state_dict().items():
        called = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if called is None or (called == "output.weight" and config.tie_word_embeddings):
            continue
        shape = tuple(weights.shape)
        found = tuple(reversed(there[called].shape.tolist())) if called in there else "missing"
        if found != shape:
            raise _other(path, base, f"its {called} is {found}, the base's {shape}")
        if called.endswith("norm.weight") and weights.device.type != "meta":
            tensor = there[called]
            numbers = torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type).copy())
            if not torch.allclose(numbers, weights.cpu().float(), rtol=1e-2):
                raise _other(path, base, f"its {called} has other numbers")


def _other(path: Path, base: BaseModel, why: str) -> GgufError:
    return GgufError(
        f"{path} is of another model than base {base.fingerprint} ({why}): give the GGUF file that "
        "was made of the base, or the base that was made of it"
    )
