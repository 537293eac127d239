"""Llamas with random weights for benchmarks, and the maps that layers change on them."""

from __future__ import annotations

from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

RANK = 8
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def llama(
    width: int,
    mlp: int,
    depth: int = 4,
    *,
    heads: int | None = None,
    kv_heads: int | None = None,
    vocabulary: int = 264,
) -> Any:
    """By default a byte-level model of the embedded base's shape; heads of 64, at least four."""
    heads = heads or max(4, width // 64)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=mlp,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads or heads,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )
    config._attn_implementation = "eager"
    return LlamaForCausalLM(config).eval().requires_grad_(False)


def billion() -> Any:
    """2,048 wide, 22 blocks, 1.1 billion parameters: TinyLlama's shape."""
    return llama(2048, 5632, 22, heads=32, kv_heads=4, vocabulary=32_000)
