"""Small models and layers for tests: two decoder blocks from a config, no network."""

from __future__ import annotations

from typing import Any

import torch

from genome.base_model import BaseModel
from genome.layer import Factors, Layer


def tiny_llama(seed: int = 0) -> Any:
    """A two-block Llama with random weights, vocabulary of the embedded base."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=264, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128,
        bos_token_id=None, eos_token_id=257, pad_token_id=256,
    )  # fmt: skip
    config._attn_implementation = "eager"
    return LlamaForCausalLM(config).eval()


def tiny_base(tokenizer: Any, seed: int = 0) -> BaseModel:
    """A base model that knows nothing, with a real tokenizer."""
    return BaseModel("tiny", tiny_llama(seed), tokenizer)


def random_layer(
    model: Any, base_model: str = "tiny", *, rank: int = 4, scale: float = 0.1, seed: int = 0
) -> Layer:
    """A layer on every linear module but the head, large enough to change the logits."""
    generator = torch.Generator().manual_seed(seed)
    factors = {}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and not name.endswith("lm_head"):
            a = torch.randn(rank, module.in_features, generator=generator) * scale
            b = torch.randn(module.out_features, rank, generator=generator) * scale
            factors[name] = Factors(a, b)
    return Layer(base_model, factors)
