"""A GGUF adapter has the numbers of the layer, as llama.cpp reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from gguf import GGUFReader

from genome.adapter.gguf_lora import write_gguf_lora
from genome.compose import stack
from genome.errors import GgufError
from genome.layer import Factors
from tests.support.genome import random_layer, tiny_model
from tests.support.gguf import NAMES

PARTS = {module: part for module, part in NAMES.items() if "norm" not in module}


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2", "qwen3"])
def test_a_composed_layer_is_read_back_as_it_was(kind: str, tmp_path: Path) -> None:
    """Exactly: smaller ranks filled up with zeros, and Llama's queries and keys interleaved."""
    model = tiny_model(kind)
    layers = [random_layer(model, rank=rank, seed=rank) for rank in (4, 2)]
    composed = stack(layers, [0.5, -1.5])
    narrow = "model.layers.1.mlp.up_proj"
    factors = {**composed.factors, narrow: layers[0].factors[narrow]}
    write_gguf_lora(tmp_path / "a.gguf", factors, model.config)

    reader = GGUFReader(tmp_path / "a.gguf")
    told = {key: field.contents() for key, field in reader.fields.items()}
    assert told["general.type"] == "adapter" and told["adapter.type"] == "lora"
    assert told["general.architecture"] == (kind if "qwen" in kind else "llama")
    assert told["adapter.lora.alpha"] == 6
    found = {tensor.name: torch.from_numpy(tensor.data.copy()) for tensor in reader.tensors}
    for module, (a, b) in factors.items():
        _, _, number, part = module.split(".", 3)
        name = f"blk.{number}.{PARTS[part]}.weight"
        written_a, written_b = found.pop(f"{name}.lora_a"), found.pop(f"{name}.lora_b")
        assert written_a.shape == (6, a.shape[1]) and written_b.shape == (b.shape[0], 6)
        if "qwen" not in kind and part in ("self_attn.q_proj", "self_attn.k_proj"):
            pairs = written_b.reshape(-1, 4, 2, 6)  # of heads of 8: (heads, half, 2, rank)
            written_b = pairs.swapaxes(1, 2).reshape(written_b.shape)
        rank = a.shape[0]
        assert torch.equal(written_a[:rank], a) and torch.equal(written_b[:, :rank], b)
        assert not written_a[rank:].any() and not written_b[:, rank:].any()
    assert not found


@pytest.mark.parametrize("kind", ["gpt2", "phi3", "gemma", "opt"])
def test_what_is_not_known_to_come_out_right_is_refused(kind: str, tmp_path: Path) -> None:
    """Conv1D and fused maps among them; nothing is written."""
    model = tiny_model(kind)
    with pytest.raises(GgufError, match=f"is one of llama, mistral, .* this one is '{kind}': use"):
        write_gguf_lora(tmp_path / "a.gguf", random_layer(model).factors, model.config)
    assert not [*tmp_path.iterdir()]


def test_a_module_outside_of_the_blocks_is_refused(tmp_path: Path) -> None:
    factors = {"lm_head": Factors(torch.ones(1, 32), torch.ones(264, 1))}
    with pytest.raises(GgufError, match="'lm_head' is none: leave it out"):
        write_gguf_lora(tmp_path / "a.gguf", factors, tiny_model("llama").config)
